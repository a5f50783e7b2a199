"""The weighted mean of whole checkpoints ("model soup": Wortsman et al., 2022), and sums of them, streamed.

All inputs are read side by side, one block that stays in the processor's cache at a time, added in float32
in an order that their contents decide, and cast once: memory does not grow with the models' size or number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from core.errors import BadBase, BadValue, WrongArchitecture
from core.merging import strengths
from core.merging.average import shares
from core.merging.blocks import FLOATS, Term, write_sum
from core.merging.checkpoints import MAIN, WHOLE, components, copy_rest, in_order, target_of
from core.merging.deltas import one_thread
from core.merging.space import require_space
from core.progress import Report, Step, silent
from storage.errors import BadTensorFile
from storage.tensors import TensorFile, TensorSpec, read_header, read_tensor
from storage.whole_files import put_in_place, staged

Factor = Callable[[str], float]


def soup(
    bases: Sequence[Path],
    weights: Sequence[float],
    out: Path,
    *,
    metadata: Mapping[str, str] | None = None,
    report: Report = silent,
) -> None:
    """Write the mean of checkpoints, folders in diffusers' format or files, as `out`, whole or not at all.

    `weights` are relative. Where dtypes differ the result has the widest: float32 before the two halves.
    What holds no weights is taken from the first by content. Raises BadBase, BadValue, NotEnoughSpace, and
    WrongArchitecture when components, tensors, shapes or whole numbers differ.
    """
    parts = shares(weights)
    found = [(components(base), part, base) for part, base in zip(parts, bases, strict=True)]
    ordered = in_order(found)
    terms = [(files, _always(part)) for files, part, _ in ordered]
    write_combined(terms, ordered[0][2], out, metadata=metadata, report=report)


def add_difference(
    model: Path,
    minus: Path,
    base: Path,
    out: Path,
    *,
    weight: float = 1.0,
    blocks: Mapping[str, float] | None = None,
    metadata: Mapping[str, str] | None = None,
    report: Report = silent,
) -> None:
    """Write `base + weight * (model - minus)`, all folders in diffusers' format or all files, as `out`.

    `blocks` are strengths by block, each times `weight`. What holds no weights is the base's. Raises as `soup`.
    """
    if not math.isfinite(weight):
        raise BadValue(f"weight {weight} is no number", "1 adds the whole difference")
    found = {name: components(folder) for name, folder in (("model", model), ("minus", minus), ("base", base))}
    names = [f"{part}.{name}" for part, file in found["base"].items() for name in _header(file).specs]
    strength = strengths.factors(blocks or {}, names)
    terms: list[tuple[Mapping[str, Path], Factor]] = [
        (found["model"], lambda name: weight * strength[name]),
        (found["minus"], lambda name: -weight * strength[name]),
        (found["base"], _always(1.0)),
    ]
    write_combined(terms, base, out, metadata=metadata, report=report)


def write_combined(
    terms: Sequence[tuple[Mapping[str, Path], Factor]],
    rest: Path,
    out: Path,
    *,
    metadata: Mapping[str, str] | None = None,
    report: Report = silent,
) -> None:
    """Write the sum of checkpoints (weights files by component, factor of a `component.tensor`) as `out`.

    Terms are added in the order given. What holds no weights is taken from `rest`, one of them.
    Raises as `soup`.
    """
    first = terms[0][0]
    for other, _ in terms[1:]:
        if other.keys() != first.keys():
            raise WrongArchitecture(f"{_place(other)} and {rest} have different parts", "take checkpoints of one kind")
    headers = {name: [_header(files[name]) for files, _ in terms] for name in first}
    specs = {name: _agreed(own) for name, own in headers.items()}
    total = sum(spec.nbytes for own in specs.values() for spec in own)
    require_space(out.parent, total)
    written = 0

    def done(nbytes: int) -> None:
        nonlocal written
        written += nbytes
        report(Step("averaging checkpoints", written, total))

    with one_thread(), staged(out) as part, ExitStack() as stack:
        copy_rest(rest, part)
        for name in first:
            opened = [
                Term(stack.enter_context(files[name].open("rb")), header, _within(name, factor))
                for (files, factor), header in zip(terms, headers[name], strict=True)
            ]
            _require_same_numbers(opened, specs[name])
            texts = {"format": "pt", **((metadata or {}) if name in MAIN else {})}
            write_sum(target_of(first[name], _place(first), part), opened, specs[name], texts, done)
        put_in_place(part, out)


def _place(files: Mapping[str, Path]) -> Path:
    return files[WHOLE] if WHOLE in files else files["unet"].parent.parent


def _header(file: Path) -> TensorFile:
    try:
        return read_header(file)
    except BadTensorFile as error:
        raise BadBase(error.message, error.hint) from error


def _always(factor: float) -> Factor:
    return lambda _: factor


def _within(component: str, factor: Factor) -> Factor:
    return lambda name: factor(f"{component}.{name}")


def _agreed(headers: Sequence[TensorFile]) -> list[TensorSpec]:
    """What a component's tensors are in the sum. Raises WrongArchitecture when the headers don't agree on them."""
    first = headers[0]
    for other in headers[1:]:
        if other.specs.keys() != first.specs.keys():
            raise WrongArchitecture(
                f"{first.path} and {other.path} hold different tensors", "take checkpoints of one kind"
            )
    return [_common(headers, name) for name in first.specs]


def _common(headers: Sequence[TensorFile], name: str) -> TensorSpec:
    found = [header.specs[name] for header in headers]
    first = found[0]
    for header, spec in zip(headers, found, strict=True):
        if spec.shape != first.shape or (spec.dtype in FLOATS) != (first.dtype in FLOATS):
            raise WrongArchitecture(
                f"{name} is not the same kind of tensor in {header.path} and {headers[0].path}",
                "take checkpoints of one kind",
            )
    dtypes = {spec.dtype for spec in found}
    if len(dtypes) == 1:
        return first
    if first.dtype not in FLOATS:
        raise WrongArchitecture(f"{name} holds whole numbers of different kinds", "take checkpoints of one kind")
    return replace(first, dtype="F64" if "F64" in dtypes else "F32")


def _require_same_numbers(terms: Sequence[Term], specs: Sequence[TensorSpec]) -> None:
    """Raises WrongArchitecture where tensors that hold no fractions, which no sum is taken of, are not the same."""
    for spec in specs:
        if spec.dtype not in FLOATS:
            values = [bytes(read_tensor(term.file, term.header, spec.name)) for term in terms]
            if any(one != values[0] for one in values):
                raise WrongArchitecture(f"{spec.name} holds whole numbers that differ", "take checkpoints of one kind")
