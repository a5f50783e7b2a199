"""What a run takes on disk: its checkpoints, and what it makes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.base_model import weight_files
from core.merging.space import require_space
from core.training.memory import optimiser_bytes
from core.training.recipe import Recipe
from core.training.whole import written_bytes
from storage.catalog import Catalog
from storage.tensors import read_header

KEPT = 2  # checkpoints of a run: the newest, and the one before or the one being written
UNET = "model.diffusion_model."  # of a base in one file


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes: `checkpoints` while it runs, `models` for good."""

    checkpoints: int
    models: int

    @property
    def total(self) -> int:
        """At its height."""
        return self.checkpoints + self.models


def disk(base: Path, recipe: Recipe, learned: int, models: int, at_once: int = 1) -> Disk:
    """What so many models take, `at_once` of them training at a time; `learned` numbers each."""
    each = 4 * (1 + (recipe.ema is not None) + (recipe.keep != "last")) + optimiser_bytes(recipe)
    made = written_bytes(base) if recipe.learns == "full" else 4 * learned
    return Disk(int(KEPT * at_once * each * learned), models * made)


def require_disk(catalog: Catalog, base: Path, recipe: Recipe, models: int, at_once: int) -> None:
    """Raises NotEnoughSpace unless so many whole models and their checkpoints find room beside the catalog."""
    require_space(catalog.folder, disk(base, recipe, _unet_numbers(base), models, at_once).total)


def _unet_numbers(base: Path) -> int:
    """How many numbers a base's UNet has, by its files' headers."""
    specs = [one for file in weight_files(base, "unet") for one in read_header(file).specs.values()]
    return sum(spec.count for spec in specs if base.is_dir() or spec.name.startswith(UNET))
