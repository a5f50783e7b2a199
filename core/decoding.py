"""Photographs decoded in processes of their own: a file that hangs, grows or crashes its decoder costs itself alone.

As for a scan (`core.processes`): no byte of a file for four seconds, or no end of its decoding, and its process is
replaced. What it may take follows from what was indexed, never from what the file says by then: 256 MB, and of a
photograph of more than 12 megapixels as much for each 12; where it is decoded whole, so do the four seconds. Pixels
come back through memory that both sides map. The file must be the one that was indexed, a regular file of the same
size and time, or of the same bytes: a pipe or a link put where it was is not opened for long.
"""

from __future__ import annotations

import atexit
import io
import os
import stat as stats
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from blake3 import blake3
from PIL import Image

from core import image
from core.errors import BadImage, Changed
from core.processes import Processes, Work
from core.pulse import Pulse
from core.read_worker import MOST_MEMORY
from storage.records import Box, Photo
from storage.safe_text import display

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STUCK = "decoding it takes longer than is safe"
AGAIN = "run it again when it does; what was done is kept"

_NORMAL = 12_000_000  # pixels that the bounds are for; larger photographs have more
_A_BYTE = 8  # pixels that a byte of a photograph tells at most: one of fewer bytes is not as large as it says
_WHOLE = (
    32 << 20
)  # files up to this many bytes are read before they are decoded, so that it shows which of the two hangs
_BLOCK = 1 << 20
_WAITING = 2  # pictures that a process has, so that it never waits for its parent
_READ = "00" * 32  # stands for a hash that nobody asked for: all bytes came


class Cut(NamedTuple):
    """A box in the pixels of the upright picture, and the width and height that it is resized to."""

    box: Box
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Ask:
    """A photograph to decode as `image.load` does, and what tells that its file is the one that was indexed.

    That is its size and time or, with `content_hash`, its size and bytes, whatever its time. `pixels` are as indexed.
    Without `longest` it is decoded whole; of that `cut` may be all that is wanted. With `srgb` its colours are changed
    from those of its profile.
    """

    path: bytes
    orientation: int
    size: int
    mtime_ns: int
    pixels: int
    longest: int | None = None
    content_hash: str | None = None
    cut: Cut | None = None
    srgb: bool = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """The picture, upright in RGB. Without one, `error` says why, and None: the file is not as indexed."""

    picture: Image.Image | None
    error: str | None = None


def ask(
    photo: Photo,
    longest: int | None = None,
    *,
    content_hash: str | None = None,
    cut: Cut | None = None,
    srgb: bool = False,
) -> Ask:
    """What is asked to have a photograph: its longer side at most `longest`, else whole, or what is cut of that."""
    pixels = (photo.width or 0) * (photo.height or 0)
    return Ask(photo.path, photo.orientation, photo.size, photo.mtime_ns, pixels, longest, content_hash, cut, srgb)


def memory(asked: Ask) -> int:
    """Bytes that decoding it may take; those of a file whose hash is asked for are kept meanwhile."""
    return int(MOST_MEMORY * _largeness(asked)) + (asked.size if asked.content_hash is not None else 0)


def patience(asked: Ask) -> float:
    """How many times four seconds decoding it may take: one, unless it is both large and decoded whole."""
    return _largeness(asked) if asked.longest is None else 1.0


def _largeness(asked: Ask) -> float:
    return max(1.0, min(asked.pixels, _A_BYTE * asked.size) / _NORMAL)


class Decoders(Processes[Ask, Decoded]):
    """A queue of photographs that `jobs` processes decode, none with a longer side than `longest`."""

    def __init__(self, jobs: int, longest: int) -> None:
        super().__init__(jobs, _work(3 * longest * longest, _WAITING))

    def decode(self, asked: Sequence[Ask]) -> list[Decoded]:
        """All of these decoded, in their order. Raises JobFailed, UnreadablePath."""
        found: list[Decoded] = []
        for one in asked:
            self.submit([one])
        while len(self):
            found += self.collect()
        return found


def _work(room: int, ahead: int) -> Work[Ask, Decoded]:
    return Work(
        target="core.decoding:decode_in_process",
        path=lambda asked: asked.path,
        weight=lambda asked: len(asked.path) + 400,
        made=_made,
        blamed=lambda _asked, _sight, why: Decoded(None, why),
        again=AGAIN,
        stuck=STUCK,
        room=room,
        ahead=ahead,
        memory=memory,
        patience=patience,
    )


