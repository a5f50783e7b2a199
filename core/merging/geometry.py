"""Lengths, angles and the geometric median of LoRAs' changes of weights, from their factors alone.

The inner product of two changes `B1 A1` and `B2 A2` is the sum of the entries of `(B1' B2) * (A1 A2')`, so
no change is ever written out. A LoRA that has no layer of a name changes nothing there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from core.merging.deltas import flat
from core.merging.formats import LoraFile, LoraLayer

TURNS = 1000
SETTLED = 1e-12  # change of the weights in one turn from which on nothing is gained
PARALLEL = 1e-6  # sine of an angle below which two changes point the same way


def gram(layers: Sequence[LoraLayer | None]) -> Tensor:
    """Inner products of the layers' changes, [n, n] in float64; None is a change by nothing."""
    present = [(number, layer) for number, layer in enumerate(layers) if layer is not None]
    found = torch.zeros(len(layers), len(layers), dtype=torch.float64)
    if not present:
        return found
    ups = torch.cat([flat(layer.up).double() * layer.scale for _, layer in present], dim=1)
    downs = torch.cat([flat(layer.down).double() for _, layer in present], dim=0)
    products = (ups.T @ ups) * (downs @ downs.T)
    whose = torch.repeat_interleave(
        torch.tensor([number for number, _ in present]), torch.tensor([layer.rank for _, layer in present])
    )
    by_row = found.new_zeros(len(layers), products.shape[1]).index_add_(0, whose, products)
    return found.index_add_(1, whose, by_row)


def total_gram(files: Sequence[LoraFile], names: Sequence[str]) -> Tensor:
    """Inner products of whole LoRAs' changes, all layers of `names` together: [n, n] in float64."""
    total = torch.zeros(len(files), len(files), dtype=torch.float64)
    for name in names:
        total += gram([file.layer(name) if name in file else None for file in files])
    return total


def median_weights(products: Tensor, parts: Sequence[float]) -> list[float]:
    """Weights, summing to 1, whose mean is the geometric median of the points with these inner products.

    That is the point with the least sum of distances, each times its part (Weiszfeld, 1937): one that lies far
    from the others pulls with its direction, not with its distance.
    """
    given = torch.tensor(parts, dtype=torch.float64)
    weights = given / given.sum()
    squares = products.diagonal()
    least = 1e-12 * math.sqrt(max(float(squares.max()), 1e-300))
    for _ in range(TURNS):
        pulled = products @ weights
        distances = (squares - 2 * pulled + weights @ pulled).clamp_min(0).sqrt().clamp_min(least)
        new = given / distances
        new = new / new.sum()
        moved = float((new - weights).abs().max())
        weights = new
        if moved < SETTLED:
            break
    return [float(weight) for weight in weights]


def slerp_factors(products: Tensor, parts: Sequence[float]) -> list[float]:
    """Factors of two changes that lead along the arc between them (Shoemake, 1985), not along the chord.

    Where either is nothing, or both point the same or opposite ways, the chord is taken.
    """
    lengths = products.diagonal().clamp_min(0).sqrt()
    norm = float(lengths[0] * lengths[1])
    cosine = max(-1.0, min(1.0, float(products[0, 1]) / norm)) if norm else 1.0
    angle = math.acos(cosine)
    if math.sin(angle) < PARALLEL:
        return list(parts)
    return [math.sin(part * angle) / math.sin(angle) for part in parts]
