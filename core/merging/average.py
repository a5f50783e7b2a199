"""Averages of LoRAs' changes of weights, written as one LoRA.

The mean is taken over the changes, never over the factors (the mean of A's times the mean of B's is another
thing). Inputs are taken in the order of their content hashes, so the bytes do not depend on the order of
the arguments; weights are relative, so leaving one input out gives the mean that never had it. An input that
has no layer of a name, such as one trained without the text encoder, changes nothing there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import BadValue, WrongArchitecture
from core.merging import dense, strengths
from core.merging.deltas import one_thread, truncate, weighted_sum
from core.merging.formats import LayerPlan, LoraFile, LoraLayer, write_planned
from core.merging.geometry import gram, median_weights, slerp_factors, total_gram
from core.merging.methods import DENSE, MEAN, Method
from core.merging.space import require_space
from core.progress import Report, Step, silent
from storage.tensors import ITEM_BYTES
from storage.whole_files import file_hash


@dataclass(frozen=True, slots=True)
class Averaged:
    """What an average kept: the part of the exact result's squared Frobenius norm, 0..1, whole and by layer."""

    energy_kept: float
    by_layer: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Open LoRA files in the order of their content, with the part and the content hash of each."""

    files: Sequence[LoraFile]
    parts: Sequence[float]
    hashes: Sequence[str]


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
    method: Method = MEAN,
    rank: int | None = None,
    metadata: Mapping[str, str] | None = None,
    dtype: str = "F32",
    report: Report = silent,
) -> Averaged:
    """Write the average of LoRA files to `out`, whole or not at all; `rank` None keeps it exact.

    `weights` are relative, one a path; the geometric median's are found first (`median_parts`). `dtype` is F32,
    F16 or BF16. Memory is bounded by one layer of all inputs. Raises BadLora, BadValue, NotEnoughSpace, and
    WrongArchitecture when shapes differ or an input has nothing in common with the others.
    """
    method.require_rank(rank)
    kept: dict[str, tuple[float, float]] = {}
    with ExitStack() as stack:
        stack.enter_context(one_thread())
        inputs = _opened(stack, paths, weights)
        method.require_fit(inputs.parts)
        names = _layers(inputs.files)
        factors = strengths.factors(method.blocks, names)
        plan = {name: _plan(name, inputs.files, rank, method) for name in names if factors[name] != 0}
        if not plan:
            raise BadValue("no block is left with any strength", "give one a strength other than 0")
        require_space(
            out.parent, sum(math.prod(one.down) + math.prod(one.up) for one in plan.values()) * ITEM_BYTES[dtype]
        )

        def layer_of(name: str) -> LoraLayer:
            report(Step("averaging", len(kept), len(plan)))
            layer, part, whole = _averaged_layer(name, inputs, method, rank)
            kept[name] = (part, whole)
            # alpha is kept at the rank, for tools that take it so: the strength goes into a half.
            return layer if factors[name] == 1 else replace(layer, up=layer.up * factors[name])

        write_planned(out, plan, layer_of, metadata or {}, dtype)
    report(Step("averaging", len(plan), len(plan)))
    return _averaged(kept)


def median_parts(paths: Sequence[Path], weights: Sequence[float]) -> list[float]:
    """The parts, summing to 1, with which LoRAs' mean is their geometric median; one a path, in their order."""
    with ExitStack() as stack:
        stack.enter_context(one_thread())
        inputs = _opened(stack, paths, weights)
        found = median_weights(total_gram(inputs.files, _layers(inputs.files)), inputs.parts)
        by_file = {(one.path, part): new for one, part, new in zip(inputs.files, inputs.parts, found, strict=True)}
        return [by_file[path, part] for path, part in zip(paths, shares(weights), strict=True)]


def _opened(stack: ExitStack, paths: Sequence[Path], weights: Sequence[float]) -> _Inputs:
    # By content, then weight: files of the same content have no other order.
    found = zip(map(file_hash, paths), shares(weights), paths, strict=True)
    ordered = sorted(found, key=lambda one: one[:2])
    return _Inputs(
        [stack.enter_context(LoraFile(path)) for _, _, path in ordered],
        [part for _, part, _ in ordered],
        [digest for digest, _, _ in ordered],
    )


def _averaged_layer(name: str, inputs: _Inputs, method: Method, rank: int | None) -> tuple[LoraLayer, float, float]:
    """The layer, and the squared norms kept and whole; both 1 where nothing is left out."""
    layers = [file.layer(name) if name in file else None for file in inputs.files]
    if method.name in DENSE:
        assert rank is not None  # asked for before anything was read
        keys = [f"{digest} {name}" for digest in inputs.hashes]
        return dense.merge(layers, inputs.parts, keys, method.rule, rank)
    factors = slerp_factors(gram(layers), inputs.parts) if method.name == "slerp" else inputs.parts
    present = [(layer, factor) for layer, factor in zip(layers, factors, strict=True) if layer is not None]
    mean = weighted_sum([layer for layer, _ in present], [factor for _, factor in present])
    return (mean, 1.0, 1.0) if rank is None else truncate(mean, rank)


def _averaged(kept: Mapping[str, tuple[float, float]]) -> Averaged:
    if all(part == whole for part, whole in kept.values()):
        return Averaged(1.0, dict.fromkeys(kept, 1.0))
    whole = math.fsum(total for _, total in kept.values())
    energy = math.fsum(part for part, _ in kept.values()) / whole if whole else 1.0
    return Averaged(energy, {name: part / total if total else 1.0 for name, (part, total) in kept.items()})


def _layers(files: Sequence[LoraFile]) -> list[str]:
    """All layers that any file has. Raises WrongArchitecture when a file shares none with the others."""
    names = sorted({name for file in files for name in file.layers})
    for file in files if len(files) > 1 else []:
        if not any(name in other for name in file.layers for other in files if other is not file):
            raise WrongArchitecture(
                f"{file.path.name} changes none of the layers that the others change, but {file.layers[0]}",
                "average LoRAs that were trained on one base",
            )
    return names


def _plan(name: str, files: Sequence[LoraFile], rank: int | None, method: Method) -> LayerPlan:
    """Shapes of the average's layer. Raises WrongArchitecture when the files' shapes differ."""
    have = [file for file in files if name in file]
    down, up = have[0].shapes(name)
    stacked = 0
    for file in have:
        own_down, own_up = file.shapes(name)
        if (own_down[1:], own_up[0], own_up[2:]) != (down[1:], up[0], up[2:]):
            raise WrongArchitecture(
                f"layer {name} is {own_up[0]} x {own_down[1:]} in {file.path.name}"
                f" and {up[0]} x {down[1:]} in {have[0].path.name}",
                "average LoRAs that were trained on one base",
            )
        stacked += own_down[0]
    if rank is not None and (rank < stacked or method.name in DENSE):
        stacked = min(rank, up[0], math.prod(down[1:]), *([] if method.name in DENSE else [stacked]))
    return LayerPlan((stacked, *down[1:]), (up[0], stacked, *up[2:]), float(stacked))
