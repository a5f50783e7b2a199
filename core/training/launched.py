"""A pooled training in processes that a launcher started: the other entrance to a team (`core.training.team`).

`accelerate launch` and torchrun start the same command several times. The first of them leads: it has the catalog's
job, trains, tells, draws and writes, as a worker of its own would; the others train what it says, and write nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import torch

from core import cohort
from core.errors import BadValue, JobFailed
from core.progress import Report
from core.training import loop
from core.training.task import Seat, Settings, Task, seated
from core.training.team import Team, left_alone
from storage import artifacts
from storage.catalog import Catalog
from storage.records import Job


def run_job(catalog: Catalog, job: Job, report: Report) -> Mapping[str, Any]:
    """Run a `train` job as the process that leads. Raises as `loop.run_job`, and JobFailed where it is left alone."""
    seat = seated()
    if seat is None:
        raise BadValue("nobody launched this process", "train without a launcher")
    with closing(Team(seat, device_of(job.args.get("device", "auto")))) as team:
        try:
            made = loop.run_job(catalog, job, report, team)
        except RuntimeError as error:
            if not left_alone(error):
                raise
            cohort.recheck(catalog, artifacts.get_cohort(catalog, job.args["cohort"]))  # it may have seen that first
            raise JobFailed("a process of the team ended", "its own line says why") from error
        team.agreed()
    return made


def follow(seat: Seat, device: str) -> None:
    """Train what the process that leads says, until it says no more. Raises as `loop.serve`, and JobFailed."""
    with closing(Team(seat, device_of(device))) as team:
        try:
            told: tuple[Settings, tuple[Task, ...]] | None
            while (told := team.agreed()) is not None:
                settings, tasks = told
                own = replace(settings, device=team.device, seat=seat)
                for _ in loop.serve(own, iter(tasks), team):
                    pass  # the one that leads tells
        except RuntimeError as error:
            if not left_alone(error):
                raise
            raise JobFailed("the process that leads has ended", "its own line says why") from error


def device_of(asked: str) -> str:
    """This process's device: the GPU of its number on this machine where there are GPUs, else the CPU.

    Raises BadValue for one that is named, since a launcher gives each process its own.
    """
    if asked not in ("auto", "cpu"):
        raise BadValue(f"--device {asked}: a launcher gives each process its device", "leave it out, or say cpu")
    if asked == "cpu" or not torch.cuda.is_available():
        return "cpu"
    number = int(os.environ.get("LOCAL_RANK", "0"))
    if number >= torch.cuda.device_count():
        raise BadValue(f"there is no GPU for process {number}", f"launch {torch.cuda.device_count()} processes")
    return f"cuda:{number}"
