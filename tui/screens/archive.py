"""The archive: every photograph, searched, sorted, looked at."""

from __future__ import annotations

from array import array
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Input, Static

from core import listing, query
from core.completion import Offer, offer
from core.counted import counted
from core.errors import BadImage, BadQuery
from storage import faces, photos
from storage.catalog import Catalog
from storage.records import Purpose
from storage.safe_text import display
from tui import actions
from tui.photo_facts import decode, facts
from tui.screens.narrowing import Narrowing
from tui.screens.tagging import TaggingRoom
from tui.widgets.photo_table import BLOCK, PhotoTable
from tui.widgets.picture import Picture
from tui.widgets.row_table import RowTable
from tui.widgets.search_line import SearchLine, menu

SORTS = ("taken-", "taken", "path", "camera")
FIRST = 200  # rows of a result that are shown before all of it has been read


class ArchiveRoom(TaggingRoom):
    """The table of photographs, the search above it, the picture and its facts beside it."""

    ROOM = "archive"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("archive")
    DEFAULT_CSS = """
    ArchiveRoom #searching { height: 1; background: $surface; }
    ArchiveRoom #searching Static { width: auto; padding: 0 1; color: $text-muted; }
    ArchiveRoom #searching #count { width: 40; text-align: right; }
    ArchiveRoom #search { width: 1fr; border: none; height: 1; padding: 0; background: $surface; }
    ArchiveRoom #search:focus { border: none; background: $panel; }
    ArchiveRoom #wrong { height: auto; color: $error; background: $panel; padding: 0 1; display: none; }
    ArchiveRoom #offered { height: 1; background: $panel; padding: 0 1; display: none; }
    ArchiveRoom #wrong, ArchiveRoom #offered { overlay: screen; }
    ArchiveRoom #picture { height: 1fr; min-height: 6; }
    ArchiveRoom #facts { height: 1fr; }
    ArchiveRoom #facts Static { height: auto; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.text = ""  # the search that is wanted
        self._found: str | None = None  # the one whose result is shown
        self._kept = ""  # the one that Esc returns to
        self._told = ""  # of a search that can't be understood
        self._sort = 0
        self._facet = query.FACETS[0]  # by which the result was counted last
        self._photographs = 0  # in the catalog, when they were counted last
        self._table = PhotoTable(self._rows, id="table")
        self._table.add_class("list")

    def body(self) -> ComposeResult:
        with Horizontal(id="searching"):
            yield Static("/")
            yield SearchLine(
                self._offer, placeholder="everything; try: subject:Noy taken:2019..2021 -camera:sony", id="search"
            )
            yield Static("", id="count")
        yield Static("", id="wrong")
        yield Static("", id="offered")
        with Vertical(classes="split"):
            yield self.table
            with Vertical(classes="pane", id="pane"):
                yield Picture(self.kyodaku.preview, id="picture")
                with VerticalScroll(id="facts"):
                    yield Static("")
        yield self.reason

    @property
    def table(self) -> PhotoTable:
        return self._table

    def on_mount(self) -> None:
        self.table.marked, self.table.take_count = self.is_marked, self.take_count
        self.table.follow = self._follow
        self.set_focus(self.table)

    async def _rows(self, ids: object) -> list[listing.PhotoRow]:
        assert isinstance(ids, array)
        return await self.desk.read(lambda catalog: listing.rows(catalog, ids))

    # Searching

    async def load(self) -> None:
        await self._search(keep=self.table.photo_id)
        await self._count()
        self.kyodaku.settle_statuses()

    async def changed(self) -> None:
        """New photographs are looked for; else the rows in view are read again, in their places.

        A row that no longer matches the search stays until the search is made again.
        """
        self.kyodaku.settle_statuses()
        before = self._photographs
        await self._count()
        if self._found != self.text or self._photographs != before:
            await self._search(keep=self.table.photo_id)
        else:
            self.table.read_again()

    async def _count(self) -> None:
        self._photographs = await self.desk.read(photos.count)
        self.place(counted(self._photographs, "photograph"))

    async def _search(self, keep: int | None = None) -> None:
        """Show what the search finds: its first rows and how many there are at once, the rest when it is in order.

        With `keep`, the cursor stays on that photograph: the result is shown once it is whole.
        """
        text, sort = self.text, SORTS[self._sort]
        keep = keep if text == self._found else None
        self._found = None  # until all of this is done: it may be given up for other work
        ids, total, place, rows = await self.desk.read(partial(found, text, sort, keep))
        self._say_empty(text)
        self.table.show_ids(ids, rows, place)
        self._say_count(total)
        if len(ids) < total:
            self.table.show_longer(await self.desk.read(lambda catalog: listing.ids(catalog, text, sort=sort)))
            self._say_count(len(self.table.ids))
        self._found = text

    def _say_count(self, total: int) -> None:
        order = SORTS[self._sort].removesuffix("-") + (" ↓" if SORTS[self._sort].endswith("-") else " ↑")
        self.query_one("#count", Static).update(f"{counted(total, 'photograph')}   by {order}", layout=False)
        self.keys.look_again()

    def _say_empty(self, text: str) -> None:
        self.table.empty = (
            "No photograph matches. Esc takes the search back."
            if text
            else "The catalog is empty. Fill it from a shell: kyodaku index FOLDER, then kyodaku faces."
        )

    def search_for(self, text: str) -> None:
        """Put `text` on the search line and show what it finds."""
        self._kept = self.text = text
        box = self.query_one("#search", Input)
        with box.prevent(Input.Changed):
            box.value = text
        self.query_one("#offered").display = False
        self._wrong("")
        self.begin(self._search, group="load")
        self.set_focus(self.table)

    @on(Input.Changed, "#search")
    def _typed(self, event: Input.Changed) -> None:
        if not self.query_one("#search", SearchLine).is_completed:
            self.query_one("#offered").display = False
        try:
            query.parse(event.value)
        except BadQuery as error:
            self._wrong(f"{error.message}\n{error.hint}".strip())
            return
        self._wrong("")
        self.text = event.value
        self.begin(self._search, group="load")

    async def _offer(self, text: str, at: int) -> Offer:
        return await self.desk.read(lambda catalog: offer(catalog, text, at))

    @on(SearchLine.Offered)
    def _offered(self, event: SearchLine.Offered) -> None:
        """What Tab goes through stands below the line, in the place of what is wrong with a term not whole yet."""
        line = self.query_one("#offered", Static)
        line.update(menu(event.offer, event.place, self.size.width - 2))
        line.display = True
        self.query_one("#wrong").display = False

    @on(Input.Submitted, "#search")
    def _keep(self) -> None:
        self.query_one("#offered").display = False
        self.query_one("#wrong").display = bool(self._told)
        if not self._told:
            self._kept = self.query_one("#search", Input).value
            self.set_focus(self.table)

    def _wrong(self, text: str) -> None:
        if text != self._told:
            self._told = text
            line = self.query_one("#wrong", Static)
            line.display = bool(text) and not self.query_one("#offered").display
            line.update(Text("\n".join(display(part) for part in text.splitlines())))

    # The photograph under the cursor

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self._follow()
        self.moved()

    def _follow(self) -> None:
        if self.hand.begun is None:
            self.show_reason()
        else:
            self.hand_changed()

    def rested(self) -> None:
        if self.query_one("#pane").display:
            self.begin(self._look, group="look")

    async def _look(self) -> None:
        """Show the photograph under the cursor: its facts, then its picture."""
        photo_id = self.table.photo_id
        pane = self.query_one("#facts Static", Static)
        picture = self.query_one("#picture", Picture)
        if photo_id is None:
            pane.update("")
            picture.say("")
            return
        pane.update(await self.desk.read(lambda catalog: facts(catalog, photo_id)))
        if picture.preview.how == "off":
            picture.say("pictures are off (preview)")
            return
        columns, lines = picture.cells
        try:
            drawn = await self.desk.picture(partial(decode, photo_id, picture.preview, columns, lines))
        except BadImage as error:
            picture.say(str(error))
        else:
            await picture.show(*drawn)

    # Actions

    def why_not(self, name: str) -> str | None:
        if name == "facets" and not self.table.ids:
            return "there is no photograph to count"
        if name == "faces":
            row = self.table.row(self.table.cursor) if self.table.ids else None
            if row is None or not row.faces:
                return "no face has been found in this photograph"
        return super().why_not(name)

    def do_search(self) -> None:
        self._kept = self.text
        box = self.query_one("#search", Input)
        self.set_focus(box)
        box.cursor_position = len(box.value)
        self.begin(self._warm, group="warm")

    async def _warm(self) -> None:
        """While the first letter is on its way."""
        await self.desk.read(partial(query.warm, sort=SORTS[self._sort]))

    def do_purpose(self) -> None:
        purposes = list(Purpose)
        self.table.show_purpose(purposes[(purposes.index(self.table.purpose) + 1) % len(purposes)])
        self.show_reason()
        self.say(f"statuses shown are those for {self.table.purpose}")

    def do_sort(self) -> None:
        self._sort = (self._sort + 1) % len(SORTS)
        self.begin(self._search, group="load")

    def do_facets(self) -> None:
        self.ask(self._narrow)

    async def _narrow(self) -> None:
        """Show what the search can be narrowed by, counted, and narrow it."""
        text = self.text

        async def count_by(facet: str) -> tuple[int, list[query.Facet]]:
            total, by = await self.desk.read(lambda catalog: query.count_by(catalog, text, [facet]))
            return total, by[facet]

        chosen = await self.app.push_screen_wait(Narrowing(text, self._facet, count_by))
        if chosen is not None:
            narrower, self._facet = chosen
            self.search_for(narrower)

    def do_details(self) -> None:
        pane = self.query_one("#pane")
        pane.display = not pane.display
        self.moved()

    def do_back(self) -> None:
        box = self.query_one("#search", Input)
        if not box.has_focus and self.let_go():
            return
        if box.has_focus and (box.value != self._kept):
            self.search_for(self._kept)
        elif box.has_focus:
            self.set_focus(self.table)
        elif self.text:
            self.search_for("")
        else:
            super().do_back()

    async def do_faces(self) -> None:
        photo_id = self.table.photo_id
        assert photo_id is not None
        seen = await self.desk.read(lambda catalog: faces.of_photo(catalog, photo_id))
        await self.kyodaku.show_person(next((face for face in seen if face.subject_id is None), seen[0]))


def found(
    text: str, sort: str, keep: int | None, catalog: Catalog
) -> tuple[array[int], int, int, list[listing.PhotoRow]]:
    """Ids that a search finds, or their beginning, and how many it finds; the place of `keep`, else 0; rows there."""
    if keep is None:
        ids, total = listing.first_ids(catalog, text, sort=sort, least=FIRST)
    else:
        ids = listing.ids(catalog, text, sort=sort)
        total = len(ids)
    place = ids.index(keep) if keep is not None and keep in ids else 0
    start = place - place % BLOCK
    return ids, total, place, listing.rows(catalog, ids[start : start + BLOCK])
