"""A real pseudo-terminal with the app in it: what reaches the terminal, byte for byte."""

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
from pathlib import Path
from types import TracebackType
from typing import Self

PROGRAM = """import sys, pathlib, tui.app, tui.config
sys.exit(tui.app.run(pathlib.Path(sys.argv[1]), tui.config.read(tui.config.path())))"""
PATIENCE_S = 30.0
QUIET_S = 0.3  # nothing for so long: the screen is drawn


class Terminal:
    """The app on `catalog` in a terminal of `columns` x `lines` cells."""

    def __init__(self, catalog: Path, columns: int = 120, lines: int = 40, preview: str = "off") -> None:
        self.seen = b""
        self.status: int | None = None
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            # As Python knows it: readline, where it is loaded, has put another size into the process's own.
            environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
            environment |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "KYODAKU_PREVIEW": preview}
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execve(sys.executable, [sys.executable, "-P", "-c", PROGRAM, str(catalog)], environment)

    def press(self, keys: str) -> None:
        """Type `keys`."""
        os.write(self._master, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read until `text` has been drawn after what was read before."""
        start, end = len(self.seen), time.monotonic() + PATIENCE_S
        while text.encode() not in self.seen[start:]:
            assert time.monotonic() < end, f"{text!r} was not drawn: {self.seen[start:][-2000:]!r}"
            assert self._read(1.0) is not None, f"the app ended before {text!r}: {self.seen[-2000:]!r}"

    def settle(self) -> int:
        """Read until nothing comes any more; gives the number of bytes."""
        before = len(self.seen)
        while self._read(QUIET_S):
            pass
        return len(self.seen) - before

    def read_some(self) -> None:
        """Read what is there, so that the app is never held up by a full line."""
        while self._read(0.0):
            pass

    def settle_long(self) -> None:
        """As `settle`, where much was typed ahead."""
        while self._read(2.0):
            pass

    def answer(self, data: bytes) -> None:
        """Send bytes as the terminal itself would."""
        os.write(self._master, data)

    def wait_end(self) -> int:
        """Read to the end; the app's exit status."""
        while (read := self._read(PATIENCE_S)) is not None:
            assert read, f"the app did not end: {self.seen[-500:]!r}"
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def hang_up(self) -> None:
        """Close the line, as a lost SSH connection does, and wait for the app to end."""
        os.close(self._master)
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)

    def _read(self, wait: float) -> int | None:
        """Read what is there within `wait` seconds; 0 if nothing came, None at the end."""
        if not select.select([self._master], [], [], wait)[0]:
            return 0
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return None
        self.seen += data
        return len(data) or None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
