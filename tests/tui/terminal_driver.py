"""The app in a real pseudo-terminal, as tests drive it: until it is calm, and to its end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks import terminal

QUIET_S = 0.3  # nothing for so long: the screen is drawn


class Terminal(terminal.Terminal):
    """The app on `catalog`, as a shell starts it."""

    patience_s = 30.0

    def __init__(self, catalog: Path, columns: int = 120, lines: int = 40, preview: str = "off") -> None:
        super().__init__([sys.executable, "-P", "-m", "tui.cli", "-C", str(catalog)], columns, lines, preview)

    def settle(self, quiet: float = QUIET_S) -> int:
        """Read until nothing comes any more; gives the number of bytes."""
        return self.calm(quiet)

    def read_some(self) -> None:
        """Read what is there, so that the app is never held up by a full line."""
        while self._read(0.0):
            pass

    def wait_end(self) -> int:
        """Read to the end; the app's exit status."""
        while (read := self._read(self.patience_s)) is not None:
            assert read, f"the app did not end: {bytes(self.seen[-500:])!r}"
        return self._ended()

    def hang_up(self) -> int:
        """Cut the line, as a lost SSH connection does, and wait for the app to end; its exit status."""
        cut = os.open(os.devnull, os.O_RDWR)
        os.dup2(cut, self._master)  # the terminal's last descriptor: its line is gone
        os.close(cut)
        return self._ended()

    def _ended(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status
