"""Jobs run in a process of their own that outlives the terminal, and go on after being killed."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from core import jobs
from core.errors import BadValue, JobFailed
from core.progress import Step
from storage import jobs as rows
from storage.catalog import Catalog
from storage.records import Job, JobState

WORKER = (sys.executable, str(Path(__file__).with_name("gated_worker.py")))


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def start(catalog: Catalog, gate: Path) -> Job:
    args = {"gate": str(gate), "done": str(gate.with_name("done.txt"))}
    return jobs.submit(catalog, "gated", args, worker=WORKER)


def open_gate(gate: Path) -> IO[str]:
    """Returns once the worker has opened the other end, so it is known to be at its work."""
    return gate.open("w", buffering=1)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited 30 s"
        select.select([], [], [], 0.01)


def test_a_job_runs_reports_and_hands_back_its_result(catalog: Catalog, gate: Path) -> None:
    job = start(catalog, gate)
    assert job.state in rows.UNDER_WAY
    with open_gate(gate) as opened:
        assert rows.get(catalog, job.id).state is JobState.RUNNING
        opened.write("one\ntwo\nend\n")
    seen: list[Step] = []
    ended = jobs.follow(catalog, job.id, seen.append, every=0.01)
    assert jobs.result_of(ended) == {"lines": ["one", "two"]}
    assert ended.pid is not None
    assert ended.pid != os.getpid()
    assert seen[-1].done == 1000
    assert "at the gate" in rows.log_path(catalog, job.id).read_text()


def test_a_refusal_keeps_its_reason_and_exit_status(catalog: Catalog, gate: Path) -> None:
    job = start(catalog, gate)
    with open_gate(gate) as opened:
        opened.write("lost\n")
    ended = jobs.follow(catalog, job.id, every=0.01)
    assert ended.state is JobState.FAILED
    with pytest.raises(JobFailed, match="Mali Srisai withdrew") as caught:
        jobs.result_of(ended)
    assert caught.value.exit_status == 1


def test_a_crash_is_told_and_its_trace_is_in_the_log(catalog: Catalog, gate: Path) -> None:
    job = start(catalog, gate)
    with open_gate(gate) as opened:
        opened.write("crash\n")
    ended = jobs.follow(catalog, job.id, every=0.01)
    assert ended.state is JobState.FAILED
    assert "a fault of ours" in ended.note
    assert "Traceback" in rows.log_path(catalog, job.id).read_text()


def test_cancel_stops_at_the_next_step(catalog: Catalog, gate: Path) -> None:
    job = start(catalog, gate)
    with open_gate(gate) as opened:
        jobs.cancel(catalog, job.id)
        opened.write("never\n")
        ended = jobs.follow(catalog, job.id, every=0.01)
    assert ended.state is JobState.CANCELLED
    assert not gate.with_name("done.txt").exists()


def test_killed_then_resumed(catalog: Catalog, gate: Path) -> None:
    job = start(catalog, gate)
    with open_gate(gate) as opened:
        opened.write("one\n")
        until(lambda: gate.with_name("done.txt").exists())
        pid = rows.get(catalog, job.id).pid
        assert pid is not None
        with pytest.raises(BadValue, match="running already"):
            jobs.resume(catalog, job.id, worker=WORKER)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not rows.is_held(catalog, job.id))
    assert rows.get(catalog, job.id).state is JobState.INTERRUPTED
    jobs.resume(catalog, job.id, worker=WORKER)
    with open_gate(gate) as opened:
        opened.write("two\nend\n")
    assert jobs.result_of(jobs.follow(catalog, job.id, every=0.01)) == {"lines": ["one", "two"]}
    with pytest.raises(BadValue, match="is done"):
        jobs.resume(catalog, job.id, worker=WORKER)


def test_cancelling_what_was_interrupted(catalog: Catalog, gate: Path) -> None:
    job = start(catalog, gate)
    with open_gate(gate):
        pid = rows.get(catalog, job.id).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(lambda: not rows.is_held(catalog, job.id))
    assert jobs.cancel(catalog, job.id).state is JobState.CANCELLED


def test_the_worker_outlives_its_terminal(catalog: Catalog, gate: Path) -> None:
    """A shell on a pty starts a job; the pty hangs up and its whole process group is killed."""
    script = (
        "import json, sys; from pathlib import Path; from core import jobs; from storage import catalog\n"
        "folder, gate, worker = json.loads(sys.argv[1])\n"
        "with catalog.open_catalog(Path(folder)) as opened:\n"
        "    args = {'gate': gate, 'done': gate + '.done'}\n"
        "    print(jobs.submit(opened, 'gated', args, worker=worker).id, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    master, slave = pty.openpty()
    told = json.dumps([str(catalog.folder), str(gate), WORKER])
    shell = subprocess.Popen(
        [sys.executable, "-c", script, told], stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    output = b""
    while b"\n" not in output:
        output += os.read(master, 1000)
    job_id = int(output)
    with open_gate(gate) as opened:
        os.killpg(shell.pid, signal.SIGHUP)
        os.close(master)
        shell.wait()
        opened.write("after the hangup\nend\n")
    ended = jobs.follow(catalog, job_id, every=0.01)
    assert jobs.result_of(ended) == {"lines": ["after the hangup"]}


def test_a_kind_that_nothing_runs(catalog: Catalog) -> None:
    with pytest.raises(BadValue, match="no job of kind 'paint'"):
        jobs.submit(catalog, "paint", {})
