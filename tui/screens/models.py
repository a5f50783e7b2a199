"""Models: what was made, from whom, whether it may be used, and what it draws; make others of them, and look at them.

Everything that needs torch is a job: this room asks for it, says how far it is, and shows what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image, UnidentifiedImageError
from rich.console import Group
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from core import jobs, models
from core.composition import LORAS
from core.counted import counted
from core.errors import JobFailed, KyodakuError
from core.merging import job as merging
from storage import artifacts, subjects
from storage import jobs as job_table
from storage.catalog import Catalog
from storage.records import Job, Model, ModelState
from tui import actions
from tui.screens import model_forms
from tui.screens.dialogs import Answers, Field, Form
from tui.screens.model_facts import caption, facts
from tui.screens.model_forms import Arguments
from tui.screens.room import Room
from tui.terminal import Preview
from tui.widgets.picture import Picture, fitted
from tui.widgets.row_table import Cell, Column, ListTable, RowTable
from tui.widgets.signs import ROLES

MAKING = frozenset({"merge", "generate", "audit", "remake"})  # kinds of jobs that this room asks for
UNDER_WAY = job_table.UNDER_WAY
NEEDS_MODEL = frozenset({"mark", "mark_all", "bake", "draw", "audit", "verify", "sheet"})
NEWEST = 50  # jobs looked through for those
NAMED = 3  # models named in a form; the rest are counted


class ModelsRoom(Room):
    """Models on the left, the newest first; on the right what they are made of and what they draw."""

    ROOM = "models"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("models")
    DEFAULT_CSS = """
    ModelsRoom #facts { height: 1fr; }
    ModelsRoom #facts Static { height: auto; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._models: dict[int, Model] = {}
        self._marks: dict[int, None] = {}
        self._asked: set[int] = set()  # jobs asked for here, of which the end is to be told
        self._sheets: list[Path] = []
        self._sheet = 0

    def body(self) -> ComposeResult:
        with Vertical(classes="split"):
            table: ListTable[int] = ListTable(
                [
                    Column("Model", 0),
                    Column("Kind", 8),
                    Column("State", 11),
                    Column("Of whom", 16, optional=1),
                    Column("Made", 16, optional=2),
                ],
                empty="No model yet. Training makes them of a frozen cohort.",
                id="models",
            )
            table.add_class("list")
            table.marked = lambda row: table.key_of(row) in self._marks
            yield table
            with Vertical(classes="pane"):
                yield Picture(self.kyodaku.preview, id="picture")
                with VerticalScroll(id="facts"):
                    yield Static("")

    @property
    def table(self) -> ListTable[int]:
        """The models."""
        return self.query_one("#models", ListTable)

    @property
    def model(self) -> Model | None:
        """The model under the cursor."""
        key = self.table.key
        return None if key is None else self._models.get(key)

    @property
    def marked(self) -> list[Model]:
        """The LoRAs that are marked, in the order of marking."""
        return [self._models[key] for key in self._marks if key in self._models]

    def on_mount(self) -> None:
        self.set_focus(self.table)

    async def load(self) -> None:
        found, making = await self.desk.read(with_people)
        fresh = {model.id: model for model, _ in found}
        if fresh != self._models or not self.table.count:
            self._models = fresh
            self._marks = {key: None for key in self._marks if key in fresh and why_no_lora(fresh[key]) is None}
            self.table.fill([(model.id, model_cells(model, whose)) for model, whose in found])
        under_way = [f"job {job.id}, {job.kind}: {job.progress:.0%}" for job in making if job.state in UNDER_WAY]
        self.place(", ".join([f"{counted(len(found), 'model')}", *under_way]))
        for job in making:
            if job.id in self._asked and job.state not in UNDER_WAY:
                self._asked.remove(job.id)
                self._tell_end(job)

    async def ticked(self) -> None:
        """A worker may be gone without a word in the catalog: look each tick."""
        if self._asked:
            self.reload()

    def _tell_end(self, job: Job) -> None:
        try:
            told, made = ending(job, jobs.result_of(job))
        except JobFailed as error:
            self.say(str(error), error=True)
            return
        self.say(told)
        self._sheet = 0
        for model in self._models.values():
            if model.name == made:
                self.table.go_to(model.id)
        self.begin(self._look, group="look")

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self._sheet = 0
        self.moved()

    def rested(self) -> None:
        self.begin(self._look, group="look")

    async def _look(self) -> None:
        model, picture = self.model, self.query_one("#picture", Picture)
        pane = self.query_one("#facts Static", Static)
        if model is None:
            pane.update("")
            picture.say("")
            return
        text, self._sheets = await self.desk.read(partial(facts, model))
        number = self._sheet % max(1, len(self._sheets))
        shown = [Text(caption(self._sheets[number], number + 1, len(self._sheets)))] if self._sheets else []
        pane.update(Group(*shown, text))
        self.keys.look_again()
        if picture.preview.how == "off":
            picture.say("pictures are off (preview)")
        elif not self._sheets:
            picture.say("no picture was made with it yet: d draws some, a audits it")
        else:
            path = self._sheets[number]
            columns, lines = picture.cells
            try:
                drawn = await self.desk.picture(partial(sheet, path, picture.preview, columns, lines))
            except UnidentifiedImageError:
                picture.say(f"{path.name} is no picture")
            else:
                await picture.show(*drawn)

    # Actions

    def why_not(self, name: str) -> str | None:
        model = self.model
        if name == "merge":
            return None if self.marked else "no LoRA is marked: Space marks one, % all of its training"
        if name == "remake":
            tainted = any(one.state is ModelState.TAINTED for one in self._models.values())
            return None if tainted else "no model is tainted"
        if name == "sheet" and model is not None and len(self._sheets) < 2:
            return "there is no other picture of this model's"
        if name not in NEEDS_MODEL:
            return super().why_not(name)
        if model is None:
            return "there is no model under the cursor"
        if name in ("mark", "mark_all", "bake"):
            return why_no_lora(model)
        return None if name == "sheet" else why_out_of_use(model)

    def do_mark(self) -> None:
        assert self.model is not None
        if self.model.id in self._marks:
            del self._marks[self.model.id]
        else:
            self._marks[self.model.id] = None
        self.table.move_to(self.table.cursor + 1)
        self._marks_changed()

    def do_mark_all(self) -> None:
        own = self.model
        assert own is not None
        alike = [
            one.id
            for one in self._models.values()
            if (one.kind, one.cohort_id, one.base_hash) == (own.kind, own.cohort_id, own.base_hash)
            and why_no_lora(one) is None
        ]
        self._marks |= dict.fromkeys(alike)
        self._marks_changed()

    def _marks_changed(self) -> None:
        self.table.draw_marks()
        self.keys.look_again()
        self.say(f"{len(self._marks):,} marked" if self._marks else "")

    def do_back(self) -> None:
        if self._marks:
            self._marks.clear()
            self._marks_changed()
        else:
            super().do_back()

    def do_sheet(self) -> None:
        self._sheet += 1
        self.begin(self._look, group="look")

    def do_verify(self) -> None:
        self.begin(self._verify, group="verify")

    async def _verify(self) -> None:
        model = self.model
        assert model is not None
        self.say(f"reading {model.name} …")
        problem = await self.desk.read(lambda catalog: models.file_problem(catalog, model))
        self.say(f"{model.name}: {problem or 'its file is the one that was recorded'}", error=problem is not None)

    def do_merge(self) -> None:
        self.ask(self._merge)

    async def _merge(self) -> None:
        names = [model.name for model in self.marked]
        told = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        await self._make(
            "merge",
            f"Average {counted(len(names), 'LoRA')}",
            model_forms.AVERAGE,
            partial(model_forms.averaging, names),
            about=[told, await self.desk.read(partial(model_forms.outlook, merging.AskedAverage(names, "")))],
        )

    def do_bake(self) -> None:
        self.ask(self._bake)

    async def _bake(self) -> None:
        model = self.model
        assert model is not None
        await self._make(
            "merge",
            f"Bake {model.name}",
            model_forms.bake_fields(model),
            partial(model_forms.baking, model.name),
            about=[await self.desk.read(partial(model_forms.outlook, merging.AskedBake(model.name, model.base, "")))],
        )

    def do_draw(self) -> None:
        self.ask(self._draw)

    async def _draw(self) -> None:
        model = self.model
        assert model is not None
        about = ["Prompts for minors or sexual content are refused. The pictures lie in the catalog, beside the model."]
        await self._make(
            "generate", f"Draw with {model.name}", model_forms.DRAW, partial(model_forms.drawing, model), about=about
        )

    def do_audit(self) -> None:
        self.ask(self._audit)

    async def _audit(self) -> None:
        model = self.model
        assert model is not None
        about = ["Pictures over a fixed set of prompts, each face sought among everybody's in the catalog."]
        await self._make(
            "audit", f"Audit {model.name}", model_forms.AUDIT, partial(model_forms.auditing, model), about=about
        )

    async def _make(
        self,
        kind: str,
        title: str,
        fields: Sequence[Field],
        arguments: Callable[[Answers, Catalog], Arguments],
        *,
        about: Sequence[str],
    ) -> None:
        """Ask what is needed, say in the form what `arguments` refuses, and have a job do it."""

        async def refused(answers: Answers) -> str | None:
            try:
                await self.desk.read(partial(arguments, answers))
            except KyodakuError as error:
                return str(error)
            return None

        answers = await self.app.push_screen_wait(Form(title, fields, about="\n".join(about), check=refused))
        if answers is not None:
            await self._submit(kind, await self.desk.read(partial(arguments, answers)))

    async def do_remake(self) -> None:
        await self._careful(partial(self._submit, "remake", {}))

    async def _submit(self, kind: str, arguments: Mapping[str, Any]) -> None:
        job = await self.desk.write(lambda catalog: jobs.submit(catalog, kind, arguments))
        self._asked.add(job.id)
        self.say(f"job {job.id}, {kind}, goes on when this terminal closes; Jobs shows it too")
        await self.load()


