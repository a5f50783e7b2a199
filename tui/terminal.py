"""What the terminal can draw, asked once before the app owns the keyboard.

textual-image asks by itself when imported, with 100 ms of patience: over a slow line it falls to half
blocks without a word. Here the questions end with one that every terminal answers (DA1), so that the
wait ends with the answer, however late within a second, and the reason for the choice is kept.
"""

from __future__ import annotations

import io
import os
import re
import select
import sys
import termios
import time
import tty
from dataclasses import dataclass
from types import ModuleType

PREVIEWS = ("auto", "off", "halfblock", "sixel", "kitty")
PATIENCE_S = 1.0
# Kitty graphics query, size of a cell in pixels, primary device attributes (the last is always answered).
QUESTIONS = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[16t\x1b[c"
DA1 = re.compile(rb"\x1b\[\?([0-9;]*)c")
CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
KITTY = re.compile(rb"\x1b_Gi=31;OK")


@dataclass(frozen=True, slots=True)
class Preview:
    """How pictures are drawn (`halfblock`, `sixel`, `kitty`, `off`), why so, and a cell's pixels."""

    how: str
    why: str
    cell_width: int = 10
    cell_height: int = 20


def ask(wanted: str = "") -> Preview:
    """How to draw pictures here: `wanted`, else `$KYODAKU_PREVIEW`, else what the terminal answers."""
    wanted = wanted or os.environ.get("KYODAKU_PREVIEW", "auto")
    if wanted not in PREVIEWS:
        return Preview("halfblock", f"KYODAKU_PREVIEW={wanted} is none of {', '.join(PREVIEWS)}")
    if wanted in ("off", "halfblock"):
        return Preview(wanted, "as asked for")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return Preview("halfblock", "not on a terminal")
    return understand(_answer(), wanted)


def understand(answer: bytes, wanted: str = "auto") -> Preview:
    """The choice that follows from the terminal's bytes of answer."""
    attributes = DA1.search(answer)
    cell = CELL.search(answer)
    height, width = (int(cell[1]), int(cell[2])) if cell and int(cell[1]) and int(cell[2]) else (20, 10)
    if wanted != "auto":
        return Preview(wanted, "as asked for", width, height)
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
