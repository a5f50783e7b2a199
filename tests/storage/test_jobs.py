"""The job table and its locks."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from storage import jobs
from storage.catalog import Catalog
from storage.errors import NoSuchRecord
from storage.records import JobState

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_job_is_what_was_written(catalog: Catalog) -> None:
    job = jobs.add(catalog, "train", {"name": "ใบหน้า", "steps": 3}, AT)
    lock = jobs.take_lock(catalog, job.id)
    assert lock is not None
    jobs.started(catalog, job.id, 4242, AT)
    jobs.progressed(catalog, job.id, 0.25, "step 1", 9.5)
    running = jobs.get(catalog, job.id)
    assert (running.state, running.pid, running.progress, running.note) == (
        JobState.RUNNING,
        4242,
        0.25,
        "step 1",
    )
    assert running.eta_s == 9.5
    assert running.args == {"name": "ใบหน้า", "steps": 3}
    jobs.ended(catalog, job.id, JobState.DONE, AT, result={"models": ["a"]})
    os.close(lock)
    done = jobs.get(catalog, job.id)
    assert (done.state, done.progress, done.result, done.ended_at) == (
        JobState.DONE,
        1.0,
        {"models": ["a"]},
        AT,
    )


@pytest.mark.parametrize("started", [False, True])
def test_unfinished_without_a_lock_reads_as_interrupted(catalog: Catalog, started: bool) -> None:
    job = jobs.add(catalog, "train", {}, AT)
    lock = jobs.take_lock(catalog, job.id)
    assert lock is not None
    if started:
        jobs.started(catalog, job.id, os.getpid(), AT)
    assert jobs.get(catalog, job.id).state in jobs.UNDER_WAY
    os.close(lock)
    assert jobs.get(catalog, job.id).state is JobState.INTERRUPTED


def test_one_holder_at_a_time_and_the_lock_dies_with_it(catalog: Catalog) -> None:
    job = jobs.add(catalog, "train", {}, AT)
    lock = jobs.take_lock(catalog, job.id)
    assert lock is not None
    assert jobs.take_lock(catalog, job.id) is None
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=(lock,)
    )
    os.close(lock)
    assert jobs.is_held(catalog, job.id)
    holder.kill()
    holder.communicate()
    assert not jobs.is_held(catalog, job.id)


def test_newest_first_and_pages(catalog: Catalog) -> None:
    ids = [jobs.add(catalog, "train", {}, AT).id for _ in range(5)]
    first = jobs.newest(catalog, limit=2)
    assert [job.id for job in first] == ids[:-3:-1]
    assert [job.id for job in jobs.newest(catalog, before=first[-1].id)] == ids[2::-1]


def test_no_such_job(catalog: Catalog) -> None:
    with pytest.raises(NoSuchRecord, match="no job 7"):
        jobs.get(catalog, 7)
