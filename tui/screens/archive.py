"""The archive: every photograph, searched, sorted, looked at."""

from __future__ import annotations

from array import array
from functools import partial
from typing import ClassVar

from PIL import Image
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Input, Static

from core import listing, query, statuses, tagging
from core.errors import BadImage, BadQuery
from core.image import thumbnail
from storage import faces, photos, similar, subjects
from storage.catalog import Catalog
from storage.records import Face, Photo, Purpose, Rights, Status
from storage.safe_text import display
from tui import actions
from tui.screens.dialogs import Confirm, Field, Form
from tui.screens.room import Room
from tui.terminal import Preview
from tui.widgets.photo_table import BLOCK, PhotoTable
from tui.widgets.picture import Picture, fitted
from tui.widgets.row_table import RowTable
from tui.widgets.signs import SIGNS

SORTS = ("taken-", "taken", "path", "camera")
FIRST = 200  # rows of a result that are shown before all of it has been read


class ArchiveRoom(Room):
    """The table of photographs, the search above it, the picture and its facts beside it."""

    ROOM = "archive"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("archive")
    DEFAULT_CSS = """
    ArchiveRoom #searching { height: 1; background: $surface; }
    ArchiveRoom #searching Static { width: auto; padding: 0 1; color: $text-muted; }
    ArchiveRoom #searching #count { width: 40; text-align: right; }
    ArchiveRoom #search { width: 1fr; border: none; height: 1; padding: 0; background: $surface; }
    ArchiveRoom #search:focus { background: $panel; }
    ArchiveRoom #wrong { height: auto; color: $error; background: $panel; padding: 0 1; display: none; }
    ArchiveRoom #picture { height: 1fr; min-height: 6; }
    ArchiveRoom #facts { height: 1fr; }
    ArchiveRoom #facts Static { height: auto; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.text = ""  # the search that is wanted
        self._found: str | None = None  # the one whose result is shown
        self._kept = ""  # the one that Esc returns to
        self._sort = 0
        self._photographs = 0  # in the catalog, when the search was made
        self._all = True  # the whole result has been read

    def body(self) -> ComposeResult:
        with Horizontal(id="searching"):
            yield Static("/")
            box = Input(placeholder="everything; try: subject:Noy taken:2019..2021 -camera:sony", id="search")
            box.cursor_blink = False
            yield box
            yield Static("", id="count")
        yield Static("", id="wrong")
        with Vertical(classes="split"):
            table = PhotoTable(self._rows, id="table")
            table.add_class("list")
            yield table
            with Vertical(classes="pane", id="pane"):
                yield Picture(self.kyodaku.preview, id="picture")
                with VerticalScroll(id="facts"):
                    yield Static("")

    @property
    def table(self) -> PhotoTable:
        """The table of photographs."""
        return self.query_one("#table", PhotoTable)

    def on_mount(self) -> None:
        self.set_focus(self.table)

    async def _rows(self, ids: object) -> list[listing.PhotoRow]:
        assert isinstance(ids, array)
        return await self.desk.read(lambda catalog: listing.rows(catalog, ids))

    # Searching

    async def load(self) -> None:
        await self._search(keep=self.table.photo_id)
        self.kyodaku.settle_statuses()

    async def changed(self) -> None:
        """New photographs are looked for; else the rows in view are read again, in their places.

        A row that no longer matches the search stays until the search is made again.
        """
        self.kyodaku.settle_statuses()
        if self._found != self.text or await self.desk.read(photos.count) != self._photographs:
            await self._search(keep=self.table.photo_id)
        else:
            self.table.read_again()

    async def _search(self, keep: int | None = None) -> None:
        """Show what the search finds: its first rows at once, the rest when it has been read.

        With `keep`, the cursor stays on that photograph: the result is shown once it is whole.
        """
        text, sort = self.text, SORTS[self._sort]
        keep = keep if text == self._found else None
        self._found = None  # until all of this is done: it may be given up for other work
        limit = FIRST if keep is None else None
        ids, place, rows = await self.desk.read(partial(found, text, sort, limit, keep))
        self._all = limit is None or len(ids) < limit
        self._say_empty(text)
        self.table.show_ids(ids, rows, place)
        self._say_count()
        self._photographs = await self.desk.read(photos.count)
        self.place(f"{self._photographs:,} photographs")
        if not self._all:
            self.table.show_longer(await self.desk.read(lambda catalog: listing.ids(catalog, text, sort=sort)))
            self._all = True
            self._say_count()
        self._found = text

    def _say_count(self) -> None:
        order = SORTS[self._sort].removesuffix("-") + (" ↓" if SORTS[self._sort].endswith("-") else " ↑")
        count = f"{len(self.table.ids):,}" if self._all else f"{len(self.table.ids):,}…"
        self.query_one("#count", Static).update(f"{count} photographs   by {order}", layout=False)
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
        self._wrong("")
        self.begin(self._search, group="load")
        self.set_focus(self.table)

    @on(Input.Changed, "#search")
    def _typed(self, event: Input.Changed) -> None:
        try:
            query.parse(event.value)
        except BadQuery as error:
            self._wrong(f"{error.message}\n{error.hint}".strip())
            return
        self._wrong("")
        self.text = event.value
        self.begin(self._search, group="load")

    @on(Input.Submitted, "#search")
    def _keep(self) -> None:
        if not self.query_one("#wrong").display:
            self._kept = self.query_one("#search", Input).value
            self.set_focus(self.table)

    def _wrong(self, text: str) -> None:
        line = self.query_one("#wrong", Static)
        line.display = bool(text)
        line.update(Text("\n".join(display(part) for part in text.splitlines())))

    # The photograph under the cursor

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self.moved()

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
            picture.say("pictures are off (KYODAKU_PREVIEW)")
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
        if name == "rights" and self.table.photo_id is None:
            return "there is no photograph under the cursor"
        if name == "faces":
            row = self.table.row(self.table.cursor) if self.table.ids else None
            if row is None or not row.faces:
                return "no face has been found in this photograph"
        return None

    def do_search(self) -> None:
        self._kept = self.text
        box = self.query_one("#search", Input)
        self.set_focus(box)
        box.cursor_position = len(box.value)

    def do_purpose(self) -> None:
        purposes = list(Purpose)
        self.table.show_purpose(purposes[(purposes.index(self.table.purpose) + 1) % len(purposes)])
        self.say(f"statuses shown are those for {self.table.purpose}")

    def do_sort(self) -> None:
        self._sort = (self._sort + 1) % len(SORTS)
        self.begin(self._search, group="load")

    def do_details(self) -> None:
        pane = self.query_one("#pane")
        pane.display = not pane.display
        self.moved()

    def do_back(self) -> None:
        box = self.query_one("#search", Input)
        if box.has_focus and (box.value != self._kept):
            self.search_for(self._kept)
        elif box.has_focus:
            self.set_focus(self.table)
        elif self.text:
            self.search_for("")
        else:
            super().do_back()

    def do_rights(self) -> None:
        self.ask(self._rights)

    async def _rights(self) -> None:
        """Record whose the photograph under the cursor is, or those of the whole search."""
        photo_id = self.table.photo_id
        assert photo_id is not None
        ids = self.table.ids
        choices = [Rights.MINE, Rights.LICENSED, Rights.UNKNOWN]

        def check(answers: object) -> str | None:
            assert isinstance(answers, dict)
            if answers["rights"] not in choices:
                return f"say one of {', '.join(choices)}"
            return None if answers["by"] else "say who says so: it goes to the ledger"

        answers = await self.app.push_screen_wait(
            Form(
                "Whose photograph is it?",
                [
                    Field("rights", "Rights", help="mine, licensed or unknown", suggestions=choices),
                    Field("by", "Who says so"),
                    Field("all", f"for all {len(ids):,} photographs of this search", tick=True),
                ],
                about="It settles consent only where no face is seen; people decide for themselves.",
                check=check,
            )
        )
        if answers is None:
            return
        wanted = list(ids) if answers["all"] else [photo_id]
        rights = Rights(answers["rights"])
        if len(wanted) > 1 and not await self.app.push_screen_wait(
            Confirm(
                f"Mark {len(wanted):,} photographs as {rights}?",
                ["These are exactly the photographs of the list as it stands."],
                yes="mark them",
            )
        ):
            return
        await self.desk.write(lambda catalog: tagging.set_rights(catalog, wanted, rights, answers["by"]))
        self.say(f"{len(wanted):,} photographs are marked {rights}")
        await self.load()

    async def do_faces(self) -> None:
        photo_id = self.table.photo_id
        assert photo_id is not None
        seen = await self.desk.read(lambda catalog: faces.of_photo(catalog, photo_id))
        await self.kyodaku.show_person(next((face for face in seen if face.subject_id is None), seen[0]))


def found(
    text: str, sort: str, limit: int | None, keep: int | None, catalog: Catalog
) -> tuple[array[int], int, list[listing.PhotoRow]]:
    """Ids that a search finds, the place of photograph `keep` among them (else 0), and the rows around it."""
    ids = listing.ids(catalog, text, sort=sort, limit=limit)
    place = ids.index(keep) if keep is not None and keep in ids else 0
    start = place - place % BLOCK
    return ids, place, listing.rows(catalog, ids[start : start + BLOCK])


def decode(photo_id: int, preview: Preview, columns: int, lines: int, catalog: Catalog) -> tuple[Image.Image, int, int]:
    """The photograph scaled to the cells there are, from the catalog's thumbnail. Raises BadImage."""
    photo = photos.get(catalog, photo_id)
    if photo.error is not None:
        raise BadImage(photo.error)
    with Image.open(thumbnail(catalog, photo)) as small:
        return fitted(small, preview, columns, lines)


