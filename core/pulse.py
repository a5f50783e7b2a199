"""What a process that reads files lets its parent see while it works: memory that both map.

A pipe would tell nothing of a process that hangs or dies. The memory says which file it was at,
whether bytes still come, and what it knew of the file, so that the parent can put that on record.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from dataclasses import dataclass

_LAYOUT = struct.Struct("<QQB4q32s")  # file, beats, how far it came, stat, digest
_NUMBER, _NUMBERS = struct.Struct("<Q"), struct.Struct("<4q")
_FILE, _BEATS, _STAGE, _STAT, _DIGEST = 0, 8, 16, 17, 49
_IDLE, _OPENING, _OPENED, _HASHED = range(4)


@dataclass(frozen=True, slots=True)
class Sight:
    """What the memory holds. `file` counts the files begun; `stat` is size, mtime, ctime (ns) and inode."""

    file: int
    beats: int
    at_work: bool
    stat: tuple[int, int, int, int] | None
    digest: str | None


class Pulse:
    """The memory, from either side. The parent makes it and hands `descriptor` to the process, which maps it too."""

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            with tempfile.TemporaryFile() as file:
                file.truncate(_LAYOUT.size)
                descriptor = os.dup(file.fileno())
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _LAYOUT.size)
        self._file = self._beats = 0

    def begin(self) -> None:
        """The next file is about to be opened."""
        self._memory[_STAGE] = _OPENING  # first: what is known is of the file before
        self._file += 1
        _NUMBER.pack_into(self._memory, _FILE, self._file)

    def opened(self, size: int, mtime_ns: int, ctime_ns: int, inode: int) -> None:
        """The file is open, and this is its stat, as the catalog keeps it."""
        _NUMBERS.pack_into(self._memory, _STAT, size, mtime_ns, ctime_ns, inode)
        self._memory[_STAGE] = _OPENED

    def beat(self) -> None:
        """Bytes came."""
        self._beats += 1
        _NUMBER.pack_into(self._memory, _BEATS, self._beats)

    def hashed(self, digest: str) -> None:
        """The file was read to its end; from here on only its content is looked at."""
        self._memory[_DIGEST:] = bytes.fromhex(digest)
        self._memory[_STAGE] = _HASHED
        self.beat()

    def end(self) -> None:
        """The file is done with."""
        self._memory[_STAGE] = _IDLE

    def look(self) -> Sight:
        """What the other side has written."""
        file, beats, stage, *stat, digest = _LAYOUT.unpack_from(self._memory)
        size, mtime, ctime, inode = stat
        return Sight(
            file=file,
            beats=beats,
            at_work=stage != _IDLE,
            stat=(size, mtime, ctime, inode) if stage in {_OPENED, _HASHED} else None,
            digest=digest.hex() if stage == _HASHED else None,
        )

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()
        os.close(self.descriptor)


class Beats:
    """A pulse that tells nothing but that bytes come: for files beside the one that goes on record."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse

    def opened(self, *_: int) -> None:
        """Of another file: the pulse keeps what it knows."""

    def beat(self) -> None:
        """Bytes came."""
        self._pulse.beat()

    def hashed(self, _: str) -> None:
        """Bytes came, to the last."""
        self._pulse.beat()
