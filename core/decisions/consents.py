"""Undoing what was recorded about consent: by new events, for the ledger is append-only.

What a person had said before is said again, in the terms it had. Where nothing was on record a withdrawal is
recorded, since no event makes a purpose unknown again: either allows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from core.consent_actions import guardian_details
from core.errors import Refused
from core.taking_out import TakenOut, take_out, take_out_lost, together
from storage import ledger, subjects
from storage.catalog import Catalog
from storage.records import Event, EventKind, Purpose, Subject

Said = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By pseudonym and purpose: hashes of what decided `before`, of the event `made`, and of what `undone` it."""

CONSENT = frozenset({EventKind.GRANT, EventKind.REFUSAL, EventKind.WITHDRAWAL})


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What one person is to have said again about a purpose, oldest first; None: nothing, so a withdrawal."""

    purpose: Purpose
    words: Sequence[Event | None]
    overrules: Event  # what must be the newest word on it


def turn(catalog: Catalog, said: Said, undone: bool) -> tuple[dict[str, Any], TakenOut]:
    """Undo a decision about consent, or do one again that was `undone`, in the caller's transaction.

    Gives what is noted of it from here, and what was taken out of use with it. Raises Refused where somebody has
    said something since, or may not allow it.
    """
    expected, target = ("undone", "made") if undone else ("made", "before")
    at = ledger.instant(catalog)
    people = subjects.by_uids(catalog, said)
    missing = said.keys() - people.keys()
    if missing:
        raise Refused("somebody of whom this was recorded is no longer on record", "it stays as it is")
    known = ledger.events_of_many(catalog, said)
    noted: dict[str, Any] = {}
    taken = []
    for uid, purposes in said.items():
        by_hash = {event.hash: event for event in known[uid]}
        wanted = []
        for purpose, one in purposes.items():
            newest = _newest(known[uid], Purpose(purpose))
            if newest is None or _first_said(newest) != _first_said(by_hash[one[expected]]):
                raise Refused(
                    f"{people[uid].name} has said something about {purpose} since", "record what they say now instead"
                )
            hashes = one[target] if target == "before" else [one[target]]
            again: list[Event | None] = [by_hash[digest] for digest in hashes]
            if target == "before" and not any(_has_begun(event, at) for event in again):
                again.insert(0, None)
            wanted.append(_Wanted(Purpose(purpose), again, newest))
        recorded = ledger.append_many(catalog, _drafts(people[uid], wanted, at))
        last = {purpose: event.hash for event in recorded for purpose in event.purposes}
        noted[uid] = {
            purpose: {**one, "made" if undone else "undone": last[Purpose(purpose)]}
            for purpose, one in purposes.items()
        }
        taken += _taken(catalog, people[uid], recorded)
    return noted, together(taken)


def gives_back(catalog: Catalog, said: Said, undone: bool) -> bool:
    """Whether undoing a decision puts in force again what somebody withdrew; doing one again never does."""
    if undone:
        return False
    known = ledger.events_of_many(catalog, said)
    for uid, purposes in said.items():
        by_hash = {event.hash: event for event in known[uid]}
        for one in purposes.values():
            made, before = by_hash.get(one["made"]), [by_hash.get(digest) for digest in one["before"]]
            withdrew = made is not None and made.kind is EventKind.WITHDRAWAL
            if withdrew and any(event is not None and event.kind is EventKind.GRANT for event in before):
                return True
    return False


def _first_said(event: Event) -> str:
    """The hash of the event that this one says again, or its own: what is said is the same."""
    return str(event.details.get("again", event.hash))


def _newest(events: Sequence[Event], purpose: Purpose) -> Event | None:
    return next((one for one in reversed(events) if one.kind in CONSENT and purpose in one.purposes), None)


def _has_begun(event: Event | None, at: datetime) -> bool:
    return event is not None and (event.valid_from is None or event.valid_from <= at)


def _drafts(person: Subject, wanted: Iterable[_Wanted], at: datetime) -> list[Event]:
    """The events that say it again: one for all purposes of an old event, in the order of the old ones."""
    groups: dict[tuple[int, str], list[Purpose]] = {}
    words: dict[tuple[int, str], tuple[Event | None, Event]] = {}
    for one in wanted:
        for event in one.words:
            key = (0 if event is None else event.seq, one.overrules.hash)
            groups.setdefault(key, []).append(one.purpose)
            words[key] = (event, one.overrules)
    drafts = []
    for key in sorted(groups):
        event, overrules = words[key]
        purposes = tuple(purpose for purpose in Purpose if purpose in groups[key])
        turned = {"turns": overrules.hash}
        if event is None:
            drafts.append(Event(0, at, EventKind.WITHDRAWAL, person.uid, purposes, by=overrules.by, details=turned))
            continue
        details = {**event.details, **turned, "again": _first_said(event)}
        if event.kind is EventKind.GRANT:
            details |= guardian_details(person, purposes, event.by or "", at, event.valid_from)
        drafts.append(replace(event, seq=0, at=at, purposes=purposes, details=details, previous="", hash=""))
    return drafts


def _taken(catalog: Catalog, person: Subject, recorded: Sequence[Event]) -> list[TakenOut]:
    """What these events take out of use."""
    withdrawn = [purpose for event in recorded if event.kind is EventKind.WITHDRAWAL for purpose in event.purposes]
    parts = [take_out(catalog, person, withdrawn, f"{person.name} withdrew")] if withdrawn else []
    if any(event.kind is EventKind.REFUSAL for event in recorded):
        parts.append(take_out_lost(catalog, person))
    return parts
