"""Cohorts: which pictures of whom would train, and for everything left out the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from functools import partial
from typing import ClassVar

from PIL import Image
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from core import cohort as cohorts
from core import query
from core.counted import counted
from core.errors import BadQuery, KyodakuError
from core.selection import Exclusion
from core.training import sheet
from storage.catalog import Catalog
from storage.records import TRAIN_PURPOSES, Cohort, CohortRules, GroupRule, Purpose
from storage.safe_text import display
from tui import actions
from tui.screens.dialogs import Answers, Confirm, Field, Form
from tui.screens.room import Room
from tui.terminal import Preview
from tui.widgets.picture import Picture, fitted
from tui.widgets.row_table import Cell, Column, ListTable, RowTable

MOST_PEOPLE = 40  # named in the summary; the rest are counted


class CohortsRoom(Room):
    """Cohorts on the left; on the right who is in, who is not, and why."""

    ROOM = "cohorts"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("cohorts")
    DEFAULT_CSS = """
    CohortsRoom #summary { height: 1fr; }
    CohortsRoom #summary Static { height: auto; }
    CohortsRoom.-narrow .list { height: 2fr; }
    CohortsRoom.-narrow .pane { height: 3fr; }
    CohortsRoom #sheet { display: none; }
    CohortsRoom .-sheet #sheet { display: block; }
    CohortsRoom .-sheet #summary, CohortsRoom .-sheet #excluded { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._cohorts: dict[str, Cohort] = {}
        self._page: int | None = None  # of the sheet that is shown
        self._pages = 0
        self._drawn: str | None = None  # the cohort that it is of
        self._excluded: Sequence[Exclusion] = ()  # from the cohort, as they are listed
        self._grounds: Hashable = None  # what the explanation shown rests on

    def body(self) -> ComposeResult:
        with Vertical(classes="split"):
            table: ListTable[str] = ListTable(
                [
                    Column("Cohort", 20),
                    Column("For", 16),
                    Column("State", 17),
                    Column("Search", 0, optional=1),
                ],
                empty="No cohort yet. c makes one: a search, a purpose and rules of balance.",
                id="cohorts",
            )
            table.add_class("list")
            yield table
            with Vertical(classes="pane"):
                yield Picture(self.kyodaku.preview, id="sheet")
                with VerticalScroll(id="summary"):
                    yield Static("")
                yield ListTable(
                    [Column("Photo", 7, right=True), Column("Whose", 14, optional=1), Column("Left out because", 0)],
                    empty="nothing is left out",
                    id="excluded",
                )

    @property
    def table(self) -> ListTable[str]:
        """The cohorts, by name."""
        return self.query_one("#cohorts", ListTable)

    @property
    def cohort(self) -> Cohort | None:
        """The cohort under the cursor."""
        key = self.table.key
        return None if key is None else self._cohorts.get(key)

    def on_mount(self) -> None:
        self.set_focus(self.table)

    async def load(self) -> None:
        found, grounds = await self.desk.read(lambda catalog: (cohorts.list_all(catalog), cohorts.grounds(catalog)))
        fresh = {cohort.name: cohort for cohort in found}
        if fresh != self._cohorts or not self.table.count:
            self._cohorts = fresh
            self.table.fill([(cohort.name, cohort_cells(cohort)) for cohort in found])
        elif grounds != self._grounds:
            self.moved()  # the cohort is explained anew; where only a job got on it need not be
        self._grounds = grounds
        self.place(counted(len(found), "cohort"))

    def do_refresh(self) -> None:
        self._grounds = None
        super().do_refresh()

    @on(RowTable.Moved, "#excluded")
    def _at_excluded(self, event: RowTable.Moved) -> None:
        """The column may be too narrow for the reason; the line below is not."""
        if event.table.has_focus and self._excluded:
            one = self._excluded[event.table.cursor]
            self.say(f"photograph {one.photo}{f', {one.subject}' if one.subject else ''}: {one.reason}")

    @on(RowTable.Moved, "#cohorts")
    def _moved(self) -> None:
        if self.table.key != self._drawn:
            self._show_page(None)
        self.moved()

    def rested(self) -> None:
        self.begin(self._explain, group="look")

    async def _explain(self) -> None:
        """Select anew, as freezing would now: the answer is of this moment."""
        summary = self.query_one("#summary Static", Static)
        excluded: ListTable[int] = self.query_one("#excluded", ListTable)
        cohort = self.cohort
        if cohort is None:
            summary.update("")
            self._excluded = ()
            excluded.fill([])
            return
        summary.update(Text("looking at every photograph of the search …", style="dim"))
        told = await self.desk.read(lambda catalog: cohorts.explain(catalog, cohort.name, pictures=False))
        summary.update(summary_of(cohort, told))
        self._excluded = told.excluded
        excluded.fill(
            [(place, (str(one.photo), one.subject or "", one.reason)) for place, one in enumerate(told.excluded)]
        )

    # Actions

    def why_not(self, name: str) -> str | None:
        cohort = self.cohort
        if name in ("freeze", "photos", "sheet", "captions") and cohort is None:
            return "there is no cohort under the cursor; c makes one"
        if name == "freeze" and cohort is not None and cohort.merkle_root is not None and not cohort.tainted:
            return f"{cohort.name} is frozen already"
        return None

    def do_sheet(self) -> None:
        following = 0 if self._page is None else self._page + 1
        self._show_page(None if 0 < self._pages <= following else following)

    def do_back(self) -> None:
        if self._page is None:
            super().do_back()
        else:
            self._show_page(None)

    def _show_page(self, number: int | None) -> None:
        """Show a page of what trains in the place of the summary, or that again."""
        self._page, self._drawn = number, None if number is None else self.table.key
        self.query_one(".pane").set_class(number is not None, "-sheet")
        if number is None:
            self._pages = 0
        else:
            self.begin(partial(self._draw, number), group="sheet")

    async def _draw(self, number: int) -> None:
        cohort, picture = self.cohort, self.query_one("#sheet", Picture)
        assert cohort is not None
        if picture.preview.how == "off":
            picture.say("pictures are off (preview): kyodaku cohort sheet writes them into a file")
            return
        picture.say("reading the pictures as they are cut …")
        size = self.query_one(".pane").content_size
        work = partial(page_of, cohort.name, number, picture.preview, size.width, size.height)
        try:
            drawn, self._pages = await self.desk.picture(work)
        except KyodakuError:
            self._show_page(None)
            raise
        if self._page == number:
            await picture.show(*drawn)
            self.say(f"{cohort.name}: page {number + 1} of {self._pages} of what trains")

    async def do_captions(self) -> None:
        assert self.cohort is not None
        await self.kyodaku.show_captions(self.cohort.name)

    async def do_photos(self) -> None:
        assert self.cohort is not None
        excluded: ListTable[int] = self.query_one("#excluded", ListTable)
        if excluded.has_focus and self._excluded:
            await self.kyodaku.show_photos(f"id:{self._excluded[excluded.cursor].photo}")
        else:
            await self.kyodaku.show_photos(self.cohort.query)

    def do_create(self) -> None:
        self.ask(self._create)

    async def _create(self) -> None:
        answers = await self.app.push_screen_wait(
            Form(
                "A new cohort",
                [
                    Field("name", "Name"),
                    Field("query", "Search", help="as in the archive: subject:Noy taken:2019..2021"),
                    Field("purpose", "Purpose", help="train-individual or train-composite", suggestions=PURPOSES),
                    Field("group", "Group pictures", help="exclude, crop or mask", suggestions=list(GroupRule)),
                    Field("per_subject", "At most each", help="photographs of one person; empty: no limit"),
                    Field("min_subjects", "At least", help="people; empty: the purpose's own least"),
                ],
                about="Nothing is fixed until it is frozen.\nHow others in a picture are treated you choose.",
                check=check_cohort,
            )
        )
        if answers is None:
            return
        purpose = Purpose(answers["purpose"])
        least = int(answers["min_subjects"]) if answers["min_subjects"] else None
        rules = CohortRules(
            purpose=purpose,
            per_subject=int(answers["per_subject"]) if answers["per_subject"] else None,
            min_subjects=cohorts.least_subjects(purpose, least),
            group=GroupRule(answers["group"]),
        )
        made = await self.desk.write(lambda catalog: cohorts.create(catalog, answers["name"], answers["query"], rules))
        await self.load()
        self.table.go_to(made.name)

    def do_freeze(self) -> None:
        self.ask(self._freeze)

    async def _freeze(self) -> None:
        cohort = self.cohort
        assert cohort is not None
        told = await self.desk.read(lambda catalog: cohorts.explain(catalog, cohort.name, pictures=False))
        if not await self.app.push_screen_wait(
            Confirm(
                f"Freeze {cohort.name}?",
                [
                    f"{told_of(told)}; {len(told.excluded):,} left out.",
                    "Consent is looked at again whenever they are read for training.",
                ],
                yes="freeze",
            )
        ):
            return
        frozen = await self.desk.write(partial(_freeze, cohort.name))
        await self.load()
        self.say(frozen)


