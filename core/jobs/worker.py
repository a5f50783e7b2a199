"""The worker process: `python -P -m core.jobs.worker CATALOG JOB LOCK`, started by `core.jobs`."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import BadValue, KyodakuError
from core.jobs import KINDS
from core.progress import Report, Step, silent
from storage import catalog as catalogs
from storage import jobs
from storage.catalog import Catalog
from storage.errors import INTERRUPTED
from storage.records import Job, JobState

Runner = Callable[[Catalog, Job, Report], Mapping[str, Any]]
WRITE_EVERY = 0.5  # seconds between progress rows: a commit costs a few milliseconds


class Cancelled(KeyboardInterrupt):
    """The job was asked to stop; raised out of the report, where stopping is safe."""


class ProgressWriter:
    """A `Report` that writes to the job's row and log, at most every half second, and stops on SIGTERM."""

    def __init__(self, catalog: Catalog, job_id: int, also: Report = silent) -> None:
        """`also` is told every step."""
        self._catalog, self._job_id, self._also = catalog, job_id, also
        self._what, self._since, self._from = "", 0.0, 0
        self._written = 0.0
        self.stop_asked = False

    def __call__(self, step: Step, /) -> None:
        if self.stop_asked:
            raise Cancelled
        self._also(step)
        now = time.monotonic()
        if step.what != self._what:
            self._what, self._since, self._from = step.what, now, step.done
            self._written = 0.0
        if now - self._written < WRITE_EVERY and step.done != step.total:
            return
        self._written = now
        text = f"{step.what}: {step.note}" if step.note else step.what
        count = f"{step.done}" if step.total is None else f"{step.done}/{step.total}"
        log(f"{text} [{count}]")
        done = step.done / step.total if step.total else 0.0
        jobs.progressed(self._catalog, self._job_id, done, text, self._eta(step, now))

    def _eta(self, step: Step, now: float) -> float | None:
        if not step.total or step.done <= self._from:
            return None
        return (now - self._since) / (step.done - self._from) * (step.total - step.done)


def log(text: str) -> None:
    """One line, with its time, in the job's log."""
    print(f"{datetime.now(UTC).isoformat(timespec='seconds')} {text}", flush=True)


def runner_of(kind: str, kinds: Mapping[str, str]) -> Runner:
    """The function that runs jobs of this kind."""
    module, _, name = kinds[kind].partition(":")
    runner: Runner = getattr(importlib.import_module(module), name)
    return runner


def run_here(catalog: Catalog, job_id: int, kinds: Mapping[str, str], also: Report = silent) -> None:
    """Run the job in this process, which others depend on and which therefore can't be a worker of its own.

    `also` is told its progress. Raises BadValue where it is running already.
    """
    lock = jobs.take_lock(catalog, job_id)
    if lock is None:
        raise BadValue(f"job {job_id} is running already", f"watch it: kyodaku jobs follow {job_id}")
    try:
        jobs.queue_again(catalog, job_id)
        with jobs.log_path(catalog, job_id).open("a", encoding="utf-8") as out, redirect_stdout(out):
            run(catalog, job_id, kinds, also)
    finally:
        os.close(lock)


def run(catalog: Catalog, job_id: int, kinds: Mapping[str, str] = KINDS, also: Report = silent) -> int:
    """Run the job to its end and record it. The exit status the command line would give."""
    report = ProgressWriter(catalog, job_id, also)

    def ask_to_stop(*_: object) -> None:
        report.stop_asked = True

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    jobs.started(catalog, job_id, os.getpid(), datetime.now(UTC))
    job = jobs.get(catalog, job_id)
    log(f"job {job_id} ({job.kind}) runs as process {os.getpid()}")
    state, note, result, status = _outcome(catalog, job, report, kinds)
    jobs.ended(catalog, job_id, state, datetime.now(UTC), note=note, result=result)
    log(f"{state}: {note}" if note else str(state))
    return status


def _outcome(
    catalog: Catalog, job: Job, report: Report, kinds: Mapping[str, str]
) -> tuple[JobState, str, Mapping[str, Any] | None, int]:
    try:
        return JobState.DONE, "", runner_of(job.kind, kinds)(catalog, job, report), 0
    except KyodakuError as error:
        told = {
            "error": type(error).__name__,
            "message": error.message,
            "hint": error.hint,
            "exit_status": error.exit_status,
        }
        return JobState.FAILED, str(error), told, error.exit_status
    except KeyboardInterrupt:
        return JobState.CANCELLED, "cancelled", None, INTERRUPTED
    except Exception as error:
        traceback.print_exc()
        note = f"crashed ({type(error).__name__}: {error}); the log says where"
        return JobState.FAILED, note, None, 1


def main(arguments: Sequence[str], kinds: Mapping[str, str] = KINDS) -> int:
    """Hold the lock that was handed over, open the catalog and run the job."""
    folder, job_id, lock = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    os.set_inheritable(lock, False)  # what this process starts must not outlive it holding the lock
    with catalogs.open_catalog(folder) as catalog:
        return run(catalog, job_id, kinds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
