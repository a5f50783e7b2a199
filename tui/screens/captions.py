"""Captions: what training calls each picture of a cohort, how often each tag is there, and changing many at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from PIL import Image
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from core import jobs
from core.captioning import change, edits, proposals
from core.captioning.edits import Edit
from core.captioning.proposals import THRESHOLD, Taking
from core.counted import counted
from core.errors import BadImage, BadValue, KyodakuError
from core.training import captions
from core.training.captions import Called
from core.training.pictures import picture_of
from core.training.recipe import Recipe
from storage import ledger, subjects
from storage.captions import PictureKey
from storage.catalog import Catalog
from storage.records import CohortItem
from tui import actions
from tui.screens.choosing import ChoosingRoom
from tui.screens.dialogs import Answers, Field, Form
from tui.terminal import Preview
from tui.widgets.picture import Picture, fitted
from tui.widgets.row_table import Cell, Column, ListTable, RowTable

SIDE = 256  # pixels of the picture that is shown
CHANGES = frozenset({"write", "add", "remove", "prepend", "replace", "clear", "accept", "again"})
BY_TAG: Mapping[str, tuple[str, Callable[[str], Edit]]] = {  # what is asked, and what the tag makes of it
    "add": ("Add which tag?", lambda tag: Edit(add=(tag,))),
    "remove": ("Take which tag out?", lambda tag: Edit(remove=(tag,))),
    "prepend": ("Put which tag in front?", lambda tag: Edit(prepend=(tag,))),
}
TAGGER = (
    Field("folder", "Folder", help="WD14: model.onnx and selected_tags.csv; or a CLIP model"),
    Field("words", "Words", help="CLIP alone: a text file, a word a line"),
)
WORDS = "The word that stands for the person is {trigger}; {place}, {year} and {framing} are what is known."


class CaptionsRoom(ChoosingRoom[PictureKey]):
    """Pictures with their captions on the left; on the right the picture as it is cut, and all tags, counted."""

    ROOM = "captions"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("captions")
    DEFAULT_CSS = """
    CaptionsRoom #picture { height: 1fr; min-height: 6; }
    CaptionsRoom #tags { height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._cohort: str | None = None
        self._head = ""  # of the ledger, when the pictures were chosen
        self._called: dict[PictureKey, Called] = {}
        self._keys: list[PictureKey] = []
        self._names: dict[int, str] = {}
        self._again: Edit | Taking | None = None

    def body(self) -> ComposeResult:
        with Vertical(classes="split"):
            table: ListTable[PictureKey] = ListTable(
                [
                    Column("Photo", 7, right=True),
                    Column("Whose", 14, optional=1),
                    Column("Caption", 0),
                ],
                empty="No picture. Cohorts says why: F4.",
                id="captions",
            )
            table.add_class("list")
            yield table
            with Vertical(classes="pane"):
                yield Picture(self.kyodaku.preview, id="picture")
                yield ListTable(
                    [Column("Pictures", 8, right=True), Column("Tag", 0)], empty="no tag", id="tags"
                )  # fmt: skip
        yield self.reason

    @property
    def table(self) -> ListTable[PictureKey]:
        """The pictures."""
        return self.query_one("#captions", ListTable)

    @property
    def tags(self) -> ListTable[str]:
        """What stands between commas."""
        return self.query_one("#tags", ListTable)

    @property
    def ids(self) -> Sequence[PictureKey]:
        return self._keys

    @property
    def called(self) -> Called | None:
        """The picture under the cursor."""
        key = self.table.key
        return None if key is None else self._called.get(key)

    def on_mount(self) -> None:
        self.table.marked, self.table.take_count = self.is_marked, self.take_count
        self.table.follow = self.show_reason
        self.set_focus(self.table)

    async def show_cohort(self, name: str) -> None:
        """Show the captions of a cohort."""
        if name != self._cohort:
            self._cohort, self._again = name, None
            self.hand.drop()
            self._show([])
        await self.load()

    async def load(self) -> None:
        if self._cohort is None:
            return
        try:
            self._head, called, self._names = await self.desk.read(partial(listed, self._cohort))
        except KyodakuError:
            self._show([])
            raise
        self._show(called)

    async def changed(self) -> None:
        """The captions are read again; the pictures are chosen anew where something was said of consent."""
        items = [one.item for one in self._called.values()]
        head, called = await self.desk.read(
            lambda catalog: (ledger.head(catalog), captions.of_items(catalog, items, Recipe()))
        )
        if head == self._head:
            self._show(called)
        else:
            await self.load()

    def _show(self, called: Sequence[Called]) -> None:
        self._called = {one.key: one for one in called}
        self._keys = list(self._called)
        self.hand.marks = {key: None for key in self.hand.marks if key in self._called}
        self.table.fill([(one.key, self._cells(one)) for one in called])
        often = captions.frequencies([one.caption for one in called])
        self.tags.fill([(tag, (f"{count:,}", tag)) for tag, count in often.items()])
        own = sum(one.own for one in called)
        self.place(f"{self._cohort}: {counted(len(called), 'picture')}, {own:,} with a caption of their own")
        self.show_reason()
        self.keys.look_again()

    def _cells(self, one: Called) -> Sequence[Cell]:
        caption: Cell = one.caption if one.own else (one.caption, "dim")
        return str(one.item.photo_id), self._names.get(one.item.subject_id, ""), caption

    def show_reason(self) -> None:
        one = self.called
        told = "" if one is None else one.text if one.own else f"{one.text}   (the recipe's template)"
        self.reason.show(told, self.told_open())

    @on(RowTable.Moved, "#captions")
    def _moved(self) -> None:
        self.show_reason()
        self.moved()

    def rested(self) -> None:
        self.begin(self._look, group="look")

    async def _look(self) -> None:
        one, picture = self.called, self.query_one("#picture", Picture)
        if one is None:
            picture.say("")
            return
        if picture.preview.how == "off":
            picture.say("pictures are off (preview)")
            return
        columns, lines = picture.cells
        try:
            drawn = await self.desk.picture(lambda _: cut_of(one, picture.preview, columns, lines))
        except BadImage as error:
            picture.say(str(error))
        else:
            await picture.show(*drawn)

    # Actions

    def why_not(self, name: str) -> str | None:
        if name in CHANGES | {"propose", "mark", "range", "all", "holding"} and not self._keys:
            return "there is no picture"
        if name == "again" and self._again is None:
            return "nothing was changed yet that could be done again"
        return super().why_not(name)

    def do_back(self) -> None:
        if not self.let_go():
            super().do_back()

    def do_holding(self) -> None:
        tag = self.tags.key
        if tag is not None:
            found = [one.key for one in self._called.values() if edits.holds(one.caption, tag)]
            self.hand.marks |= dict.fromkeys(found)
            self.hand_changed()
            self.say(f"{tag!r}: {counted(len(found), 'picture')} marked; the semicolon sends the next change to them")

    def do_write(self) -> None:
        self.ask(self._write)

    def do_add(self) -> None:
        self.ask(partial(self._ask_tag, "add"))

    def do_remove(self) -> None:
        self.ask(partial(self._ask_tag, "remove"))

    def do_prepend(self) -> None:
        self.ask(partial(self._ask_tag, "prepend"))

    def do_replace(self) -> None:
        self.ask(self._replace)

    def do_accept(self) -> None:
        self.ask(self._accept)

    def do_propose(self) -> None:
        self.ask(self._propose)

    async def do_clear(self) -> None:
        await self._careful(partial(self._change, Edit(clear=True), self._chosen))

    async def do_again(self) -> None:
        assert self._again is not None
        await self._careful(partial(self._change, self._again, self._chosen))

    @property
    def _chosen(self) -> list[Called]:
        """The pictures that the next change goes to."""
        return [self._called[key] for key in self.hand.targets(self._keys, self.table.cursor)]

    async def _write(self) -> None:
        texts = {one.text for one in self._chosen}
        text = texts.pop() if len(texts) == 1 else ""
        fields = [Field("text", "Caption", value=text)]
        await self._form("What is it called?", fields, WORDS, lambda answers: Edit(text=answers["text"]))

    async def _ask_tag(self, name: str) -> None:
        known = list(captions.frequencies([one.caption for one in self._called.values()]))
        value = (self.tags.key or "") if self.tags.has_focus else ""
        fields = [Field("tag", "Tag", value=value, suggestions=known, help="→ completes a tag that is there")]
        title, edit_of = BY_TAG[name]
        await self._form(title, fields, "Tags stand between commas.", lambda answers: edit_of(answers["tag"]))

    async def _replace(self) -> None:
        fields = [Field("old", "Text"), Field("new", "Becomes", help="empty: it goes")]
        about = "Wherever it stands in a caption, letter for letter."
        await self._form("Replace which text?", fields, about, lambda a: Edit(replace=(a["old"], a["new"])))

    async def _accept(self) -> None:
        fields = [
            Field("threshold", "Least probability", value=str(THRESHOLD)),
            Field("most", "Tags a picture", value=str(proposals.MOST)),
            Field("without", "Without", help="tags, apart by commas"),
        ]
        about = "Only what may stand in a caption was proposed; look it over all the same."
        await self._form("Add the tags that were proposed?", fields, about, taking_of)

    async def _propose(self) -> None:
        cohort = self._cohort

        async def check(answers: Answers) -> str | None:
            try:
                looking(cohort, answers)
            except KyodakuError as error:
                return str(error)
            return None

        about = "A tagger from a local folder looks at every picture as it trains; i adds what it proposes to captions."
        answers = await self.app.push_screen_wait(Form("Ask which tagger?", TAGGER, about=about, check=check))
        if answers is not None:
            arguments = looking(cohort, answers)
            job = await self.desk.write(lambda catalog: jobs.submit(catalog, "propose", arguments))
            self.say(f"job {job.id} looks at the pictures; it goes on when this terminal closes, and Jobs shows it")

    async def _form(
        self, title: str, fields: Sequence[Field], about: str, edit_of: Callable[[Answers], Edit | Taking]
    ) -> None:
        """Ask, say what is wrong in its place, and change the pictures that were chosen when the key was pressed."""
        chosen = self._chosen
        items = [one.item for one in chosen]

        async def check(answers: Answers) -> str | None:
            if not answers[fields[0].name]:
                return f"{fields[0].label.lower()}: nothing is said"
            try:
                edit = edit_of(answers)
                await self.desk.write(lambda catalog: changed(catalog, items, edit, dry_run=True))
            except KyodakuError as error:
                return str(error)
            except ValueError:
                return "a probability is a number from 0 to 1, tags a picture a whole one"
            return None

        number = f"{counted(len(items), 'picture')}. "
        answers = await self.app.push_screen_wait(Form(title, fields, about=number + about, check=check))
        if answers is not None:
            await self._change(edit_of(answers), chosen)

    async def _change(self, edit: Edit | Taking, chosen: Sequence[Called]) -> None:
        items = [one.item for one in chosen]
        done = await self.desk.write(lambda catalog: changed(catalog, items, edit))
        self._again = edit
        after = self.hand.used(self.table.cursor, len(self._keys))
        fresh = await self.desk.read(lambda catalog: captions.of_items(catalog, items, Recipe()))
        self._called |= {one.key: one for one in fresh}
        self._show(list(self._called.values()))
        if self.kyodaku.advances:
            self.table.move_to(after)
        self.say(done.lines()[0] + ("   u undoes" if done.changed else ""))