def page_of(
    name: str, number: int, preview: Preview, columns: int, lines: int, catalog: Catalog
) -> tuple[tuple[Image.Image, int, int], int]:
    """A page of what trains, scaled to the cells there are, and how many pages there are. Raises as `sheet.page`."""
    drawn, pages = sheet.page(catalog, name, number)
    return fitted(drawn, preview, columns, lines), pages


def _freeze(name: str, catalog: Catalog) -> str:
    frozen = cohorts.freeze(catalog, name)
    photographs, people = counted(frozen.photos, "photograph"), counted(frozen.subjects, "person")
    return f"{name}: {photographs} of {people} under {frozen.merkle_root[:16]}…"


PURPOSES = sorted(TRAIN_PURPOSES)


def check_cohort(answers: Answers) -> str | None:
    """What is wrong with the form of a new cohort, or None."""
    if not answers["name"]:
        return "a name is needed"
    try:
        query.parse(answers["query"])
    except BadQuery as error:
        return str(error)
    if answers["purpose"] not in PURPOSES:
        return f"the purpose is one of {', '.join(PURPOSES)}"
    if answers["group"] not in list(GroupRule):
        return f"group pictures: one of {', '.join(GroupRule)}"
    for name in ("per_subject", "min_subjects"):
        if answers[name] and not (answers[name].isascii() and answers[name].isdigit() and int(answers[name])):
            return f"{answers[name]} is no number of one or more"
    return None


