"""Bake a LoRA into its base: `W + weight * alpha/r * B @ A`, in float32, cast once.

The base is a folder in diffusers' format or one file, and so is what comes out; all that the LoRA leaves alone is
copied. The last bits depend on the processor's matrix product, not on how many cores there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from core.errors import BadBase, BadValue, WrongArchitecture
from core.merging import strengths
from core.merging.blocks import Change, Rows, rewrite
from core.merging.checkpoints import MAIN, components, copy_rest, layers_of, target_of
from core.merging.deltas import flat, one_thread
from core.merging.formats import LoraFile
from core.merging.space import require_space
from core.progress import Report, Step, silent
from storage.errors import BadTensorFile
from storage.tensors import TensorFile, read_header
from storage.whole_files import put_in_place, staged


def bake(
    lora: Path,
    base: Path,
    out: Path,
    *,
    weight: float = 1.0,
    blocks: Mapping[str, float] | None = None,
    dtype: str | None = None,
    metadata: Mapping[str, str] | None = None,
    report: Report = silent,
) -> None:
    """Write the checkpoint `base` with a LoRA merged in as `out`, in the base's form, whole or not at all.

    `blocks` are strengths by block (`core.merging.strengths`), each times `weight`. `dtype` is F32, F16 or BF16,
    or None to keep the base's; `metadata` goes into the file that holds the UNet.
    Raises BadBase, BadLora, BadValue, NotEnoughSpace, and WrongArchitecture when the LoRA doesn't fit.
    """
    if not math.isfinite(weight):
        raise BadValue(f"weight {weight} is no number", "1 is the strength the LoRA was trained at")
    try:
        files = components(base)
        headers = {component: read_header(file) for component, file in files.items()}
    except BadTensorFile as error:
        raise BadBase(error.message, error.hint) from error
    total = sum(header.size for header in headers.values())
    written = 0

    def done(nbytes: int) -> None:
        nonlocal written
        written += nbytes
        report(Step("baking", written, total))

    with LoraFile(lora) as opened, one_thread(), staged(out) as part:
        factors = strengths.factors(blocks or {}, opened.layers)
        changes = _changes(opened, headers, {name: weight * one for name, one in factors.items()})
        require_space(out.parent, total * (2 if dtype == "F32" else 1))
        copy_rest(base, part)
        for component, file in files.items():
            own = metadata if component in MAIN else None
            rewrite(file, target_of(file, base, part), changes[component], dtype=dtype, metadata=own, done=done)
        put_in_place(part, out)


def _changes(
    lora: LoraFile, headers: Mapping[str, TensorFile], weights: Mapping[str, float]
) -> dict[str, dict[str, Change]]:
    """What the LoRA does to which tensor of which component. Raises WrongArchitecture."""
    left = set(lora.layers)
    changes: dict[str, dict[str, Change]] = {component: {} for component in headers}
    for component, header in headers.items():
        if component == "vae":
            continue
        for name, spec in header.specs.items():
            layers = layers_of(name, component, two_encoders="text_encoder_2" in headers)
            if not name.endswith("weight") or left.isdisjoint(layers):
                continue
            size = spec.shape[0] // len(layers)
            starts = {layer: size * at for at, layer in enumerate(layers) if layer in left}
            for layer in starts:
                _require_fit(lora, layer, (size, *spec.shape[1:]))
            left.difference_update(layers)
            moved = {layer: start for layer, start in starts.items() if weights[layer] != 0}
            if moved:
                changes[component][name] = _change(lora, moved, weights)
    if left:
        raise WrongArchitecture(
            f"the base has no layer {min(left)}, which {lora.path.name} changes",
            "bake it into the base it was trained on",
        )
    return changes


def _require_fit(lora: LoraFile, layer: str, shape: Sequence[int]) -> None:
    """Raises WrongArchitecture unless the base's layer [out, in, …] has the LoRA's."""
    down, up = lora.shapes(layer)
    if len(shape) < 2 or (shape[0], math.prod(shape[1:])) != (up[0], math.prod(down[1:])):
        raise WrongArchitecture(
            f"layer {layer} of {lora.path.name} is {up[0]} x {down[1:]}, the base's {tuple(shape)}",
            "bake it into the base it was trained on",
        )


def _change(lora: LoraFile, starts: Mapping[str, int], weights: Mapping[str, float]) -> Change:
    """What layers do to a tensor, each from its first row on."""

    def change() -> Rows:
        read = {start: lora.layer(name) for name, start in starts.items()}
        halves = {start: (flat(layer.up).float(), flat(layer.down).float()) for start, layer in read.items()}
        factors = {start: weights[name] * read[start].scale for name, start in starts.items()}

        def rows(values: Tensor, first: int, last: int) -> Tensor:
            for start, (up, down) in halves.items():
                own = up[max(0, first - start) : max(0, last - start)].to(values.dtype)
                if len(own):
                    place = max(0, start - first)
                    product = own @ down.to(values.dtype)
                    values[place : place + len(own)].add_(product.mul_(factors[start]))
            return values

        return rows

    return change
