"""jobs: long work in processes of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from core import jobs
from storage import jobs as table_of_jobs
from storage.catalog import Catalog
from storage.records import Job
from storage.safe_text import display
from tui.output import AsJson, Progress, emit, table
from tui.place import opened

Id = Annotated[int, typer.Argument(help="The job's number.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    group = typer.Typer(help="What runs, what ran, and how it went. A job outlives the terminal that started it.")
    group.command("list")(list_jobs)
    group.command("show")(show)
    group.command("log")(log)
    group.command("follow")(follow)
    group.command("cancel")(cancel)
    group.command("resume")(resume)
    app.add_typer(group, name="jobs")


def list_jobs(context: typer.Context, as_json: AsJson = False) -> None:
    """All jobs, newest first."""
    with opened(context) as catalog:
        found = table_of_jobs.newest(catalog)
    rows = [(job.id, job.kind, job.state, f"{job.progress:.0%}", job.note) for job in found]
    emit(
        [_document(job) for job in found],
        table(rows, ("id", "kind", "state", "done", "note")),
        as_json=as_json,
    )


def show(context: typer.Context, job: Id, as_json: AsJson = False) -> None:
    """One job."""
    with opened(context) as catalog:
        found = table_of_jobs.get(catalog, job)
    lines = [f"{name}: {value}" for name, value in _document(found).items() if value is not None]
    emit(_document(found), lines, as_json=as_json)


def log(context: typer.Context, job: Id, as_json: AsJson = False) -> None:
    """What the job wrote."""
    with opened(context) as catalog:
        table_of_jobs.get(catalog, job)
        path = table_of_jobs.log_path(catalog, job)
        lines = [display(line) for line in path.read_text(errors="replace").splitlines()] if path.exists() else []
    emit({"id": job, "log": lines}, lines, as_json=as_json)


def follow(context: typer.Context, job: Id, as_json: AsJson = False) -> None:
    """Watch a job until it ends. Ctrl-C stops the watching, not the job."""
    with opened(context) as catalog:
        ended = watch(catalog, job)
    emit(_document(ended), f"job {job}: {ended.state}", as_json=as_json)


def cancel(context: typer.Context, job: Id, as_json: AsJson = False) -> None:
    """Stop a job at its next safe place; `resume` goes on from there."""
    with opened(context) as catalog:
        found = jobs.cancel(catalog, job)
    emit(_document(found), f"job {job}: {found.state}", as_json=as_json)


def resume(context: typer.Context, job: Id, as_json: AsJson = False) -> None:
    """Go on with a job that was interrupted, cancelled or failed, from its last checkpoint."""
    with opened(context) as catalog:
        found = jobs.resume(catalog, job)
    emit(_document(found), f"job {job}: {found.state}", as_json=as_json)


def watch(catalog: Catalog, job_id: int) -> Job:
    """Follow a job to its end. Raises JobFailed, or the refusal it ended with."""
    with Progress() as progress:
        ended = jobs.follow(catalog, job_id, report=progress)
    jobs.result_of(ended)
    return ended


def _document(job: Job) -> dict[str, object]:
    names = ("id", "kind", "state", "progress", "eta_s", "pid", "log", "note", "created_at", "ended_at")
    return {name: getattr(job, name) for name in names}
