"""What one photograph's files hold: content hash, EXIF, XMP and size in pixels, read once, never written.

`Readers` does it in processes of their own, so that a file which crashes or stalls a decoder costs
its own row an error and nothing else.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import stat as stats
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from types import FrameType
from typing import BinaryIO

from blake3 import blake3

from core import beside, exif, image, jpeg
from core.beside import Beside
from core.companions import Group, Shot, apart, same_exposure
from core.errors import BadImage, JobFailed
from core.interchange import xmp
from storage.photos import join, split
from storage.records import Companion, CompanionKind, Photo
from storage.safe_text import display

CHANGED = "changed while it was read"

_WHOLE = 128 << 20  # files up to this many bytes are read in one go
_BLOCK = 1 << 20
_MOST_SECONDS = 30  # for one file; reading alone gets 10 MB/s on top
_SLOWEST = 10_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """One file as read. `photo.id` is 0; its `content_hash` is None where the file was not read to its end."""

    photo: Photo
    warning: str | None = None  # what could not be read although the photograph can be used


def read_file(path: bytes) -> Reading | None:
    """Read one file; None when it is not there (any more) or is no regular file.

    Never raises for what the file is or holds: `photo.error` says why it can't be used.
    """
    try:
        # never follow a link, never wait for the writer of a pipe put where the file was
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return _unopened(path, error)
    with os.fdopen(file, "rb", buffering=0) as source:
        before = os.fstat(source.fileno())
        if not stats.S_ISREG(before.st_mode):
            return None
        photo = _photo(path, before)
        try:
            with _time_limit(_MOST_SECONDS + before.st_size / _SLOWEST):
                reading = _read(source, photo)
        except OSError as error:
            return Reading(replace(photo, error=f"can't be read: {error.strerror or error}"))
        if _mark(os.fstat(source.fileno())) != _mark(before):
            return Reading(replace(photo, error=CHANGED))
        return reading


def _mark(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _photo(path: bytes, stat: os.stat_result) -> Photo:
    return Photo(
        0, path, display(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, companions=(), tags=()
    )


def _unopened(path: bytes, error: OSError) -> Reading | None:
    try:
        stat = os.lstat(path)
    except OSError:
        return None
    if not stats.S_ISREG(stat.st_mode):
        return None
    return Reading(replace(_photo(path, stat), error=f"can't be opened: {error.strerror}"))


def _read(source: io.FileIO, photo: Photo) -> Reading:
    if photo.size > _WHOLE:
        digest = blake3()
        while block := source.read(_BLOCK):
            digest.update(block)
        return _described(photo, digest.hexdigest(), io.BufferedReader(source), None)
    data = b"".join(iter(lambda: source.read(max(_BLOCK, photo.size)), b""))
    return _described(photo, blake3(data).hexdigest(), io.BytesIO(data), data)


_EXIF = [field.name for field in fields(exif.ExifFields) if field.name not in {"orientation", "warning"}]


def _described(photo: Photo, digest: str, source: BinaryIO, data: bytes | None) -> Reading:
    """`photo` with what EXIF, XMP and the picture's header say; `data` is the whole file where it is in memory."""
    if photo.size == 0:
        return Reading(replace(photo, content_hash=digest, error="the file is empty"))
    frame = None if data is None else jpeg.frame_of(data)
    told = exif.ExifFields()
    try:
        if data is not None and frame is not None:
            # EXIF lies in front of a JPEG's first scan: lying offsets can't make the reader chew the pixels
            head = data[: frame.header]
            told = exif.read(io.BytesIO(head))
            turn = image.probe(source).orientation if told.warning else told.orientation
            facts = image.probe_jpeg(frame, turn)
            packet = jpeg.xmp_of(head)
        else:
            facts = image.probe(source)
            # exifread knows few of the ways that HEIF and WebP hold their EXIF; Pillow finds the block
            blocks: list[BinaryIO] = [io.BytesIO(block) for block in facts.exif]
            told = exif.read(*([source, *blocks] if facts.is_exif else blocks))
            packet = facts.xmp
    except BadImage as error:
        torn = frame is None and data is not None and data.startswith(jpeg.MAGIC)
        why = "the file is cut off before its picture begins" if torn else error.message
        told = told if frame is not None else beside.raw_fields(source)
        return Reading(replace(photo, content_hash=digest, error=why, **{name: getattr(told, name) for name in _EXIF}))
    photo = replace(
        photo,
        content_hash=digest,
        format=facts.format,
        width=facts.width,
        height=facts.height,
        orientation=facts.orientation,
        error=None if facts.complete else "the file is cut off: its end is missing",
        **{name: getattr(told, name) for name in _EXIF},
    )
    return Reading(_with_xmp(photo, [xmp.read(packet)] if xmp.worth_reading(packet) else []), told.warning)


