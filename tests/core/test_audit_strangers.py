"""The strangers' threshold: calibrated on people who are surely different, corrected for how many are searched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from core import audit_strangers as strangers
from core.audit_strangers import Searches, chance_matches, effective_number, least_share, mean_faces, scores, search

DIM = 64


def population(people: int, faces: int = 8, spread: float = 0.35, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of so many people around centres of their own, and whose each is."""
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(people, DIM))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    found = np.repeat(centres, faces, axis=0) + spread * chance.normal(size=(people * faces, DIM)) / np.sqrt(DIM)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found.astype(np.float32), np.repeat(np.arange(people), faces)


def searched(people: int, **more: float) -> Searches:
    vectors, labels = population(people, **more)  # type: ignore[arg-type]
    return search(vectors, labels, np.arange(len(labels)))


def test_a_score_is_how_far_one_stands_out() -> None:
    least = np.array([[1.0, 3.0, 3.0, 3.0, np.inf], [2.0, 2.0, 2.0, 2.0, 2.0]])
    told = scores(least)
    assert told[0].tolist() == pytest.approx([3**0.5, -(3**-0.5), -(3**-0.5), -(3**-0.5), -np.inf])
    assert told[1].tolist() == [0.0] * 5


def test_own_faces_are_found_and_strangers_are_not() -> None:
    found = searched(40)
    threshold = strangers.threshold_at(found, 0.02, 40)
    assert (threshold.searches, threshold.strangers, threshold.searched) == (320, 40, 40)
    assert threshold.recognised == 1.0
    assert threshold.lower <= threshold.matches / threshold.searches <= threshold.upper
    assert threshold.value == np.sort(found.others)[-threshold.matches]
    assert threshold.enough


def test_new_strangers_are_taken_for_somebody_about_as_often_as_asked() -> None:
    """The rate holds for people whom the calibration never saw: the size of the test."""
    vectors, labels = population(80, seed=3)
    inside = labels < 60
    threshold = strangers.threshold_at(search(vectors[inside], labels[inside], np.arange(inside.sum())), 0.05, 60)
    known = strangers.grouped(vectors[inside], labels[inside])
    rate = np.mean(scores(known.least(vectors[~inside])).max(axis=1) >= threshold.value)
    assert rate <= threshold.upper
    assert threshold.upper < 0.15


def test_the_more_people_are_searched_the_stricter_the_threshold() -> None:
    found = searched(40)
    few, many = (strangers.threshold_at(found, 0.2, number) for number in (39, 400))
    assert many.value > few.value
    assert many.matches < few.matches
    assert many.upper > few.upper * 0.5  # the rate among all is what is bounded, not that among the named


def test_too_few_strangers_know_no_small_rate() -> None:
    found = searched(12)
    assert strangers.threshold_at(found, 0.1, 12).enough
    assert not strangers.threshold_at(found, 0.001, 12).enough
    alone = searched(1)
    threshold = strangers.threshold_at(alone, 0.1, 1)
    assert (threshold.enough, threshold.value) == (False, np.inf)


def test_more_faces_than_are_searched_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "MOST", 50)
    found = searched(40)
    assert len(found.others) == len(found.people) == 50
    assert found.known == 40
    assert (searched(40).others == found.others).all()


@given(st.integers(2, 30), st.integers(1, 10), st.integers(0, 5))
def test_the_effective_number_lies_between_groups_and_values(groups: int, size: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=groups * size)
    number = effective_number(values, np.repeat(np.arange(groups), size))
    assert groups <= number <= groups * size
    alike = effective_number(np.repeat(np.arange(groups, dtype=float), size), np.repeat(np.arange(groups), size))
    assert alike == pytest.approx(groups)


@given(st.integers(1, 300), st.floats(0.001, 0.3))
def test_chance_matches_are_as_rare_as_told(faces: int, rate: float) -> None:
    needed = chance_matches(faces, rate, 0.01)
    assert binom.sf(needed - 1, faces, rate) <= 0.01
    assert needed == 0 or binom.sf(needed - 2, faces, rate) > 0.01


def test_the_least_share_that_would_be_found() -> None:
    share = least_share(64, 10, 0.9)
    assert share is not None
    assert binom.sf(9, 64, share * 0.9) == pytest.approx(0.95, abs=1e-3)
    assert least_share(64, 10, 0.1) is None
    assert least_share(5, 10, 1.0) is None


def test_mean_faces_resemble_nobody_though_they_lie_near_to_all() -> None:
    vectors, labels = population(40)
    found = search(vectors, labels, np.arange(len(labels)))
    threshold = strangers.threshold_at(found, 0.02, 40)
    mean = mean_faces(vectors, labels, 20, threshold.value)
    assert mean is not None
    assert mean.matched <= 0.02
    assert mean.score < threshold.value - 0.5
    known = strangers.grouped(vectors, labels)
    own = np.median([known.least(vectors[labels == one])[:, labels[labels != one]].min() for one in range(5)])
    assert mean.distance < own  # nearer than any two people
    assert mean_faces(vectors, labels, 40, 0.0) is None
    assert mean_faces(vectors, labels, 1, 0.0) is None
