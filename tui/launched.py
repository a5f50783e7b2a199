"""Commands in processes that a launcher started: `accelerate launch -m kyodaku train …`, or torchrun."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from core import jobs
from storage import jobs as table_of_jobs
from storage.catalog import Catalog
from storage.records import Job
from tui.output import Progress

if TYPE_CHECKING:
    from core.training.task import Seat

RUNNERS = {"train": "core.training.launched:run_job"}


def seat() -> Seat | None:
    """This process's place among those that were launched together; None where it is alone. Raises BadValue."""
    if "WORLD_SIZE" not in os.environ:  # most commands need load nothing to know
        return None
    from core.training.task import seated

    return seated()


def follow(place: Seat, device: str) -> None:
    """Work with the process that leads, until it is done."""
    from core.training import launched

    launched.follow(place, device)


def lead(catalog: Catalog, job_id: int) -> Job:
    """Run a job in this process, which leads; the job at its end. Raises the refusal it ended with."""
    from core.jobs import worker

    with Progress() as progress:
        worker.run_here(catalog, job_id, RUNNERS, progress)
    ended = table_of_jobs.get(catalog, job_id)
    jobs.result_of(ended)
    return ended
