"""Jobs: what runs, how far it is, what it wrote; stop one, go on with one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from core import jobs as work
from storage import jobs
from storage.catalog import Catalog
from storage.records import Job, JobState
from storage.safe_text import display
from tui import actions
from tui.screens.dialogs import Confirm
from tui.screens.room import Room
from tui.widgets.row_table import Cell, Column, ListTable, RowTable
from tui.widgets.signs import ROLES

TAIL_BYTES = 16_384
BAR = 12  # cells
EIGHTHS = " ▏▎▍▌▋▊▉█"
CANCELLABLE = jobs.UNDER_WAY | {JobState.INTERRUPTED, JobState.WAITING}
RESUMABLE = frozenset({JobState.WAITING, JobState.INTERRUPTED, JobState.CANCELLED, JobState.FAILED})


class JobsRoom(Room):
    """Jobs, the newest first, and the end of the log of the one under the cursor."""

    ROOM = "jobs"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("jobs")

    def __init__(self) -> None:
        super().__init__()
        self._jobs: dict[int, Job] = {}

    def body(self) -> ComposeResult:
        with Vertical(classes="split"):
            table: ListTable[int] = ListTable(
                [
                    Column("Job", 5, right=True),
                    Column("What", 9),
                    Column("State", 11),
                    Column("Done", BAR + 5),
                    Column("Left", 8, right=True, optional=1),
                    Column("Now", 0),
                ],
                empty="No job yet. Training and audits run as jobs: kyodaku train, kyodaku audit.",
                id="jobs",
            )
            table.add_class("list")
            yield table
            with VerticalScroll(classes="pane"):
                yield Static("", id="log")

    @property
    def table(self) -> ListTable[int]:
        """The jobs."""
        return self.query_one("#jobs", ListTable)

    @property
    def job(self) -> Job | None:
        """The job under the cursor."""
        key = self.table.key
        return None if key is None else self._jobs.get(key)

    def on_mount(self) -> None:
        self.set_focus(self.table)

    async def load(self) -> None:
        found = await self.desk.read(jobs.newest)
        fresh = {job.id: job for job in found}
        if fresh != self._jobs or not self.table.count:
            self._jobs = fresh
            self.table.fill([(job.id, job_cells(job)) for job in found])
        self.place(f"{len(found):,} jobs")

    async def ticked(self) -> None:
        """A lock may have been let go without a word in the catalog, and a log grows: look each tick."""
        if any(job.state in jobs.UNDER_WAY for job in self._jobs.values()):
            self.reload()
            self.begin(self._log, group="look")

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self.moved()

    def rested(self) -> None:
        self.begin(self._log, group="look")

    async def _log(self) -> None:
        job = self.job
        text = Text("")
        if job is not None:
            text = job_facts(job)
            text.append(await self.desk.read(partial(tail, job.id)))
        self.query_one("#log", Static).update(text)

    def why_not(self, name: str) -> str | None:
        if name in ("cancel", "resume") and self.job is None:
            return "there is no job under the cursor"
        if (
            name == "cancel"
            and self.job
            and self.job.state not in jobs.UNDER_WAY | {JobState.INTERRUPTED, JobState.WAITING}
        ):
            return f"job {self.job.id} is {self.job.state}"
        if name == "resume" and self.job and self.job.state not in RESUMABLE:
            return f"job {self.job.id} is {self.job.state}"
        return None

    def do_cancel(self) -> None:
        self.ask(self._cancel)

    async def _cancel(self) -> None:
        job = self.job
        assert job is not None
        if await self.app.push_screen_wait(
            Confirm(
                f"Stop job {job.id} ({job.kind})?",
                ["It stops at its next safe place; r goes on from its last checkpoint."],
                yes="stop it",
                no="let it run",
            )
        ):
            asked = await self.desk.write(lambda catalog: work.cancel(catalog, job.id))
            self.say(
                f"job {job.id} is {asked.state}"
                if asked.state is JobState.CANCELLED
                else f"job {job.id} was asked to stop"
            )
            await self.load()

    def do_resume(self) -> None:
        self.ask(self._resume)

    async def _resume(self) -> None:
        job = self.job
        assert job is not None
        await self.desk.write(lambda catalog: work.resume(catalog, job.id))
        self.say(f"job {job.id} goes on")
        await self.load()


def bar(progress: float) -> str:
    """Progress 0..1 as `BAR` cells of blocks and a percentage."""
    eighths = round(max(0.0, min(1.0, progress)) * BAR * 8)
    full, part = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[part] if part else "")).ljust(BAR, "░") + f"{progress:>5.0%}"


def job_cells(job: Job) -> Sequence[Cell]:
    """A job as the table writes it."""
    left = "" if job.eta_s is None else str(timedelta(seconds=round(job.eta_s)))
    return str(job.id), job.kind, (job.state, ROLES[job.state]), bar(job.progress), left, job.note


def job_facts(job: Job) -> Text:
    """What was asked for, and what came of it."""
    text = Text().append(f"job {job.id}: {job.kind}\n", style="bold")
    for name, value in job.args.items():
        if value not in (None, {}, []):
            text.append(display(f"  {name}: {value}") + "\n")
    text.append(f"asked for {job.created_at.astimezone():%Y-%m-%d %H:%M:%S}\n", style="dim")
    if job.started_at and job.ended_at:
        text.append(f"took {timedelta(seconds=round((job.ended_at - job.started_at).total_seconds()))}\n", style="dim")
    for name, value in (job.result or {}).items():
        text.append(display(f"  {name}: {value}") + "\n")
    text.append("\nlog\n", style="bold")
    return text


def tail(job_id: int, catalog: Catalog) -> str:
    """The last lines of a job's log, safe to show."""
    path = jobs.log_path(catalog, job_id)
    if not path.exists():
        return "nothing was written yet"
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        written = file.read()
    lines = [line.rsplit(b"\r", 1)[-1] for line in written.split(b"\n")]
    return "\n".join(display(line) for line in lines[-200:])
