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


@given(VALUES, st.floats(1e-4, 0.5))
def test_the_threshold_reaches_the_rate_and_no_smaller_one_does(impostors: np.ndarray, fmr: float) -> None:
    found = stats.threshold_at(impostors, fmr)
    share = np.count_nonzero(impostors <= found.value) / len(impostors)
    below = np.count_nonzero(impostors < found.value) / len(impostors)
    assert share >= fmr - 1e-9
    assert below < fmr
    assert found.matches == np.count_nonzero(impostors <= found.value)


def test_the_threshold_by_hand() -> None:
    impostors = np.arange(1, 10_001) / 10_000
    found = stats.threshold_at(impostors, 1e-3)
    assert (found.value, found.matches, found.enough) == (0.001, 10, True)
    assert found.lower < 1e-3 < found.upper
    assert not stats.threshold_at(impostors[:9_999], 1e-3).enough
    assert stats.pairs_needed(1e-3) == 10_000


def test_no_pairs_allow_no_threshold() -> None:
    found = stats.threshold_at(np.empty(0), 1e-3)
    assert (found.value, found.enough, found.upper) == (0.0, False, 1.0)


@given(
    arrays(np.float32, st.tuples(st.integers(2, 40), st.just(3)), elements=st.floats(-1, 1, width=16)),
    st.randoms(use_true_random=False),
    st.sampled_from([0.5, 0.1, 0.01]),
)
def test_impostors_in_blocks_equal_all_pairs(vectors: np.ndarray, chance: object, fmr: float) -> None:
    people = np.array([chance.randint(0, 3) for _ in vectors])  # type: ignore[attr-defined]
    slow = [
        float(np.linalg.norm(vectors[i].astype(np.float64) - vectors[j]))
        for i in range(len(vectors))
        for j in range(i + 1, len(vectors))
        if people[i] != people[j]
    ]
    smallest, total = stats.impostor_distances(vectors, people, fmr)
    assert total == len(slow)
    if slow:
        fast = stats.threshold_at(smallest, fmr, total)
        assert fast.value == pytest.approx(stats.threshold_at(np.array(slow), fmr).value, abs=2e-3)


def test_impostors_over_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(1).normal(size=(60, 8)).astype(np.float32)
    people = np.arange(60) % 7
    whole = stats.impostor_distances(vectors, people, 0.05)
    monkeypatch.setattr(stats, "BLOCK", 7)
    parts = stats.impostor_distances(vectors, people, 0.05)
    assert whole[1] == parts[1]
    assert np.allclose(np.sort(whole[0]), np.sort(parts[0]), atol=1e-5)


def test_a_person_in_the_midst_of_their_faces_ranks_first() -> None:
    vectors = np.array([[0, 0], [0, 1], [5, 5], [5, 6], [-9, 0]], dtype=np.float32)
    people = np.array([1, 1, 2, 2, 3])
    by_person = stats.person_distances(np.array([[0, 0.5], [5, 5.5]], dtype=np.float32), vectors, people, [1, 2, 3])
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