class _Resident:
    """A process that decodes one photograph at a time for any thread of this program, from the first one on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: Processes[Ask, Decoded] | None = None

    def decode(self, asked: Ask) -> Decoded:
        with self._lock:
            if self._queue is None:
                self._queue = Processes(1, _work(3 * image.MOST_PIXELS, ahead=1))
                atexit.register(self.end)
            try:
                self._queue.submit([asked])
                (found,) = self._queue.collect()
            except BaseException:
                self.end()  # nobody may be given the picture that another asked for
                raise
            return found

    def end(self) -> None:
        atexit.unregister(self.end)
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.__exit__()


_resident = _Resident()


def picture(asked: Ask) -> Image.Image:
    """The picture, upright in RGB, decoded by a process that is kept for this. From any thread.

    Raises BadImage; Changed, one of these, where the file is not the one that was indexed; JobFailed, UnreadablePath.
    """
    found = _resident.decode(asked)
    if found.picture is not None:
        return found.picture
    if found.error is None:
        raise Changed(f"{display(asked.path)} is gone, or changed since it was indexed", "run kyodaku index again")
    raise BadImage(f"{display(asked.path)}: {found.error}")


class _Watched(io.RawIOBase):
    """A file of which each block that comes is a beat of the pulse."""

    def __init__(self, descriptor: int, pulse: Pulse) -> None:
        self._file = io.FileIO(descriptor, "rb", closefd=False)
        self._pulse = pulse

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: WriteableBuffer) -> int:
        came = self._file.readinto(memoryview(buffer)[:_BLOCK]) or 0
        self._pulse.beat()
        return came


@contextmanager
def opened(asked: Ask, pulse: Pulse) -> Iterator[BinaryIO | None]:
    """The file, in memory if it is small or its hash is asked for; None where it is not the one indexed.

    Raises BadImage.
    """
    try:
        # never follow a link, never wait for the writer of a pipe put where the file was
        descriptor = os.open(asked.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        stat = os.fstat(descriptor)
        same = stats.S_ISREG(stat.st_mode) and stat.st_size == asked.size
        if not same or (asked.content_hash is None and stat.st_mtime_ns != asked.mtime_ns):
            yield None
            return
        pulse.opened(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, 0)
        source = io.BufferedReader(_Watched(descriptor, pulse), _BLOCK)
        if asked.content_hash is None and asked.size > _WHOLE:
            yield source
            return
        try:
            data = source.read(asked.size)
        except OSError as error:
            raise BadImage(f"can't be read: {error.strerror or error}") from error
        same = asked.content_hash is None or blake3(data).hexdigest() == asked.content_hash
        pulse.hashed(_READ)
        yield io.BytesIO(data) if same else None
    finally:
        os.close(descriptor)


def load(asked: Ask, pulse: Pulse) -> Image.Image | None:
    """In a process of `core.processes`: the picture, or None where the file is not the one indexed. Raises BadImage."""
    with opened(asked, pulse) as source:
        if source is None:
            return None
        whole = image.load(source, asked.orientation, longest=asked.longest)
        if asked.content_hash is None and not _untouched(asked):
            return None
        if asked.srgb:
            whole = image.in_srgb(whole, image.profile_of(source))
    if asked.cut is None:
        return whole
    # Cut before anything is resampled: a filter, the decoder's own at a reduced scale too, reads beyond its box
    return whole.crop(asked.cut.box).resize(asked.cut.size, Image.Resampling.LANCZOS)


def _untouched(asked: Ask) -> bool:
    """Whether nobody has written to the file while it was read."""
    try:
        return os.lstat(asked.path).st_mtime_ns == asked.mtime_ns
    except OSError:
        return False


def decode_in_process(asked: Ask, pulse: Pulse, room: memoryview) -> tuple[tuple[int, int] | None, str | None]:
    """`load` for `Decoders`: the pixels go into `room`, and their size, or why there are none, is told."""
    try:
        found = load(asked, pulse)
        if found is None:
            return None, None
        pixels = found.tobytes()
    except BadImage as error:
        return None, error.message
    except MemoryError:
        return None, image.GREEDY
    room[: len(pixels)] = pixels
    return found.size, None


def _made(told: tuple[tuple[int, int] | None, str | None], room: memoryview) -> list[Decoded]:
    size, error = told
    if size is None:
        return [Decoded(None, error)]
    return [Decoded(Image.frombytes("RGB", size, bytes(room[: 3 * size[0] * size[1]])))]