def facts(catalog: Catalog, photo_id: int) -> Text:
    """All that is known of a photograph: its file, its exposure, its faces, and why each status is what it is."""
    photo = photos.get(catalog, photo_id)
    text = Text()
    text.append(display(photo.path_text) + "\n", style="bold")
    for line in exposure(photo):
        text.append(display(line) + "\n")
    if photo.error:
        text.append(f"can't be used: {display(photo.error)}\n", style="bold")
    if photo.state != "present":
        text.append("the file was gone at the last scan\n", style="bold")
    text.append(f"rights {photo.rights}\n", style="dim")
    group = similar.group_of(catalog, photo_id)
    if group is not None:
        text.append(f"{len(group.members)} alike ({group.kind}): / similar:{photo_id}\n")
    seen = faces.of_photo(catalog, photo_id)
    known = {face.subject_id for face in seen if face.subject_id is not None}
    names = {number: subject.name for number, subject in subjects.get_many(catalog, known).items()}
    text.append(f"\n{_faces_line(photo, seen)}\n", style="bold")
    for face in seen:
        text.append(f"  {display(face_line(face, names))}\n")
    text.append("\nMay it be used?\n", style="bold")
    alike: dict[tuple[Status, str], list[str]] = {}
    for purpose, ruling in statuses.explain(catalog, photo_id).items():
        alike.setdefault((ruling.status, ruling.why), []).append(purpose)
    for (status, why), purposes in alike.items():
        text.append(f"{SIGNS[status]} {status}: ", style="bold")
        text.append(", ".join(purposes) + "\n")
        text.append(f"  {display(why)}\n", style="dim")
    return text


