"""Long work in a process of its own, which outlives the terminal that asked for it.

A worker is a new session with no terminal, its output in the job's log, holding the job's lock (see
`storage.jobs`) from before it is started until it is gone. On hosts that end a user's processes at
logout (systemd's KillUserProcesses), `loginctl enable-linger` keeps it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from core.errors import BadValue, JobFailed
from core.progress import Report, Step, silent
from storage import jobs
from storage.catalog import Catalog
from storage.records import Job, JobState

KINDS: Mapping[str, str] = {
    "train": "core.training.loop:run_job",
    "rehearse": "core.training.rehearsal:run_job",
    "merge": "core.merging.job:run_job",
    "propose": "core.captioning.proposals:run_job",
    "generate": "core.generate:run_job",
    "audit": "core.audit:run_job",
    "remake": "core.withdrawal:run_job",
    "retrain": "core.training.retrain:run_job",
}
"""What runs each kind: `module:function`, imported by the worker alone.

The function is called `(catalog, job, report)` and returns the job's result as JSON values. It is called
again for the same job on resume, so what it has finished it must find and keep.
"""

WORKER = (sys.executable, "-P", "-m", "core.jobs.worker")
_children: dict[int, subprocess.Popen[bytes]] = {}  # workers this process started, to be reaped when they end


def submit(catalog: Catalog, kind: str, args: Mapping[str, Any], *, worker: Sequence[str] = WORKER) -> Job:
    """Queue a job and start its worker. `args` are JSON values, and paths among them absolute.

    Raises BadValue for a kind that nothing runs. `worker` is the command, to which the catalog's folder
    and the job's id are added.
    """
    if worker is WORKER and kind not in KINDS:
        raise BadValue(f"there is no job of kind {kind!r}", f"kinds: {', '.join(sorted(KINDS))}")
    return _start(catalog, jobs.add(catalog, kind, args, _now()), worker)


def resume(catalog: Catalog, job_id: int, *, worker: Sequence[str] = WORKER) -> Job:
    """Start a job that waits, or again one that was interrupted, cancelled or failed. Raises BadValue for others."""
    job = jobs.get(catalog, job_id)
    if job.state is JobState.DONE:
        raise BadValue(f"job {job_id} is done", "start a new one")
    return _start(catalog, job, worker)


def cancel(catalog: Catalog, job_id: int) -> Job:
    """Ask a job to stop at its next safe place; one that has no worker is marked cancelled at once."""
    job = jobs.get(catalog, job_id)
    if job.state in (JobState.INTERRUPTED, JobState.WAITING):
        jobs.ended(catalog, job_id, JobState.CANCELLED, _now(), note="cancelled")
    elif job.state in jobs.UNDER_WAY and job.pid is not None and jobs.is_held(catalog, job_id):
        os.kill(job.pid, signal.SIGTERM)  # the lock is held, so the pid is still that worker's
    return jobs.get(catalog, job_id)


def follow(catalog: Catalog, job_id: int, report: Report = silent, *, every: float = 0.25) -> Job:
    """Report a job's progress until its worker has ended; the job as it then stands.

    Stopping to follow (KeyboardInterrupt) leaves the worker at its work. `every` is in seconds.
    """
    shown: tuple[float, str] | None = None
    while True:
        job = jobs.get(catalog, job_id)
        if (job.progress, job.note) != shown:
            shown = (job.progress, job.note)
            report(Step(job.kind, round(job.progress * 1000), 1000, job.note))
        if job.state not in jobs.UNDER_WAY:
            _reap(job_id)
            return job
        time.sleep(every)


def result_of(job: Job) -> Mapping[str, Any]:
    """What a finished job made. Raises JobFailed, with the worker's reason and exit status, for others."""
    if job.state is JobState.DONE:
        return job.result or {}
    told = job.result or {}
    failed = JobFailed(
        f"job {job.id} ({job.kind}) is {job.state}: {told.get('message') or job.note or 'its log says why'}",
        told.get("hint") or f"see: kyodaku jobs log {job.id}; go on: kyodaku jobs resume {job.id}",
    )
    failed.exit_status = int(told.get("exit_status", failed.exit_status))
    raise failed


def _start(catalog: Catalog, job: Job, worker: Sequence[str]) -> Job:
    lock = jobs.take_lock(catalog, job.id)
    if lock is None:
        raise BadValue(f"job {job.id} is running already", f"watch it: kyodaku jobs follow {job.id}")
    try:
        jobs.queue_again(catalog, job.id)
        with jobs.log_path(catalog, job.id).open("ab") as log:
            child = subprocess.Popen(
                [*worker, str(catalog.folder.resolve()), str(job.id), str(lock)],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(lock,),
                cwd="/",
            )
        _children[job.id] = child
        jobs.set_pid(catalog, job.id, child.pid)
    finally:
        os.close(lock)  # the child's copy goes on holding it
    return jobs.get(catalog, job.id)


def _reap(job_id: int) -> None:
    child = _children.pop(job_id, None)
    if child is not None:
        child.wait()


def _now() -> datetime:
    return datetime.now(UTC)


__all__ = ["KINDS", "cancel", "follow", "result_of", "resume", "submit"]
