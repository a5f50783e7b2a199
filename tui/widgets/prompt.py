"""A question on the bottom line, as vi and less ask it: in the place of the keys, with the room as it is above."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.geometry import Size
from textual.reactive import Reactive
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Static

from core.completion import completions
from storage.safe_text import display
from tui.widgets.text_line import TextLine

Answered = Callable[[str], Awaitable[bool]]
"""Does what was asked for with the line's text; False where it could not, and the line stays to be put right."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is being asked, and the widget that has the keyboard back afterwards."""

    names: Sequence[str]
    answered: Answered
    before: Widget | None


class _Words(Static):
    """A part of the line: how wide it is, is known once the line is laid out, and lays out nothing again."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0))


class Prompt(Horizontal):
    """One line of text after a label. Enter hands it on, Tab completes a known name (again: the next), Esc leaves it.

    Its keys have priority, and a key waits until what the one before asked for is done: a name, Enter and
    the next command may come in one packet.
    """

    DEFAULT_CSS = """
    Prompt { height: 1; display: none; background: $panel; }
    Prompt Static { width: auto; padding: 0 1; text-style: bold; }
    Prompt #completing { color: $text-muted; text-style: none; }
    Prompt Input { width: 1fr; border: none; height: 1; padding: 0; background: $panel; }
    Prompt Input:focus { border: none; background: $boost; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "hand_on", show=False, priority=True),
        Binding("escape", "leave", show=False, priority=True),
        Binding("tab,down", "complete(1)", show=False, priority=True),
        Binding("shift+tab,up", "complete(-1)", show=False, priority=True),
    ]

    virtual_size: Reactive[Size] = Reactive(Size(0, 0))  # as of its parts: it is shown by one layout, in one frame

    def __init__(self, instead: Widget) -> None:
        super().__init__()
        self._instead = instead  # what gives its place to the line
        self._asked: _Asked | None = None
        self._offered: list[str] = []  # names that Tab goes through
        self._place = 0  # of them the one that stands in the line

    def compose(self) -> ComposeResult:
        yield _Words("", id="label")
        yield TextLine(id="answer")
        yield _Words("", id="completing")

    @property
    def before(self) -> Widget | None:
        """The widget that has the keyboard back afterwards, while something is asked."""
        return None if self._asked is None else self._asked.before

    def ask(self, label: str, answered: Answered, *, names: Sequence[str] = (), value: str = "") -> None:
        """Ask, with the keyboard in the line; `names` are those that Tab completes."""
        box = self.query_one(TextLine)
        self._asked = _Asked(names, answered, self.screen.focused)
        self._offered = []
        self.query_one("#label", _Words).update(Text(display(label)))
        self.query_one("#completing", _Words).update("")
        box.suggester = SuggestFromList(names, case_sensitive=False) if names else None
        box.value = value
        box.cursor_position = len(value)
        self._instead.display, self.display = False, True
        self.screen.set_focus(box)

    async def action_hand_on(self) -> None:
        asked, text = self._asked, self.query_one(TextLine).value.strip()
        if asked is not None and text and await asked.answered(text):
            self.action_leave()

    def action_leave(self) -> None:
        asked, self._asked = self._asked, None
        self._instead.display, self.display = True, False
        if asked is not None:
            self.screen.set_focus(asked.before)

    def action_complete(self, step: int) -> None:
        box = self.query_one(TextLine)
        if not self._offered or box.value != self._offered[self._place]:
            self._offered = completions(box.value, self._asked.names) if self._asked is not None else []
            self._place = 0 if step > 0 else len(self._offered) - 1
        else:
            self._place = (self._place + step) % len(self._offered)
        told = "no name on record begins so"
        if self._offered:
            box.value = self._offered[self._place]
            box.cursor_position = len(box.value)
            told = f"{self._place + 1} of {len(self._offered)}"
        self.query_one("#completing", _Words).update(told)
