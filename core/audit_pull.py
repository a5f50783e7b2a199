"""Does a model pull its base's faces towards one person, though none of them comes near enough to match?

A weak base draws nobody well, and a leak shows as a direction before it shows as a likeness. What is looked at is the
mean distance to everybody, from the base's faces to the model's: drawing one person changes it as that person's own
faces differ from the base's, an honest average as the mean of its people does. How much of the way to one person the
faces went, beyond the way to all others in the model, is a regression on these two patterns. An honest average has a
nearest person too: so the limit comes from mean faces of random cohorts of as many people, drawn as
variously as the base draws. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.audit_stats import Floats, Grouped, Labels

LEAST_PEOPLE = 12  # fewer don't tell what is usual
LEAST_FACES = 10
COHORTS = 200  # random ones, whose mean faces set the limit
LEAST_COHORT = 10  # people in each, at least
MOST_FACES = 48  # of the base, whose differences such faces have
CHANCE = 0.01  # with which an honest average passes the limit
BOUND = 1.645  # standard errors below the estimate: 95 %, one side


@dataclass(frozen=True, slots=True)
class Pull:
    """The person towards whom faces moved most from the base: `way` of the way to them beyond the others in the model,
    0 none, 1 all; at least `lower` (95 %). Of `cohorts` honest averages one in a hundred goes beyond `limit`.
    """

    subject: str
    way: float
    lower: float
    limit: float
    cohorts: int

    @property
    def stands_out(self) -> bool:
        """Whether the faces went further towards this person than an average of many does."""
        return self.lower > self.limit

    def lines(self) -> Iterator[str]:
        """For people."""
        verb = "stands out" if self.stands_out else "does not stand out"
        yield (
            f"  from the base, faces went {self.way:.0%} of the way to {self.subject} ({self.lower:.0%} at least), who "
            f"{verb}: honest averages go {self.limit:.0%}"
        )


def pulled(
    now: Floats, before: Floats, people: Grouped, shares: Sequence[float], names: Sequence[str], seed: int = 0
) -> Pull | None:
    """From the base's faces [m, d] to the model's [n, d]; `shares` in the model and `names` of people as in `people`.

    None with too few faces or people.
    """
    if min(len(now), len(before)) < LEAST_FACES or len(names) < LEAST_PEOPLE:
        return None
    drawn, base = _relative(people.mean(now)), _relative(people.mean(before))
    start = base.mean(axis=0)
    patterns = _relative(_to_each(people)) - start
    moved = drawn.mean(axis=0) - start
    at = int(moved.argmin())
    weights = _way_weights(patterns, at, np.asarray(shares, dtype=np.float64))
    way = float(weights @ moved)
    error = math.sqrt((drawn @ weights).var(ddof=1) / len(drawn) + (base @ weights).var(ddof=1) / len(base))
    cohort = min(max(LEAST_COHORT, int(np.count_nonzero(shares))), len(names) - 1)
    limit = _limit(before, people, patterns, start, cohort, seed)
    return Pull(names[at], way, way - BOUND * error, limit, COHORTS)


def _limit(before: Floats, people: Grouped, patterns: Floats, start: Floats, cohort: int, seed: int) -> float:
    """The way that honest averages go beyond with the chance `CHANCE`.

    Their faces differ as the base's do, around the mean face of a random cohort.
    """
    apart = (before - before.mean(axis=0))[:MOST_FACES]
    chance = np.random.default_rng(seed)
    number = len(people.starts)
    centres = np.add.reduceat(people.vectors, people.starts, axis=0) / people.sizes[:, None]
    length = float(np.linalg.norm(people.vectors, axis=1).mean())
    ways = []
    for _ in range(COHORTS):
        members: Labels = chance.choice(number, cohort, replace=False)
        mean = centres[members].mean(axis=0)
        faces = mean * (length / np.linalg.norm(mean)) + apart
        faces *= length / np.linalg.norm(faces, axis=1, keepdims=True)
        moved = _relative(people.mean(faces.astype(np.float32))).mean(axis=0) - start
        at = int(moved.argmin())
        shares = np.zeros(number)
        shares[members] = 1 / cohort
        ways.append(float(_way_weights(patterns, at, shares) @ moved))
    return float(np.quantile(ways, 1 - CHANCE))


def _way_weights(patterns: Floats, at: int, shares: Floats) -> Floats:
    """Weights [people] whose product with a move is the part of it that goes to person `at`.

    The coefficient of that person's pattern in a regression of the move on it, on the pattern of the others in the
    model by their shares (of everybody, where there is no other), and on a constant.
    """
    others = shares.copy()
    others[at] = 0
    if not others.any():
        others[:] = 1
        others[at] = 0
    mean = others @ patterns / others.sum()
    design = np.stack([patterns[at], mean, np.ones(len(shares))], axis=1)
    found: Floats = np.linalg.pinv(design)[0]
    return found


def _to_each(people: Grouped) -> Floats:
    """Mean distances [people, people] between the faces of each and of each; to themselves between different faces."""
    rows = np.add.reduceat(people.mean(people.vectors), people.starts, axis=0) / people.sizes[:, None]
    own = np.diagonal(rows).copy()
    several = people.sizes > 1
    own[several] *= people.sizes[several] / (people.sizes[several] - 1)  # a face's distance to itself is none
    own[~several] = own[several].mean() if several.any() else 0.0
    np.fill_diagonal(rows, own)
    found: Floats = rows
    return found


def _relative(found: Floats) -> Floats:
    """Distances in standard deviations from the mean of the same face's to everybody."""
    found = found.astype(np.float64)
    spread = found.std(axis=1, keepdims=True)
    told: Floats = (found - found.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    return told
