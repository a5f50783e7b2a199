"""Photographs' statuses: ruled on anew for the cache that searches read, and explained.

The cache is for finding and showing. What trains is ruled on from the ledger, never from the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core import consent, jobs
from core.consent import PhotoRuling
from core.progress import Report, Step, silent
from storage import faces, ledger, photos, statuses, subjects
from storage.catalog import Catalog
from storage.jobs import UNDER_WAY, newest
from storage.records import Job, Purpose
from storage.statuses import of_photos

BATCH = 1000
MOST_HERE = 2000  # statuses that `settle` rules on itself

__all__ = ["explain", "of_photos", "refresh", "rulings", "run_job", "settle"]


def refresh(catalog: Catalog, now: datetime | None = None, *, report: Report = silent) -> int:
    """Rule anew on every photograph whose cached statuses may not be right now; how many those were.

    Each batch is read, ruled on and written in one transaction, so nothing changes under it.
    """
    now = ledger.instant(catalog, now)
    total = statuses.count_stale(catalog, now)
    done = 0
    while done < total:
        with catalog.transaction():
            ids = statuses.stale(catalog, now, BATCH)
            found = rulings(catalog, ids, list(Purpose), now)
            statuses.write(
                catalog,
                {id: {p: (ruling.status, ruling.until) for p, ruling in of.items()} for id, of in found.items()},
            )
        if not ids:
            break
        done += len(ids)
        report(Step("statuses", min(done, total), total))
    return done


def settle(catalog: Catalog, *, report: Report = silent) -> int:
    """As `refresh` where few photographs are stale; where many are, a job does it, and 0 is given.

    For a process that answers keys meanwhile: ruling on more than some thousands would slow it.
    """
    if statuses.count_stale(catalog, ledger.instant(catalog)) <= MOST_HERE:
        return refresh(catalog, report=report)
    if all(job.kind != "statuses" or job.state not in UNDER_WAY for job in newest(catalog, limit=20)):
        jobs.submit(catalog, "statuses", {})
    return 0


def run_job(catalog: Catalog, _: Job, report: Report) -> dict[str, int]:
    """Run a `statuses` job, for callers that must answer keys meanwhile; it takes no arguments."""
    return {"photos": refresh(catalog, report=report)}


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
