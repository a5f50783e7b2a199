"""Training of a UNet's own weights, and the whole checkpoint that comes of it: a folder in diffusers' format.

All that was not trained is copied from the base, and what was is cast once to the base's precision, as in a bake.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from core.base_model import Base
from core.errors import BadBase
from core.merging.blocks import Change, Rows, rewrite
from core.merging.checkpoints import components, copy_rest, target_of
from core.merging.deltas import one_thread
from core.merging.space import require_space
from core.training.optimisers import Named
from core.training.recipe import Recipe
from storage.tensors import read_header
from storage.whole_files import weights_file

_WHERE = "_name_or_path"  # in a configuration: where on this machine the base lies


class WholeAdapter:
    """A UNet whose own weights learn, in float32. The base is another one afterwards: load it anew for the next run."""

    text = False

    def __init__(self, base: Base, recipe: Recipe) -> None:
        """Raises BadBase for a base that no whole checkpoint can be written of."""
        self._base, self._rate = base, recipe.peak_lr
        unet = base.pipe.unet.requires_grad_(True)
        if unet.dtype is not torch.float32:
            unet.float()
        self.named: dict[str, torch.nn.Parameter] = dict(sorted(unet.named_parameters()))
        if base.path.is_dir() and read_header(components(base.path)["unet"]).specs.keys() != self.named.keys():
            raise BadBase(f"{base.path}: its UNet's file has other names than diffusers'", "save it anew by diffusers")

    def rates(self) -> Mapping[str, tuple[Named, float]]:
        """Parameters and the height of their learning rate."""
        return {"unet": (self.named, self._rate)}

    def initialise(self, _key: str, _seed: int) -> None:
        """Training starts from the base as it is."""
        for parameter in self.named.values():
            parameter.grad = None

    def write(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the base with its UNet as it stands as the folder `path`. Raises NotEnoughSpace."""
        require_space(path.parent, written_bytes(self._base.path))
        if self._base.path.is_dir():
            self._write_beside(path, metadata)
        else:
            self._write_all(path, metadata)

    def _write_beside(self, path: Path, metadata: Mapping[str, str]) -> None:
        base = self._base.path
        copy_rest(base, path)
        with one_thread():
            for component, file in components(base).items():
                own = component == "unet"
                changes = {name: _put(parameter) for name, parameter in self.named.items()} if own else {}
                rewrite(file, target_of(file, base, path), changes, metadata=metadata if own else None)

    def _write_all(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Of a base in one file every part as it was loaded, in float32."""
        self._base.pipe.save_pretrained(path, safe_serialization=True)
        for config in path.rglob("*.json"):
            told = json.loads(config.read_text(encoding="utf-8"))
            if isinstance(told, dict) and told.pop(_WHERE, None) is not None:
                config.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        saved = weights_file(path)
        bare = saved.rename(saved.with_suffix(".bare"))
        rewrite(bare, saved, {}, metadata=metadata)
        bare.unlink()


def written_bytes(base: Path) -> int:
    """Size of the checkpoint that training this base whole writes; of one in one file, float32, at most."""
    if base.is_dir():
        return sum(file.stat().st_size for file in components(base).values())
    return sum(4 * spec.count for spec in read_header(base).specs.values())


def _put(parameter: torch.nn.Parameter) -> Change:
    """The trained values in the place of the base's."""

    def change() -> Rows:
        trained = parameter.detach().cpu().flatten(1) if parameter.dim() > 1 else parameter.detach().cpu()[:, None]

        def rows(_: Tensor, first: int, last: int) -> Tensor:
            return trained[first:last]

        return rows

    return change
