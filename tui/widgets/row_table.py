"""A table that draws only the rows one sees, by Textual's Line API.

Stock DataTable holds every cell and repaints the page for each row scrolled (27 KB a step in a real
pty). Here a step within the page repaints two lines, and a step across its edge turns a whole page.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from textwrap import wrap
from typing import ClassVar, Generic, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from storage.safe_text import display

Cell = str | tuple[str, str]  # text, or text and its role: good, bad, warn, dim, strong
GAP = 2
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `width` in terminal cells, 0 takes what is left; `optional` ones go first when it is tight."""

    title: str
    width: int
    right: bool = False
    optional: int = 0  # 0 stays; of the others the highest number goes first


def fit(columns: Sequence[Column], width: int, least: int = 18) -> list[int]:
    """Widths for `columns` within `width` cells, 0 for one that has to go.

    The columns of width 0 share what is left, at least `least` each.
    """
    shown = list(range(len(columns)))

    def needed() -> int:
        return sum(columns[i].width or least for i in shown) + GAP * (len(shown) - 1)

    while needed() > width and any(columns[i].optional for i in shown):
        shown.remove(max((i for i in shown if columns[i].optional), key=lambda i: columns[i].optional))
    flexible = [i for i in shown if columns[i].width == 0]
    rest = width - sum(columns[i].width for i in shown) - GAP * (len(shown) - 1)
    widths = [columns[i].width if i in shown else 0 for i in range(len(columns))]
    for place, i in enumerate(flexible):
        widths[i] = max(1, rest // len(flexible) + (1 if place < rest % len(flexible) else 0))
    return widths


def shorten(text: str, width: int, *, keep_end: bool = False) -> str:
    """`text` in exactly `width` cells, with an ellipsis where it was cut; wide characters count two."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    if not keep_end:
        return set_cell_size(set_cell_size(text, max(0, width - 1)).rstrip() + "…", width)
    tail = text
    while tail and (cell_len(tail) > width - 1 or cell_len(tail[0]) == 0):  # a mark needs its letter
        tail = tail[1:]
    return set_cell_size("…" + tail, width)


class RowTable(ScrollView, can_focus=True):
    """Rows by number, a cursor, and a header that stays. Subclasses say what row `i` holds (`cells`)."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header",
        "table--cursor",
        "table--cursor-blurred",
        "table--good",
        "table--bad",
        "table--warn",
        "table--dim",
        "table--strong",
    }
    DEFAULT_CSS = """
    RowTable { background: $surface; color: $foreground; overflow-x: hidden; overflow-y: scroll; }
    RowTable { scrollbar-size-vertical: 1; scrollbar-color: $primary-darken-2; scrollbar-background: $panel; }
    RowTable > .table--header { color: $text-muted; background: $panel; text-style: bold; }
    RowTable > .table--cursor { background: $primary; color: $background; text-style: bold; }
    RowTable > .table--cursor-blurred { background: $panel; }
    RowTable > .table--good { color: $success; }
    RowTable > .table--bad { color: $error; }
    RowTable > .table--warn { color: $warning; }
    RowTable > .table--dim { color: $secondary; }
    RowTable > .table--strong { text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "step(1)", show=False, priority=True),
        Binding("up,k", "step(-1)", show=False, priority=True),
        Binding("pagedown,ctrl+f", "page(1)", show=False, priority=True),
        Binding("pageup,ctrl+b", "page(-1)", show=False, priority=True),
        Binding("home,g", "edge(0)", show=False, priority=True),
        Binding("end,G", "edge(1)", show=False, priority=True),
    ]

    class Moved(Message):
        """The cursor stands on another row, or that row's content changed."""

        def __init__(self, table: RowTable) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> RowTable:
            return self.table

    def __init__(self, columns: Sequence[Column], *, empty: str, id: str | None = None) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.empty = empty  # what to do next, where there is no row
        self.cursor = 0
        self.take_count: Callable[[], int] = lambda: 1  # how often the next move is made
        self.marked: Callable[[int], bool] = lambda _: False  # whether the row at a place is marked
        self.follow: Callable[[], None] = lambda: None  # what is drawn with a move, in the same frame
        self._count = 0
        self._widths: list[int] = []  # of the columns, for a line of `_fitted` cells
        self._fitted = -1
        self._base = Style()  # of the lines being drawn

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self._count

    def cells(self, row: int) -> Sequence[Cell] | None:
        """The cells of `row`, one for each column; None while they are being read."""
        raise NotImplementedError

    def margin(self, row: int) -> str:
        """What stands before a row, one cell: the sign of a marked one."""
        return "▌" if self.marked(row) else " "

    def draw_marks(self) -> None:
        """Other rows are marked than before: draw those in view again."""
        for row in range(*self.first_and_last()):
            self.refresh_row(row)

    def show_count(self, count: int, cursor: int | None = None) -> None:
        """There are `count` rows now; put the cursor on `cursor`, or leave it as near as can be."""
        self._resize(count)
        self.cursor = max(0, min(self.cursor if cursor is None else cursor, count - 1))
        self._bring_cursor_in()
        self.refresh()

    def grow(self, count: int) -> None:
        """There are more rows than before, below those there were: what is in view stays as it is drawn."""
        shown = self._count
        self._resize(count)
        for row in range(max(shown, self.first_and_last()[0]), self.first_and_last()[1]):
            self.refresh_row(row)

    def _size_updated(self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True) -> bool:
        """As any scroll view: but that draws its scrollbar anew at each layout of the screen: here with its size."""
        return size != self._size and super()._size_updated(size, virtual_size, container_size, layout)

    def _resize(self, count: int) -> None:
        """There are `count` rows. The scrollbar is always there, so that the screen needs no other layout."""
        self._count = count
        self.set_reactive(RowTable.virtual_size, Size(0, count + 1))
        self.vertical_scrollbar.window_virtual_size = count + 1

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Show other columns."""
        self.columns = tuple(columns)
        self._fitted = -1
        self.refresh()

    def first_and_last(self) -> tuple[int, int]:
        """The rows in view: first, and one past the last."""
        first = round(self.scroll_offset.y)
        return first, min(self._count, first + self._page())

    def move_to(self, row: int) -> None:
        """Put the cursor on `row`, turning the page where it lies outside."""
        row = max(0, min(row, self._count - 1))
        if row == self.cursor or not self._count:
            return
        before, self.cursor = self.cursor, row
        if not self._bring_cursor_in():
            for changed in (before, row):
                self.refresh_row(changed)
        self.follow()
        self.post_message(self.Moved(self))

    def refresh_row(self, row: int) -> None:
        """Draw one row again."""
        y = row - round(self.scroll_offset.y) + 1
        if 1 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def render_lines(self, crop: Region) -> list[Strip]:
        self._base = self.rich_style  # asked of all that is above: once for all lines
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if width != self._fitted:
            self._widths, self._fitted = fit(self.columns, max(10, width - 2)), width
        base = self._base
        if y == 0:
            return self._line([c.title for c in self.columns], self.get_component_rich_style("table--header"), width)
        row = round(self.scroll_offset.y) + y - 1
        if row >= self._count:
            told = wrap(self.empty, max(10, width - 2)) if self._count == 0 else []
            text = f" {told[y - 2]}" if 2 <= y < 2 + len(told) else ""
            return Strip([Segment(shorten(text, width), self._role("dim", base))])
        style = base
        if row == self.cursor:
            name = "table--cursor" if self.has_focus else "table--cursor-blurred"
            style = base + self.get_component_rich_style(name)
        cells = self.cells(row)
        if cells is None:
            return Strip([Segment(shorten(" …", width), style)])
        return self._line(cells, style, width, self.margin(row), roles=row != self.cursor or not self.has_focus)

    def on_resize(self, _: events.Resize) -> None:
        self._fitted = -1
        self._bring_cursor_in()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        if event.y >= 1:
            self.move_to(round(self.scroll_offset.y) + event.y - 1)

    def on_focus(self, event: events.Focus) -> None:
        self._show_focus(event, events.DescendantFocus(self))

    def on_blur(self, event: events.Blur) -> None:
        self._show_focus(event, events.DescendantBlur(self))

    def _show_focus(self, event: events.Focus | events.Blur, told: Message) -> None:
        """As any widget does that has the keyboard, or lost it: but that draws all of itself anew, this one row.

        No rule of style asks for a table's focus, and to look whether one does draws the scrollbar.
        """
        event.prevent_default()
        self.set_reactive(RowTable.has_focus, isinstance(event, events.Focus))
        self.refresh_row(self.cursor)
        if self.parent is not None:
            self.parent.post_message(told)

    def action_step(self, by: int) -> None:
        self.move_to(self.cursor + by * self.take_count())

    def action_page(self, by: int) -> None:
        self.move_to(self.cursor + by * self._page() * self.take_count())

    def action_edge(self, end: int) -> None:
        self.move_to(self._count - 1 if end else 0)

    def _page(self) -> int:
        return max(1, self.scrollable_content_region.height - 1)

    def _bring_cursor_in(self) -> bool:
        """Turn to the page that holds the cursor; True if that scrolled."""
        first, page = round(self.scroll_offset.y), self._page()
        if first <= self.cursor < first + page:
            return False
        top = self.cursor if self.cursor >= first + page else self.cursor - page + 1
        top = max(0, min(top, self._count - page))
        self.scroll_to(y=top, animate=False, force=True, immediate=True)
        return round(self.scroll_offset.y) != first

    def _role(self, role: str, base: Style) -> Style:
        return base + self.get_component_rich_style(f"table--{role}", partial=True)

    def _line(self, cells: Sequence[Cell], style: Style, width: int, margin: str = " ", *, roles: bool = True) -> Strip:
        runs = [(margin, style)]  # neighbours of one style are one segment: each costs a colour's forty bytes
        last = max((i for i, wide in enumerate(self._widths) if wide), default=0)
        for i, (column, wide) in enumerate(zip(self.columns, self._widths, strict=True)):
            if not wide:
                continue
            cell = cells[i]
            text, role = cell if isinstance(cell, tuple) else (cell, "")
            text = display(text)
            if column.right:
                text = " " * (wide - cell_len(text)) + text
            text = shorten(text, wide, keep_end=column.title == "Path")
            runs.append((text, self._role(role, style) if role and roles else style))
            if i != last:
                runs.append((" " * GAP, style))
        shown = [wide for wide in self._widths if wide]
        used = 1 + sum(shown) + GAP * max(0, len(shown) - 1)
        runs.append((" " * (width - used), style))
        segments = [Segment("".join(text for text, _ in run), own) for own, run in groupby(runs, key=itemgetter(1))]
        return Strip(segments, max(used, width)).adjust_cell_length(width, style)


class ListTable(RowTable, Generic[Key]):
    """A `RowTable` of rows held in memory, each known by a key that keeps the cursor in its place."""

    def __init__(self, columns: Sequence[Column], *, empty: str, id: str | None = None) -> None:
        super().__init__(columns, empty=empty, id=id)
        self._rows: list[Sequence[Cell]] = []
        self._keys: list[Key] = []

    @property
    def key(self) -> Key | None:
        """The key of the row under the cursor."""
        return self._keys[self.cursor] if self._keys else None

    def key_of(self, row: int) -> Key:
        """The key of a row by its place."""
        return self._keys[row]

    def cells(self, row: int) -> Sequence[Cell] | None:
        return self._rows[row]

    def fill(self, rows: Sequence[tuple[Key, Sequence[Cell]]]) -> None:
        """Show these (key, cells); the cursor stays on its key, else as near as can be."""
        before = self.key
        self._keys = [key for key, _ in rows]
        self._rows = [cells for _, cells in rows]
        place = self._keys.index(before) if before is not None and before in self._keys else None
        self.show_count(len(rows), place)
        self.post_message(self.Moved(self))

    def put(self, key: Key, cells: Sequence[Cell]) -> None:
        """Show these cells on the row of `key`, where there is one."""
        if key in self._keys:
            place = self._keys.index(key)
            self._rows[place] = cells
            self.refresh_row(place)

    def drop(self, key: Key) -> None:
        """Take out the row of `key`, where there is one; the cursor then stands on the next."""
        if key in self._keys:
            place = self._keys.index(key)
            del self._keys[place], self._rows[place]
            self.show_count(len(self._keys), self.cursor - (place < self.cursor))
            self.post_message(self.Moved(self))

    def go_to(self, key: Key) -> None:
        """Put the cursor on the row of `key`, where there is one."""
        if key in self._keys:
            self.move_to(self._keys.index(key))
