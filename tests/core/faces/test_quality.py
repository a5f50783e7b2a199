"""Sharpness falls as a face blurs, whatever its size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from core.faces.quality import sharpness


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
