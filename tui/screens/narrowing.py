"""What a search can be narrowed by: how many of its photographs have each value of a field, one field at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static
from textual.worker import Worker

from core import facets
from core.counted import counted
from core.facets import FACETS, Facet
from storage.safe_text import display
from tui.screens.dialogs import Dialog
from tui.widgets.row_table import Column, ListTable

Counted = Callable[[str], Awaitable[tuple[int, list[Facet]]]]
"""How many photographs there are, and how many of each value of the facet named."""

HINT = "Enter: only these   x: all but these   ← →: by something else   Esc: leave the search as it is"
UNKNOWN = "not on record"
NONE_OF = {"subject": "nobody who is named", "faces": "not looked for yet"}


class Narrowing(Dialog[tuple[str, str] | None]):
    """Counts by `facet` of what `text` finds. Answers the narrower search and the facet, None on Esc."""

    DEFAULT_CSS = """
    Narrowing { align: center middle; }
    Narrowing > Vertical {
        width: 76; max-width: 96%; height: 80%; background: $surface; border: round $primary; padding: 0 1;
    }
    Narrowing .title { text-style: bold; height: 1; }
    Narrowing .names { height: auto; color: $text-muted; }
    Narrowing .hint { color: $text-muted; height: auto; }
    Narrowing ListTable { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,b", "leave", show=False),
        Binding("enter", "narrow(False)", show=False, priority=True),
        Binding("x", "narrow(True)", show=False, priority=True),
        Binding("right,l,tab", "turn(1)", show=False, priority=True),
        Binding("left,h,shift+tab", "turn(-1)", show=False, priority=True),
    ]

    def __init__(self, text: str, facet: str, counted: Counted) -> None:
        super().__init__()
        self._text = text
        self._facet = facet
        self._counted = counted

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static("", classes="title")
            yield Static("", classes="names")
            yield ListTable[str | None](
                [Column("Value", 0), Column("Photographs", 12, right=True)],
                empty="no photograph is counted",
                id="values",
            )
            yield Static(Text(HINT), classes="hint")

    @property
    def table(self) -> ListTable[str | None]:
        """The values, by the term that asks for them."""
        return self.query_one("#values", ListTable)

    def on_mount(self) -> None:
        self.table.focus()
        self._begin()

    def _begin(self) -> None:
        self._counting: Worker[None] = self.run_worker(self._count, exclusive=True)

    async def _count(self) -> None:
        facet = self._facet
        names = Text()
        for name in FACETS:
            names.append(name, style="reverse" if name == facet else "").append("  ")
        self.query_one(".names", Static).update(names)
        try:
            total, found = await self._counted(facet)
        except sqlite3.Error as error:
            self.query_one(".title", Static).update(Text(f"the catalog can't be read just now: {display(str(error))}"))
            return
        self.query_one(".title", Static).update(f"{counted(total, 'photograph')} by {facet}")
        self.table.fill([(facets.term(facet, one.value), (_named(facet, one), f"{one.count:,}")) for one in found])
        self.table.move_to(0)

    def action_turn(self, step: int) -> None:
        self._facet = FACETS[(FACETS.index(self._facet) + step) % len(FACETS)]
        self._begin()

    async def action_narrow(self, without: bool) -> None:
        await self._counting.wait()  # a key typed behind one that turns is for what will be shown
        term = self.table.key
        if term is not None:
            self.dismiss((facets.narrowed(self._text, term, without=without), self._facet))
        elif self.table.count:
            self.query_one(".hint", Static).update("no search asks for these; Esc leaves the search as it is")

    def action_leave(self) -> None:
        self.dismiss(None)


def _named(facet: str, one: Facet) -> str:
    if one.value is None:
        return NONE_OF.get(facet, UNKNOWN)
    return f"{one.value:g}" if isinstance(one.value, float) else display(str(one.value))
