"""How often a search of the whole catalog takes a stranger for somebody: its people, each in turn, are the strangers.

One drawn face is compared with everybody's, so what must be rare is not that a *pair* of different people looks alike
but that the *nearest of all* does. That is measured as it happens: a named face is searched among the faces of all
other named people, where it finds a stranger or nobody.

What is compared is not the distance itself. The mean of many faces lies near to everybody, nearer than any two people
lie to each other, and resembles nobody. So a face is somebody's by how far they stand out from all others: its least
distance to them, in standard deviations below the mean of its least distances to everybody (the test normalisation of
Auckenthaler, Carey and Lloyd-Thomas, "Score Normalization for Text-Independent Speaker Verification Systems", 2000).
Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from core.audit_stats import CONFIDENCE, Floats, Labels, grouped, interval

MOST = 4096  # faces searched; of more named ones so many are drawn, the same every time
ROUNDING = 1e-9
COHORTS = 200  # whose mean faces are looked at
BLOCK = 64  # faces searched at a time: bounds memory, not the result


def scores(least: Floats) -> Floats:
    """By how much each person stands out for each face: least distances [n, people] as standard deviations below their
    mean. Infinite distances are no one's and are left out; 0 where all are alike.
    """
    there = np.isfinite(least)
    found = np.where(there, least, 0).astype(np.float64)
    number = np.maximum(there.sum(axis=1, keepdims=True), 1)
    middle = found.sum(axis=1, keepdims=True) / number
    spread = np.sqrt((np.square(found - middle) * there).sum(axis=1, keepdims=True) / number)
    told: Floats = np.where(spread > 0, (middle - found) / np.where(spread > 0, spread, 1), 0.0)
    return np.where(there, told, -np.inf)


@dataclass(frozen=True, slots=True)
class Searches:
    """Named faces searched among all named people: by how much the person themselves, in other photographs, stands out
    from the others, `own` [n] (minus infinity where there is no other), and by how much the one of the others who does
    most, `others` [n]. `people` [n] says whose each is, `known` how many people there are to be found.
    """

    own: Floats
    others: Floats
    people: Labels
    known: int


@dataclass(frozen=True, slots=True)
class Threshold:
    """The score from which on a face that was searched among everybody's is called somebody's.

    `fmr` is the rate asked: of strangers' faces, each searched among all `searched` people of the catalog. `searches`
    were made with faces of `strangers` people, of which `matches` found somebody at `value` or more: the rate is
    `lower` to `upper` (95 %): faces of one person are alike, so that they say as much as `effective` faces of as many
    people would. `recognised` is the share of people's own faces that the search finds. `enough` tells whether so few
    strangers can say anything of such a rate.
    """

    value: float
    fmr: float
    searches: int
    strangers: int
    searched: int
    effective: float
    matches: int
    lower: float
    upper: float
    recognised: float
    enough: bool


def search(vectors: Floats, people: Labels, photos: Labels, seed: int = 0) -> Searches:
    """Search named faces, at most `MOST`, among all. `people` [n] are any labels, `photos` [n] where each was found."""
    names, groups = np.unique(people, return_inverse=True)
    everybody = grouped(vectors, groups, photos)
    probes = np.arange(len(people))
    if len(probes) > MOST:
        probes = np.sort(np.random.default_rng(seed).choice(len(probes), MOST, replace=False))
    own, others = [np.empty(0)], [np.empty(0)]
    for start in range(0, len(probes), BLOCK):
        part = probes[start : start + BLOCK]
        least, rows = everybody.least(vectors[part], photos[part]), np.arange(len(part))
        with_self = least[rows, groups[part]]
        least[rows, groups[part]] = np.inf
        others.append(scores(least).max(axis=1, initial=-np.inf))
        own.append(_among(with_self, least))
    return Searches(np.concatenate(own), np.concatenate(others), people[probes], len(names))


def _among(own: Floats, others: Floats) -> Floats:
    """The score of each distance `own` [n] beside the distances to others [n, people]."""
    return scores(np.concatenate([own[:, None], others], axis=1))[:, 0]


def threshold_at(searches: Searches, fmr: float, searched: int) -> Threshold:
    """The largest score that the share `fmr` of strangers reaches who are searched among `searched` people.

    A search among the named alone, one less for the stranger, stands for one among all: with the chance of each
    person to be found alike, the rate there is `1 - (1 - fmr) ** (found / searched)`.
    """
    trials = len(searches.others)
    strangers = len(np.unique(searches.people))
    if strangers < 2:
        return Threshold(math.inf, fmr, trials, strangers, searched, 0.0, 0, 0.0, 1.0, 0.0, enough=False)
    scale = (searches.known - 1) / max(searched, searches.known - 1)
    rate = 1 - (1 - fmr) ** scale
    rank = max(1, math.ceil(trials * rate - ROUNDING))
    value = float(np.sort(searches.others)[-rank])
    matches = int(np.count_nonzero(searches.others >= value))
    effective = effective_number(searches.others, searches.people)
    lower, upper = (
        1 - (1 - bound) ** (1 / scale) for bound in interval(matches / trials * effective, effective)
    )  # as it would be among all
    mates = np.isfinite(searches.own)
    recognised = float(np.mean(searches.own[mates] >= value)) if mates.any() else 0.0
    return Threshold(
        value, fmr, trials, strangers, searched, effective, matches, lower, upper, recognised,
        enough=effective >= 1 / rate,
    )  # fmt: skip


def effective_number(values: Floats, groups: Labels) -> float:
    """How many independent values say as much as these, which are alike within groups.

    The number by Kish's design effect, 1 + (mean size - 1) * the intraclass correlation, which is estimated from a
    one-way analysis of variance (Donner, "A review of inference procedures for the intraclass correlation coefficient",
    1986). At least the number of groups, at most that of values.
    """
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    number, kinds = len(values), len(sizes)
    if kinds < 2 or number <= kinds:
        return float(number)
    values = values.astype(np.float64)
    means = np.bincount(codes, values) / sizes
    between = float((sizes * (means - values.mean()) ** 2).sum()) / (kinds - 1)
    within = float(((values - means[codes]) ** 2).sum()) / (number - kinds)
    size = (number - (sizes**2).sum() / number) / (kinds - 1)
    total = between + (size - 1) * within
    alike = 0.0 if total <= 0 else min(1.0, max(0.0, (between - within) / total))
    effect = 1 + ((sizes**2).sum() / number - 1) * alike
    return float(min(number, max(kinds, number / effect)))


def chance_matches(faces: int, rate: float, chance: float) -> int:
    """The least number of matches among `faces` that strangers, matched at `rate`, reach with at most this chance."""
    return int(binom.isf(chance, faces, rate)) + 1


def least_share(faces: int, needed: int, recognised: float, confidence: float = CONFIDENCE) -> float | None:
    """The smallest share of a model's faces that are one person's with which `needed` matches are as good as certain.

    A face of the person is matched at the rate `recognised`. None where not even all faces would do.
    """
    low, high = 0.0, recognised
    if faces < needed or binom.sf(needed - 1, faces, high) < confidence:
        return None
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if binom.sf(needed - 1, faces, middle) >= confidence else (middle, high)
    return high / recognised


@dataclass(frozen=True, slots=True)
class MeanFaces:
    """How near the mean faces of `cohorts` random cohorts, each of `people` of the catalog, come to anyone.

    `distance` to the nearest person and `score` are medians, `high` is the score that one in twenty exceeds; `matched`
    is the share that reaches the threshold.
    """

    people: int
    cohorts: int
    distance: float
    score: float
    high: float
    matched: float


def mean_faces(vectors: Floats, people: Labels, cohort: int, threshold: float, seed: int = 0) -> MeanFaces | None:
    """Mean faces of random cohorts of `cohort` named people, searched among all named faces, their own too.

    A mean of embeddings is shorter than they are and is brought to their mean length. None with too few people.
    """
    _, groups = np.unique(people, return_inverse=True)
    everybody = grouped(vectors, groups)
    sizes = np.bincount(groups)
    if not 2 <= cohort < len(sizes):
        return None
    centres = np.add.reduceat(everybody.vectors, everybody.starts, axis=0) / sizes[:, None]
    length = float(np.linalg.norm(vectors, axis=1).mean())
    chance = np.random.default_rng(seed)
    means = np.stack([centres[chance.choice(len(sizes), cohort, replace=False)].mean(axis=0) for _ in range(COHORTS)])
    means *= length / np.linalg.norm(means, axis=1, keepdims=True)
    least = np.concatenate([everybody.least(means[at : at + BLOCK]) for at in range(0, COHORTS, BLOCK)])
    told = scores(least).max(axis=1)
    return MeanFaces(
        cohort, COHORTS, float(np.median(least.min(axis=1))), float(np.median(told)),
        float(np.quantile(told, 0.95)), float(np.mean(told >= threshold)),
    )  # fmt: skip
