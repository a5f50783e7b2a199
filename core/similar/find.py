"""Find the photographs that look alike: hash what is new, then put it into groups. Resumable, and incremental.

Indexing pays nothing for it. What was hashed stays hashed as long as its content is the same, and what was compared
is not compared with itself again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import JobFailed
from core.progress import Report, Step, silent
from core.similar.grouping import KINDS, Arrangement, arrange
from core.similar.looking import Look, looks
from core.similar.pictures import Pictures, gather
from storage import photos, similar
from storage.catalog import Catalog
from storage.records import Photo
from storage.similar import Placing

_CHUNK = 8  # photographs that a process looks at before it answers
_TRIES = 5


@dataclass(frozen=True, slots=True)
class SimilarResult:
    """What a run did.

    `hashed` contents are new, `errors` could not be decoded and have that on record, `stale` files are not as they
    were indexed and wait for the next scan. `compared` photographs are new to the groups, of which there are `groups`
    holding `photos`.
    """

    hashed: int
    errors: int
    stale: int
    compared: int
    groups: int
    photos: int
    seconds: float


def find(catalog: Catalog, *, jobs: int | None = None, report: Report = silent) -> SimilarResult:
    """Hash the photographs not hashed yet, by `jobs` processes (default: one a core), and group those not compared yet.

    Hashes are written in batches: a run that is stopped is taken up by the next. Raises JobFailed.
    """
    started = time.monotonic()
    hashed, errors, stale = hash_new(catalog, jobs or len(os.sched_getaffinity(0)), report)
    compared = compare(catalog, report)
    groups, members = similar.totals(catalog)
    return SimilarResult(hashed, errors, stale, compared, groups, members, round(time.monotonic() - started, 3))


def hash_new(catalog: Catalog, jobs: int, report: Report = silent) -> tuple[int, int, int]:
    """Hash contents that have no hash yet; gives how many were hashed, can't be decoded, and are not as indexed."""
    wanted = similar.unhashed(catalog)
    hashed = errors = stale = 0
    for found in looks(_chunks(catalog, wanted), min(jobs, -(-len(wanted) // _CHUNK))) if wanted else ():
        _write(catalog, found)
        errors += sum(one.error is not None for one in found)
        stale += sum(one.stale for one in found)
        hashed += sum(one.error is None and not one.stale for one in found)
        report(Step("hash", hashed + errors + stale, len(wanted)))
    return hashed, errors, stale


def _chunks(catalog: Catalog, wanted: Sequence[int]) -> Iterator[list[Photo]]:
    for start in range(0, len(wanted), _CHUNK):
        yield photos.get_many(catalog, wanted[start : start + _CHUNK])


def _write(catalog: Catalog, found: Sequence[Look]) -> None:
    with catalog.transaction():
        similar.write_hashes(
            catalog, {one.content_hash: one.hash for one in found if one.error is None and not one.stale}
        )
        photos.set_errors(catalog, {one.photo: one.error for one in found if one.error is not None})


def compare(catalog: Catalog, report: Report = silent) -> int:
    """Put photographs with a hash that were not compared yet into groups; gives how many. Raises JobFailed.

    Worked out without holding the catalog; where somebody changes groups meanwhile, it is worked out again.
    """
    for _ in range(_TRIES):
        since = similar.state(catalog)
        pictures = gather(similar.compared(catalog), similar.uncompared(catalog))
        new = len(pictures.ids) - pictures.known
        if new == 0:
            return 0
        found = arrange(pictures, since.next, report)
        moved = np.flatnonzero(found.moved)
        fresh = _placings(pictures, found, moved[moved >= pictures.known])
        again = _placings(pictures, found, moved[moved < pictures.known])
        if similar.place(catalog, fresh, again, next_group=found.next_group, since=since):
            return new
    raise JobFailed("others kept changing the groups while they were worked out", "run it again")


def _placings(pictures: Pictures, found: Arrangement, places: np.ndarray) -> Iterator[Placing]:
    for place in places.tolist():
        group = int(found.groups[place])
        kind = KINDS[found.kinds[place]]
        yield Placing(group or None, kind, int(pictures.ids[place]), pictures.contents[place].tobytes().hex())
