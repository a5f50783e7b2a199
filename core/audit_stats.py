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
MATCHES_NEEDED = 10  # impostor pairs below a threshold that fix it to about a third of its false match rate
BLOCK = 512  # rows compared at a time: bounds memory, not the result


@dataclass(frozen=True, slots=True)
class Threshold:
    """The distance up to which two faces are called one person.

    `pairs` of different people were compared and `matches` of them lie within it; their share is at least the false
    match rate asked, the next smaller distance's is below. `lower` and `upper` bound the true rate (95 %, two sides,
    as if pairs were independent). `enough` tells whether the rate can be known from so many pairs.
    """

    value: float
    fmr: float
    pairs: int
    matches: int
    lower: float
    upper: float
    enough: bool


def pairs_needed(fmr: float) -> int:
    """Pairs of different people without which a false match rate can't be told."""
    return math.ceil(MATCHES_NEEDED / fmr)


def threshold_at(impostors: Floats, fmr: float, total: int | None = None) -> Threshold:
    """The smallest distance that at least the share `fmr` of impostor pairs do not exceed.

    Rounded to the strict side: a larger distance calls more faces a match. `impostors` holds the distances of pairs
    of different people, or the smallest of `total` of them.
    """
    total = len(impostors) if total is None else total
    if total == 0:
        return Threshold(0.0, fmr, 0, 0, 0.0, 1.0, enough=False)
    rank = max(1, math.ceil(total * fmr - 1e-9))
    value = float(np.partition(impostors, rank - 1)[rank - 1])
    matches = int(np.count_nonzero(impostors <= value))
    lower, upper = interval(matches, total)
    return Threshold(value, fmr, total, matches, lower, upper, enough=total >= pairs_needed(fmr))


def upper_bound(matches: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """Clopper and Pearson's one-sided upper bound of a rate, 1 where nothing was tried (Biometrika, 1934)."""
    if matches >= trials:
        return 1.0
    return float(beta.ppf(confidence, matches + 1, trials - matches))


def interval(matches: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
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


def impostor_distances(vectors: Floats, people: Labels, fmr: float) -> tuple[Floats, int]:
    """The smallest distances between faces of different people, as many as a threshold needs, and how many pairs.

    `people[i]` says whose face row i of `vectors` is. Memory is bounded: only the smallest are kept.
    """
    total = int(len(people) * (len(people) - 1) // 2)
    total -= sum(int(count) * (int(count) - 1) // 2 for count in np.unique(people, return_counts=True)[1])
    keep = max(1, math.ceil(total * fmr)) + 1
    smallest = np.empty(0, dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, start + BLOCK)
        found = distances(vectors[rows], vectors[start:])
        later = np.arange(len(vectors) - start)[None] > np.arange(found.shape[0])[:, None]
        other = people[rows][:, None] != people[start:][None]
        smallest = np.concatenate([smallest, found[later & other]])
        if len(smallest) > keep:
            smallest = np.partition(smallest, keep - 1)[:keep]
    return smallest, total


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


def person_distances(faces: Floats, vectors: Floats, people: Labels, order: Sequence[int]) -> Floats:
    """Mean distance [faces, people] of each face to each person's faces; people as in `order`."""
    found = distances(faces, vectors)
    return np.stack([found[:, people == person].mean(axis=1) for person in order], axis=1)


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
