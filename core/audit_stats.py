"""The arithmetic of the audit. Pure: distances in, thresholds and bounds out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

Floats = NDArray[Any]
Labels = NDArray[Any]

CONFIDENCE = 0.95


def upper_bound(matches: float, trials: float, confidence: float = CONFIDENCE) -> float:
    """Clopper and Pearson's one-sided upper bound of a rate, 1 where nothing was tried (Biometrika, 1934)."""
    if matches >= trials:
        return 1.0
    return float(beta.ppf(confidence, matches + 1, trials - matches))


def interval(matches: float, trials: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Clopper and Pearson's two-sided interval of a rate."""
    tail = (1 - confidence) / 2
    lower = 0.0 if matches == 0 else float(beta.ppf(tail, matches, trials - matches + 1))
    return lower, upper_bound(matches, trials, 1 - tail)


def distances(a: Floats, b: Floats) -> Floats:
    """Euclidean distances [n, m] between rows of `a` and `b`, float32."""
    a, b = np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)
    squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
    found: Floats = np.sqrt(np.maximum(squares, 0))
    return found


@dataclass(frozen=True, slots=True)
class Grouped:
    """Faces in groups, those of a group one after another: `vectors` [n, d], `photos` [n] that show them.

    `starts` [g] is where each group begins; none is empty.
    """

    vectors: Floats
    photos: Labels
    starts: Labels

    @property
    def sizes(self) -> Labels:
        """Faces in each group [g]."""
        told: Labels = np.diff(np.append(self.starts, len(self.vectors)))
        return told

    def least(self, faces: Floats, photos: Labels | None = None) -> Floats:
        """Least distances [m, g] of each face to each group; with `photos` [m] faces in the same one are left out."""
        found = distances(faces, self.vectors)
        if photos is not None:
            found[photos[:, None] == self.photos[None]] = np.inf
        least: Floats = np.minimum.reduceat(found, self.starts, axis=1)
        return least

    def mean(self, faces: Floats) -> Floats:
        """Mean distances [m, g] of each face to each group."""
        total: Floats = np.add.reduceat(distances(faces, self.vectors), self.starts, axis=1)
        return total / self.sizes


def grouped(vectors: Floats, groups: Labels, photos: Labels | None = None) -> Grouped:
    """Faces put in groups; `groups` [n] are numbers from 0 without a gap."""
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(int(groups.max(initial=-1)) + 1))
    where = np.zeros(len(vectors), dtype=np.int64) if photos is None else photos
    return Grouped(vectors[order], where[order], starts)


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, standard deviation and number of a set of values; the mean of none is NaN."""

    mean: float
    sd: float
    count: int


def spread(values: Floats | Sequence[float]) -> Spread:
    """Mean and sample standard deviation."""
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return Spread(math.nan, math.nan, 0)
    return Spread(float(array.mean()), float(array.std(ddof=1)) if array.size > 1 else 0.0, int(array.size))


def ranks(by_person: Floats, column: int) -> Labels:
    """Place of one person among all for each face, 1 for the nearest; ties go to the better place."""
    nearer: Labels = np.count_nonzero(by_person < by_person[:, column : column + 1], axis=1)
    return nearer + 1


def nearer_share(members: Floats, others: Floats) -> float:
    """Chance that a member is nearer than another: Mann and Whitney's U over n*m; 0.5 is no difference, NaN no pair."""
    if members.size == 0 or others.size == 0:
        return math.nan
    ordered = np.sort(others, axis=None)
    below = np.searchsorted(ordered, members.ravel(), side="left")
    above = ordered.size - np.searchsorted(ordered, members.ravel(), side="right")
    return float((above + 0.5 * (ordered.size - below - above)).sum() / (members.size * ordered.size))
