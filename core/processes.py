"""Processes that read or decode the files of the archive, and one that hangs, grows or dies is replaced.

A `Work` describes what they do. A file costs its own row an error, and the run goes on: after `MOST_STILL` seconds in
which no byte came, or when its process died of it twice. What memory a file may take is bounded in the process itself,
see `core.read_worker`.
"""

from __future__ import annotations

import mmap
import os
import pickle
import selectors
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar

from core.errors import JobFailed, UnreadablePath
from core.pulse import Pulse, Sight
from core.read_worker import MOST_MEMORY
from storage.safe_text import display

WORKER = "core.read_worker"
MOST_STILL = 4.0  # seconds without a byte or an end
CRASHES = "reading it crashes the decoder"
STUCK = f"reading it takes longer than {MOST_STILL:.0f} seconds"
SILENT = f"no byte of it came for {MOST_STILL:.0f} seconds"

_SLOWEST_START = 30.0  # seconds for a process to begin its first file, or to hand over what it read
_LONGEST_LOOK = 1.0  # a parent that was away, asleep or stopped itself, counts no more than this
_LOOK = 0.25
_AHEAD = 4  # chunks that a process has, so that it never waits for its parent
_CHUNKS_HELD = 6  # for each process, read or to be read
_MOST_BYTES = 12_000  # of one chunk's paths: `_AHEAD` of them fit a pipe, so that giving never waits
_MOST_FAILURES = 3  # processes in a row that died without a file to blame
_MOST_ABANDONED = 8  # processes that not even a kill ends: the disk they wait for is away
_LENGTH = struct.Struct("<I")
_PIPE = 1 << 20
_KEPT = 16 << 20  # bytes of shared memory that stay in use between files

Task = TypeVar("Task")  # what is asked of one file
Found = TypeVar("Found")  # what comes of it


@dataclass(frozen=True, slots=True)
class Work(Generic[Task, Found]):
    """What processes do with files.

    `target` is `module:function`, called there with a task, the pulse and the chunk's own `room` bytes of memory that
    both sides see; what it gives is pickled, and `made` makes the findings of it, on this side. `blamed` makes one of
    a task, what was seen of its file, and why no more came.
    """

    target: str
    path: Callable[[Task], bytes]
    weight: Callable[[Task], int]  # about how many bytes a task takes in a message
    made: Callable[[Any, memoryview], list[Found]]
    blamed: Callable[[Task, Sight, str], Found]
    again: str  # what to do when a disk does not answer
    stuck: str = STUCK
    room: int = 0
    ahead: int = _AHEAD
    memory: Callable[[Task], int] = lambda _: MOST_MEMORY  # bytes that it may take
    patience: Callable[[Task], float] = lambda _: 1.0  # times `MOST_STILL` that may pass once its bytes have come


@dataclass(slots=True)
class _Chunk(Generic[Task, Found]):
    """What to read, and the findings once they are there; `told` holds, by path, what is known of files to blame."""

    work: Work[Task, Found]
    tasks: list[Task]
    told: dict[bytes, Found] = field(default_factory=dict)
    findings: list[Found] | None = None

    @property
    def left(self) -> list[Task]:
        return [task for task in self.tasks if self.work.path(task) not in self.told]

    def finish(self, read: Iterable[list[Found]]) -> None:
        """Take what came of each task that was left."""
        came = iter(read)
        self.findings = []
        for task in self.tasks:
            told = self.told.get(self.work.path(task))
            self.findings += next(came) if told is None else [told]


