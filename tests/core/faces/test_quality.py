"""Sharpness falls as a face blurs, whatever its size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from core.faces.quality import pose, sharpness


@pytest.fixture
def texture() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 255, (160, 160, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def test_blur_lowers_it(texture: Image.Image) -> None:
    box = (10.0, 10.0, 150.0, 150.0)
    levels = [sharpness(texture.filter(ImageFilter.GaussianBlur(radius)), box) for radius in (0, 1, 2, 4)]
    assert levels == sorted(levels, reverse=True)
    assert sharpness(Image.new("RGB", (160, 160), "grey"), box) == 0


def test_an_enlarged_face_is_no_sharper(texture: Image.Image) -> None:
    face = texture.filter(ImageFilter.GaussianBlur(2))
    large = face.resize((480, 480), Image.Resampling.BICUBIC)
    assert sharpness(large, (0, 0, 480, 480)) == pytest.approx(sharpness(face, (0, 0, 160, 160)), rel=0.2)


edge = st.floats(-300, 300)


@given(edge, edge, edge, edge)
def test_a_box_may_lie_anywhere(x0: float, y0: float, x1: float, y1: float) -> None:
    assert sharpness(Image.new("RGB", (60, 40), "white"), (x0, y0, x1, y1)) == 0


FRONT = np.array([[-30.0, 0, 0], [30, 0, 0], [0, 36, -36], [-22, 60, 0], [22, 60, 0]])
"""Eyes, tip of the nose, corners of the mouth in three dimensions: x to the right, y down, z away."""


def held(yaw: float, pitch: float, roll: float) -> NDArray[np.float32]:
    """The landmarks of that face turned so, seen from afar."""
    a, b, c = (math.radians(angle) for angle in (yaw, pitch, roll))
    turned = np.array([[math.cos(a), 0, -math.sin(a)], [0, 1, 0], [math.sin(a), 0, math.cos(a)]])
    nodded = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    leaned = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    return (FRONT @ (leaned @ nodded @ turned).T)[:, :2].astype(np.float32) + 100


def test_a_face_that_looks_straight_ahead() -> None:
    found = pose(held(0, 0, 0))
    assert (found.yaw, found.pitch, found.roll) == pytest.approx((0, 0, 0), abs=1e-4)


@given(st.floats(-40, 40), st.floats(-179, 179))
def test_a_turned_head_is_turned_whichever_way_it_leans(yaw: float, roll: float) -> None:
    found = pose(held(yaw, 0, roll))
    assert found.yaw == pytest.approx(yaw, abs=6)
    assert found.roll == pytest.approx(roll, abs=1e-3)
    assert abs(found.pitch) < 6


@given(st.floats(-30, 30))
def test_a_nod_is_told_by_its_sign(pitch: float) -> None:
    found = pose(held(0, pitch, 0))
    assert found.pitch * pitch >= -1
    assert abs(found.yaw) < 1e-3


@given(arrays(np.float32, (5, 2), elements=st.floats(-1e4, 1e4, width=32)))
def test_any_landmarks_give_an_angle(landmarks: NDArray[np.float32]) -> None:
    found = pose(landmarks)
    assert all(math.isfinite(angle) and abs(angle) <= 180 for angle in (found.yaw, found.pitch, found.roll))
