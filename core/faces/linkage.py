"""Group vectors that lie close together: average linkage, in memory that grows with n alone.

The distance of two groups is the mean *squared* Euclidean distance between their members. It follows from
the groups' centroids c and mean squared norms m, as m1 + m2 - 2 c1.c2, so no matrix of pairs is kept, and
a group's nearest is found by inner products, which faiss searches.
Merging never brings groups closer (the distance is reducible: Bruynooghe, 1978), so all pairs that are
each other's nearest can merge at once, and a group with no other within the threshold is done: the result
is that of merging the closest two again and again (Murtagh, "A survey of recent advances in hierarchical
clustering algorithms", 1983).

Up to `EXACT` vectors that is all. Of more, pairs of near ones are sought first (`core.faces.near_pairs`), and
groups merge along these pairs alone, where either finds none more than `SLACK` nearer (as in Dhulipala et al.,
"TeraHAC", 2023). What is left is merged as above. So the order of merges is near to average linkage's, and the end
is exact: no two groups within the threshold stay apart, and none was merged beyond it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
EXACT = 2_000
SLACK = 0.1  # share of the squared distance
_SAMPLE = 2000
_QUERIES = 4096  # at a time
_EDGES = 1 << 15

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


@dataclass(slots=True)
class Groups:
    """Groups of vectors as they merge: centroids [n, d], mean squared norms [n], members [n], what each went into [n].

    A group goes by the number of its first member, `into` of a live one is itself.
    """

    centroids: Vectors
    norms: Vectors
    weights: NDArray[np.float64]
    into: Ints

    def squared(self, first: Ints, second: Ints) -> Vectors:
        """The distance of the groups of each pair, [pairs]."""
        apart = np.empty(len(first), dtype=np.float32)
        for start in range(0, len(first), _EDGES):
            a, b = first[start : start + _EDGES], second[start : start + _EDGES]
            dots = np.einsum("ij,ij->i", self.centroids[a], self.centroids[b])
            apart[start : start + _EDGES] = self.norms[a] + self.norms[b] - 2 * dots
        return apart

    def merge(self, kept: Ints, folded: Ints) -> None:
        """Fold the second group of each pair into the first; no group is folded twice, nor is one kept."""
        order = np.argsort(kept, kind="stable")
        while len(order):  # one into each at a time
            first = np.ones(len(order), dtype=bool)
            first[1:] = kept[order[1:]] != kept[order[:-1]]
            into, gone = kept[order[first]], folded[order[first]]
            both = self.weights[into] + self.weights[gone]
            share = (self.weights[gone] / both).astype(np.float32)
            self.centroids[into] += share[:, None] * (self.centroids[gone] - self.centroids[into])
            self.norms[into] += share * (self.norms[gone] - self.norms[into])
            self.weights[into] = both
            order = order[~first]
        self.into[folded] = kept

    def numbers(self) -> Ints:
        """Group number of each vector, from 0 in order of first members."""
        into = self.into
        while not np.array_equal(into, into[into]):
            into = into[into]
        return np.unique(into, return_inverse=True)[1].astype(np.int64)


def singles(vectors: Vectors) -> Groups:
    """Each vector [n, d] a group of its own."""
    centre = vectors.mean(0) if len(vectors) else 0.0  # small numbers lose less in float32
    centroids = np.ascontiguousarray(vectors - centre, dtype=np.float32)
    norms = np.einsum("ij,ij->i", centroids, centroids)
    return Groups(centroids, norms, np.ones(len(vectors)), np.arange(len(vectors)))


def average_linkage(vectors: Vectors, threshold: float, report: Report = silent) -> Ints:
    """Group number [n], from 0 in order of first members, of each vector [n, d].

    Groups merge while the root of their mean squared distance is at most `threshold`.
    """
    groups = singles(vectors)
    if len(vectors) > EXACT:
        from core.faces.near_pairs import near_pairs

        merge_along(groups, *near_pairs(groups.centroids, threshold, report), threshold, report=report)
    merge_all(groups, threshold, report)
    return groups.numbers()


def merge_all(groups: Groups, threshold: float, report: Report = silent) -> None:
    """Merge the closest two groups until none lie within the threshold."""
    number = len(groups.into)
    alive = np.flatnonzero(groups.into == np.arange(number))
    nearest = np.full(number, -1)
    distance = np.full(number, np.inf, dtype=np.float32)
    stale = alive
    while len(alive) > 1:
        _look_around(groups, stale, alive, nearest, distance, report)
        alive = alive[distance[alive] <= threshold**2]
        if not len(alive):
            break
        first, second = _mutual(alive, nearest, distance)
        groups.merge(first, second)
        changed = np.zeros(number, dtype=bool)
        changed[first] = changed[second] = True
        gone = np.zeros(number, dtype=bool)
        gone[second] = True
        alive = alive[~gone[alive]]
        stale = alive[changed[alive] | changed[nearest[alive]]]
        report(Step("cluster", number - len(alive), number))


def _look_around(
    groups: Groups, asked: Ints, alive: Ints, nearest: Ints, distance: Vectors, report: Report = silent
) -> None:
    """Write the nearest other live group, and its squared distance, of each group asked for."""
    for start, rows, found in nearest_groups(groups, asked, alive, 1):
        nearest[rows] = found[:, 0]
        distance[rows] = groups.squared(rows, found[:, 0])
        if len(asked) > 2 * _QUERIES:
            report(Step("look for what is left", start, len(asked)))


def nearest_groups(groups: Groups, asked: Ints, alive: Ints, number: int) -> Iterator[tuple[int, Ints, Ints]]:
    """A block at a time: where it starts, groups asked for, and the `number` other live groups nearest to each.

    The smallest m1 + m2 - 2 c1.c2 is the largest inner product of (c1, 1) and (c2, -m2 / 2). Of fewer than
    `number` others there are, all are given. What is asked for is alive.
    """
    import faiss

    number = min(number, len(alive) - 1)
    index = faiss.IndexFlatIP(groups.centroids.shape[1] + 1)
    for start in range(0, len(alive), _QUERIES):
        rows = alive[start : start + _QUERIES]
        index.add(np.column_stack([groups.centroids[rows], -groups.norms[rows] / 2]))
    for start in range(0, len(asked), _QUERIES):
        rows = asked[start : start + _QUERIES]
        _, found = index.search(np.column_stack([groups.centroids[rows], np.ones(len(rows), "f4")]), number + 1)
        ids = alive[found]
        others = ids != rows[:, None]
        others[others.all(1), -1] = False  # the group itself was not among them
        yield start, rows, ids[others].reshape(len(rows), number)


def _mutual(alive: Ints, nearest: Ints, distance: Vectors) -> tuple[Ints, Ints]:
    """Pairs that are each other's nearest, the lower number first; the closest pair if rounding hides all."""
    first = alive[(nearest[nearest[alive]] == alive) & (alive < nearest[alive])]
    if not len(first):
        closest = alive[distance[alive].argmin()]
        first = np.array([min(closest, nearest[closest])])
        return first, np.array([max(closest, nearest[closest])])
    return first, nearest[first]


