"""Group vectors that lie close together: average linkage, exact, in memory that grows with n alone.

The distance of two groups is the mean *squared* Euclidean distance between their members. It follows from
the groups' centroids c and mean squared norms m, as m1 + m2 - 2 c1.c2, so no matrix of pairs is kept.
Merging never brings groups closer (the distance is reducible: Bruynooghe, 1978), so all pairs that are
each other's nearest can merge at once, and a group with no other within the threshold is done: the result
is that of merging the closest two again and again (Murtagh, "A survey of recent advances in hierarchical
clustering algorithms", 1983).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.progress import Report, Step, silent

SPREADS = 3.0
BOUNDS = {
    # Above 0.50 a thousandth of the pairs of real strangers would pass; below 0.36 one person falls apart.
    "dlib-resnet-v1": (0.36, 0.50),
    # From the literature on FaceNet's space (Schroff et al., 2015: strangers are told apart at 1.1), not measured.
    "facenet-vggface2": (0.75, 1.00),
}
_SAMPLE = 2000
_ROWS = 1024
_COLUMNS = 16384

Vectors = NDArray[np.float32]
Ints = NDArray[np.int64]


def usual_threshold(space: str, vectors: Vectors) -> float:
    """The threshold for grouping these vectors [n, d], read off their own distances.

    How far apart strangers lie depends on the people and the cameras: 0.85 in dlib's space between people of
    many lands, 0.6 between the rendered people of the sample. Most pairs of an archive are of strangers, so
    their middle tells; it is the upper half that tells their spread, where no pair of one person is. The
    threshold lies three spreads below the middle, within the space's bounds. Where one person fills an
    archive the middle sinks and the threshold with it: people then fall apart into more clusters, to be
    joined by hand, and strangers are not mixed.
    """
    lowest, highest = BOUNDS.get(space, (0.0, np.inf))
    if len(vectors) < 3:
        return lowest
    chosen = vectors[np.linspace(0, len(vectors) - 1, min(len(vectors), _SAMPLE)).astype(int)].astype(np.float64)
    norms = np.einsum("ij,ij->i", chosen, chosen)
    squared = norms[:, None] + norms - 2 * chosen @ chosen.T
    apart = np.sqrt(np.maximum(squared[np.triu_indices(len(chosen), 1)], 0))
    middle, above = np.quantile(apart, (0.5, 0.8413))
    return float(np.clip(middle - SPREADS * (above - middle), lowest, highest))


def average_linkage(vectors: Vectors, threshold: float, report: Report = silent) -> Ints:
    """Group number [n], from 0 in order of first members, of each vector [n, d].

    Groups merge while the root of their mean squared distance is at most `threshold`.
    """
    number = len(vectors)
    centre = vectors.mean(0) if number else 0.0  # small numbers lose less in float32
    centroids = np.ascontiguousarray(vectors - centre, dtype=np.float32)
    norms = np.einsum("ij,ij->i", centroids, centroids)
    weights = np.ones(number)
    into = np.arange(number)
    alive = np.arange(number)
    nearest = np.full(number, -1)
    distance = np.full(number, np.inf, dtype=np.float32)
    stale = alive
    while len(alive) > 1:
        _look_around(centroids, norms, stale, alive, nearest, distance)
        alive = alive[distance[alive] <= threshold**2]
        if not len(alive):
            break
        first, second = _mutual(alive, nearest, distance)
        _merge(centroids, norms, weights, first, second)
        into[second] = first
        changed = np.zeros(number, dtype=bool)
        changed[first] = changed[second] = True
        gone = np.zeros(number, dtype=bool)
        gone[second] = True
        alive = alive[~gone[alive]]
        stale = alive[changed[alive] | changed[nearest[alive]]]
        report(Step("cluster", number - len(alive), number))
    return _numbered(into)


def _look_around(
    centroids: Vectors, norms: Vectors, asked: Ints, alive: Ints, nearest: Ints, distance: Vectors
) -> None:
    """Write the nearest other live group, and its squared distance, of each group asked for."""
    for start in range(0, len(asked), _ROWS):
        rows = asked[start : start + _ROWS]
        best = np.full(len(rows), np.inf, dtype=np.float32)
        which = np.full(len(rows), -1)
        for offset in range(0, len(alive), _COLUMNS):
            columns = alive[offset : offset + _COLUMNS]
            apart = norms[rows, None] + norms[None, columns] - 2 * (centroids[rows] @ centroids[columns].T)
            apart[rows[:, None] == columns[None]] = np.inf
            at = apart.argmin(1)
            value = apart[np.arange(len(rows)), at]
            closer = value < best
            best[closer], which[closer] = value[closer], columns[at[closer]]
        nearest[rows], distance[rows] = which, best


def _mutual(alive: Ints, nearest: Ints, distance: Vectors) -> tuple[Ints, Ints]:
    """Pairs that are each other's nearest, the lower number first; the closest pair if rounding hides all."""
    first = alive[(nearest[nearest[alive]] == alive) & (alive < nearest[alive])]
    if not len(first):
        closest = alive[distance[alive].argmin()]
        first = np.array([min(closest, nearest[closest])])
        return first, np.array([max(closest, nearest[closest])])
    return first, nearest[first]


def _merge(centroids: Vectors, norms: Vectors, weights: NDArray[np.float64], first: Ints, second: Ints) -> None:
    """Fold the second group of each pair into the first."""
    both = weights[first] + weights[second]
    share = (weights[second] / both).astype(np.float32)
    centroids[first] += share[:, None] * (centroids[second] - centroids[first])
    norms[first] += share * (norms[second] - norms[first])
    weights[first] = both


def _numbered(into: Ints) -> Ints:
    """Follow each member to its group's first, and number the groups in their order."""
    while not np.array_equal(into, into[into]):
        into = into[into]
    return np.unique(into, return_inverse=True)[1].astype(np.int64)
