"""The weighted mean of LoRAs' changes of weights, written as one LoRA.

The mean is taken over the changes, never over the factors (the mean of A's times the mean of B's is another
thing). Inputs are taken in the order of their content hashes, so the bytes do not depend on the order of
the arguments; weights are relative, so leaving one input out gives the mean that never had it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadValue, WrongArchitecture
from core.merging.deltas import one_thread, truncate, weighted_sum
from core.merging.formats import LayerPlan, LoraFile, LoraLayer, write_planned
from core.merging.space import require_space
from core.progress import Report, Step, silent
from storage.tensors import ITEM_BYTES
from storage.whole_files import file_hash


@dataclass(frozen=True, slots=True)
class Averaged:
    """What an average kept: the part of the exact mean's squared Frobenius norm, 0..1, whole and by layer."""

    energy_kept: float
    by_layer: Mapping[str, float]


def shares(weights: Sequence[float]) -> list[float]:
    """Relative weights as parts of one. Raises BadValue unless all are above 0 and finite."""
    if not weights or not all(math.isfinite(weight) and weight > 0 for weight in weights):
        raise BadValue("weights must be numbers above 0", "leave out what shall not count")
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def average(
    paths: Sequence[Path],
    weights: Sequence[float],
    out: Path,
    *,
    rank: int | None = None,
    metadata: Mapping[str, str] | None = None,
    dtype: str = "F32",
    report: Report = silent,
) -> Averaged:
    """Write the mean of LoRA files to `out`, whole or not at all; `rank` None keeps it exact.

    `weights` are relative, one a path. `dtype` is F32, F16 or BF16. Memory is bounded by one layer of all
    inputs. Raises BadLora, BadValue, NotEnoughSpace, and WrongArchitecture when layers or shapes differ.
    """
    if rank is not None and rank < 1:
        raise BadValue(f"rank {rank} is below 1", "give a positive whole number, or take the exact mean")
    parts = shares(weights)
    # By content, then weight: files of the same content have no other order.
    ordered = sorted(zip(map(file_hash, paths), parts, paths, strict=True), key=lambda one: one[:2])
    kept: dict[str, tuple[float, float]] = {}
    with ExitStack() as stack:
        stack.enter_context(one_thread())
        files = [stack.enter_context(LoraFile(path)) for _, _, path in ordered]
        plan = {name: _plan(name, files, rank) for name in _common_layers(files)}
        require_space(
            out.parent, sum(math.prod(one.down) + math.prod(one.up) for one in plan.values()) * ITEM_BYTES[dtype]
        )

        def layer_of(name: str) -> LoraLayer:
            report(Step("averaging", len(kept), len(plan)))
            mean = weighted_sum([file.layer(name) for file in files], [part for _, part, _ in ordered])
            kept[name] = (1.0, 1.0)
            if rank is not None:
                mean, part, whole = truncate(mean, rank)
                kept[name] = (part, whole)
            return mean

        write_planned(out, plan, layer_of, metadata or {}, dtype)
    report(Step("averaging", len(plan), len(plan)))
    return _averaged(kept, exact=rank is None)


def _averaged(kept: Mapping[str, tuple[float, float]], *, exact: bool) -> Averaged:
    if exact:
        return Averaged(1.0, dict.fromkeys(kept, 1.0))
    whole = math.fsum(total for _, total in kept.values())
    energy = math.fsum(part for part, _ in kept.values()) / whole if whole else 1.0
    return Averaged(energy, {name: part / total if total else 1.0 for name, (part, total) in kept.items()})


def _common_layers(files: Sequence[LoraFile]) -> list[str]:
    """The layers that all files have. Raises WrongArchitecture when one has others."""
    first = files[0]
    for other in files[1:]:
        odd = set(first.layers) ^ set(other.layers)
        if odd:
            raise WrongArchitecture(
                f"{first.path.name} and {other.path.name} change different layers, such as {min(odd)}",
                "average LoRAs that were trained alike on one base",
            )
    return first.layers


def _plan(name: str, files: Sequence[LoraFile], rank: int | None) -> LayerPlan:
    """Shapes of the mean's layer. Raises WrongArchitecture when the files' shapes differ."""
    down, up = files[0].shapes(name)
    stacked = 0
    for file in files:
        own_down, own_up = file.shapes(name)
        if (own_down[1:], own_up[0], own_up[2:]) != (down[1:], up[0], up[2:]):
            raise WrongArchitecture(
                f"layer {name} is {own_up[0]} x {own_down[1:]} in {file.path.name}"
                f" and {up[0]} x {down[1:]} in {files[0].path.name}",
                "average LoRAs that were trained on one base",
            )
        stacked += own_down[0]
    if rank is not None and rank < stacked:
        stacked = min(rank, up[0], math.prod(down[1:]), stacked)
    return LayerPlan((stacked, *down[1:]), (up[0], stacked, *up[2:]), float(stacked))
