"""A program in a pseudo-terminal: what a key costs from being pressed to the last byte of the frame that it draws."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_S = 400.0  # a peer's table of a million rows takes minutes
QUIET_S = 0.06  # nothing for so long: the frame is drawn
SLOW_QUIET_S = 0.25  # for programs that draw a key's frame in several parts


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one key: milliseconds to the last byte of its frame, and bytes."""

    ms: float
    bytes: int


class Terminal:
    """`command` in a terminal of so many cells, with nothing read from the user's own settings."""

    def __init__(self, command: Sequence[str], columns: int = 120, lines: int = 40) -> None:
        self.seen = b""
        self._after = 0
        self.started = time.monotonic()
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            for size in ("COLUMNS", "LINES"):
                os.environ.pop(size, None)
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "KYODAKU_PREVIEW": "off"}
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execvp(command[0], list(command))

    def wait_for(self, text: str) -> float:
        """Read until `text` has come after what was waited for, or typed, before; seconds since the start."""
        end = time.monotonic() + PATIENCE_S
        while (at := self.seen.find(text.encode(), self._after)) < 0:
            if time.monotonic() > end or self._read(1.0) is None:
                sys.exit(f"{text!r} was not drawn: {self.seen[-500:]!r}")
        self._after = at + len(text.encode())
        return time.monotonic() - self.started

    def calm(self, quiet: float = 1.0) -> None:
        """Read until nothing comes for so many seconds."""
        while self._read(quiet):
            pass

    def press(self, keys: str, quiet: float = QUIET_S) -> Cost:
        """Type `keys` and read what they draw."""
        before, began = len(self.seen), time.perf_counter()
        self._after = before
        last = began
        os.write(self._master, keys.encode())
        wait = 2.0  # the first byte may take its time
        while self._read(wait):
            last, wait = time.perf_counter(), quiet
        return Cost((last - began) * 1000, len(self.seen) - before)

    def held(self, key: str, times: int, every_s: float) -> float:
        """Bytes a key when it is held: it comes again whether or not its frame was drawn."""
        before = len(self.seen)
        for _ in range(times):
            os.write(self._master, key.encode())
            end = time.monotonic() + every_s
            while (left := end - time.monotonic()) > 0:
                self._read(left)
        self.calm()
        return (len(self.seen) - before) / times

    @property
    def memory_mb(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024

    @property
    def cpu_s(self) -> float:
        """Processor time used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def has_loaded(self, library: str) -> bool:
        """Whether a file with this in its name is in the program's memory."""
        return library in Path(f"/proc/{self.pid}/maps").read_text()

    def _read(self, wait: float) -> int | None:
        """Bytes that came within `wait` seconds; None once the program has ended."""
        if not select.select([self._master], [], [], wait)[0]:
            return 0
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:
            return None
        self.seen += data
        return len(data) or None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._master)
