"""A room whose next decision goes to one row of its list, to so many, a range, the marked ones, or all of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from tui.hand import Hand, Scope
from tui.screens.room import Room
from tui.widgets.lines import ReasonLine
from tui.widgets.row_table import RowTable

Key = TypeVar("Key", bound=Hashable)


class ChoosingRoom(Room, Generic[Key]):
    """A room with a list whose rows are chosen; `reason` tells of the row under the cursor, and what is open."""

    def __init__(self) -> None:
        super().__init__()
        self.hand: Hand[Key] = Hand()
        self.reason = ReasonLine()

    @property
    def table(self) -> RowTable:
        """The list."""
        raise NotImplementedError

    @property
    def ids(self) -> Sequence[Key]:
        """What its rows are known by."""
        raise NotImplementedError

    def show_reason(self) -> None:
        """Tell of the row under the cursor, and what is open for the next key."""
        raise NotImplementedError

    def show_open(self) -> None:
        self.show_reason()

    def told_open(self) -> str:
        """What is open for the next key, in a few words."""
        told = self.hand.told(self.table.cursor, len(self.ids))
        if self.kyodaku.registers.recording is not None:
            told = f"{told}, " * bool(told) + f"recording @{self.kyodaku.registers.recording}"
        return told

    def is_marked(self, place: int) -> bool:
        """Whether the row at this place is marked, or in the open range."""
        hand = self.hand
        if hand.begun is not None and place in hand.rows(self.table.cursor, len(self.ids)):
            return True
        return bool(hand.marks) and self.ids[place] in hand.marks

    def let_go(self) -> bool:
        """Let go of what is open, else of the marks; False where there was neither."""
        if not self.hand.drop():
            return False
        self.hand_changed()
        return True

    def hand_changed(self) -> None:
        """What is marked or in the range is another: draw it."""
        self.show_reason()
        self.keys.look_again()
        self.table.draw_marks()

    def why_not(self, name: str) -> str | None:
        if name == "marked" and not self.hand.marks:
            return "nothing is marked: Space marks a row"
        return super().why_not(name)

    def do_digit(self, digit: int) -> None:
        self.hand.digit(digit)
        self.show_reason()

    def take_count(self) -> int:
        if self.hand.count is None:
            return 1
        count = self.hand.take_count()
        self.show_reason()
        return count

    def do_range(self) -> None:
        self.hand.begun = None if self.hand.begun is not None else self.table.cursor
        self.hand_changed()

    def do_mark(self) -> None:
        if not self.ids:
            return
        if self.hand.begun is not None:
            for key in self.hand.targets(self.ids, self.table.cursor):
                self.hand.marks[key] = None
            self.hand.begun = None
        else:
            self.hand.mark(self.ids[self.table.cursor])
            self.table.move_to(self.table.cursor + 1)
        self.hand_changed()

    def do_marked(self) -> None:
        self.hand.scope = Scope.MARKS
        self.show_reason()

    def do_all(self) -> None:
        self.hand.scope = Scope.ALL
        self.show_reason()
