"""A process that reads files: `python -P -m core.read_worker DESCRIPTOR`, started by `core.readers`.

Chunks of shots come on stdin and readings go to stdout, each a length of four bytes and a pickle;
`DESCRIPTOR` is the memory of `core.pulse`. It ends when its parent does, whatever it is at.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import struct
import sys
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO

from core.companions import Shot
from core.pulse import Pulse
from core.reading import Reading, read_shot
from storage.records import Photo

MOST_MEMORY = 256 << 20  # bytes that reading may take beyond what the process has at its start

_LEFT_ALONE = 60  # seconds without a byte after which it ends itself: nobody is there any more to do it
_LENGTH = struct.Struct("<I")
_FIELDS = attrgetter(*Photo.__dataclass_fields__)


def main() -> None:
    """Read what the parent asks for until it asks no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process even inside a decoder's endless loop
    into, out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not be taken for readings
    pulse = _Heart(int(sys.argv[1]))
    bound_memory()
    with suppress(BrokenPipeError):
        while shots := _message(into):
            reply = pickle.dumps([[*map(_plain, _read(shot, pulse))] for shot in pickle.loads(shots)])
            out.write(_LENGTH.pack(len(reply)) + reply)
            out.flush()


def bound_memory(most: int = MOST_MEMORY) -> None:
    """Let this process take `most` bytes more: what a file makes it ask for beyond that is a MemoryError.

    Where the system doesn't tell what it has (no /proc), nothing is bounded.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        used = next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:"))
        resource.setrlimit(resource.RLIMIT_DATA, (used + most, used + most))


class _Heart(Pulse):
    """A pulse that ends the process when it has stood still for long."""

    def beat(self) -> None:
        signal.alarm(_LEFT_ALONE)
        super().beat()


def _read(shot: Shot, pulse: Pulse) -> list[Reading]:
    signal.alarm(_LEFT_ALONE)
    pulse.begin()
    try:
        return read_shot(shot, pulse)
    finally:
        pulse.end()
        signal.alarm(0)


def _plain(reading: Reading) -> tuple[Any, ...]:
    """As a tuple: a pickled record takes several times as long."""
    return _FIELDS(reading.photo), reading.warning


def _message(source: BinaryIO) -> bytes:
    """The next message; empty at the end."""
    head = source.read(_LENGTH.size)
    return source.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""


if __name__ == "__main__":
    main()
