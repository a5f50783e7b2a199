"""Putting a decision down with what it takes to undo it: in the transaction that makes it, so that neither is without
the other.

Whoever decides asks for the state before, does it, and notes it. `core.decisions.undo` turns what is noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from core import consent
from storage import decisions, ledger
from storage.catalog import Catalog
from storage.decisions import FaceState
from storage.records import DecisionKind, Event, EventKind, Face, FaceMark, Purpose, Subject

Words = Mapping[str, Mapping[Purpose, Sequence[str]]]
"""By pseudonym and purpose the hashes of the events that decide, oldest first: the one in force, and those to begin."""

SHOWN = 3  # names that a decision tells
SAID = {EventKind.GRANT: "allow", EventKind.REFUSAL: "refuse", EventKind.WITHDRAWAL: "withdraw"}


def note(
    catalog: Catalog, kind: DecisionKind, told: str, body: Mapping[str, Any], subject_ids: Iterable[int] = ()
) -> None:
    """Put a decision down, in the caller's transaction."""
    decisions.add(catalog, datetime.now(UTC), kind, told, body, subject_ids)


def words(catalog: Catalog, people: Sequence[Subject], purposes: Sequence[Purpose], at: datetime) -> Words:
    """What these people have said about these purposes by now, as far as it still decides."""
    events = ledger.events_of_many(catalog, [person.uid for person in people])
    return {
        person.uid: {
            purpose: [event.hash for event in consent.deciding(person, events[person.uid], purpose, at)]
            for purpose in purposes
        }
        for person in people
    }


def note_consent(catalog: Catalog, before: Words, people: Mapping[str, Subject], events: Sequence[Event]) -> None:
    """These events, of one kind, were just recorded of these people, by pseudonym; `before` is what `words` gave."""
    said: dict[str, dict[str, dict[str, Any]]] = {}
    for event in events:
        assert event.subject_uid is not None
        for purpose in event.purposes:
            said.setdefault(event.subject_uid, {})[purpose] = {
                "before": list(before[event.subject_uid][purpose]),
                "made": event.hash,
                "undone": None,
            }
    purposes = ", ".join(purpose for purpose in Purpose if any(purpose in event.purposes for event in events))
    names = listed([people[uid].name for uid in said])
    told = f"{names}: {SAID[events[0].kind]} {purposes}"
    note(catalog, DecisionKind.CONSENT, told, {"people": said}, [people[uid].id for uid in said])


@contextmanager
def noted_faces(
    catalog: Catalog, face_ids: Sequence[int], told: str, *, merged: tuple[int, int] | None = None
) -> Iterator[None]:
    """Note what is done within to whose these faces are; `merged`: the subject that stays, and the one folded in."""
    before = decisions.face_states(catalog, face_ids)
    yield
    after = decisions.face_states(catalog, face_ids)
    changed = [face for face in before if before[face] != after[face]]
    if not changed:
        return
    people = {person for face in changed for state in (before[face], after[face]) for person in _people(state)}
    body = {
        "before": [[face, *before[face]] for face in changed],
        "after": [[face, *after[face]] for face in changed],
        "merged": merged,
    }
    note(catalog, DecisionKind.FACES, told, body, people | set(merged or ()))


def note_mark(catalog: Catalog, face: Face, mark: FaceMark | None, why: str, by: str) -> None:
    """A face, as it was, was marked, or its mark taken off."""
    told = f"face {face.id} is {mark}" if mark is not None else f"face {face.id} counts"
    body = {"face": face.id, "was": face.mark, "now": mark, "why": why, "by": by}
    note(catalog, DecisionKind.MARK, told, body, [] if face.subject_id is None else [face.subject_id])


def note_age(catalog: Catalog, before: Subject, after: Subject, by: str | None) -> None:
    """A person's name or facts of age were written anew."""
    if before != after:
        body = {"before": facts(before), "after": facts(after), "by": by}
        note(catalog, DecisionKind.AGE, f"{after.name}: name and age as told", body, [after.id])


def facts(person: Subject) -> dict[str, Any]:
    """A person's record as JSON values."""
    return asdict(person) | {"born": None if person.born is None else person.born.isoformat()}


def listed(names: Sequence[str]) -> str:
    """The first of these names, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _people(state: FaceState) -> set[int]:
    own = set() if state.subject_id is None else {state.subject_id}
    return own | set(state.denied)
