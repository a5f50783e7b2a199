"""Arithmetic of LoRA layers: the change of weights, weighted sums of such changes, and their truncation.

The change that one layer makes is `(alpha / r) * B @ A`, with A `down` and B `up`. A weighted sum of such
changes is again one layer: A's stacked, B's stacked with weight and scale folded in. Truncation takes the
best approximation of a given rank (Eckart and Young, 1936), from the QR decompositions of the two stacks
and the SVD of their small core, never from the dense product. All is done in float64 on one thread, so
that the bytes do not depend on how many processors there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from core.merging.formats import LoraLayer


@contextmanager
def one_thread() -> Iterator[None]:
    """torch computes on one thread inside: how sums are split among threads changes their last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def flat(half: Tensor) -> Tensor:
    """A half of a layer as a matrix: what belongs to a convolution's kernel stands in one row."""
    return half.reshape(half.shape[0], -1)


def delta(layer: LoraLayer, weight: float = 1.0, dtype: torch.dtype = torch.float32) -> Tensor:
    """The change of weights, times `weight`: [out, in] or [out, in, kh, kw]."""
    product = flat(layer.up).to(dtype) @ flat(layer.down).to(dtype)
    return product.mul_(weight * layer.scale).reshape(layer.up.shape[0], *layer.down.shape[1:])


def weighted_sum(layers: Sequence[LoraLayer], weights: Sequence[float]) -> LoraLayer:
    """One layer whose change is the sum of the layers' changes, each times its weight; exact, float32.

    Its rank is the sum of theirs, its alpha that rank. The layers' shapes must agree but for the rank.
    """
    ups = [(layer.up.double() * (weight * layer.scale)).float() for layer, weight in zip(layers, weights, strict=True)]
    down = torch.cat([layer.down.float() for layer in layers], dim=0)
    return LoraLayer(down, torch.cat(ups, dim=1), float(down.shape[0]))


def truncate(layer: LoraLayer, rank: int) -> tuple[LoraLayer, float, float]:
    """The layer of at most `rank` that is nearest, and the squared Frobenius norms kept and whole.

    A layer whose rank is no more than `rank` comes back as it is.
    """
    if layer.rank <= rank:
        whole = energy(layer)
        return layer, whole, whole
    up_basis, up_core = torch.linalg.qr(flat(layer.up).double())
    down_basis, down_core = torch.linalg.qr(flat(layer.down).double().T)
    left, values, right = torch.linalg.svd(layer.scale * (up_core @ down_core.T), full_matrices=False)
    rank = min(rank, values.shape[0])
    roots = values[:rank].sqrt()
    up = (up_basis @ left[:, :rank]) * roots
    down = roots[:, None] * (right[:rank] @ down_basis.T)
    # Singular vectors are known up to their sign: the largest entry of each is made positive.
    signs = up.gather(0, up.abs().argmax(0, keepdim=True)).sign()
    signs[signs == 0] = 1.0
    squares = values.square()
    near = LoraLayer(
        (down * signs.T).float().reshape(rank, *layer.down.shape[1:]),
        (up * signs).float().reshape(-1, rank, *layer.up.shape[2:]),
        float(rank),
    )
    return near, float(squares[:rank].sum()), float(squares.sum())


def energy(layer: LoraLayer) -> float:
    """Squared Frobenius norm of the change, from the Gram matrices of its halves."""
    up, down = flat(layer.up).double(), flat(layer.down).double()
    return layer.scale**2 * float(((up.T @ up) * (down @ down.T)).sum())