def listed(cohort: str, catalog: Catalog) -> tuple[str, list[Called], dict[int, str]]:
    """The ledger's head, what a cohort's pictures are called, and its people's names. Raises as `change.listing`."""
    head = ledger.head(catalog)
    called = change.listing(catalog, cohort)
    people = subjects.get_many(catalog, {one.item.subject_id for one in called})
    names = {key: person.name for key, person in people.items()}
    return head, sorted(called, key=lambda one: (names[one.item.subject_id], one.key)), names


def changed(
    catalog: Catalog, items: Sequence[CohortItem], edit: Edit | Taking, *, dry_run: bool = False
) -> change.Changed:
    """Change captions by hand or by what was proposed. Raises as `change.change` and `proposals.take`."""
    if isinstance(edit, Taking):
        return proposals.take(catalog, items, edit, dry_run=dry_run)
    return change.change(catalog, items, edit, dry_run=dry_run)


def looking(cohort: str | None, answers: Answers) -> dict[str, str]:
    """A `propose` job's arguments. Raises BadValue for a folder or a file that is not there."""
    asked = {"clip" if answers["words"] else "wd14": answers["folder"], "words": answers["words"]}
    found = {name: Path(text).expanduser().resolve() for name, text in asked.items() if text}
    if not answers["folder"]:
        raise BadValue("name the tagger's folder")
    for path in found.values():
        if not path.exists():
            raise BadValue(f"there is no {path}")
    return {"cohort": str(cohort), **{name: str(path) for name, path in found.items()}}


def taking_of(answers: Answers) -> Taking:
    """Which proposals the form asks for. Raises ValueError for what is no number."""
    threshold, most = float(answers["threshold"]), int(answers["most"])
    if not 0 <= threshold <= 1 or most < 1:
        raise ValueError
    return Taking(threshold, most, without=tuple(edits.parts_of(answers["without"])))


def cut_of(one: Called, preview: Preview, columns: int, lines: int) -> tuple[Image.Image, int, int]:
    """A picture as it trains, scaled to the cells there are. Raises BadImage."""
    picture, _ = picture_of(one.photo, one.item, (SIDE, SIDE))
    return fitted(picture, preview, columns, lines)
