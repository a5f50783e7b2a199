"""A confidence is what it says: of guesses made with 70 %, seven in ten or more are right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.faces.confidence import ENOUGH, Likeness, calibrate, looks


def people(number: int, faces: int, spread: float, seed: int = 0, dim: int = 24) -> np.ndarray:
    """Vectors [number, faces, d] around a centre a person."""
    draws = np.random.default_rng(seed)
    centres = draws.normal(size=(number, 1, dim)) / np.sqrt(dim)
    return (centres + spread * draws.normal(size=(number, faces, dim)) / np.sqrt(dim)).astype("f4")


def test_looks_are_the_mean_square_of_all_pairs() -> None:
    vectors = people(2, 5, 0.5).reshape(10, -1)
    one, other = np.arange(4), np.arange(4, 10)
    pairs = ((vectors[one][:, None].astype(float) - vectors[other][None]) ** 2).sum(2)
    assert looks(vectors, [one]).distances(looks(vectors, [other]))[0, 0] == pytest.approx(pairs.mean() ** 0.5)


def test_among_too_few_people_nothing_is_said() -> None:
    vectors = people(ENOUGH - 1, 6, 0.3)
    rows = np.arange(len(vectors) * 6).reshape(-1, 6)
    flat = vectors.reshape(-1, vectors.shape[2])
    assert calibrate(flat, list(rows), range(len(rows))) is None
    assert calibrate(flat, [], []) is None
    again = [*rows, *rows]  # looks of the same people are no more people
    assert calibrate(flat, again, [*range(len(rows)), *range(len(rows))]) is None


@pytest.mark.parametrize("spread", [0.7, 1.0])
def test_the_confidence_is_borne_out(spread: float) -> None:
    """Half of the people are known; faces of all of them are guessed at, so that the chance beforehand is even."""
    known, met = 60, 120
    every = people(met, 40, spread)
    rows = [np.arange(20) + 40 * person for person in range(known)]
    flat = every.reshape(-1, every.shape[2])
    likeness = calibrate(flat, rows, range(known))
    assert likeness is not None
    assert likeness.slope < 0
    asked = [np.array([40 * person + at]) for person in range(met) for at in range(20, 40)]
    sure = likeness.confidence(looks(flat, asked).distances(looks(flat, rows)))
    best, top = sure.argmax(1), sure.max(1)
    right = best == np.repeat(np.arange(met), 20)
    for low, high in ((0.0, 0.3), (0.3, 0.6), (0.6, 0.9), (0.9, 1.01)):
        band = (top >= low) & (top < high)
        if band.sum() >= 100:
            assert right[band].mean() > top[band].mean() - 0.1  # rather too little than too much
            if spread == 0.7:  # where no more is near than in life, it is to the point
                assert right[band].mean() < top[band].mean() + 0.15
    assert right[top >= 0.9].mean() > 0.9
    assert (top >= 0.9).sum() > 150


@given(arrays(float, (3, 4), elements=st.floats(0, 5)), st.floats(-50, 50), st.floats(-60, 0))
def test_confidences_are_shares_and_the_nearer_is_the_surer(
    distances: np.ndarray, at_nought: float, slope: float
) -> None:
    sure = Likeness(at_nought, slope, 1, 1).confidence(distances)
    assert ((sure >= 0) & (sure <= 1)).all()
    assert (sure.sum(1) <= 1 + 1e-9).all()
    for far, confident in zip(distances, sure, strict=True):
        assert (np.diff(confident[np.argsort(far)]) <= 1e-12).all()


def test_two_who_are_alike_share_it_and_the_denied_has_none() -> None:
    sure = Likeness(40, -40, 1, 1).confidence(np.array([[0.3, 0.3, np.inf]]))
    assert sure[0, 0] == sure[0, 1] == pytest.approx(0.5, abs=0.01)
    assert sure[0, 2] == 0
