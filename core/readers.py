"""Processes that read the files of the archive, and one that hangs, grows or dies is replaced.

A file costs its own row an error, and the run goes on: after `MOST_STILL` seconds in which no byte
came, or when its process died of it twice. What memory a file may take is bounded in the process
itself, see `core.read_worker`.
"""

from __future__ import annotations

import os
import pickle
import selectors
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core.companions import Shot
from core.errors import JobFailed, UnreadablePath
from core.pulse import Pulse, Sight
from core.reading import Reading
from storage.records import Photo
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


@dataclass(slots=True)
class _Chunk:
    """What to read, and the readings once they are there; `told` holds, by path, what is known of files to blame."""

    shots: list[Shot]
    told: dict[bytes, Reading] = field(default_factory=dict)
    readings: list[Reading] | None = None

    @property
    def left(self) -> list[Shot]:
        return [shot for shot in self.shots if shot.path not in self.told]

    def finish(self, read: Iterable[list[Reading]]) -> None:
        """Take the readings of each shot that was left."""
        came = iter(read)
        self.readings = []
        for shot in self.shots:
            told = self.told.get(shot.path)
            self.readings += next(came) if told is None else [told]


class _Worker:
    """One process: what it was given, and when it was last seen to get on."""

    def __init__(self) -> None:
        self.pulse = Pulse()
        self.given: deque[tuple[_Chunk, list[Shot], int]] = deque()  # with what is left of it, and how many before it
        self._files = 0
        self._seen, self._still, self._looked = (-1, 0, False), 0.0, time.monotonic()
        self._came = bytearray()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", WORKER, str(self.pulse.descriptor)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[self.pulse.descriptor],
            bufsize=0,
            # a library's own threads would take memory that a picture may not have
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._into, self.out = self.process.stdin.fileno(), self.process.stdout.fileno()

    def give(self, chunk: _Chunk) -> None:
        """Have it read what is left of the chunk. Raises BrokenPipeError when it is dead."""
        shots = chunk.left
        self.given.append((chunk, shots, self._files))
        self._files += len(shots)
        message = pickle.dumps(shots)
        os.write(self._into, _LENGTH.pack(len(message)) + message)

    def receive(self) -> bool:
        """Take what it has sent, finishing chunks; False when it has died."""
        came = os.read(self.out, _PIPE)
        self._came += came
        while len(self._came) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._came)[0]
            if len(self._came) < end:
                break
            chunk, _, _ = self.given.popleft()
            chunk.finish(
                [Reading(Photo(*photo), warning) for photo, warning in several]
                for several in pickle.loads(self._came[_LENGTH.size : end])
            )
            del self._came[:end]
        return bool(came)

    def stuck(self, now: float) -> bool:
        """Whether it has not got on for longer than any file may take."""
        sight = self.pulse.look()
        away, self._looked = min(now - self._looked, _LONGEST_LOOK), now
        seen = (sight.file, sight.beats, sight.at_work)
        if not self.given or seen != self._seen:
            self._seen, self._still = seen, 0.0
        else:
            self._still += away
        return self._still >= (MOST_STILL if sight.at_work else _SLOWEST_START)

    def at(self) -> tuple[bytes, Sight] | None:
        """The path it is reading, or was when it died, and what it knew of it."""
        sight = self.pulse.look()
        for _, shots, before in self.given:
            if sight.at_work and before < sight.file <= before + len(shots):
                return shots[sight.file - before - 1].path, sight
        return None

    def end(self) -> None:
        """Kill it; it may outlive that for as long as a disk keeps it waiting."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.pulse.close()


class Readers:
    """A queue of photographs that `jobs` processes read; readings come back in their order."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._queue: deque[_Chunk] = deque()
        self._to_give: deque[_Chunk] = deque()
        self._workers: list[_Worker] = []
        self._ended: list[subprocess.Popen[bytes]] = []
        self._suspects: set[bytes] = set()  # a process has died of each once
        self._failures = 0
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Readers:
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

    def submit(self, shots: Sequence[Shot]) -> None:
        """Queue one chunk."""
        chunk: list[Shot] = []
        for shot in shots:
            if chunk and sum(map(_weight, chunk)) + _weight(shot) > _MOST_BYTES:
                self._append(chunk)
                chunk = []
            chunk.append(shot)
        self._append(chunk)

    def _append(self, shots: list[Shot]) -> None:
        chunk = _Chunk(shots)
        self._queue.append(chunk)
        self._to_give.append(chunk)
        self._give()

    @property
    def ready(self) -> bool:
        """The oldest chunk has been read."""
        if self._queue and self._queue[0].readings is None:
            self._look(0)
        return bool(self._queue) and self._queue[0].readings is not None

    def collect(self) -> list[Reading]:
        """The readings of the oldest chunk, waiting for them. Raises JobFailed, UnreadablePath."""
        while (readings := self._queue[0].readings) is None:
            self._look(_LOOK)
        self._queue.popleft()
        return readings

    def _look(self, patience: float) -> None:
        """Take what was read, replace who hangs or died, and give out what is to be read."""
        self._give()
        for key, _ in self._selector.select(patience):
            worker: _Worker = key.data
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
                worker = _Worker()
                self._workers.append(worker)
                self._selector.register(worker.out, selectors.EVENT_READ, worker)
            if worker is None or len(worker.given) >= _AHEAD:
                return
            try:
                worker.give(self._to_give.popleft())
            except BrokenPipeError:
                self._died(worker)

    def _died(self, worker: _Worker) -> None:
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

    def _stuck(self, worker: _Worker) -> None:
        at = worker.at()
        if at is None:
            self._fail()
        else:
            self._blame(worker, *at, SILENT if at[1].digest is None else STUCK)
        self._lose(worker)
        self._ended = [process for process in self._ended if process.poll() is None]
        if at is not None and len(self._ended) >= _MOST_ABANDONED:
            raise UnreadablePath(
                f"the disk under {display(at[0])} does not answer",
                "run kyodaku index again when it does; what was read is kept",
            )

    def _blame(self, worker: _Worker, path: bytes, sight: Sight, why: str) -> None:
        """Put on record what is known of a file, and why no more is."""
        size, mtime_ns, ctime_ns, inode = sight.stat or (0, 0, 0, 0)
        photo = Photo(
            0, path, display(path), size, mtime_ns, ctime_ns, inode, content_hash=sight.digest, error=why,
            companions=(), tags=(),
        )  # fmt: skip
        chunk = next(chunk for chunk, shots, _ in worker.given if any(shot.path == path for shot in shots))
        chunk.told[path] = Reading(photo)

    def _lose(self, worker: _Worker) -> None:
        """End a process; what it had is given to another."""
        self._workers.remove(worker)
        self._selector.unregister(worker.out)
        self._to_give.extendleft(chunk for chunk, _, _ in reversed(worker.given))
        worker.end()
        self._ended.append(worker.process)


def _weight(shot: Shot) -> int:
    """About how many bytes it takes in a message."""
    return len(shot.path) + sum(len(companion.name) + 250 for companion in shot.beside)
