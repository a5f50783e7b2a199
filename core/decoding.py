"""Photographs decoded in processes of their own: a file that hangs, grows or crashes its decoder costs itself alone.

As for a scan (`core.readers`): no byte of a file for four seconds, or no end of its decoding, and its process is
replaced; memory is bounded in it. Pixels come back through memory that both sides map. The file must be the one that
was indexed, a regular file of the same size and time: a pipe or a link put where it was is not opened for long.
"""

from __future__ import annotations

import io
import os
import stat as stats
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from core import image
from core.errors import BadImage
from core.pulse import Pulse
from core.readers import Processes, Work
from storage.records import Photo

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STUCK = "decoding it takes longer than 4 seconds"
AGAIN = "run it again when it does; what was done is kept"

_WHOLE = (
    32 << 20
)  # files up to this many bytes are read before they are decoded, so that it shows which of the two hangs
_BLOCK = 1 << 20
_WAITING = 2  # pictures that a process has, so that it never waits for its parent
_READ = "00" * 32  # stands for a hash that nobody asked for: all bytes came


@dataclass(frozen=True, slots=True)
class Ask:
    """A photograph to decode as `image.load` does, and what tells that its file is the one that was indexed."""

    path: bytes
    orientation: int
    size: int
    mtime_ns: int
    longest: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """The picture, upright in RGB. Without one, `error` says why, and None: the file is not as indexed."""

    picture: Image.Image | None
    error: str | None = None


def ask(photo: Photo, longest: int) -> Ask:
    """What is asked to have a photograph with its longer side at most `longest`."""
    return Ask(photo.path, photo.orientation, photo.size, photo.mtime_ns, longest)


class Decoders(Processes[Ask, Decoded]):
    """A queue of photographs that `jobs` processes decode, none with a longer side than `longest`."""

    def __init__(self, jobs: int, longest: int) -> None:
        super().__init__(
            jobs,
            Work(
                target="core.decoding:decode_in_process",
                path=lambda asked: asked.path,
                weight=lambda asked: len(asked.path) + 200,
                made=_made,
                blamed=lambda _asked, _sight, why: Decoded(None, why),
                again=AGAIN,
                stuck=STUCK,
                room=3 * longest * longest,
                ahead=_WAITING,
            ),
        )

    def decode(self, asked: Sequence[Ask]) -> list[Decoded]:
        """All of these decoded, in their order. Raises JobFailed, UnreadablePath."""
        found: list[Decoded] = []
        for one in asked:
            self.submit([one])
        while len(self):
            found += self.collect()
        return found


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


def load(asked: Ask, pulse: Pulse) -> Image.Image | None:
    """In a process of `core.readers`: the picture, or None where the file is not the one indexed. Raises BadImage."""
    try:
        # never follow a link, never wait for the writer of a pipe put where the file was
        descriptor = os.open(asked.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        stat = os.fstat(descriptor)
        if not stats.S_ISREG(stat.st_mode) or (stat.st_size, stat.st_mtime_ns) != (asked.size, asked.mtime_ns):
            return None
        pulse.opened(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, 0)
        source = io.BufferedReader(_Watched(descriptor, pulse), _BLOCK)
        try:
            if stat.st_size > _WHOLE:
                return image.load(source, asked.orientation, longest=asked.longest)
            data = io.BytesIO(source.read())
        except OSError as error:
            raise BadImage(f"can't be read: {error.strerror or error}") from error
        pulse.hashed(_READ)
        return image.load(data, asked.orientation, longest=asked.longest)
    finally:
        os.close(descriptor)


def decode_in_process(asked: Ask, pulse: Pulse, room: memoryview) -> tuple[tuple[int, int] | None, str | None]:
    """`load` for `Decoders`: the pixels go into `room`, and their size, or why there are none, is told."""
    try:
        picture = load(asked, pulse)
    except BadImage as error:
        return None, error.message
    except MemoryError:
        return None, image.GREEDY
    if picture is None:
        return None, None
    pixels = picture.tobytes()
    room[: len(pixels)] = pixels
    return picture.size, None


def _made(told: tuple[tuple[int, int] | None, str | None], room: memoryview) -> list[Decoded]:
    size, error = told
    if size is None:
        return [Decoded(None, error)]
    return [Decoded(Image.frombytes("RGB", size, bytes(room[: 3 * size[0] * size[1]])))]
