"""Pairs of vectors that lie close together, among so many that not all pairs can be looked at.

The vectors are dealt into cells around centres (k-means, faiss), and each is compared with those of the nearest
cells alone. Near pairs lie in one cell or in neighbouring ones; what is missed costs order, not correctness:
see `core.faces.linkage`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.progress import Report, Step, silent

Vectors = NDArray[np.float32]
Ints = NDArray[np.int64]

NEIGHBOURS = 24  # kept of each vector
CELL = 256  # vectors a cell holds on average
NEAR_CELLS = 24  # of each, searched
_TRAINED_ON = 40  # vectors a cell
_ROUNDS = 6


def near_pairs(vectors: Vectors, within: float, report: Report = silent) -> tuple[Ints, Ints]:
    """Rows of pairs of vectors [n, d] at most `within` apart: of each, of the nearest `NEIGHBOURS` that were seen.

    Each pair once, the lower row first. Memory grows with n alone.
    """
    import faiss

    number, size = vectors.shape
    cells = max(1, number // CELL)
    means = faiss.Kmeans(
        size, cells, niter=_ROUNDS, seed=1, max_points_per_centroid=_TRAINED_ON, min_points_per_centroid=1
    )
    means.train(vectors)
    assert means.centroids is not None
    _, cell = means.index.search(vectors, 1)
    order = np.argsort(cell[:, 0], kind="stable")
    bounds = np.searchsorted(cell[order, 0], np.arange(cells + 1))
    _, around = means.index.search(means.centroids, min(NEAR_CELLS, cells))
    found: list[Ints] = []
    for here in range(cells):
        rows = order[bounds[here] : bounds[here + 1]]
        if len(rows):
            others = np.concatenate([order[bounds[there] : bounds[there + 1]] for there in around[here]])
            found.append(_of_cell(vectors, rows, others, within**2))
        if here % 64 == 0:
            report(Step("compare", int(bounds[here]), number))
    keys = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
    return keys // number, keys % number


def _of_cell(vectors: Vectors, rows: Ints, others: Ints, within: float) -> Ints:
    """The near pairs of a cell's rows with the others, each pair as lower * n + higher."""
    import faiss

    apart, at = faiss.knn(vectors[rows], vectors[others], min(NEIGHBOURS + 1, len(others)))
    mine, theirs = np.repeat(rows, apart.shape[1]), others[at.ravel()]
    near = (apart.ravel() <= within) & (mine != theirs)
    mine, theirs = mine[near], theirs[near]
    keys: Ints = np.minimum(mine, theirs) * len(vectors) + np.maximum(mine, theirs)
    return keys
