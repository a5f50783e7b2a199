"""How sure likeness can be about who somebody is, read off the catalog's own people. Pure.

A look is the faces of one person in one cluster. The distance of two looks is the root mean square distance of
their faces. One face of a look against the rest of it gives distances within a person; against the looks of others,
distances between people. (Of several faces together the distances vary less: of a cluster the confidence says rather
too little.) A logistic regression on these, both kinds weighed alike, tells from a distance how much
likelier it is within a person than between people (Platt, "Probabilistic outputs for support vector machines",
1999). With the odds of all known people side by side, and an even chance beforehand that it is none of them, the
confidence in one of them is its share: people who are alike share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
Ints = NDArray[np.int64]

KNOWN = 0.5  # the chance beforehand that somebody is one of the people known
LEAST = 4  # faces of a look that can be parted
ENOUGH = 8  # such looks, of people different from each other, below which nothing is said
_LOOKS = 400  # parted at most …
_TIMES = 8  # … the same one so often where there are fewer
_SEED = 1


@dataclass(frozen=True, slots=True)
class Looks:
    """Centroids [k, d], mean squared norms [k] and face counts [k] of looks."""

    centroids: Floats
    norms: Floats
    sizes: Floats

    def distances(self, other: Looks) -> Floats:
        """Root mean square distances of these looks to others, [k, l]."""
        squared = self.norms[:, None] + other.norms - 2 * self.centroids @ other.centroids.T
        return np.sqrt(np.maximum(squared, 0))


def looks(vectors: Vectors, rows: Sequence[Ints]) -> Looks:
    """The looks whose faces are these rows of `vectors` [n, d], none of them empty."""
    size = vectors.shape[1] if vectors.ndim == 2 else 0
    centroids, norms = np.empty((len(rows), size)), np.empty(len(rows))
    for at, chosen in enumerate(rows):
        faces = vectors[chosen].astype(np.float64)
        centroids[at], norms[at] = faces.mean(0), np.einsum("ij,ij->", faces, faces) / len(faces)
    return Looks(centroids, norms, np.array([len(chosen) for chosen in rows], dtype=float))


@dataclass(frozen=True, slots=True)
class Likeness:
    """Log odds that a distance is within a person rather than between people: `at_nought + slope * distance`.

    `within` and `between`: how many distances of each kind it was read off.
    """

    at_nought: float
    slope: float
    within: int
    between: int

    def confidence(self, distances: Floats) -> Floats:
        """The confidence, 0..1, that somebody is each of the people known, from the distances [k, people] to them.

        Each row's sum, subtracted from 1, is the confidence that it is none of them.
        """
        odds = self.at_nought + self.slope * distances + np.log(KNOWN / (1 - KNOWN) / max(1, distances.shape[1]))
        highest = np.maximum(odds.max(1, keepdims=True, initial=0), 0)
        shares = np.exp(odds - highest)
        result: Floats = shares / (shares.sum(1, keepdims=True) + np.exp(-highest))
        return result


def calibrate(vectors: Vectors, rows: Sequence[Ints], people: Sequence[int]) -> Likeness | None:
    """What the looks, whose faces are these rows and whose person is `people`, tell of distances.

    None where fewer than `ENOUGH` people have a look of `LEAST` faces.
    """
    draws = np.random.default_rng(_SEED)
    parted = [at for at in draws.permutation(len(rows)) if len(rows[at]) >= LEAST][:_LOOKS]
    if len({people[at] for at in parted}) < ENOUGH:
        return None
    parts, rests = [], []
    parted *= max(1, min(_TIMES, _LOOKS // len(parted)))
    for at in parted:
        mixed = draws.permutation(rows[at])
        parts.append(mixed[:1])
        rests.append(mixed[1:])
    apart = looks(vectors, parts).distances(looks(vectors, rests))
    whose = np.array([people[at] for at in parted])
    within, between = np.diag(apart), apart[whose[:, None] != whose[None]]
    return _fit(within, between)


def _fit(within: Floats, between: Floats) -> Likeness:
    from sklearn.linear_model import LogisticRegression

    both = np.concatenate([within, between])
    middle, spread = float(both.mean()), float(both.std()) or 1.0
    same = np.r_[np.ones(len(within)), np.zeros(len(between))]
    fitted = LogisticRegression(class_weight="balanced").fit(((both - middle) / spread)[:, None], same)
    slope = min(0.0, float(fitted.coef_[0, 0]) / spread)  # what is farther is never likelier
    at_nought = float(fitted.intercept_[0]) - float(fitted.coef_[0, 0]) * middle / spread
    return Likeness(at_nought, slope, len(within), len(between))
