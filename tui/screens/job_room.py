"""What rooms with a table of jobs share: how a job is shown, stopping one, going on with one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from textual import on

from core import jobs as work
from storage import jobs
from storage.catalog import Catalog
from storage.records import Job, JobState
from tui.screens.dialogs import Confirm
from tui.screens.room import Room
from tui.widgets.row_table import Cell, Column, ListTable, RowTable
from tui.widgets.signs import ROLES

BAR = 12  # cells
EIGHTHS = " ▏▎▍▌▋▊▉█"
CANCELLABLE = jobs.UNDER_WAY | {JobState.INTERRUPTED, JobState.WAITING}
RESUMABLE = frozenset({JobState.WAITING, JobState.INTERRUPTED, JobState.CANCELLED, JobState.FAILED})


class JobRoom(Room):
    """A room with a table of jobs, the newest first, brought up to date each second while one is under way."""

    JOB = "job"  # what the room calls one
    EMPTY = ""  # what to do where there is none

    def __init__(self) -> None:
        super().__init__()
        self._jobs: dict[int, Job] = {}
        self.table: ListTable[int] = ListTable(self.columns(), empty=self.EMPTY, id="jobs")
        self.table.add_class("list")

    @property
    def job(self) -> Job | None:
        """The job under the cursor."""
        key = self.table.key
        return None if key is None else self._jobs.get(key)

    def columns(self) -> list[Column]:
        """The table's columns."""
        raise NotImplementedError

    def cells(self, job: Job) -> Sequence[Cell]:
        """A job as the table writes it."""
        raise NotImplementedError

    def listed(self, catalog: Catalog) -> list[Job]:
        """The jobs that the room shows, the newest first."""
        raise NotImplementedError

    def told(self, found: Sequence[Job]) -> str:
        """What the status line says of them."""
        raise NotImplementedError

    async def look(self) -> None:
        """Show the job under the cursor beside the table."""
        raise NotImplementedError

    def on_mount(self) -> None:
        self.set_focus(self.table)

    async def load(self) -> None:
        found = await self.desk.read(self.listed)
        fresh = {job.id: job for job in found}
        if fresh != self._jobs or not self.table.count:
            self._jobs = fresh
            self.table.fill([(job.id, self.cells(job)) for job in found])
        self.place(self.told(found))

    async def ticked(self) -> None:
        """A lock may have been let go, and what a job writes grows, without a word in the catalog: look each tick."""
        if any(job.state in jobs.UNDER_WAY for job in self._jobs.values()):
            self.reload()
            self.rested()

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self.moved()

    def rested(self) -> None:
        self.begin(self.look, group="look")

    def why_not(self, name: str) -> str | None:
        job = self.job
        if name in ("cancel", "resume"):
            if job is None:
                return f"there is no {self.JOB} under the cursor"
            if job.state not in (CANCELLABLE if name == "cancel" else RESUMABLE):
                return f"job {job.id} is {job.state}"
        return super().why_not(name)

    def do_cancel(self) -> None:
        self.ask(self._cancel)

    async def _cancel(self) -> None:
        job = self.job
        assert job is not None
        title = f"Stop job {job.id} ({job.kind})?"
        lines = ["It stops at its next safe place; r goes on from its last checkpoint."]
        if await self.app.push_screen_wait(Confirm(title, lines, yes="stop it", no="let it run")):
            asked = await self.desk.write(lambda catalog: work.cancel(catalog, job.id))
            done = asked.state is JobState.CANCELLED
            self.say(f"job {job.id} is {asked.state}" if done else f"job {job.id} was asked to stop")
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


def state_cells(job: Job) -> tuple[Cell, Cell, Cell]:
    """A job's state, progress and the time it has left, as tables write them."""
    left = "" if job.eta_s is None else str(timedelta(seconds=round(job.eta_s)))
    return (job.state, ROLES[job.state]), bar(job.progress), left


STATE_COLUMNS = (Column("State", 11), Column("Done", BAR + 5), Column("Left", 8, right=True, optional=1))
"""The columns of `state_cells`."""
