"""Jobs: what runs, how far it is, what it wrote; stop one, go on with one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from core.counted import counted
from storage import jobs
from storage.catalog import Catalog
from storage.records import Job
from storage.safe_text import display
from tui import actions
from tui.screens.job_room import STATE_COLUMNS, JobRoom, state_cells
from tui.widgets.row_table import Cell, Column

TAIL_BYTES = 16_384


class JobsRoom(JobRoom):
    """Jobs, the newest first, and the end of the log of the one under the cursor."""

    ROOM = "jobs"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("jobs")
    DEFAULT_CSS = """
    JobsRoom #asked { height: auto; max-height: 50%; }
    JobsRoom #log { height: 1fr; }
    JobsRoom #heading { height: 1; text-style: bold; }
    """
    EMPTY = "No job yet. Training and audits run as jobs: kyodaku train, kyodaku audit."

    def __init__(self) -> None:
        super().__init__()
        self._shown: int | None = None  # the job whose log is shown

    def body(self) -> ComposeResult:
        with Vertical(classes="split"):
            yield self.table
            with Vertical(classes="pane"):
                with VerticalScroll(id="asked"):
                    yield Static("")
                yield Static("log", id="heading")
                with VerticalScroll(id="log"):
                    yield Static("")

    def columns(self) -> list[Column]:
        return [Column("Job", 5, right=True), Column("What", 9), *STATE_COLUMNS, Column("Now", 0)]

    def cells(self, job: Job) -> Sequence[Cell]:
        return str(job.id), job.kind, *state_cells(job), job.note

    def listed(self, catalog: Catalog) -> list[Job]:
        return jobs.newest(catalog)

    def told(self, found: Sequence[Job]) -> str:
        return counted(len(found), "job")

    async def look(self) -> None:
        job, log = self.job, self.query_one("#log", VerticalScroll)
        at_end = log.scroll_offset.y >= log.max_scroll_y or job is None or job.id != self._shown
        self.query_one("#heading").display = job is not None
        self.query_one("#asked Static", Static).update(Text("") if job is None else job_facts(job))
        self.query_one("#log Static", Static).update(
            Text("" if job is None else await self.desk.read(partial(tail, job.id)))
        )
        self._shown = None if job is None else job.id
        if at_end:  # what was written last is what is looked for, until one scrolls away from it
            self.call_after_refresh(log.scroll_end, animate=False)


def job_facts(job: Job) -> Text:
    """What was asked for, and what came of it."""
    text = Text().append(f"job {job.id}: {job.kind}, {job.state}\n", style="bold")
    text.append(f"{display(job.note)}\n" if job.note else "")
    for name, value in job.args.items():
        if value not in (None, {}, []):
            text.append(display(f"  {name}: {value}") + "\n")
    text.append(f"asked for {job.created_at.astimezone():%Y-%m-%d %H:%M:%S}\n", style="dim")
    if job.started_at and job.ended_at:
        text.append(f"took {timedelta(seconds=round((job.ended_at - job.started_at).total_seconds()))}\n", style="dim")
    for name, value in (job.result or {}).items():
        text.append(display(f"  {name}: {value}") + "\n")
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
