"""Training of a UNet's own weights, and the whole checkpoint that comes of it, in the base's form: a folder or a file.

All that was not trained is copied from the base, and what was is cast once to the base's precision, as in a bake.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from core.base_model import Base
from core.errors import BadBase
from core.merging.blocks import Change, Rows, rewrite
from core.merging.checkpoints import MAIN, WHOLE, components, copy_rest, layers_of, target_of
from core.merging.deltas import one_thread
from core.merging.formats import kohya_name
from core.merging.space import require_space
from core.training.optimisers import Named
from core.training.recipe import Recipe
from storage.tensors import read_header


class WholeAdapter:
    """A UNet whose own weights learn, in float32. The base is another one afterwards: load it anew for the next run."""

    text = False

    def __init__(self, base: Base, recipe: Recipe, _word: str) -> None:
        """Raises BadBase for a base that no whole checkpoint can be written of."""
        self._base, self._rate = base, recipe.peak_lr
        unet = base.pipe.unet.requires_grad_(True)
        if unet.dtype is not torch.float32:
            unet.float()
        self.named: dict[str, torch.nn.Parameter] = dict(sorted(unet.named_parameters()))
        self._files = components(base.path)
        (main,) = (component for component in self._files if component in MAIN)
        self._places = _places(read_header(self._files[main]).specs, main, self.named)
        if set(self._places.values()) != self.named.keys():
            raise BadBase(f"{base.path}: its UNet's file has other names than diffusers'", "save it anew by diffusers")

    def rates(self) -> Mapping[str, tuple[Named, float]]:
        """Parameters and the height of their learning rate."""
        return {"unet": (self.named, self._rate)}

    def initialise(self, _key: str, _seed: int) -> None:
        """Training starts from the base as it is."""
        for parameter in self.named.values():
            parameter.grad = None

    def write(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the base with its UNet as it stands as the folder or file `path`. Raises NotEnoughSpace."""
        base = self._base.path
        require_space(path.parent, written_bytes(base))
        changes = {tensor: _put(self.named[name]) for tensor, name in self._places.items()}
        with one_thread():
            copy_rest(base, path)
            for component, file in self._files.items():
                main = component in MAIN
                target = target_of(file, base, path)
                rewrite(file, target, changes if main else {}, metadata=metadata if main else None)


def written_bytes(base: Path) -> int:
    """Size of the checkpoint that training this base whole writes. Raises BadBase."""
    return sum(file.stat().st_size for file in components(base).values())


def _places(tensors: Iterable[str], component: str, named: Named) -> dict[str, str]:
    """The parameter that each of a file's tensors holds, by name; those of other networks are in no place."""
    if component != WHOLE:
        return {name: name for name in tensors if name in named}
    layers = {}
    for name in named:
        layer, _, end = name.rpartition(".")
        layers[kohya_name(layer), end] = name
    found = {name: layers_of(name, component) for name in tensors}
    keys = {name: (own[0], name.rpartition(".")[2]) for name, own in found.items() if len(own) == 1}
    return {name: layers[key] for name, key in keys.items() if key in layers}


def _put(parameter: torch.nn.Parameter) -> Change:
    """The trained values in the place of the base's."""

    def change() -> Rows:
        trained = parameter.detach().cpu().flatten(1) if parameter.dim() > 1 else parameter.detach().cpu()[:, None]

        def rows(_: Tensor, first: int, last: int) -> Tensor:
            return trained[first:last]

        return rows

    return change
