"""A process that works on files: `python -P -m core.read_worker TARGET ROOM PULSE [MEMORY]`.

`core.processes` starts it. Chunks of tasks, each with the memory it may take, come on stdin, and what the function
`TARGET` makes of each goes to stdout, both as a length of four bytes and a pickle; `PULSE` is the memory of
`core.pulse`, `MEMORY` holds `ROOM` bytes for each chunk that is under way. It ends when its parent does, whatever it is
at.
"""

from __future__ import annotations

import importlib
import mmap
import os
import pickle
import resource
import signal
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from core.pulse import Pulse

MOST_MEMORY = 256 << 20  # bytes that a file may take, beyond what the process has at its start

_LEFT_ALONE = 60  # seconds without a byte after which it ends itself: nobody is there any more to do it
_LENGTH = struct.Struct("<I")


def main() -> None:
    """Read what the parent asks for until it asks no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process even inside a decoder's endless loop
    into, out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not be taken for readings
    target, size, descriptor, *shared = sys.argv[1:]
    module, name = target.split(":")
    work, room = getattr(importlib.import_module(module), name), int(size)
    memory = memoryview(mmap.mmap(int(shared[0]), 0) if shared else b"")
    pulse = _Heart(int(descriptor))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    used = memory_in_use()
    with suppress(BrokenPipeError):
        while message := _message(into):
            place, tasks = pickle.loads(message)
            own, replies = memory[place * room : (place + 1) * room], []
            for most, task in tasks:
                bound_memory(used, most)
                replies.append(_done(work, task, pulse, own))
            reply = pickle.dumps(replies)
            out.write(_LENGTH.pack(len(reply)) + reply)
            out.flush()


def memory_in_use() -> int | None:
    """Bytes of data that this process has; None where the system doesn't tell (no /proc)."""
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:"))
    return None


def bound_memory(used: int | None, most: int = MOST_MEMORY) -> None:
    """Let this process take `most` bytes more than `used`: what a file makes it ask for beyond is a MemoryError.

    Nothing is bounded where nobody knows what is in use.
    """
    if used is None:
        return
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = used + most
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


class _Heart(Pulse):
    """A pulse that ends the process when it has stood still for long."""

    def beat(self) -> None:
        signal.alarm(_LEFT_ALONE)
        super().beat()


def _done(work: Callable[[Any, Pulse, memoryview], Any], task: Any, pulse: Pulse, room: memoryview) -> Any:
    signal.alarm(_LEFT_ALONE)
    pulse.begin()
    try:
        return work(task, pulse, room)
    finally:
        pulse.end()
        signal.alarm(0)


def _message(source: BinaryIO) -> bytes:
    """The next message; empty at the end."""
    head = source.read(_LENGTH.size)
    return source.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""


if __name__ == "__main__":
    main()
