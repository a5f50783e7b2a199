"""Photographs' statuses: kept equal to the rules at every commit, brought up to an instant, explained.

They are for finding and showing. What trains is ruled on from the ledger, never from what is stored here.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from core import consent
from core.consent import PhotoRuling
from core.progress import Report, Step, silent
from core.standings import Ruler
from storage import faces, ledger, photos, statuses, subjects
from storage.catalog import Catalog, open_catalog
from storage.records import Purpose
from storage.statuses import of_photos

BATCH = 20_000
SHOWN = 10  # photographs that `differing` names

__all__ = ["Differing", "differing", "explain", "keep", "of_photos", "refresh", "rule_anew", "rulings"]


@dataclass(frozen=True, slots=True)
class Differing:
    """How many of so many photographs have statuses that are not what the ledger says, and the first of them.

    `waiting` are those that are known to wait for a ruling, which every search makes first.
    """

    photographs: int
    differ: int
    first: tuple[int, ...]
    waiting: int


def keep(catalog: Catalog) -> None:
    """Rule on the photographs of which this transaction changed anything that their statuses rest on.

    Done at the end of every transaction of a process that has loaded anything of this floor (`core/__init__.py`).
    What one that writes by storage alone leaves noted, the next commit or `refresh` rules on.
    """
    if statuses.any_dirty(catalog):
        _rule(catalog, ledger.instant(catalog))


def refresh(catalog: Catalog, now: datetime | None = None, *, report: Report = silent) -> int:
    """Rule anew on every photograph whose statuses may not be right now; how many those were.

    Only time makes them so (a grant begins or ends, somebody comes of age, a clock is set back), or a process
    that writes by storage alone. Each batch is a transaction.
    """
    now = ledger.instant(catalog, now)
    clock = statuses.clock(catalog)
    back = clock is not None and clock > now
    if not back and not statuses.any_dirty(catalog) and not statuses.any_due(catalog, now):
        return 0
    with _writable(catalog) as own:
        with own.transaction():
            done = _rule(own, now)
        total = done + statuses.count_stale(own, now)
        while done < total:
            with own.transaction():
                found = statuses.note_due(own, now, BATCH)
                _rule(own, now)
            if not found:
                break
            done += found
            report(Step("statuses", min(done, total), total))
    return done


def rule_anew(catalog: Catalog) -> None:
    """Rule on every photograph, whatever is stored: for statuses that were found to differ."""
    with catalog.transaction():
        statuses.forget(catalog)
        _rule(catalog, ledger.instant(catalog))


def differing(catalog: Catalog, *, report: Report = silent) -> Differing:
    """Hold every photograph's statuses against what the rules make of the ledger now, streamed; nothing is written."""
    total = photos.count(catalog)
    done = differ = waiting = last = 0
    first: list[int] = []
    with catalog.snapshot():
        now, clock = ledger.instant(catalog), statuses.clock(catalog)
        at = now if clock is None else max(now, clock)
        ruler = Ruler(catalog, at)
        while batch := statuses.after(catalog, last, BATCH):
            wanted = {number: statuses.told(standing) for number, standing in ruler.plainly(batch).items()}
            there = statuses.known(catalog, {seen.standing for seen in batch if seen.standing is not None})
            other = {s.id for s in batch if s.standing is None or there.get(s.standing) != wanted[s.id]}
            stale = statuses.stale_among(catalog, (seen.id for seen in batch), at)
            waiting += len(stale)
            differ += len(other - stale)
            first += sorted(other - stale)[: SHOWN - len(first)]
            last, done = batch[-1].id, done + len(batch)
            report(Step("statuses", min(done, total), total))
    return Differing(done, differ, tuple(first), waiting)


def explain(catalog: Catalog, photo_id: int, at: datetime | None = None) -> dict[Purpose, PhotoRuling]:
    """For each purpose a photograph's ruling at `at` (now unless told), from the ledger. Raises NoSuchRecord."""
    return rulings(catalog, [photo_id], list(Purpose), at or ledger.instant(catalog))[photo_id]


def rulings(
    catalog: Catalog, photo_ids: Sequence[int], purposes: Sequence[Purpose], at: datetime
) -> dict[int, dict[Purpose, PhotoRuling]]:
    """Photographs' rulings from the ledger, by id and purpose: four queries, however many. Raises NoSuchRecord."""
    records = photos.get_many(catalog, photo_ids)
    seen = faces.of_photos(catalog, photo_ids)
    known = {face.subject_id for several in seen.values() for face in several if face.subject_id is not None}
    people = subjects.get_many(catalog, known)
    events = ledger.events_of_many(catalog, [person.uid for person in people.values()])
    return {
        photo.id: {
            purpose: consent.photo_ruling(photo, seen[photo.id], people, events, purpose, at) for purpose in purposes
        }
        for photo in records
    }


def _rule(catalog: Catalog, at: datetime) -> int:
    """Rule at `at` on all that is noted, in the caller's transaction, batch by batch; how many photographs."""
    clock = statuses.clock(catalog)
    if clock is not None and clock > at:
        _turn_back(catalog, at, clock)
    if clock != at:
        statuses.set_clock(catalog, at)
    ruler, done = Ruler(catalog, at), 0
    with _no_collection():
        while batch := statuses.dirty(catalog, BATCH):
            statuses.write(catalog, ruler.standings(batch))
            done += len(batch)
    return done


@contextmanager
def _no_collection() -> Iterator[None]:
    """No search for cycles: so many records made at once would have it walk all that the process holds, repeatedly."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _turn_back(catalog: Catalog, at: datetime, clock: datetime) -> None:
    """The clock was set back: note the photographs of those of whom something would change between the two instants."""
    of_events = subjects.by_uids(catalog, ledger.turning(catalog, at, clock))
    of_age = [
        person.id
        for person in subjects.list_all(catalog)
        if person.born is not None and (day := consent.comes_of_age(person.born)) is not None and at < day <= clock
    ]
    statuses.note_subjects(catalog, [*(person.id for person in of_events.values()), *of_age])


@contextmanager
def _writable(catalog: Catalog) -> Iterator[Catalog]:
    """The catalog; where it was opened to be read only, opened once more to write."""
    if not catalog.readonly:
        yield catalog
        return
    with open_catalog(catalog.folder) as own:
        yield own
