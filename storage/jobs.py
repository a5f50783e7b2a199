"""The job table: state, progress, result; and beside it each job's folder `jobs/ID/` with its lock and log.

Whoever runs a job holds an exclusive lock on `jobs/ID/lock` for as long as it lives; the kernel frees
the lock however the process ends, and unlike a pid it can't be taken for another's. A row that says
queued or running while nobody holds the lock is read as `interrupted`.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from storage.catalog import Catalog
from storage.errors import NoSuchRecord
from storage.records import Job, JobState

UNDER_WAY = frozenset({JobState.QUEUED, JobState.RUNNING})


def folder_of(catalog: Catalog, job_id: int) -> Path:
    """Where the job keeps its lock, log and checkpoints. May not exist yet."""
    return catalog.jobs / str(job_id)


def log_path(catalog: Catalog, job_id: int) -> Path:
    """The file that receives the worker's stdout and stderr."""
    return folder_of(catalog, job_id) / "log.txt"


def add(catalog: Catalog, kind: str, args: Mapping[str, Any], at: datetime, state: JobState = JobState.QUEUED) -> Job:
    """Write a job, queued or waiting, and make its folder. `args` must be JSON values."""
    with catalog.transaction() as db:
        cursor = db.execute(
            "INSERT INTO jobs(kind, args, state, created_at) VALUES (?, ?, ?, ?)",
            (kind, _json(args), state, at.isoformat()),
        )
        job_id = int(cursor.lastrowid or 0)
        db.execute("UPDATE jobs SET log = ? WHERE id = ?", (f"{job_id}/log.txt", job_id))
        folder_of(catalog, job_id).mkdir(mode=0o700, exist_ok=True)
    return get(catalog, job_id)


def get(catalog: Catalog, job_id: int) -> Job:
    """The job, its state read together with its lock. Raises NoSuchRecord."""
    row = catalog.connection.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
    if row is None:
        raise NoSuchRecord(f"there is no job {job_id}", "list them: kyodaku jobs list")
    return _job(catalog, row)


def of_kind(catalog: Catalog, kind: str) -> list[Job]:
    """All jobs of a kind, oldest first."""
    rows = catalog.connection.execute("SELECT * FROM jobs WHERE kind = ? ORDER BY id", (kind,)).fetchall()
    return [_job(catalog, row) for row in rows]


def newest(catalog: Catalog, *, before: int | None = None, limit: int = 100) -> list[Job]:
    """Jobs from the newest down, those with an id below `before` when it is given."""
    rows = catalog.connection.execute(
        "SELECT * FROM jobs WHERE ? IS NULL OR id < ? ORDER BY id DESC LIMIT ?", (before, before, limit)
    ).fetchall()
    return [_job(catalog, row) for row in rows]


def queue_again(catalog: Catalog, job_id: int) -> Job:
    """Set an ended or interrupted job back to queued, its result forgotten."""
    _update(catalog, job_id, state=JobState.QUEUED, ended_at=None, result=None, eta_s=None, note="")
    return get(catalog, job_id)


def started(catalog: Catalog, job_id: int, pid: int, at: datetime) -> None:
    """The worker `pid` runs the job."""
    _update(catalog, job_id, state=JobState.RUNNING, pid=pid, started_at=at.isoformat())


def set_pid(catalog: Catalog, job_id: int, pid: int) -> None:
    """The process that was started for a job which has not reported yet."""
    _update(catalog, job_id, pid=pid)


def progressed(catalog: Catalog, job_id: int, progress: float, note: str, eta_s: float | None) -> None:
    """How far the job is: `progress` 0..1, a line of text, and seconds to go when they can be told."""
    _update(catalog, job_id, progress=min(1.0, max(0.0, progress)), note=note, eta_s=eta_s)


def ended(
    catalog: Catalog,
    job_id: int,
    state: JobState,
    at: datetime,
    *,
    note: str = "",
    result: Mapping[str, Any] | None = None,
) -> None:
    """The job came to its end in `state`; a job that is done stands at progress 1."""
    values: dict[str, Any] = {
        "state": state,
        "ended_at": at.isoformat(),
        "note": note,
        "eta_s": None,
        "result": None if result is None else _json(result),
    }
    if state is JobState.DONE:
        values["progress"] = 1.0
    _update(catalog, job_id, **values)


def take_lock(catalog: Catalog, job_id: int) -> int | None:
    """A descriptor that holds the job's lock until it and its copies are closed; None if it is taken."""
    folder = folder_of(catalog, job_id)
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(25):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.002)  # `is_held` holds it shared for an instant: not yet a reason to give up
        else:
            return descriptor
    os.close(descriptor)
    return None


def is_held(catalog: Catalog, job_id: int) -> bool:
    """Whether some process holds the job's lock."""
    try:
        descriptor = os.open(folder_of(catalog, job_id) / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _update(catalog: Catalog, job_id: int, **values: Any) -> None:
    columns = ", ".join(f"{name} = ?" for name in values)
    with catalog.transaction() as db:
        db.execute(f"UPDATE jobs SET {columns} WHERE id = ?", (*values.values(), job_id))


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _when(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _job(catalog: Catalog, row: sqlite3.Row) -> Job:
    state = JobState(row["state"])
    if state in UNDER_WAY and not is_held(catalog, row["id"]):
        # It may have ended between the two looks: what it wrote last, before it let go, decides.
        fresh = catalog.connection.execute("SELECT * FROM jobs WHERE id = ?", (row["id"],)).fetchone()
        row, state = fresh, JobState(fresh["state"])
        if state in UNDER_WAY:
            state = JobState.INTERRUPTED
    return Job(
        id=row["id"],
        kind=row["kind"],
        args=json.loads(row["args"]),
        state=state,
        created_at=datetime.fromisoformat(row["created_at"]),
        started_at=_when(row["started_at"]),
        ended_at=_when(row["ended_at"]),
        progress=row["progress"],
        note=row["note"],
        eta_s=row["eta_s"] if state is JobState.RUNNING else None,
        pid=row["pid"],
        log=row["log"],
        result=None if row["result"] is None else json.loads(row["result"]),
    )
