"""Pairs sought in cells alone, and the groups made along them, beside those of all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from core.faces import linkage, near_pairs
from core.faces.linkage import average_linkage


def made_up(people: int, seed: int = 0, dim: int = 64) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit vectors of people with very different numbers of faces, and of as many strangers seen once."""
    draws = np.random.default_rng(seed)
    sizes = np.minimum(400, 1 + draws.pareto(0.8, people) * 2).astype(int)
    whose = draws.permutation(np.concatenate([np.repeat(np.arange(people), sizes), people + np.arange(people)]))
    centres = draws.normal(size=(2 * people, dim))
    vectors = centres[whose] / np.sqrt(dim) + 0.5 * draws.normal(size=(len(whose), dim)) / np.sqrt(dim)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("f4"), whose


def f1(labels: NDArray[np.int64], whose: NDArray[np.int64]) -> float:
    """Harmonic mean of precision and recall over pairs."""

    def pairs(keys: NDArray[np.int64]) -> int:
        return sum(n * (n - 1) // 2 for n in np.unique(keys, return_counts=True)[1].tolist())

    return 2 * pairs(labels * (whose.max() + 1) + whose) / (pairs(labels) + pairs(whose))


def test_the_pairs_are_near_and_hold_nearly_all_nearest_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_pairs, "NEAR_CELLS", 6)
    vectors, _ = made_up(300)
    first, second = near_pairs.near_pairs(vectors, 0.9)
    assert (first < second).all()
    assert len(set(zip(first.tolist(), second.tolist(), strict=True))) == len(first)
    assert (np.linalg.norm(vectors[first] - vectors[second], axis=1) <= 0.9 + 1e-5).all()
    apart = 2 - 2 * vectors @ vectors.T
    np.fill_diagonal(apart, np.inf)
    nearest = apart.argmin(1)
    near = np.flatnonzero(apart.min(1) <= 0.9**2)
    seen = set(zip(first.tolist(), second.tolist(), strict=True))
    hits = sum((min(a, b), max(a, b)) in seen for a, b in zip(near.tolist(), nearest[near].tolist(), strict=True))
    assert len(vectors) > 4 * near_pairs.CELL
    assert hits >= 0.98 * len(near) > 500


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_many_faces_are_grouped_as_few_are(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    vectors, whose = made_up(300, seed)
    monkeypatch.setattr(linkage, "EXACT", len(vectors))
    exact = average_linkage(vectors, 0.85)
    monkeypatch.setattr(linkage, "EXACT", 100)
    along = average_linkage(vectors, 0.85)
    assert f1(exact, whose) > 0.99
    assert f1(along, whose) > f1(exact, whose) - 0.002
    assert f1(along, exact) > 0.995


def test_no_two_groups_within_the_threshold_stay_apart_and_none_is_wider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linkage, "EXACT", 10)
    draws = np.random.default_rng(5)
    vectors = draws.normal(size=(600, 3)).astype("f4")  # no people at all: the worst for any grouping
    labels = average_linkage(vectors, 1.0)
    members = [vectors[labels == label].astype(float) for label in range(labels.max() + 1)]
    centres = np.array([part.mean(0) for part in members])
    norms = np.array([(part**2).sum(1).mean() for part in members])
    apart = norms[:, None] + norms - 2 * centres @ centres.T
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 1.0 - 1e-4
    spread = norms - (centres**2).sum(1)  # a group of two halves within t has a spread of at most t^2 / 2
    assert spread.max() <= 0.5 + 1e-4
    assert 2 < len(members) < 300


def test_a_group_takes_in_several_but_does_not_more_than_double() -> None:
    groups = linkage.singles(np.zeros((7, 4), "f4"))
    groups.merge(np.array([0, 0]), np.array([1, 2]))
    assert groups.weights[0] == 3
    ones = np.array([3, 4, 5, 6])
    into, taken = linkage._chosen(groups, np.zeros(7, bool), np.zeros(4, int), ones, np.zeros(4, "f4"))
    assert into.tolist() == [0, 0, 0]
    assert len(set(taken.tolist())) == 3
