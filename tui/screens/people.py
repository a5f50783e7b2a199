"""People: clusters and named subjects, their faces, and saying whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from PIL import Image
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from core import entries, looks, people
from core.counted import counted
from core.entries import Entries, Key
from core.errors import BadImage
from core.portraits import portrait, sheet
from core.query_language import in_quotes
from storage import faces, photos, subjects
from storage.catalog import Catalog
from storage.face_groups import Group
from storage.records import Face, FaceMark
from storage.safe_text import display
from tui import actions
from tui.screens.dialogs import Answers, Field, Form
from tui.screens.naming import NamingRoom
from tui.terminal import Preview
from tui.widgets.picture import Picture, fitted
from tui.widgets.row_table import Cell, Column, ListTable, RowTable

SHEET_FACES = 12  # of a person, shown together
SHEET_COLUMNS = 4
MOST_FACES = 1_000  # of an entry, listed; of more it is said how many there are


class PeopleRoom(NamingRoom):
    """Entries on the left, the largest first; on the right the faces of the one under the cursor."""

    ROOM = "people"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("people")

    def __init__(self) -> None:
        super().__init__()
        self._unnamed = False
        self._filled: Entries | None = None  # what the list shows, all of it or
        self._of_unnamed = False  # those alone that have no name
        self._of: Group | None = None  # the entry whose faces the right side shows
        self._paths: dict[int, str] = {}  # of their photographs
        self._told: dict[int, str] = {}  # of their ages

    def body(self) -> ComposeResult:
        with Vertical(classes="split"):
            table: ListTable[Key] = ListTable(
                [
                    Column("Who", 0),
                    Column("Faces", 6, right=True),
                    Column("Photographs", 11, right=True, optional=1),
                    Column("Cluster", 7, right=True, optional=2),
                ],
                empty="No faces yet. From a shell: kyodaku faces, then kyodaku people cluster.",
                id="groups",
            )
            table.add_class("list")
            yield table
            with Vertical(classes="pane"):
                yield Picture(self.kyodaku.preview, id="picture")
                yield Static("", id="looks", markup=False)
                yield ListTable(
                    [
                        Column("Face", 6, right=True),
                        Column("Said by", 9),
                        Column("Sure", 4, right=True, optional=1),
                        Column("Age?", 4, right=True, optional=2),
                        Column("Path", 0),
                    ],
                    empty="",
                    id="faces",
                )

    def on_mount(self) -> None:
        self.set_focus(self.groups)

    async def load(self) -> None:
        unnamed = self._unnamed
        self.entries = now = await self.desk.read(partial(entries.read, before=self.entries))
        if now is self._filled and unnamed == self._of_unnamed:
            return
        self._filled, self._of_unnamed = now, unnamed
        self.names = sorted(now.people.values())
        self.listed = now.ordered(unnamed=unnamed)
        self.groups.fill([(key, self.group_cells(group)) for key, group in self.listed.items()])
        self.place(counted(len(self.listed), "entry") + (" without a name" if unnamed else ""))

    async def changed(self) -> None:
        if self.prompt.before is None:  # the list stays as it is while it is asked about; the answer changes it
            await self.load()

    def do_refresh(self) -> None:
        self._of = self.entries = None
        super().do_refresh()

    def group_cells(self, group: Group) -> tuple[Cell, ...]:
        who: Cell = group.subject or ("unnamed", "dim")
        cluster = "" if group.cluster is None else str(group.cluster)
        return who, f"{group.faces:,}", f"{group.photos:,}", cluster

    def face_cells(self, face: Face) -> tuple[Cell, ...]:
        said: Cell = ("nobody", "dim")
        if face.subject_id is not None:
            said = "a person" if face.assigned_by_person else "likeness"
        age = "" if face.age_estimate is None else f"{face.age_estimate:.0f}"
        return str(face.id), said, f"{face.probability:.0%}", age, self._paths[face.id]

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self.moved()

    def on_descendant_focus(self) -> None:
        self.moved()

    def rested(self) -> None:
        self.begin(self._look, group="look")

    async def _look(self) -> None:
        group, picture = self.group, self.query_one("#picture", Picture)
        if group is None:
            self.faces.fill([])
            picture.say("")
            return
        if group != self._of:
            rows = await self.desk.read(partial(faces_of, group))
            self.shown = {face.id: face for face, _, _ in rows}
            self._paths = {face.id: path for face, path, _ in rows}
            self._told = {face.id: told for face, _, told in rows}
            self._of = group
            self.faces.fill([(face.id, self.face_cells(face)) for face, _, _ in rows])
        told = self._told[self.face.id] if self.face else ""
        if not self.face and group.faces > MOST_FACES:
            told = f"the first {MOST_FACES:,} of {counted(group.faces, 'face')}; o shows all photographs"
        self.query_one("#looks", Static).update(display(told))
        if picture.preview.how == "off":
            picture.say("pictures are off (preview)")
            return
        chosen = [self.face] if self.face else list(self.shown.values())[:SHEET_FACES]
        columns, lines = picture.cells
        try:
            drawn = await self.desk.picture(partial(portraits, chosen, picture.preview, columns, lines))
        except BadImage as error:
            picture.say(str(error))
        else:
            await picture.show(*drawn)

    # Actions

    def why_not(self, name: str) -> str | None:
        if name in ("faces", "photos") and self.group is None:
            return "there is no entry under the cursor"
        if name == "ignore" and self.face is None:
            return "choose a face first: Enter goes to the entry's faces"
        return super().why_not(name)

    def do_faces(self) -> None:
        self.set_focus(self.faces if self.focused is self.groups else self.groups)

    def do_ignore(self) -> None:
        self.ask(self._ignore)

    async def _ignore(self) -> None:
        face = self.face
        assert face is not None

        def check(answers: Answers) -> str | None:
            if bool(answers["no_face"]) == bool(answers["unrecognisable"]):
                return "tick one of the two"
            return None if answers["why"] and answers["by"] else "say why, and who says so: it goes to the ledger"

        answers = await self.app.push_screen_wait(
            Form(
                f"Take face {face.id} out of the rules",
                [
                    Field("no_face", "it is not a face", tick=True),
                    Field("unrecognisable", "nobody could recognise the person", tick=True),
                    Field("why", "Why"),
                    Field("by", "Who says so", value=self.kyodaku.pen),
                ],
                check=check,
            )
        )
        if answers is None:
            return
        self.kyodaku.pen = answers["by"]
        mark = FaceMark.NOT_A_FACE if answers["no_face"] else FaceMark.UNRECOGNISABLE
        await self.decide(lambda catalog: people.ignore(catalog, face.id, mark, answers["why"], answers["by"]))
        self.say(f"face {face.id}: {mark}")
        await self.load()

    def do_unnamed(self) -> None:
        self._unnamed = not self._unnamed
        self.reload()

    async def do_photos(self) -> None:
        group = self.group
        assert group is not None
        await self.kyodaku.show_photos(
            f"subject:{in_quotes(group.subject)}" if group.subject is not None else f"cluster:{group.cluster}"
        )

    def do_back(self) -> None:
        if self.focused is self.faces:
            self.set_focus(self.groups)
        else:
            super().do_back()

    async def show_face(self, face: Face) -> None:
        """Go to the entry that a face belongs to."""
        await self.load()
        self.groups.go_to((face.cluster, face.subject_id))


def faces_of(group: Group, catalog: Catalog) -> list[tuple[Face, str, str]]:
    """The first faces of an entry, marked ones left out, each with its photograph's path and what is told of ages."""
    # by the index of clusters where there is one, else by that of people: the plus keeps SQLite from the other
    entry = (
        "f.cluster = ? AND +f.subject_id IS ?" if group.cluster is not None else "+f.cluster IS ? AND f.subject_id = ?"
    )
    key = (group.cluster, group.subject_id)
    shown = faces.page(catalog, f"{entry} AND f.mark IS NULL", key, limit=MOST_FACES)
    where = {photo.id: photo for photo in photos.get_many(catalog, sorted({f.photo_id for f in shown}))}
    subject = None if group.subject_id is None else subjects.get(catalog, group.subject_id)
    return [(face, where[face.photo_id].path_text, looks.told(face, subject, where[face.photo_id])) for face in shown]


def portraits(
    chosen: Sequence[Face], preview: Preview, columns: int, lines: int, catalog: Catalog
) -> tuple[Image.Image, int, int]:
    """The faces side by side, scaled to the cells there are. Raises BadImage when none can be read."""
    cut = []
    reason = BadImage("there is no face to show")
    for face in chosen:
        try:
            cut.append(portrait(catalog, face))
        except BadImage as error:
            reason = error
    if not cut:
        raise reason
    return fitted(sheet(cut, SHEET_COLUMNS), preview, columns, lines)
