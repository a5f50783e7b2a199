"""The processes that read: what hangs, dies or grows costs its own file, and nothing else."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import piexif
import pytest
from blake3 import blake3

from core import processes, read_worker, readers, reading, scan
from core.companions import Shot
from core.errors import JobFailed, UnreadablePath
from core.pulse import Pulse
from core.readers import Readers
from core.reading import Reading
from storage import photos
from storage.catalog import Catalog

TakePicture = Callable[..., Path]


@pytest.fixture
def paths(archive: Path, take_picture: TakePicture) -> list[bytes]:
    """Six pictures."""
    return [os.fsencode(take_picture(archive / f"{n}.jpg", n)) for n in range(6)]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent that waits for half a second instead of four."""
    monkeypatch.setattr(processes, "MOST_STILL", 0.5)


def errors_of(found: Sequence[Reading]) -> dict[bytes, str]:
    return {reading.photo.path: reading.photo.error for reading in found if reading.photo.error}


def read_all(queue: Readers, *chunks: list[bytes]) -> list[Reading]:
    for chunk in chunks:
        queue.submit([Shot(path) for path in chunk])
    return [reading for _ in range(len(queue)) for reading in queue.collect()]


class Waylaid(Readers):
    """Readers of whose processes one is sent a signal each time it is seen at a certain file."""

    def __init__(self, jobs: int, path: bytes, number: signal.Signals, *, times: int = 99) -> None:
        super().__init__(jobs)
        self.path, self.number, self.times = path, number, times

    def _look(self, patience: float) -> None:
        for worker in self._workers:
            at = worker.at()
            if self.times and at is not None and at[0] == self.path and at[1].stat is not None:
                self.times -= 1
                os.kill(worker.process.pid, self.number)
        super()._look(min(patience, 0.001))


@pytest.fixture
def slow(archive: Path) -> Iterator[bytes]:
    """A file that takes long to read, so that a process can be met at it: 1 TiB, all of it a hole."""
    path = archive / "slow.jpg"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    yield os.fsencode(path)
    path.unlink()


def test_readings_come_in_the_order_of_the_paths(paths: list[bytes]) -> None:
    with Readers(2) as queue:
        found = read_all(queue, paths[:1], paths[1:5], paths[5:])
    assert [r.photo.path for r in found] == paths
    assert not errors_of(found)


def test_many_long_names_are_read(archive: Path, take_picture: TakePicture) -> None:
    deep = archive.joinpath(*["d" * 200] * 15)
    paths = [os.fsencode(take_picture(deep / f"{n}.jpg", n)) for n in range(50)]
    with Readers(1) as queue:
        found = read_all(queue, paths)
    assert [r.photo.path for r in found] == paths


@pytest.mark.usefixtures("impatient")
def test_a_process_that_hangs_at_a_file_costs_that_file(paths: list[bytes], slow: bytes) -> None:
    with Waylaid(1, slow, signal.SIGSTOP) as queue:
        found = read_all(queue, [*paths[:2], slow, *paths[2:4]], paths[4:])
    assert [r.photo.path for r in found] == [*paths[:2], slow, *paths[2:]]
    assert errors_of(found) == {slow: processes.SILENT}
    stuck = next(r.photo for r in found if r.photo.path == slow)
    assert (stuck.size, stuck.content_hash) == (1 << 40, None)


class Clock:
    """Time that passes when the test says so, whatever else the machine is busy with."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_reading_for_long_is_no_hanging_while_bytes_come(slow: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "time", clock := Clock())
    with Readers(1) as queue:
        queue.submit([Shot(slow)])
        [worker] = queue._workers
        beats = 0
        while clock.now < 10 * processes.MOST_STILL:
            assert not queue.ready
            at = worker.at()
            if at is not None and at[1].beats > beats:
                beats = at[1].beats
                clock.now += processes.MOST_STILL / 5
        assert queue._workers == [worker]
        assert at is not None
        assert at[0] == slow


def test_a_file_that_kills_its_process_costs_only_itself(paths: list[bytes], slow: bytes) -> None:
    with Waylaid(1, slow, signal.SIGABRT) as queue:
        found = read_all(queue, [paths[0], slow, paths[1]], paths[2:])
    assert [r.photo.path for r in found] == [paths[0], slow, *paths[1:]]
    assert errors_of(found) == {slow: processes.CRASHES}


def test_a_process_that_dies_once_blames_nobody(archive: Path, paths: list[bytes]) -> None:
    """The machine may have ended it: another process reads the file."""
    big = archive / "big.jpg"
    big.write_bytes(Path(os.fsdecode(paths[0])).read_bytes() + bytes(64 << 20))
    name = os.fsencode(big)
    with Waylaid(1, name, signal.SIGKILL, times=1) as queue:
        found = read_all(queue, [paths[1], name, paths[2]])
        assert queue.times == 0
    assert [r.photo.path for r in found] == [paths[1], name, paths[2]]
    assert not errors_of(found)


def test_when_no_process_can_start_no_photograph_is_blamed(
    paths: list[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(processes, "WORKER", "core.no_such_room")
    with Readers(1) as queue, pytest.raises(JobFailed, match="die at once"):
        read_all(queue, paths)


@pytest.mark.usefixtures("impatient")
def test_processes_that_outlive_being_killed_end_the_run(
    paths: list[bytes], slow: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that waits for a disk can't be killed; of these there must not be hundreds."""
    monkeypatch.setattr(processes, "_MOST_ABANDONED", 0)
    with Waylaid(1, slow, signal.SIGSTOP) as queue, pytest.raises(UnreadablePath, match="does not answer"):
        read_all(queue, [paths[0], slow])


