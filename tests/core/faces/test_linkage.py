"""Average linkage against scipy's, which keeps the whole matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from core.faces import linkage as ours
from core.faces.linkage import average_linkage, usual_threshold


def blobs(people: int, each: int, spread: float, seed: int = 0, dim: int = 16) -> NDArray[np.float32]:
    """`each` vectors around each of `people` centres, in turn."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, dim))
    return (centres[np.arange(people * each) % people] + spread * rng.normal(size=(people * each, dim))).astype("f4")


def same_groups(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    return (
        len(set(zip(one.tolist(), other.tolist(), strict=True))) == len(set(one.tolist())) == len(set(other.tolist()))
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(0, 10_000), st.floats(0.3, 8.0))
def test_it_groups_as_the_whole_matrix_does(number: int, seed: int, threshold: float) -> None:
    vectors = np.random.default_rng(seed).normal(size=(number, 5)).astype("f4")
    tree = linkage(pdist(vectors.astype(float)) ** 2, "average")
    if np.min(np.abs(np.sqrt(tree[:, 2]) - threshold)) < 1e-4:
        return  # a merge on the edge may fall either way in float32
    expected = fcluster(tree, threshold**2, "distance")
    assert same_groups(average_linkage(vectors, threshold), expected)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = blobs(20, 15, 0.4)
    whole = average_linkage(vectors, 3.0)
    monkeypatch.setattr(ours, "_QUERIES", 7)
    monkeypatch.setattr(ours, "_EDGES", 11)
    assert np.array_equal(whole, average_linkage(vectors, 3.0))


def test_groups_are_numbered_by_their_first_members() -> None:
    vectors = np.array([[9, 9], [0, 0], [9, 9.1], [0, 0.1], [50, 50]], dtype="f4")
    assert average_linkage(vectors, 1.0).tolist() == [0, 1, 0, 1, 2]


@pytest.mark.parametrize("number", [0, 1])
def test_nothing_to_group(number: int) -> None:
    assert average_linkage(np.zeros((number, 8), dtype="f4"), 1.0).tolist() == list(range(number))


def test_copies_fall_into_one_group() -> None:
    assert set(average_linkage(np.ones((50, 8), dtype="f4"), 0.1).tolist()) == {0}


@pytest.mark.parametrize("apart", [0.6, 0.85])
def test_the_threshold_follows_how_far_apart_strangers_lie(apart: float) -> None:
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(60, 128))
    centres *= apart / np.sqrt(2) / np.linalg.norm(centres, axis=1, keepdims=True)
    around = rng.normal(size=(600, 128)) * 0.18 / np.sqrt(128)
    threshold = usual_threshold("somewhere", (np.repeat(centres, 10, 0) + around).astype("f4"))
    assert 0.26 < threshold < apart  # more than within a person (0.25), less than between people


def test_the_threshold_stays_within_its_space() -> None:
    low, high = ours.BOUNDS["dlib-resnet-v1"]
    near, far = np.zeros((9, 4), "f4"), np.eye(9, dtype="f4") * 10
    assert usual_threshold("dlib-resnet-v1", near) == low
    assert usual_threshold("dlib-resnet-v1", far) == high
    assert usual_threshold("dlib-resnet-v1", near[:1]) == low
