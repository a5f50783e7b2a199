"""Training: what trains and what waits, how its loss falls, what it draws; start one, stop one, go on with one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image, UnidentifiedImageError
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Static

from core import cohort, curves, jobs
from core.counted import counted
from core.curves import Curves
from core.errors import KyodakuError
from storage import jobs as job_table
from storage.catalog import Catalog
from storage.records import Job
from storage.safe_text import display
from tui import actions
from tui.screens.dialogs import Answers, Field, Form
from tui.screens.job_room import STATE_COLUMNS, JobRoom, state_cells
from tui.terminal import Preview
from tui.widgets.picture import Picture, fitted
from tui.widgets.plot import plot
from tui.widgets.row_table import Cell, Column, RowTable

LOSS_LINES, RATE_LINES = 9, 5
NEWEST = 200  # jobs that are looked through for trainings
DRY_RUN = "rehearse"  # the kind of job that is one
WHOLE_NUMBERS = ("rank", "steps", "seed")


class TrainingRoom(JobRoom):
    """Trainings, the newest first; on the right the curves of the one under the cursor and its newest preview."""

    ROOM = "training"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("training")
    DEFAULT_CSS = """
    TrainingRoom #curves { height: auto; }
    TrainingRoom #picture { height: 1fr; min-height: 4; }
    """
    JOB = "training"
    EMPTY = "No training yet. t starts one on a frozen cohort; Cohorts freezes them."

    def __init__(self) -> None:
        super().__init__()
        self._curves: dict[int, Curves] = {}
        self._back = 0  # which LoRA's curve, from the newest back
        self._picture = 0
        self._pictures: list[Path] = []

    def body(self) -> ComposeResult:
        with Vertical(classes="split"):
            yield self.table
            with Vertical(classes="pane"):
                yield Static("", id="curves")
                yield Picture(self.kyodaku.preview, id="picture")

    def columns(self) -> list[Column]:
        return [Column("Job", 5, right=True), Column("What", 0), *STATE_COLUMNS]

    def cells(self, job: Job) -> Sequence[Cell]:
        dry = "dry run: " if job.kind == DRY_RUN else ""
        return str(job.id), f"{dry}{job.args.get('name', '')} on {job.args.get('cohort', '')}", *state_cells(job)

    def listed(self, catalog: Catalog) -> list[Job]:
        return trainings(catalog)

    def told(self, found: Sequence[Job]) -> str:
        under_way = sum(job.state in job_table.UNDER_WAY for job in found)
        return f"{counted(len(found), 'training')}, {under_way} under way"

    @on(RowTable.Moved)
    def _other(self) -> None:
        self._back = self._picture = 0

    async def look(self) -> None:
        """Show the curves of the training under the cursor, and its newest picture."""
        job, picture = self.job, self.query_one("#picture", Picture)
        pane = self.query_one("#curves", Static)
        if job is None:
            pane.update("")
            picture.say("")
            return
        told, self._pictures = await self.desk.read(partial(self._follow, job))
        pane.update(curve_text(job, told, self._back, max(20, pane.size.width)))
        self.keys.look_again()
        if picture.preview.how == "off":
            picture.say("pictures are off (preview)")
        elif not self._pictures:
            picture.say("no preview was drawn yet")
        else:
            path = self._pictures[self._picture % len(self._pictures)]
            columns, lines = picture.cells
            try:
                drawn = await self.desk.picture(partial(preview, path, picture.preview, columns, lines))
            except UnidentifiedImageError:
                picture.say(f"{path.name} is not drawn to its end yet")
            else:
                await picture.show(*drawn)

    def _follow(self, job: Job, catalog: Catalog) -> tuple[Curves, list[Path]]:
        folder = job_table.folder_of(catalog, job.id)
        told = self._curves.setdefault(job.id, Curves(folder / curves.METRICS))
        while told.follow():
            pass
        return told, pictures_of(catalog, job, told)

    # Actions

    def why_not(self, name: str) -> str | None:
        job = self.job
        if name in ("curve", "picture") and job is None:
            return "there is no training under the cursor; t starts one"
        if name == "curve" and job and (job.id not in self._curves or len(self._curves[job.id].by_task) < 2):
            return "there is no other curve"
        if name == "picture" and len(self._pictures) < 2:
            return "there is no other picture"
        return super().why_not(name)

    def do_curve(self) -> None:
        self._back += 1
        self.rested()

    def do_picture(self) -> None:
        self._picture += 1
        self.rested()

    def do_train(self) -> None:
        self.ask(self._train)

    async def _train(self) -> None:
        """Ask what to train on what, and start it as a job, which goes on when this terminal closes."""
        frozen, bases = await self.desk.read(offered)
        answers = await self.app.push_screen_wait(
            Form(
                "Train",
                [
                    Field("cohort", "Cohort", value=frozen[-1] if frozen else "", suggestions=frozen, help="frozen"),
                    Field(
                        "base", "Base", value=bases[0] if bases else "", suggestions=bases, help="its folder or file"
                    ),
                    Field("name", "Name", help="what the models are called"),
                    Field("pooled", "one model on everybody's pictures (else one a person)", tick=True),
                    Field("full", "whole checkpoints: the base's own weights learn (else LoRAs)", tick=True),
                    Field("recipe", "Recipe", help="a TOML file; empty: the default"),
                    Field("rank", "Rank", help="empty: the recipe's"),
                    Field("steps", "Steps", help="empty: the recipe's"),
                    Field("seed", "Seed", help="empty: the recipe's"),
                    Field("dry_run", "dry run: what memory and disk it takes; trains nothing", tick=True),
                ],
                about="Consent is looked at when it starts, at every epoch, and when it goes on after a stop.",
                check=partial(check_training, frozen),
            )
        )
        if answers is not None:
            kind = DRY_RUN if answers["dry_run"] else "train"
            job = await self.desk.write(lambda catalog: jobs.submit(catalog, kind, arguments(answers)))
            does = "counts what it would take" if answers["dry_run"] else "trains"
            self.say(f"job {job.id} {does}; it goes on when this terminal closes")
            await self.load()
            self.table.go_to(job.id)


def trainings(catalog: Catalog) -> list[Job]:
    """The trainings and their dry runs among the newest jobs, the newest first."""
    return [job for job in job_table.newest(catalog, limit=NEWEST) if job.kind in ("train", DRY_RUN)]


def curve_text(job: Job, told: Curves, back: int, width: int) -> Text:
    """The loss and the learning rate of one LoRA of a training, and how far it is."""
    text = Text(no_wrap=True)
    text.append(display(f"job {job.id}: {job.note or job.state}") + "\n", style="bold")
    if job.kind == DRY_RUN:
        text.no_wrap = False
        return text.append("\n".join(map(display, (job.result or {}).get("lines", ["it is counted …"]))))
    if not told.by_task:
        text.append("no step is on record yet\n", style="dim")
        return text
    task = list(told.by_task)[-1 - back % len(told.by_task)]
    curve = told.by_task[task]
    pace = f", {curve.seconds:.2f} s a step" if curve.seconds else ""
    text.append(display(f"{task}: step {curve.steps[-1]:,}{pace}, loss {curve.losses[-1]:.4f}") + "\n")
    for name, values, lines in (("loss", curve.losses, LOSS_LINES), ("rate", curve.rates, RATE_LINES)):
        text.append(f"{name}\n", style="dim")
        text.append("\n".join(plot(curve.steps, values, width, lines)) + "\n")
    return text


def pictures_of(catalog: Catalog, job: Job, told: Curves) -> list[Path]:
    """What a training has drawn, the newest first."""
    inside = list((job_table.folder_of(catalog, job.id) / "previews").glob("*.png"))
    made = [*told.by_task, *(job.result or {}).get("models", ())]
    beside = [catalog.models / f"{name}.preview.png" for name in dict.fromkeys(made) if Path(name).name == name]
    found = [path for path in (*inside, *beside) if path.is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def preview(path: Path, how: Preview, columns: int, lines: int, _: Catalog) -> tuple[Image.Image, int, int]:
    """A drawn picture, scaled to the cells there are. Raises UnidentifiedImageError, OSError."""
    with Image.open(path) as picture:
        return fitted(picture, how, columns, lines)


def offered(catalog: Catalog) -> tuple[list[str], list[str]]:
    """Names of the frozen cohorts, and the bases of trainings so far, the newest first."""
    frozen = [one.name for one in cohort.list_all(catalog) if one.merkle_root is not None and not one.tainted]
    return frozen, list(dict.fromkeys(str(job.args["base"]) for job in trainings(catalog) if "base" in job.args))


def check_training(frozen: Sequence[str], answers: Answers) -> str | None:
    """What is wrong with what was asked for, or None."""
    if answers["cohort"] not in frozen:
        return f"frozen cohorts: {', '.join(frozen)}" if frozen else "no cohort is frozen yet; Cohorts freezes one"
    if not answers["base"] or not Path(answers["base"]).expanduser().exists():
        return "name the base: a diffusers folder, or a checkpoint file"
    if not answers["name"]:
        return "give the models a name"
    if answers["full"] and answers["rank"]:
        return "whole checkpoints have no rank"
    if wrong := [name for name in WHOLE_NUMBERS if answers[name] and not answers[name].isdecimal()]:
        return f"{wrong[0]} is a whole number"
    from core.training import recipe as recipes  # what checks it need not be loaded for the app to open

    try:
        asked = arguments(answers)
        recipes.load(None if asked["recipe"] is None else Path(asked["recipe"]), asked["overrides"])
    except KyodakuError as error:
        return str(error)
    return None


def arguments(answers: Answers) -> dict[str, Any]:
    """A `train` job's arguments."""
    recipe = Path(answers["recipe"]).expanduser().resolve() if answers["recipe"] else None
    return {
        "cohort": answers["cohort"],
        "base": str(Path(answers["base"]).expanduser().resolve()),
        "name": answers["name"],
        "mode": "pooled" if answers["pooled"] else "per-subject",
        "recipe": None if recipe is None else str(recipe),
        "overrides": ({"learns": "full"} if answers["full"] else {})
        | {name: int(answers[name]) for name in WHOLE_NUMBERS if answers[name]},
        "device": "auto",
    }