def test_no_process_is_left_behind(paths: list[bytes]) -> None:
    with Readers(2) as queue:
        read_all(queue, paths[:3], paths[3:])
        pids = [worker.process.pid for worker in queue._workers]
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_process_ends_with_its_parent() -> None:
    pulse = Pulse()
    worker = subprocess.Popen(
        [sys.executable, "-P", "-m", processes.WORKER, readers.READING.target, "0", str(pulse.descriptor)],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[pulse.descriptor],
        env={**os.environ, "PYTHONPATH": str(Path(scan.__file__).parents[1])},
    )  # fmt: skip
    assert worker.stdin is not None
    worker.stdin.close()
    assert worker.wait(timeout=30) == 0
    pulse.close()


def test_what_a_dead_process_knew_is_told(archive: Path, take_picture: TakePicture) -> None:
    path = take_picture(archive / "1.jpg", 1)
    pulse = Pulse()
    pulse.begin()
    assert (pulse.look().stat, pulse.look().digest, pulse.look().at_work) == (None, None, True)
    reading.read_file(os.fsencode(path), pulse)
    stat, seen = path.stat(), pulse.look()
    assert seen.stat == (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    assert seen.digest == blake3(path.read_bytes()).hexdigest()
    pulse.end()
    assert (pulse.look().stat, pulse.look().digest, pulse.look().at_work) == (None, None, False)
    pulse.close()


# Files made to take too much ----------------------------------------------------------------------


def endless(path: Path) -> Path:
    """A JPEG of 60 KB whose EXIF is a directory of 5,000 positions, each of which is this directory."""
    entries = 5_000
    ifd = struct.pack(">H", entries) + struct.pack(">HHII", 0x8825, 4, 1, 8) * entries
    tiff = b"MM\0*" + struct.pack(">I", 8) + ifd + struct.pack(">I", 0)
    app1 = b"Exif\0\0" + tiff
    path.write_bytes(b"\xff\xd8\xff\xe1" + struct.pack(">H", len(app1) + 2) + app1 + REST)
    return path


# the frame and scan of a JPEG of 8 x 8 pixels, as far as a header is read
REST = b"\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x00\xff\xd9"


def greedy(path: Path) -> Path:
    """A PNG of a few hundred kilobytes whose text takes a gigabyte unpacked; Pillow's own line is 64 MB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(512 << 20), 9))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + text + chunk(b"IEND", b""))
    return path


def test_exif_that_never_ends_has_a_row_with_its_content(
    catalog: Catalog, archive: Path, take_picture: TakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "MOST_STILL", 1.0)
    bad = endless(archive / "bad.jpg")
    take_picture(archive / "good.jpg", 1)
    result = scan.index(catalog, [archive])
    assert (result.new, result.errors) == (2, 1)
    row = photos.by_path(catalog, os.fsencode(bad.resolve()))
    assert row is not None
    assert row.error == processes.STUCK
    assert row.content_hash == blake3(bad.read_bytes()).hexdigest()
    again = scan.index(catalog, [archive])
    assert (again.unchanged, again.errors) == (2, 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell what a process has")
def test_memory_is_bounded_for_a_file_and_the_next_is_read(archive: Path, take_picture: TakePicture) -> None:
    bomb, good = greedy(archive / "bomb.png"), take_picture(archive / "good.jpg")
    code = (
        "import os, sys, resource\n"
        "from core import read_worker, reading\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "read_worker.bound_memory(read_worker.memory_in_use())\n"
        "for path in sys.argv[1:]: print(reading.read_file(os.fsencode(path)).photo.error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
        "try: bytearray(400 << 20)\n"
        "except MemoryError: print('bounded')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code, bomb, good], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(scan.__file__).parents[1])},
    )  # fmt: skip
    of_bomb, of_good, grown, bounded = ran.stdout.splitlines()
    assert of_bomb != "None"
    assert (of_good, bounded) == ("None", "bounded")
    assert int(grown) * 1024 <= 300_000_000
    assert read_worker.MOST_MEMORY < 300_000_000


def test_a_file_beyond_what_is_kept_in_memory_is_read_whole(
    archive: Path, take_picture: TakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = take_picture(archive / "a.jpg", 3, exif={"0th": {piexif.ImageIFD.Make: b"Canon"}}, size=(900, 700))
    with path.open("ab") as file:
        file.write(os.urandom(1 << 20))
    whole = reading.read_file(os.fsencode(path))
    monkeypatch.setattr(reading, "_WHOLE", 1 << 19)
    streamed = reading.read_file(os.fsencode(path))
    assert whole is not None
    assert whole == streamed
    assert whole.photo.content_hash == blake3(path.read_bytes()).hexdigest()
    assert (whole.photo.camera, whole.photo.width, whole.photo.error) == ("Canon", 900, None)
