"""The archive's table: a frozen list of ids, of which only the rows in view are read.

The result of a search is an array of ids (8 bytes a photograph). Rows are read by primary key in blocks,
ahead of the cursor, in a thread: no OFFSET, and a jump to the end costs what a step does. Because the list
is frozen, a row that no longer matches stays in its place until the search is read again.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from core.listing import PhotoRow
from storage.records import Purpose
from tui.widgets.row_table import Cell, Column, RowTable
from tui.widgets.signs import signed

BLOCK = 64
KEPT = 24  # blocks in memory

Reader = Callable[[Sequence[int]], Awaitable[list[PhotoRow]]]


def columns_for(purpose: Purpose) -> tuple[Column, ...]:
    """The table's columns, the last of them the status for `purpose`."""
    return (
        Column("Taken", 16),
        Column("Path", 0),
        Column("Camera", 16, optional=3),
        Column("Faces", 5, right=True, optional=1),
        Column("People", 16, optional=2),
        Column(str(purpose), 16),
    )


class PhotoTable(RowTable):
    """Photographs by id, read as they come into view."""

    def __init__(self, read: Reader, *, id: str | None = None) -> None:
        self.purpose = Purpose.TRAIN_COMPOSITE
        super().__init__(columns_for(self.purpose), empty="", id=id)
        self.ids = array("q")
        self._read = read
        self._blocks: OrderedDict[int, list[PhotoRow]] = OrderedDict()
        self._asked: set[int] = set()
        self._age = 0

    @property
    def photo_id(self) -> int | None:
        """The photograph under the cursor."""
        return self.ids[self.cursor] if self.ids else None

    def row(self, place: int) -> PhotoRow | None:
        """The row at `place`, if it has been read."""
        block = self._blocks.get(place // BLOCK)
        return block[place % BLOCK] if block and place % BLOCK < len(block) else None

    def show_ids(self, ids: array[int], rows: Sequence[PhotoRow], place: int = 0) -> None:
        """Show these photographs with the cursor on `place`; `rows` are those of the block it lies in."""
        self.ids = ids
        self._age += 1
        self._blocks = OrderedDict({place // BLOCK: list(rows)})
        self._asked.clear()
        self.show_count(len(ids), place)
        self.follow()
        self.post_message(self.Moved(self))

    def show_longer(self, ids: array[int]) -> None:
        """Show these photographs, of which those shown now are the beginning."""
        first_block_cut = len(self.ids) // BLOCK
        self.ids = ids
        self._blocks.pop(first_block_cut, None)
        self._asked.discard(first_block_cut)
        self.grow(len(ids))
        for number in ((len(ids) - 1) // BLOCK, (len(ids) - 1) // BLOCK - 1):  # End is a key like any other
            self._want(number)

    def read_again(self) -> None:
        """Read the rows in view again, and forget the others; what is drawn stays until they are there."""
        first, last = self.first_and_last()
        self._age += 1
        self._asked.clear()
        for number in [n for n in self._blocks if not first // BLOCK <= n <= last // BLOCK]:
            del self._blocks[number]
        for number in list(self._blocks):
            self._asked.add(number)
            self.run_worker(self._fetch(number, self._age), group=f"block-{number}")

    def put(self, first: int, rows: Sequence[PhotoRow]) -> None:
        """These are the rows from `first` on now; those that differ are drawn again."""
        for place, row in enumerate(rows, start=first):
            block = self._blocks.get(place // BLOCK)
            if block and place % BLOCK < len(block) and block[place % BLOCK] != row:
                block[place % BLOCK] = row
                self.refresh_row(place)

    def show_purpose(self, purpose: Purpose) -> None:
        """Show the status for another purpose."""
        self.purpose = purpose
        self.set_columns(columns_for(purpose))

    def cells(self, row: int) -> Sequence[Cell] | None:
        found = self.row(row)
        number = row // BLOCK
        if found is None:
            self._want(number)
            return None
        self._blocks.move_to_end(number)
        self._want(number + 1)
        self._want(number - 1)
        return cells_of(found, self.purpose)

    def _want(self, number: int) -> None:
        """Have a block read, where there is one that was not."""
        if number not in self._blocks and number not in self._asked and 0 <= number * BLOCK < len(self.ids):
            self._asked.add(number)
            self.run_worker(self._fetch(number, self._age), group=f"block-{number}")

    async def _fetch(self, number: int, age: int) -> None:
        wanted = self.ids[number * BLOCK : (number + 1) * BLOCK]
        rows = await self._read(wanted)
        if age != self._age:
            return  # another search is shown by now
        self._asked.discard(number)
        before = self._blocks.get(number, [])
        self._blocks[number] = rows
        while len(self._blocks) > KEPT:
            self._blocks.popitem(last=False)
        first, last = self.first_and_last()
        for place in range(max(first, number * BLOCK), min(last, (number + 1) * BLOCK)):
            if before[place % BLOCK : place % BLOCK + 1] != rows[place % BLOCK : place % BLOCK + 1]:
                self.refresh_row(place)
        if self.cursor // BLOCK == number and before != rows:
            self.post_message(self.Moved(self))


def cells_of(row: PhotoRow, purpose: Purpose) -> tuple[Cell, ...]:
    """A row as the table writes it."""
    photo = row.photo
    status = row.status.get(purpose)
    unnamed = f" ({row.unnamed}?)" if row.unnamed and row.subjects else ""
    people = ", ".join(row.subjects) + unnamed if row.subjects else ("?" if row.unnamed else "")
    path: Cell = photo.path_text
    if photo.error is not None:
        path = (photo.path_text, "bad")
    elif photo.state == "gone":
        path = (photo.path_text, "dim")
    return (
        f"{photo.taken_at:%Y-%m-%d %H:%M}" if photo.taken_at else ("no time", "dim"),
        path,
        photo.camera or "",
        str(row.faces) if photo.faces_space else ("-", "dim"),
        people,
        signed(status) if status else "",
    )
