"""A training that is only gone through: may it be, what would it make, and what memory and disk would it take?"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import base_model
from core.base_model import devices_of
from core.counted import counted
from core.progress import Report
from core.training import memory, needs
from core.training.loop import ask, recipe_of, require_base, split_of
from core.training.memory import Memory
from core.training.needs import Disk
from storage.catalog import Catalog
from storage.records import Job

GB = 1e9


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What would be trained on how much, and what it takes: `memory` on each device, and that with
    gradient_checkpointing turned over; `disk` at its height, `free` of it.
    """

    models: list[str]
    people: int
    pictures: int
    steps: int
    lr: float
    devices: list[str]
    gradient_checkpointing: bool
    memory: Memory
    memory_otherwise: Memory
    disk: Disk
    free: int

    def lines(self) -> list[str]:
        """For a person to read."""
        now, other = self.memory, self.memory_otherwise
        turned = "without" if self.gradient_checkpointing else "with"
        room = "" if self.disk.total <= self.free else ": too little"
        return [
            f"{counted(len(self.models), 'model')}: {', '.join(self.models)}",
            f"of {counted(self.pictures, 'picture')} of {counted(self.people, 'person')}, consent in force now",
            f"{counted(self.steps, 'step')} each, {now.learned:,} numbers learn, at a rate of {self.lr:g}",
            f"memory on {', '.join(self.devices)}: about {_gb(now.total)} at most: weights {_gb(now.weights)}, "
            f"optimiser and copies {_gb(now.kept)}, a step {_gb(now.step)}; "
            f"{turned} gradient_checkpointing {_gb(other.total)}",
            f"disk: {_gb(self.disk.total)} at most: checkpoints {_gb(self.disk.checkpoints)}, "
            f"models {_gb(self.disk.models)}; {_gb(self.free)} are free{room}",
        ]


def rehearse(catalog: Catalog, arguments: Mapping[str, Any]) -> Rehearsal:
    """Ask all that a `train` job of these arguments asks before it reads a picture, and count; nothing is written.

    Raises as `core.training.loop.train`.
    """
    recipe, mode, base, device = recipe_of(arguments), arguments["mode"], Path(arguments["base"]), arguments["device"]
    _, tasks, _ = ask(catalog, arguments["cohort"], arguments["name"], mode, recipe)
    require_base(catalog, base_model.unet_hash(base), whole=recipe.learns == "full")
    split = split_of(base, devices_of(device), recipe, mode, len(tasks), chosen=device != "auto")
    together = len(split.devices) if mode == "pooled" else 1
    turned = recipe.model_copy(update={"gradient_checkpointing": not recipe.gradient_checkpointing})
    now = memory.of_run(base, recipe, together)
    items = [item for task in tasks for item in task.items]
    return Rehearsal(
        models=[task.name for task in tasks],
        people=len({item.subject_id for item in items}),
        pictures=len(items),
        steps=recipe.steps,
        lr=recipe.peak_lr,
        devices=sorted(set(split.devices)),
        gradient_checkpointing=recipe.gradient_checkpointing,
        memory=now,
        memory_otherwise=memory.of_run(base, turned, together),
        disk=needs.disk(base, recipe, now.learned, len(tasks), 1 if mode == "pooled" else len(split.devices)),
        free=shutil.disk_usage(catalog.folder).free,
    )


def run_job(catalog: Catalog, job: Job, report: Report) -> dict[str, Any]:  # noqa: ARG001 # it is done at once
    """Run a `rehearse` job, whose arguments are a `train` job's; gives the `lines` to read."""
    return {"lines": rehearse(catalog, job.args).lines()}


def _gb(nbytes: int) -> str:
    return f"{nbytes / GB:.1f} GB" if nbytes >= GB else f"{nbytes / 1e6:.0f} MB"
