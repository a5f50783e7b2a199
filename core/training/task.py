"""What a training run is made of: its models, and what they share. All can be sent to another process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadValue
from core.training import latent_cache
from core.training.recipe import Recipe
from storage.records import Cohort, CohortItem, ModelKind

WEIGHTS = ".safetensors"


@dataclass(frozen=True, slots=True)
class Task:
    """One model to be trained. `key` seeds it: the person's pseudonym, or the pooled cohort's root."""

    name: str
    kind: ModelKind
    key: str
    trigger: str
    subject_id: int | None  # None: everybody's
    items: tuple[CohortItem, ...]
    captions: tuple[str, ...] = ()  # what each item is called, once that is said

    @property
    def personal(self) -> bool:
        """Whether it is one person's, and depends on theirs alone."""
        return self.subject_id is not None

    @property
    def people(self) -> list[tuple[int, str]]:
        """Ids and pseudonyms of whose pictures these are, by pseudonym."""
        return sorted({(item.subject_id, item.subject_uid) for item in self.items}, key=lambda person: person[1])


@dataclass(frozen=True, slots=True)
class Seat:
    """A process among `count` that train one model together.

    `meeting` is a file by which they find each other; None: they were launched, and the environment says how.
    """

    rank: int
    count: int
    meeting: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What all models of one run share, and where one process is; can be sent to that process."""

    catalog: Path
    cohort: Cohort
    base: Path
    recipe: Recipe
    device: str
    threads: int
    folder: Path | None  # the job's, for checkpoints and previews on the way
    seat: Seat | None = None  # None: it trains models by itself

    def weights(self, task: Task) -> str:
        """The name of what a task makes in the folder of models: a file, or a whole checkpoint as the base is one."""
        folder = self.recipe.learns == "full" and self.base.is_dir()
        return task.name if folder else f"{task.name}{WEIGHTS}"

    def checkpoint(self, task: Task) -> Path | None:
        """Where a task's checkpoint lies; None: none is kept."""
        return None if self.folder is None else self.folder / f"{task.name}{latent_cache.CHECKPOINT}"


def seated() -> Seat | None:
    """This process's seat where `accelerate launch` or torchrun started several; None where nobody did.

    They tell by the environment (torchrun's RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT). Raises BadValue for several
    machines: the catalog lies on one.
    """
    told = {name: os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_PORT")}
    if not all(value.isascii() and value.isdigit() for value in told.values()) or int(told["WORLD_SIZE"]) < 2:
        return None
    if told["LOCAL_WORLD_SIZE"] != told["WORLD_SIZE"]:
        raise BadValue("processes on several machines can't train one catalog's models", "launch them on one machine")
    return Seat(int(told["RANK"]), int(told["WORLD_SIZE"]))