class _Worker(Generic[Task, Found]):
    """One process: what it was given, and when it was last seen to get on."""

    def __init__(self, work: Work[Task, Found]) -> None:
        self.work = work
        self.pulse = Pulse()
        self.given: deque[tuple[_Chunk[Task, Found], list[Task], int, int]] = deque()  # left, files before, place
        self._files = self._chunks = 0
        self._shared = _memory(work.room * work.ahead) if work.room else None
        descriptors = [self.pulse.descriptor, *([] if self._shared is None else [self._shared])]
        self._memory = None if self._shared is None else mmap.mmap(self._shared, work.room * work.ahead)
        self._seen, self._still, self._looked = (-1, 0, False), 0.0, time.monotonic()
        self._came = bytearray()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", WORKER, work.target, str(work.room), *map(str, descriptors)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=descriptors,
            bufsize=0,
            # a library's own threads would take memory that a picture may not have
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._into, self.out = self.process.stdin.fileno(), self.process.stdout.fileno()

    def give(self, chunk: _Chunk[Task, Found]) -> None:
        """Have it read what is left of the chunk. Raises BrokenPipeError when it is dead."""
        tasks, place = chunk.left, self._chunks % self.work.ahead
        self.given.append((chunk, tasks, self._files, place))
        self._files += len(tasks)
        self._chunks += 1
        message = pickle.dumps((place, [(self.work.memory(task), task) for task in tasks]))
        os.write(self._into, _LENGTH.pack(len(message)) + message)

    def receive(self) -> bool:
        """Take what it has sent, finishing chunks; False when it has died."""
        came = os.read(self.out, _PIPE)
        self._came += came
        while len(self._came) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._came)[0]
            if len(self._came) < end:
                break
            chunk, _, _, place = self.given.popleft()
            room = memoryview(self._memory or b"")[place * self.work.room : (place + 1) * self.work.room]
            chunk.finish(self.work.made(told, room) for told in pickle.loads(self._came[_LENGTH.size : end]))
            room.release()
            self._tidy()
            del self._came[:end]
        return bool(came)

    def _tidy(self) -> None:
        """Give back what a large picture has used of the shared memory."""
        if self._shared is not None and not self.given and os.fstat(self._shared).st_blocks * 512 > _KEPT:
            os.ftruncate(self._shared, 0)
            os.ftruncate(self._shared, self.work.room * self.work.ahead)

    def stuck(self, now: float) -> bool:
        """Whether it has not got on for longer than any file may take."""
        sight = self.pulse.look()
        away, self._looked = min(now - self._looked, _LONGEST_LOOK), now
        seen = (sight.file, sight.beats, sight.at_work)
        if not self.given or seen != self._seen:
            self._seen, self._still = seen, 0.0
        else:
            self._still += away
        if not sight.at_work:
            return self._still >= _SLOWEST_START
        task = None if sight.digest is None else self._task(sight)
        return self._still >= MOST_STILL * (1.0 if task is None else self.work.patience(task))

    def at(self) -> tuple[bytes, Sight] | None:
        """The path it is reading, or was when it died, and what it knew of it."""
        sight = self.pulse.look()
        task = self._task(sight)
        return None if task is None else (self.work.path(task), sight)

    def _task(self, sight: Sight) -> Task | None:
        for _, tasks, before, _ in self.given:
            if sight.at_work and before < sight.file <= before + len(tasks):
                return tasks[sight.file - before - 1]
        return None

    def end(self) -> None:
        """Kill it; it may outlive that for as long as a disk keeps it waiting."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.pulse.close()
        if self._memory is not None and self._shared is not None:
            self._memory.close()
            os.close(self._shared)


def _memory(size: int) -> int:
    """A descriptor of so many bytes that processes can share; only what is used of them takes memory."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("kyodaku")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor


