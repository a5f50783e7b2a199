"""Settling statuses for a process that answers keys: a few at once, many by a job."""

from __future__ import annotations

import pytest

from core import jobs, statuses
from storage import photos
from storage import statuses as cache
from storage.catalog import Catalog
from storage.jobs import newest
from storage.photos import ScanBatch
from storage.records import JobState, Photo


def _photographs(catalog: Catalog, number: int) -> None:
    rows = [
        Photo(id=0, path=f"/a/{n}.jpg".encode(), path_text=f"/a/{n}.jpg", size=1, mtime_ns=0, ctime_ns=0, inode=n)
        for n in range(number)
    ]
    photos.apply_scan(catalog, ScanBatch(new=rows))


def test_a_few_are_settled_here(catalog: Catalog) -> None:
    _photographs(catalog, 5)
    assert statuses.settle(catalog) == 5
    assert statuses.settle(catalog) == 0
    assert not newest(catalog)


def test_many_are_settled_by_one_job(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statuses, "MOST_HERE", 3)
    _photographs(catalog, 5)
    assert statuses.settle(catalog) == 0
    assert statuses.settle(catalog) == 0, "the second finds the first at work, or its work done"
    [job] = newest(catalog)
    assert jobs.follow(catalog, job.id).state is JobState.DONE
    assert len(cache.of_photos(catalog, range(1, 6))[5]) == 6