def _with_xmp(photo: Photo, written: Sequence[xmp.XmpFields]) -> Photo:
    """The photograph with the first that each field is given by, of what `written` gives; EXIF's where none does."""
    if not written:
        return photo
    rating = next((each.rating for each in written if each.rating is not None), photo.rating)
    caption = next((each.caption for each in written if each.caption is not None), photo.caption)
    tags = next((each.keywords for each in written if each.keywords), photo.tags or ())
    return replace(photo, rating=rating, caption=caption, tags=tags)


def read_shot(shot: Shot) -> list[Reading]:
    """Read a photograph's files. More than one reading comes back where a RAW is found to be of another exposure.

    None comes back where the file to be shown is not there any more. Never raises for what the files hold.
    """
    reading = read_file(shot.path)
    if reading is None:
        return []
    if not shot.beside or reading.photo.content_hash is None:
        return [reading]
    folder, name = split(shot.path)
    found = {each.name: read for each in shot.beside if (read := _read_beside(folder, each)) is not None}
    raws = tuple(name for name, each in found.items() if each.companion.kind is CompanionKind.RAW)
    group = Group(name, raws, tuple(name for name in found if name not in raws))
    pairs: list[tuple[Reading, Group]] = []
    for other in raws:
        if same_exposure(reading.photo.taken_at, found[other].fields.taken_at) is False:
            group, own = apart(group, other)
            if (alone := read_file(join(folder, other))) is not None:
                pairs.append((alone, own))
    return [_with_companions(read, own, found) for read, own in [(reading, group), *pairs]]


def _read_beside(folder: bytes, known: Companion) -> Beside | None:
    with _time_limit(_MOST_SECONDS + known.size / _SLOWEST):
        return beside.read(folder, known)


def _with_companions(reading: Reading, group: Group, found: Mapping[bytes, Beside]) -> Reading:
    others = [found[name] for name in (*group.raws, *group.sidecars)]
    photo = _with_xmp(reading.photo, [each.written for each in others])
    photo = replace(photo, companions=tuple(each.companion for each in others))
    warnings = [each.warning for each in others if each.warning is not None]
    return Reading(photo, reading.warning or next(iter(warnings), None))


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after `seconds`; only the main thread of a process can be told."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"it took longer than {seconds:.0f} seconds")

    old = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


# In processes of their own ----------------------------------------------------------------------


def _read_chunk(shots: Sequence[Shot]) -> list[Reading]:
    return [reading for shot in shots for reading in read_shot(shot)]


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it even when it is killed: a pool's workers would stay for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


class Readers:
    """A queue of photographs that `jobs` processes read; readings come back in their order."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool: ProcessPoolExecutor | None = None
        self._queue: deque[tuple[list[Shot], Future[list[Reading]]]] = deque()

    def __enter__(self) -> Readers:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    @property
    def busy(self) -> bool:
        """Enough waits to be read that submitting more would only fill memory."""
        return len(self._queue) >= 3 * self._jobs

    def __len__(self) -> int:
        """Chunks that were submitted and not collected."""
        return len(self._queue)

    def submit(self, shots: list[Shot]) -> None:
        """Queue one chunk."""
        self._queue.append((shots, self._submit(shots)))

    def _submit(self, shots: list[Shot]) -> Future[list[Reading]]:
        if self._pool is None:
            # spawn: a forked child would share the catalog's connection and other threads' locks
            self._pool = ProcessPoolExecutor(
                self._jobs, multiprocessing.get_context("spawn"), initializer=_start_worker
            )
        try:
            return self._pool.submit(_read_chunk, shots)
        except BrokenProcessPool as error:
            broken: Future[list[Reading]] = Future()
            broken.set_exception(error)
            return broken

    @property
    def ready(self) -> bool:
        """The oldest chunk has been read."""
        return bool(self._queue) and self._queue[0][1].done()

    def collect(self) -> list[Reading]:
        """The readings of the oldest chunk, waiting for them."""
        shots, future = self._queue.popleft()
        try:
            return future.result()
        except BrokenProcessPool:
            return self._read_apart(shots)

    def _read_apart(self, shots: list[Shot]) -> list[Reading]:
        """A process died: read the chunk's files one at a time, so that the one that kills is known."""
        self._stop()
        found: list[Reading] = []
        for shot in shots:
            try:
                found += self._submit([shot]).result()
            except BrokenProcessPool:
                self._stop()
                self._check_that_processes_start()
                with suppress(FileNotFoundError):
                    photo = _photo(shot.path, os.lstat(shot.path))
                    found.append(Reading(replace(photo, error="reading it crashes the decoder")))
        # what else the dead process had is lost too
        self._queue = deque((chunk, self._submit(chunk)) for chunk, _ in self._queue)
        return found

    def _check_that_processes_start(self) -> None:
        """Else every photograph would be blamed for what the machine lacks."""
        try:
            self._submit([]).result()
        except BrokenProcessPool as error:
            raise JobFailed(
                "the processes that read photographs die at once",
                "look for a limit on memory or processes (ulimit -a)",
            ) from error