class Processes(Generic[Task, Found]):
    """A queue of work on files that `jobs` processes do; what they find comes back in its order."""

    def __init__(self, jobs: int, work: Work[Task, Found]) -> None:
        self._jobs = jobs
        self._work = work
        self._queue: deque[_Chunk[Task, Found]] = deque()
        self._to_give: deque[_Chunk[Task, Found]] = deque()
        self._workers: list[_Worker[Task, Found]] = []
        self._ended: list[subprocess.Popen[bytes]] = []
        self._suspects: set[bytes] = set()  # a process has died of each once
        self._failures = 0
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in list(self._workers):
            self._lose(worker)
        for process in self._ended:
            try:
                process.wait(timeout=_LONGEST_LOOK)
            except subprocess.TimeoutExpired:
                break  # waiting for a disk that is away; it ends when that answers
        self._selector.close()

    @property
    def busy(self) -> bool:
        """Enough waits to be read that submitting more would only fill memory."""
        return len(self._queue) >= _CHUNKS_HELD * self._jobs

    def __len__(self) -> int:
        """Chunks that were submitted and not collected."""
        return len(self._queue)

    def submit(self, tasks: Sequence[Task]) -> None:
        """Queue one chunk."""
        weight, chunk = self._work.weight, list[Task]()
        for task in tasks:
            if chunk and sum(map(weight, chunk)) + weight(task) > _MOST_BYTES:
                self._append(chunk)
                chunk = []
            chunk.append(task)
        self._append(chunk)

    def _append(self, tasks: list[Task]) -> None:
        chunk = _Chunk(self._work, tasks)
        self._queue.append(chunk)
        self._to_give.append(chunk)
        self._give()

    @property
    def ready(self) -> bool:
        """The oldest chunk has been read."""
        if self._queue and self._queue[0].findings is None:
            self._look(0)
        return bool(self._queue) and self._queue[0].findings is not None

    def collect(self) -> list[Found]:
        """What came of the oldest chunk, waiting for it. Raises JobFailed, UnreadablePath."""
        while (findings := self._queue[0].findings) is None:
            self._look(_LOOK)
        self._queue.popleft()
        return findings

    def _look(self, patience: float) -> None:
        """Take what was read, replace who hangs or died, and give out what is to be read."""
        self._give()
        for key, _ in self._selector.select(patience):
            worker: _Worker[Task, Found] = key.data
            before = len(worker.given)
            if not worker.receive():
                self._died(worker)
            elif len(worker.given) < before:
                self._failures = 0
        now = time.monotonic()
        for worker in list(self._workers):
            if worker.stuck(now):
                self._stuck(worker)
        self._give()

    def _give(self) -> None:
        while self._to_give:
            worker = min(self._workers, key=lambda worker: len(worker.given), default=None)
            if (worker is None or worker.given) and len(self._workers) < self._jobs:
                worker = _Worker(self._work)
                self._workers.append(worker)
                self._selector.register(worker.out, selectors.EVENT_READ, worker)
            if worker is None or len(worker.given) >= self._work.ahead:
                return
            try:
                worker.give(self._to_give.popleft())
            except BrokenPipeError:
                self._died(worker)

    def _died(self, worker: _Worker[Task, Found]) -> None:
        at = worker.at()
        if at is None:
            self._fail()
        elif at[0] in self._suspects:
            self._blame(worker, *at, CRASHES)
        else:  # once may have been the machine's doing, which ends processes when memory runs out
            self._suspects.add(at[0])
        self._lose(worker)

    def _fail(self) -> None:
        """A process ended without a file to blame: else every photograph would be blamed for what the machine lacks."""
        self._failures += 1
        if self._failures >= _MOST_FAILURES:
            raise JobFailed(
                "the processes that read photographs die at once",
                "look for a limit on memory or processes (ulimit -a)",
            )

    def _stuck(self, worker: _Worker[Task, Found]) -> None:
        at = worker.at()
        if at is None:
            self._fail()
        else:
            self._blame(worker, *at, SILENT if at[1].digest is None else self._work.stuck)
        self._lose(worker)
        self._ended = [process for process in self._ended if process.poll() is None]
        if at is not None and len(self._ended) >= _MOST_ABANDONED:
            raise UnreadablePath(
                f"the disk under {display(at[0])} does not answer",
                self._work.again,
            )

    def _blame(self, worker: _Worker[Task, Found], path: bytes, sight: Sight, why: str) -> None:
        """Put down what is known of a file, and why no more is."""
        for chunk, tasks, _, _ in worker.given:
            for task in tasks:
                if self._work.path(task) == path:
                    chunk.told[path] = self._work.blamed(task, sight, why)
                    return

    def _lose(self, worker: _Worker[Task, Found]) -> None:
        """End a process; what it had is given to another."""
        self._workers.remove(worker)
        self._selector.unregister(worker.out)
        self._to_give.extendleft(chunk for chunk, *_ in reversed(worker.given))
        worker.end()
        self._ended.append(worker.process)
