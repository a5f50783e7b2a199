"""The weighted mean of whole checkpoints ("model soup": Wortsman et al., 2022), streamed.

All inputs are read side by side, one block that stays in the processor's cache at a time, added in float32
in the order of their content hashes, and cast once: memory does not grow with the models' size or number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import torch

from core.errors import WrongArchitecture
from core.merging.average import shares
from core.merging.checkpoints import BLOCK, FLOATS, blocks_of, components, copy_rest, target_of
from core.merging.deltas import one_thread
from core.merging.formats import TORCH, bytes_of
from core.merging.space import require_space
from core.progress import Report, Step, silent
from storage.tensors import TensorFile, TensorSpec, read_header, read_tensor, write_tensors
from storage.whole_files import file_hash, put_in_place, staged


def soup(
    bases: Sequence[Path],
    weights: Sequence[float],
    out: Path,
    *,
    metadata: Mapping[str, str] | None = None,
    report: Report = silent,
) -> None:
    """Write the mean of checkpoints (folders in diffusers' format) as the folder `out`, whole or not at all.

    `weights` are relative. Where dtypes differ the result has the widest: float32 before the two halves.
    What holds no weights is taken from the first by content. Raises BadBase, BadValue, NotEnoughSpace, and
    WrongArchitecture when components, tensors, shapes or whole numbers differ.
    """
    parts = shares(weights)
    found = [(components(base), part, base) for part, base in zip(parts, bases, strict=True)]
    ordered = sorted(found, key=lambda one: (file_hash(one[0]["unet"]), one[1]))
    files = [one[0] for one in ordered]
    first, _, base = ordered[0]
    for other, _, name in ordered[1:]:
        if other.keys() != first.keys():
            raise WrongArchitecture(f"{name} and {base} have different parts", "take checkpoints of one kind")
    total = sum(file.stat().st_size for file in first.values())
    require_space(out.parent, total)
    with one_thread(), staged(out) as part:
        copy_rest(base, part)
        for number, component in enumerate(first):
            report(Step("averaging checkpoints", number, len(first), component))
            own = metadata if component == "unet" else None
            target = target_of(first[component], base, part)
            _mean_of([own_files[component] for own_files in files], [one[1] for one in ordered], target, own or {})
        put_in_place(part, out)
    report(Step("averaging checkpoints", len(first), len(first)))


def _mean_of(files: Sequence[Path], parts: Sequence[float], target: Path, metadata: Mapping[str, str]) -> None:
    """Write the mean of weights files of one component."""
    headers = [read_header(file) for file in files]
    specs = [_common(headers, name) for name in headers[0].specs]
    if any(header.specs.keys() != headers[0].specs.keys() for header in headers):
        raise WrongArchitecture(f"{files[0]} and another hold different tensors", "take checkpoints of one kind")
    with ExitStack() as stack, target.open("xb") as new:
        opened = [stack.enter_context(file.open("rb")) for file in files]
        texts = {"format": "pt", **metadata}
        write_tensors(new, specs, texts, lambda spec: _mean_blocks(opened, headers, parts, spec))


def _common(headers: Sequence[TensorFile], name: str) -> TensorSpec:
    """The tensor's spec in the mean. Raises WrongArchitecture when the headers don't agree on it."""
    found = [header.specs.get(name) for header in headers]
    first = headers[0].specs[name]
    for header, spec in zip(headers, found, strict=True):
        if spec is None or spec.shape != first.shape or (spec.dtype in FLOATS) != (first.dtype in FLOATS):
            raise WrongArchitecture(
                f"{name} is not the same kind of tensor in {header.path} and {headers[0].path}",
                "take checkpoints of one kind",
            )
    dtypes = {spec.dtype for spec in found if spec is not None}
    return first if len(dtypes) == 1 else replace(first, dtype="F64" if "F64" in dtypes else "F32")


def _mean_blocks(
    files: Sequence[BinaryIO], headers: Sequence[TensorFile], parts: Sequence[float], spec: TensorSpec
) -> Iterator[bytes | bytearray | memoryview]:
    if spec.dtype not in FLOATS:
        values = {bytes(read_tensor(file, header, spec.name)) for file, header in zip(files, headers, strict=True)}
        if len(values) > 1:
            raise WrongArchitecture(f"{spec.name} holds whole numbers that differ", "take checkpoints of one kind")
        yield values.pop()
        return
    wide = torch.float64 if spec.dtype == "F64" else torch.float32
    held = torch.empty(min(BLOCK, spec.count), dtype=wide)
    total = torch.empty_like(held)
    streams = [blocks_of(file, header, spec.name) for file, header in zip(files, headers, strict=True)]
    for blocks in zip(*streams, strict=True):
        size = blocks[0].numel()
        for number, (block, part) in enumerate(zip(blocks, parts, strict=True)):
            held[:size].copy_(block)
            if number == 0:
                torch.mul(held[:size], part, out=total[:size])
            else:
                total[:size].add_(held[:size], alpha=part)
        yield bytes_of(total[:size].to(TORCH[spec.dtype]))
