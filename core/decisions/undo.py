"""Undo and redo: the newest decision is taken back, or the one undone last is done again, to any depth.

Each is one transaction, in which what was taken out of use comes with it. A decision is undone only where what it
wrote still stands; else it would overrule what was decided since by other means, and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from core import people, rights
from core.decisions import consents
from core.errors import BadValue, Refused
from core.taking_out import TakenOut, take_out_faces
from core.withdrawal import NOTHING, Settled, foreseen, put_right, settle_taken
from storage import captions, decisions, faces, subjects
from storage.catalog import Catalog
from storage.decisions import FaceState
from storage.errors import NoSuchRecord
from storage.records import Decision, DecisionKind, FaceMark, Rights, Subject

BEFORE_NAMES = "not recorded"  # who said whose photographs are, in decisions noted when nobody was asked
Turned = tuple[Mapping[str, Any], TakenOut]
"""What is noted of a decision from here on, and what turning it took out of use."""


@dataclass(frozen=True, slots=True)
class Undone:
    """A decision that was undone, or done again, and what became of models with that; not yet where not `done`."""

    decision: int
    kind: DecisionKind
    told: str
    settled: Settled = NOTHING
    photo: int | None = None  # the first photograph that it is about, where it is about photographs
    done: bool = True
    gives_back: bool = False  # whether consent that somebody withdrew is in force again

    def lines(self) -> list[str]:
        """For a person to read."""
        return [self.told, *self.settled.lines()]

    @property
    def for_good(self) -> bool:
        """Whether something goes out of use that turning the decision once more does not bring back."""
        return bool(self.settled.lines())


def undo(catalog: Catalog, *, dry_run: bool = False, sure: bool = True) -> Undone:
    """Take back the newest decision that stands. Raises BadValue where there is none, Refused where it can't be.

    With `dry_run` it is only told what would be; so also, unless `sure`, where something goes out of use for good, or
    where consent that somebody withdrew would be in force again.
    Merges that lose somebody wait for `withdrawal.settle`.
    """
    return _turn(catalog, undone=False, dry_run=dry_run, sure=sure)


def redo(catalog: Catalog, *, dry_run: bool = False, sure: bool = True) -> Undone:
    """Do again the decision that was undone last, as `undo` takes one back."""
    return _turn(catalog, undone=True, dry_run=dry_run, sure=sure)


def leave(catalog: Catalog) -> Undone:
    """Leave the newest decision as it is for good, so that those before it can be undone. Raises BadValue."""
    with catalog.transaction():
        decision = decisions.last(catalog)
        if decision is None:
            raise BadValue("there is no decision to leave", "see: kyodaku undo --list")
        decisions.forget(catalog, decision.id)
    return Undone(decision.id, decision.kind, decision.told)


def _turn(catalog: Catalog, *, undone: bool, dry_run: bool, sure: bool) -> Undone:
    with catalog.transaction() as db:
        decision = decisions.next_undone(catalog) if undone else decisions.last(catalog)
        if decision is None:
            raise BadValue(
                "nothing was undone that could be done again" if undone else "there is nothing to undo",
                "see: kyodaku undo --list",
            )
        back = decision.kind is DecisionKind.CONSENT and consents.gives_back(catalog, decision.body["people"], undone)
        db.execute("SAVEPOINT turned")
        body, taken = TURNS[decision.kind](catalog, decision)
        decisions.turn(catalog, decision, body)
        done = not dry_run and (sure or not (taken.models or back))
        db.execute("RELEASE turned" if done else "ROLLBACK TO turned")
    settled = settle_taken(catalog, taken, remake=False) if done else foreseen(taken)
    return Undone(decision.id, decision.kind, decision.told, settled, _photo(decision.body), done, back)


def _photo(body: Mapping[str, Any]) -> int | None:
    ids = (
        [photo for some in body.get("was", {}).values() for photo in some] if isinstance(body.get("was"), dict) else []
    )
    ids += [photo for photo, *_ in body.get("rows", ())]
    return min(ids, default=None)


def _consent(catalog: Catalog, decision: Decision) -> Turned:
    said, taken = consents.turn(catalog, decision.body["people"], decision.undone)
    return {"people": said}, taken


def _rights(catalog: Catalog, decision: Decision) -> Turned:
    body = decision.body
    now, by = Rights(body["now"]), body.get("by", BEFORE_NAMES)
    for word, ids in body["was"].items():
        old, new = (Rights(word), now) if decision.undone else (now, Rights(word))
        rights.turn(catalog, {old: ids}, new, by=by, note="done again" if decision.undone else "undone")
    return body, TakenOut()


def _keywords(catalog: Catalog, decision: Decision) -> Turned:
    word, rows = decision.body["word"], decision.body["rows"]
    if decision.body["given"] == decision.undone:
        decisions.put_keywords(catalog, rows, word)
    else:
        decisions.take_keyword(catalog, [photo_id for photo_id, _ in rows], word)
    return decision.body, TakenOut()


def _faces(catalog: Catalog, decision: Decision) -> Turned:
    stands, wanted = _states(decision.body, decision.undone)
    if decision.undone and decision.body["merged"]:
        stays, goes = (subjects.get(catalog, person) for person in decision.body["merged"])
        people.refuse_unsafe_merge(catalog, stays, goes)
        subjects.fold(catalog, goes.id, stays.id)
    elif decision.body["merged"]:
        subjects.unfold(catalog, decision.body["merged"][1])
    now = decisions.face_states(catalog, stands)
    moved = [face for face, state in now.items() if _whose(state) != _whose(stands[face])]
    if moved or not now:
        who = f"face {moved[0]} has changed hands since" if moved else "these faces are gone"
        raise Refused(f"{decision.told}: {who}", "say whose it is instead: kyodaku people assign")
    restored = {
        face: wanted[face] if state.cluster == stands[face].cluster else wanted[face]._replace(cluster=state.cluster)
        for face, state in now.items()
    }
    _require_people(catalog, {state.subject_id for state in restored.values()} - {None})
    decisions.restore_faces(catalog, restored)
    return decision.body, take_out_faces(catalog, list(restored))


def _states(body: Mapping[str, Any], undone: bool) -> tuple[dict[int, FaceState], dict[int, FaceState]]:
    """The states that faces stand in, and those that they are to have."""
    before, after = (
        {
            face: FaceState(subject, by_person, cluster, tuple(denied))
            for face, subject, by_person, cluster, denied in rows
        }
        for rows in (body["before"], body["after"])
    )
    return (before, after) if undone else (after, before)


def _whose(state: FaceState) -> tuple[int | None, bool]:
    return state.subject_id, state.by_person


def _require_people(catalog: Catalog, subject_ids: set[int | None]) -> None:
    wanted = {person for person in subject_ids if person is not None}
    if wanted - subjects.get_many(catalog, wanted).keys():
        raise Refused("somebody whose faces they were is no longer on record", "say whose they are instead")


def _mark(catalog: Catalog, decision: Decision) -> Turned:
    body = decision.body
    stands, wanted = (body["was"], body["now"]) if decision.undone else (body["now"], body["was"])
    try:
        face = faces.get(catalog, body["face"])
    except NoSuchRecord as error:
        raise Refused(f"{decision.told}: the face is gone", "nothing was changed") from error
    if face.mark != stands:
        raise Refused(f"{decision.told}: it was marked otherwise since", "mark it instead: kyodaku people ignore")
    why = f"{'done again' if decision.undone else 'undone'}: {body['why']}"
    return body, people.set_mark(catalog, face.id, None if wanted is None else FaceMark(wanted), why, body["by"])


def _age(catalog: Catalog, decision: Decision) -> Turned:
    before, after = (_subject(decision.body[name]) for name in ("before", "after"))
    stands, wanted = (before, after) if decision.undone else (after, before)
    if subjects.get_many(catalog, [stands.id]).get(stands.id) != stands:
        raise Refused(f"{decision.told}: the record was changed since", "edit it instead: kyodaku subject edit")
    _, taken = put_right(catalog, wanted, decision.body["by"], None)
    return decision.body, taken


def _subject(facts: Mapping[str, Any]) -> Subject:
    born = facts["born"]
    return Subject(**{**facts, "born": None if born is None else date.fromisoformat(born)})


def _captions(catalog: Catalog, decision: Decision) -> Turned:
    turned = {}
    stands = captions.of_pictures(catalog, [(photo, person) for photo, person, _, _ in decision.body["rows"]])
    for photo, person, before, after in decision.body["rows"]:
        was, wanted = (before, after) if decision.undone else (after, before)
        if stands.get((photo, person)) != was:
            raise Refused(
                f"{decision.told}: picture {photo}.{person} is called otherwise since",
                "say what it is called instead: kyodaku captions edit",
            )
        turned[photo, person] = wanted
    captions.put(catalog, turned)
    return decision.body, TakenOut()


TURNS = {
    DecisionKind.CONSENT: _consent,
    DecisionKind.RIGHTS: _rights,
    DecisionKind.KEYWORDS: _keywords,
    DecisionKind.FACES: _faces,
    DecisionKind.MARK: _mark,
    DecisionKind.AGE: _age,
    DecisionKind.CAPTIONS: _captions,
}