def exposure(photo: Photo) -> list[str]:
    """When, with what and how it was taken, in a few short lines."""
    lines = []
    if photo.taken_at is None:
        lines.append("no time of capture on record")
    else:
        offset = "" if photo.taken_offset is None else f" {photo.taken_offset / 60:+.3g} h"
        lines.append(f"taken {photo.taken_at:%Y-%m-%d %H:%M:%S}{offset}")
    if photo.camera or photo.lens:
        lines.append(", ".join(part for part in (photo.camera, photo.lens) if part))
    shot = []
    if photo.exposure_s:
        shot.append(f"1/{1 / photo.exposure_s:.0f} s" if photo.exposure_s < 0.4 else f"{photo.exposure_s:g} s")
    if photo.f_number:
        shot.append(f"f/{photo.f_number:g}")
    if photo.iso:
        shot.append(f"ISO {photo.iso}")
    if photo.focal_mm:
        shot.append(f"{photo.focal_mm:g} mm")
    if shot:
        lines.append("  ".join(shot))
    size = f"{photo.width} x {photo.height}  " if photo.width else ""
    lines.append(f"{size}{photo.format or ''}  {photo.size / 1e6:.2f} MB".strip())
    where = ", ".join(part for part in (photo.place, photo.country) if part)
    if photo.lat is not None and photo.lon is not None:
        lines.append(f"{where}  ({photo.lat:.4f}, {photo.lon:.4f})".strip())
    if photo.caption:
        lines.append(photo.caption)
    return lines


def _faces_line(photo: Photo, seen: list[Face]) -> str:
    if photo.faces_space is None:
        return "Faces have not been looked for yet"
    return {0: "No face found", 1: "1 face"}.get(len(seen), f"{len(seen)} faces")


def face_line(face: Face, names: dict[int, str]) -> str:
    """A face in a line: whose, by whom said, how sure the detector was, what the age model guesses."""
    if face.mark is not None:
        who = f"marked: {face.mark}"
    elif face.subject_id is None:
        who = "unnamed" if face.cluster is None else f"unnamed, cluster {face.cluster}"
    else:
        who = names[face.subject_id] + ("" if face.assigned_by_person else " (by likeness)")
    age = "" if face.age_estimate is None else f", looks about {face.age_estimate:.0f}"
    return f"{who}; face {face.id}, {face.probability:.0%} sure{age}"
