"""A program in a pseudo-terminal: what reaches the terminal, byte for byte, and what a key costs.

That is from its being pressed to the last byte of the frame that it draws. The tests of the app drive it by this too.
"""

from __future__ import annotations

import fcntl
import math
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

PATIENCE_S = 60.0  # until what is waited for is drawn
FIRST_BYTE_S = 2.0  # a key's frame may take its time to begin
QUIET_S = 0.06  # nothing for so long: the frame is drawn


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one key: milliseconds to the last byte of its frame, infinite where none came; and bytes."""

    ms: float
    bytes: int


class NotDrawn(Exception):
    """The program ended, or let one wait too long, before it drew what was waited for."""


class Terminal:
    """`command` in a terminal of so many cells; `preview` is how it is to draw pictures (`$KYODAKU_PREVIEW`)."""

    patience_s = PATIENCE_S

    def __init__(self, command: Sequence[str], columns: int = 120, lines: int = 40, preview: str = "off") -> None:
        self.seen = bytearray()  # grown in place: a copy at each read would be timed as the program's
        self.status: int | None = None  # its exit status, once it has ended
        self._after = 0
        self.started = self._last_byte = time.monotonic()
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            # As Python knows it: readline, where it is loaded, has put another size into the process's own.
            environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
            environment |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "KYODAKU_PREVIEW": preview}
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execvpe(command[0], list(command), environment)

    def wait_for(self, text: str) -> float:
        """Read until `text` has come after what was waited for, typed or calm before; seconds since the start.

        Raises NotDrawn.
        """
        end = time.monotonic() + self.patience_s
        while (at := self.seen.find(text.encode(), self._after)) < 0:
            if time.monotonic() > end or self._read(1.0) is None:
                raise NotDrawn(f"{text!r} was not drawn: {bytes(self.seen[self._after :][-2000:])!r}")
        self._after = at + len(text.encode())
        return time.monotonic() - self.started

    def calm(self, quiet: float = 1.0) -> int:
        """Read until nothing comes for so many seconds; gives how many bytes came."""
        before = len(self.seen)
        while self._read(quiet):
            pass
        self._after = len(self.seen)
        return self._after - before

    def type(self, keys: str) -> None:
        """Type `keys`, and read nothing yet."""
        self._after = len(self.seen)
        os.write(self._master, keys.encode())

    def press(self, keys: str, quiet: float = QUIET_S, patience: float = FIRST_BYTE_S) -> Cost:
        """Type `keys` and read what they draw, which begins within `patience` seconds or not at all."""
        before, began = len(self.seen), time.perf_counter()
        last = math.inf
        self.type(keys)
        wait = patience
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
    def last_byte_s(self) -> float:
        """When the newest byte came, in seconds since the start."""
        return self._last_byte - self.started

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
        self._last_byte = time.monotonic()
        return len(data) or None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._master)


def open_app(folder: Path) -> Terminal:
    """The app on a catalog, as a shell starts it."""
    return Terminal([sys.executable, "-P", "-m", "tui.cli", "-C", str(folder)])


def p95(costs: Sequence[Cost]) -> float:
    """The 95th percentile of the milliseconds."""
    return sorted(cost.ms for cost in costs)[math.ceil(0.95 * len(costs)) - 1]
