"""Merges that look at each weight's change by itself: trimmed mean, TIES, DARE.

What they give has no low rank, so the nearest layer of a given rank is kept (Eckart and Young, 1936) and the
part of its energy that this leaves is told. The changes are written out a few rows of one layer at a time,
never whole for all inputs. TIES (Yadav et al., 2023) and DARE (Yu et al., 2024) are peft's, rule for rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from blake3 import blake3
from torch import Tensor

from core.merging.deltas import flat
from core.merging.formats import LoraLayer
from core.merging.methods import Rule, cut

HELD = 4_194_304  # elements of all inputs' changes written out at a time: 16 MB of float32


def merge(
    layers: Sequence[LoraLayer | None], parts: Sequence[float], keys: Sequence[str], rule: Rule, rank: int
) -> tuple[LoraLayer, float, float]:
    """The merge of layers of one shape as a layer of at most `rank`; squared Frobenius norms kept and whole.

    None is a change by nothing. `keys` tell inputs apart whatever their order (a content hash and the layer's
    name): what DARE drops of one does not depend on the others.
    """
    shape = next(layer for layer in layers if layer is not None)
    rows, length = shape.up.shape[0], math.prod(shape.down.shape[1:])
    merged = torch.empty(rows, length)
    spans = list(_spans(rows, max(1, HELD // (length * len(layers)))))
    least = [_threshold(layer, rule, spans) for layer in layers]
    for first, last in spans:
        changes = torch.zeros(len(layers), last - first, length)
        for number, layer in enumerate(layers):
            if layer is not None:
                changes[number] = _rows(layer, first, last)
        merged[first:last] = _merged(changes, parts, least, [f"{key} {first}" for key in keys], rule)
    up, down, kept, whole = nearest(merged, rank)
    rank = up.shape[1]
    layer = LoraLayer(
        down.reshape(rank, *shape.down.shape[1:]), up.reshape(rows, rank, *shape.up.shape[2:]), float(rank)
    )
    return layer, kept, whole


def nearest(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor, float, float]:
    """Halves `up` and `down` of the matrix of at most `rank` nearest to `matrix`; squared norms kept and whole.

    From the eigenvectors of its smaller Gram matrix, in float64.
    """
    wide = matrix.shape[0] <= matrix.shape[1]
    short = matrix if wide else matrix.T
    square = torch.zeros(short.shape[0], short.shape[0], dtype=torch.float64)
    step = max(1, HELD // short.shape[0])
    for first, last in _spans(short.shape[1], step):
        piece = short[:, first:last].double()
        square.addmm_(piece, piece.T)
    values, vectors = torch.linalg.eigh(square)
    rank = min(rank, short.shape[0])
    values, basis = values.flip(0).clamp_min(0)[:rank], vectors.flip(1)[:, :rank]
    # Vectors are known up to their sign: the largest entry of each is made positive.
    signs = basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()
    basis = basis * torch.where(signs == 0, 1.0, signs)
    pieces = [basis.T @ short[:, first:last].double() for first, last in _spans(short.shape[1], step)]
    spread = torch.cat(pieces, dim=1)
    roots = values.sqrt().sqrt()  # of the singular values: both halves get the same size
    inner = torch.where(roots > 0, 1 / roots, 0.0)
    left, right = (basis * roots).float(), (spread * inner[:, None]).float()
    kept, whole = float(values.sum()), float(square.diagonal().sum())
    return (left, right, kept, whole) if wide else (right.T.contiguous(), left.T.contiguous(), kept, whole)


def _spans(total: int, size: int) -> Iterator[tuple[int, int]]:
    for first in range(0, total, size):
        yield first, min(total, first + size)


def _rows(layer: LoraLayer, first: int, last: int) -> Tensor:
    return (flat(layer.up)[first:last].float() @ flat(layer.down).float()).mul_(layer.scale)


def _threshold(layer: LoraLayer | None, rule: Rule, spans: Sequence[tuple[int, int]]) -> float:
    """TIES keeps the largest values of each input: the size of the smallest kept; 0 where all are.

    Written out in the same spans as for the merge: a product of other rows may differ in its last bits.
    """
    if layer is None or rule.method != "ties" or rule.density == 1:
        return 0.0
    sizes = torch.cat([_rows(layer, first, last) for first, last in spans]).abs_().reshape(-1).numpy()
    dropped = sizes.size - int(rule.density * sizes.size)
    if dropped >= sizes.size:
        return math.inf
    sizes.partition(dropped)  # in place: a layer written out is large enough
    return float(sizes[dropped])


def _merged(changes: Tensor, parts: Sequence[float], least: Sequence[float], keys: Sequence[str], rule: Rule) -> Tensor:
    """The merge of changes [n, rows, length]."""
    if rule.method == "trimmed-mean":
        number = cut(rule.trim, changes.shape[0])
        ordered = np.sort(changes.numpy(), axis=0)  # several times as fast along this axis as torch's
        return torch.from_numpy(ordered[number : changes.shape[0] - number]).mean(dim=0)
    from peft.utils import merge_utils  # seconds to load, and only these need it

    if rule.method == "ties":
        changes[changes.abs() < torch.tensor(least)[:, None, None]] = 0.0
    elif rule.density < 1:
        for number, key in enumerate(keys):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(int.from_bytes(blake3(f"{rule.seed} {key}".encode()).digest(7), "big"))
                changes[number] = merge_utils.prune(changes[number], rule.density, "random", rescale=True)
    weights = torch.tensor(parts)[:, None, None]
    if rule.method == "dare":
        return (changes * weights).sum(dim=0)
    signs = merge_utils.calculate_majority_sign_mask(changes, method="total")
    # The mean of those that agree: weights of mean 1, for it divides by their number itself.
    merged: Tensor = merge_utils.disjoint_merge(changes * weights * len(parts), signs)
    return merged