def merge_along(
    groups: Groups,
    first: Ints,
    second: Ints,
    threshold: float,
    *,
    anchored: NDArray[np.bool_] | None = None,
    report: Report = silent,
) -> None:
    """Merge groups along pairs of them until no pair lies within the threshold.

    In each round a group takes in those for which it is nearest, and than which it has none more than `SLACK`
    nearer, closest first, as long as it does not more than double. Groups that are `anchored` [n] never merge
    with each other.
    """
    number = len(groups.into)
    fixed = np.zeros(number, dtype=bool) if anchored is None else anchored.copy()
    first, second = np.minimum(first, second), np.maximum(first, second)
    apart = groups.squared(first, second)
    while True:
        kept = (apart <= threshold**2) & ~(fixed[first] & fixed[second])
        first, second, apart = first[kept], second[kept], apart[kept]
        if not len(first):
            return
        into, gone = _chosen(groups, fixed, first, second, apart)
        groups.merge(into, gone)
        fixed[into] |= fixed[gone]
        changed = np.zeros(number, dtype=bool)
        changed[into] = changed[gone] = True
        touched = changed[first] | changed[second]
        a, b = groups.into[first[touched]], groups.into[second[touched]]
        keys = np.unique(np.minimum(a, b)[a != b] * number + np.maximum(a, b)[a != b])
        a, b = keys // number, keys % number
        first, second = np.concatenate([first[~touched], a]), np.concatenate([second[~touched], b])
        apart = np.concatenate([apart[~touched], groups.squared(a, b)])
        done = number - int(np.count_nonzero(groups.into == np.arange(number)))
        report(Step("group", done, number, f"{len(first):,} pairs left"))


def _chosen(groups: Groups, fixed: NDArray[np.bool_], first: Ints, second: Ints, apart: Vectors) -> tuple[Ints, Ints]:
    """Which groups take in which in one round: the takers, and the taken, each once."""
    number = len(groups.into)
    best = np.full(number, np.inf, dtype=np.float32)
    np.minimum.at(best, first, apart)
    np.minimum.at(best, second, apart)
    good = np.flatnonzero(apart <= (1 + SLACK) * np.minimum(best[first], best[second]) + 1e-9)
    a, b = first[good], second[good]
    # The heavier takes in the lighter, an anchored one any other; of equals, the one that was there first
    weights = groups.weights + np.where(fixed, groups.weights.sum(), 0)
    turned = weights[b] > weights[a]
    taker, taken, distance = np.where(turned, b, a), np.where(turned, a, b), apart[good]
    order = np.argsort(distance, kind="stable")
    taker, taken = taker[order], taken[order]
    taken, at = np.unique(taken, return_index=True)  # each goes to the closest
    goes = np.zeros(number, dtype=bool)
    goes[taken] = True
    stays = ~goes[taker[at]]  # who is taken in takes none
    at, taken = at[stays], taken[stays]
    order = np.lexsort((at, taker[at]))
    at, taken = at[order], taken[order]
    into = taker[at]
    load = np.cumsum(groups.weights[taken])
    starts = np.flatnonzero(np.r_[True, into[1:] != into[:-1]])
    base = np.repeat(np.r_[0.0, load[starts[1:] - 1]], np.diff(np.r_[starts, len(into)]))
    fits = load - base <= groups.weights[into]
    fits[starts] = True
    return into[fits], taken[fits]