def cohort_cells(cohort: Cohort) -> Sequence[Cell]:
    """A cohort as the table writes it."""
    state: Cell = ("not frozen", "dim")
    if cohort.tainted:
        state = ("tainted", "warn")
    elif cohort.frozen_at is not None:
        state = (f"frozen {cohort.frozen_at.astimezone():%Y-%m-%d}", "good")
    return cohort.name, cohort.rules.purpose, state, cohort.query


def told_of(told: cohorts.Explanation) -> str:
    """How much would train, of how many; a photograph of several people is a picture of each."""
    pictures, photographs = sum(told.subjects.values()), len(told.included)
    seen_in = "" if pictures == photographs else f", cut from {counted(photographs, 'photograph')}"
    return f"{counted(pictures, 'picture')} of {counted(len(told.subjects), 'person')}{seen_in}"


def summary_of(cohort: Cohort, told: cohorts.Explanation) -> Text:
    """Rules, who is in with how many pictures, and the reasons why others are not, counted."""
    rules = cohort.rules
    text = Text().append(display(cohort.name) + "\n", style="bold")
    text.append(f"now {told_of(told)}", style="bold")
    text.append(f", as if of {told.effective_subjects:.1f} in balance; {len(told.excluded):,} left out\n")
    if cohort.tainted:
        text.append("A withdrawal reached it: freeze it again.\n", style="bold")
    text.append(display(cohort.query or "every photograph") + "\n")
    limits = [
        f"for {rules.purpose}",
        f"group pictures: {rules.group}",
        f"at least {counted(rules.min_subjects, 'person')}",
    ]
    if rules.per_subject:
        limits.append(f"at most {rules.per_subject} of each")
    if rules.max_share < 1:
        limits.append(f"at most {rules.max_share:.0%} of one person")
    text.append(", ".join(limits) + "\n", style="dim")
    if cohort.merkle_root:
        text.append(f"Merkle root {cohort.merkle_root}\n", style="dim")
    text.append("\nIn it\n", style="bold")
    ordered = sorted(told.subjects.items(), key=lambda pair: (-pair[1], pair[0]))
    for name, count in ordered[:MOST_PEOPLE]:
        text.append(display(f"  {count:>5}  {name}") + "\n")
    if len(ordered) > MOST_PEOPLE:
        text.append(f"         and {counted(len(ordered) - MOST_PEOPLE, 'other')}\n", style="dim")
    if told.not_compared:
        text.append(f"{told.not_compared:,} of them not compared yet: kyodaku similar find\n", style="dim")
    reasons = Counter(one.general for one in told.excluded)
    text.append("\nLeft out\n", style="bold")
    for reason, count in reasons.most_common():
        text.append(display(f"  {count:>5}  {reason}") + "\n")
    return text
