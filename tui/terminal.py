"""What the terminal can draw, asked once before the app owns the keyboard.

textual-image asks by itself when imported, with 100 ms of patience: over a slow line it falls to half
blocks without a word. Here the questions end with one that every terminal answers (DA1), so that the
wait ends with the answer, however late within a second, and the reason for the choice is kept.
"""

from __future__ import annotations

import io
import math
import os
import re
import select
import sys
import termios
import time
import tty
from dataclasses import dataclass, replace
from types import ModuleType

AS_ASKED = "as asked for"
PREVIEWS = ("auto", "off", "halfblock", "sixel", "kitty")
PATIENCE_S = 1.0
SLOW_S = 0.08  # an answer that takes longer came over a slow line
SLOW_BUDGET = 64_000  # bytes of a picture there
CELL_BYTES = {"halfblock": 34, "sixel": 155, "kitty": 340}  # a cell of a photograph, measured at 40x20 cells
# Kitty graphics query, size of a cell in pixels, primary device attributes (the last is always answered).
QUESTIONS = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b[c"
DA1 = re.compile(rb"\x1b\[\?([0-9;]*)c")
CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
KITTY = re.compile(rb"\x1b_Gi=31;OK")


@dataclass(frozen=True, slots=True)
class Preview:
    """How pictures are drawn (`halfblock`, `sixel`, `kitty`, `off`), why so, and a cell's pixels.

    `budget` is how many bytes a picture may take on its way to the terminal, None where that does not matter.
    """

    how: str
    why: str
    cell_width: int = 10
    cell_height: int = 20
    budget: int | None = None

    @property
    def fell_back(self) -> bool:
        """Whether half blocks are drawn for want of anything finer."""
        return self.how == "halfblock" and self.why != AS_ASKED

    @property
    def most_cells(self) -> float:
        """How many cells a picture may take within the budget."""
        return math.inf if self.budget is None else self.budget / CELL_BYTES.get(self.how, 1)

    @property
    def told(self) -> str:
        """How pictures are drawn and why, in a sentence."""
        names = {"halfblock": "as half blocks", "off": "not at all"}
        bound = "" if self.budget is None else f"; at most {self.budget // 1000} KB each"
        return f"pictures are drawn {names.get(self.how, f'by {self.how}')}: {self.why}{bound}"


def ask(wanted: str = "", budget: int | None = None) -> Preview:
    """How to draw pictures here: by `$KYODAKU_PREVIEW`, else as `wanted`, else as the terminal answers.

    Over a slow line a picture has a budget of bytes, if none is given.
    """
    wanted = os.environ.get("KYODAKU_PREVIEW") or wanted or "auto"
    if wanted not in PREVIEWS:
        return Preview("halfblock", f"KYODAKU_PREVIEW={wanted} is none of {', '.join(PREVIEWS)}", budget=budget)
    if wanted in ("off", "halfblock"):
        return Preview(wanted, AS_ASKED, budget=budget)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return Preview("halfblock", "not on a terminal", budget=budget)
    asked_at = time.monotonic()
    answer = _answer()
    if budget is None and time.monotonic() - asked_at > SLOW_S:
        budget = SLOW_BUDGET
    return replace(understand(answer, wanted), budget=budget)


def understand(answer: bytes, wanted: str = "auto") -> Preview:
    """The choice that follows from the terminal's bytes of answer."""
    attributes = DA1.search(answer)
    cell = CELL.search(answer)
    height, width = (int(cell[1]), int(cell[2])) if cell and int(cell[1]) and int(cell[2]) else (20, 10)
    if wanted != "auto":
        return Preview(wanted, AS_ASKED, width, height)
    if attributes is None:
        return Preview("halfblock", f"the terminal did not answer within {PATIENCE_S:.0f} s", width, height)
    if KITTY.search(answer):
        return Preview("kitty", "the terminal answered that it draws kitty graphics", width, height)
    if b"4" in attributes[1].split(b";"):
        return Preview("sixel", "the terminal answered that it draws sixel", width, height)
    return Preview("halfblock", "the terminal knows neither kitty graphics nor sixel", width, height)


def _answer() -> bytes:
    """What the terminal says to `QUESTIONS` within `PATIENCE_S`."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    got = b""
    try:
        tty.setcbreak(keyboard)
        os.write(sys.stdout.fileno(), QUESTIONS)
        end = time.monotonic() + PATIENCE_S
        while not DA1.search(got) and (left := end - time.monotonic()) > 0:
            if select.select([keyboard], [], [], left)[0]:
                got += os.read(keyboard, 1024)
    finally:
        termios.tcsetattr(keyboard, termios.TCSANOW, before)
    return got


def picture_widgets(preview: Preview) -> ModuleType:
    """textual-image's widgets, imported without its asking the terminal again (the app reads its answers)."""
    from textual_image import _terminal

    keep = sys.__stdout__
    try:
        sys.__stdout__ = io.StringIO()  # type: ignore[assignment, misc]  # no terminal: nothing is asked
        _terminal.get_cell_size._result = _terminal.CellSize(  # type: ignore[attr-defined]
            preview.cell_width, preview.cell_height
        )
        from textual_image import widget
    finally:
        sys.__stdout__ = keep  # type: ignore[misc]
    return widget
