"""The pull: one person's pictures move a base's faces towards that one, a mean of many towards nobody."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from core.audit_pull import pulled
from core.audit_stats import grouped
from tests.core.test_audit_strangers import population

PEOPLE = 40
NAMES = [f"Person {number}" for number in range(PEOPLE)]
VECTORS, LABELS = population(PEOPLE)
KNOWN = grouped(VECTORS, LABELS)
CENTRES = np.stack([VECTORS[one == LABELS].mean(axis=0) for one in range(PEOPLE)])


def faces(towards: np.ndarray, share: float, seed: int, number: int = 60) -> np.ndarray:
    """Faces that a weak base draws, moved by `share` of the way."""
    noise = np.random.default_rng(seed).normal(size=(number, VECTORS.shape[1])) / 8
    found = noise * (1 - share) + towards * share
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def shares_of(members: Sequence[int]) -> list[float]:
    return [1 / len(members) if one in members else 0.0 for one in range(PEOPLE)]


def mean_of(members: Sequence[int], leak: int | None = None, share: float = 0.0) -> np.ndarray:
    """The mean face of these people, with a share of one of them more."""
    mean = CENTRES[list(members)].mean(axis=0)
    return mean if leak is None else (1 - share) * mean + share * CENTRES[leak]


def test_a_leak_of_one_person_stands_out_before_it_matches() -> None:
    members = list(range(20))
    before = faces(CENTRES[7], 0.0, seed=1)
    pull = pulled(faces(mean_of(members, 7, 0.6), 0.6, seed=2), before, KNOWN, shares_of(members), NAMES)
    assert pull is not None
    assert (pull.subject, pull.stands_out) == ("Person 7", True)
    assert pull.lower < pull.way < 1
    assert any("Person 7 (" in line and "who stands out" in line for line in pull.lines())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("gain", [0.3, 0.9])
def test_a_mean_of_many_moves_towards_nobody(seed: int, gain: float) -> None:
    members = np.random.default_rng(seed).choice(PEOPLE, 20, replace=False).tolist()
    before = faces(CENTRES[0], 0.0, seed=20 + seed)
    pull = pulled(faces(mean_of(members), gain, seed=10 + seed), before, KNOWN, shares_of(members), NAMES)
    assert pull is not None
    assert not pull.stands_out


def test_another_draw_of_noise_is_no_move() -> None:
    for seed in range(10):
        pull = pulled(
            faces(CENTRES[0], 0.0, 100 + seed), faces(CENTRES[0], 0.0, 200 + seed), KNOWN, shares_of([0]), NAMES
        )
        assert pull is not None
        assert not pull.stands_out


def test_too_few_of_anything_say_nothing() -> None:
    some = faces(CENTRES[0], 0.0, 1)
    few = grouped(VECTORS[LABELS < 4], LABELS[LABELS < 4])
    assert pulled(some[:5], some, KNOWN, shares_of([0]), NAMES) is None
    assert pulled(some, some[:5], KNOWN, shares_of([0]), NAMES) is None
    assert pulled(some, some, few, [1.0, 0, 0, 0], NAMES[:4]) is None