def why_out_of_use(model: Model) -> str | None:
    """Why a model may not be used, or None."""
    return None if model.state is ModelState.OK else f"{model.name} is {model.state}: {model.why or 'its file is gone'}"


def why_no_lora(model: Model) -> str | None:
    """Why a model can be no ingredient of an average or a bake, or None."""
    return why_out_of_use(model) or (None if model.kind in LORAS else f"{model.name} is a {model.kind}, no LoRA")


def ending(job: Job, result: Mapping[str, Any]) -> tuple[str, str | None]:
    """What came of a job that is done, in a sentence; and the model to show it by."""
    model = result.get("model") or job.args.get("model")
    if job.kind == "merge":
        return f"{model} is made", model
    if job.kind == "generate":
        withheld = f", {len(result['withheld'])} withheld" if result["withheld"] else ""
        return f"{counted(len(result['images']), 'picture')} of {model}{withheld}", model
    if job.kind == "audit":
        return f"{model}: {result['verdict']}", model
    made = ", ".join(result["remade"]) or "nothing"
    lost = f"; taken out of use: {', '.join(result['quarantined'])}" if result["quarantined"] else ""
    return f"made again: {made}{lost}", None


def with_people(catalog: Catalog) -> tuple[list[tuple[Model, str]], list[Job]]:
    """All models, the newest first, with who is in each, or how many; and the newest jobs that make or look at any."""
    found = [(model, artifacts.shares_of(catalog, model.id)) for model in reversed(models.list_all(catalog))]
    names = subjects.get_many(catalog, {person for _, shares in found for person in shares if len(shares) == 1})
    told = [
        (model, names[next(iter(shares))].name if len(shares) == 1 else counted(len(shares), "person"))
        for model, shares in found
    ]
    return told, [job for job in job_table.newest(catalog, limit=NEWEST) if job.kind in MAKING]


def model_cells(model: Model, whose: str) -> Sequence[Cell]:
    """A model as the table writes it."""
    made = f"{model.created_at.astimezone():%Y-%m-%d %H:%M}"
    return model.name, model.kind, (model.state, ROLES[model.state]), whose, made


def sheet(path: Path, preview: Preview, columns: int, lines: int, _: Catalog) -> tuple[Image.Image, int, int]:
    """A picture of a model's, scaled to the cells there are. Raises UnidentifiedImageError, OSError."""
    with Image.open(path) as picture:
        return fitted(picture, preview, columns, lines)
