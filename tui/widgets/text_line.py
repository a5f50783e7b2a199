"""A box of one line for typing in, of which a letter draws the line and nothing else."""

from __future__ import annotations

from textual.geometry import Size
from textual.reactive import Reactive
from textual.widgets import Input


class TextLine(Input):
    """An `Input` of a width that its text does not change: Textual's own has the whole screen laid out at each letter.

    Its cursor does not blink: at rest nothing is drawn.
    """

    virtual_size: Reactive[Size] = Reactive(Size(0, 0))

    def __init__(self, *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(placeholder=placeholder, id=id)
        self.cursor_blink = False
