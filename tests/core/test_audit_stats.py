"""The audit's arithmetic against closed forms and slow, obvious versions of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom, mannwhitneyu

from core import audit_stats as stats

VALUES = arrays(np.float64, st.integers(1, 200), elements=st.floats(0, 2, width=32))


@pytest.mark.parametrize(("trials", "confidence"), [(1, 0.95), (10, 0.95), (59, 0.95), (1000, 0.99)])
def test_upper_bound_of_nothing_found_has_a_closed_form(trials: int, confidence: float) -> None:
    assert stats.upper_bound(0, trials, confidence) == pytest.approx(1 - (1 - confidence) ** (1 / trials))


def test_upper_bound_at_the_ends() -> None:
    assert stats.upper_bound(5, 5) == 1.0
    assert stats.upper_bound(0, 0) == 1.0
    assert stats.upper_bound(0, 300) == pytest.approx(3 / 300, rel=0.02)  # the rule of three


@given(st.integers(1, 400), st.data())
def test_upper_bound_is_the_rate_that_makes_so_few_rare(trials: int, data: st.DataObject) -> None:
    matches = data.draw(st.integers(0, trials - 1))
    bound = stats.upper_bound(matches, trials)
    assert binom.cdf(matches, trials, bound) == pytest.approx(0.05, rel=1e-6)
    assert bound > matches / trials


@given(st.integers(1, 300), st.data())
def test_the_interval_holds_the_rate_seen(trials: int, data: st.DataObject) -> None:
    matches = data.draw(st.integers(0, trials))
    lower, upper = stats.interval(matches, trials)
    assert 0 <= lower <= matches / trials <= upper <= 1


@given(
    arrays(np.float32, st.tuples(st.integers(2, 30), st.just(3)), elements=st.floats(-1, 1, width=16)),
    st.randoms(use_true_random=False),
)
def test_distances_to_groups_equal_the_obvious_way(vectors: np.ndarray, chance: object) -> None:
    labels = np.array([chance.randint(0, 4) for _ in vectors])  # type: ignore[attr-defined]
    photos = np.arange(len(vectors)) // 2
    groups = np.unique(labels, return_inverse=True)[1]
    found = stats.grouped(vectors, groups, photos)
    least, mean = found.least(vectors, photos), found.mean(vectors)
    for row, vector in enumerate(vectors.astype(np.float64)):
        apart = np.linalg.norm(vectors - vector, axis=1)
        for group in range(groups.max() + 1):
            own = groups == group
            elsewhere = own & (photos != photos[row])
            assert mean[row, group] == pytest.approx(apart[own].mean(), abs=3e-3)
            if elsewhere.any():
                assert least[row, group] == pytest.approx(apart[elsewhere].min(), abs=3e-3)
            else:
                assert least[row, group] == np.inf


def test_a_person_in_the_midst_of_their_faces_ranks_first() -> None:
    vectors = np.array([[0, 0], [0, 1], [5, 5], [5, 6], [-9, 0]], dtype=np.float32)
    by_person = stats.grouped(vectors, np.array([0, 0, 1, 1, 2])).mean(np.array([[0, 0.5], [5, 5.5]], dtype=np.float32))
    assert by_person[0, 0] == pytest.approx(0.5)
    assert stats.ranks(by_person, 0).tolist() == [1, 2]
    assert stats.ranks(by_person, 2).tolist() == [3, 3]


@given(VALUES, VALUES)
def test_nearer_share_is_mann_whitneys_u(members: np.ndarray, others: np.ndarray) -> None:
    expected = 1 - mannwhitneyu(members, others).statistic / (len(members) * len(others))
    assert stats.nearer_share(members, others) == pytest.approx(expected)
    assert stats.nearer_share(members, members) == pytest.approx(0.5)


def test_spread() -> None:
    assert stats.spread([1.0, 3.0]) == stats.Spread(2.0, pytest.approx(math.sqrt(2)), 2)
    assert math.isnan(stats.spread([]).mean)
