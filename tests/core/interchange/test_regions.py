from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from core.interchange import regions

ORIENTATIONS = range(1, 9)
EDGES = st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_region_is_where_the_turned_pixels_are(orientation: int) -> None:
    pixels = np.zeros((60, 80), dtype=np.uint8)  # as stored
    pixels[10:20, 50:70] = 255
    stored = (50 / 80, 10 / 60, 70 / 80, 20 / 60)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(pixels)
    picture.getexif()[0x0112] = orientation
    turned = np.asarray(ImageOps.exif_transpose(picture))
    rows, columns = np.nonzero(turned)
    height, width = turned.shape
    seen = (columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height)
    assert regions.upright(stored, orientation) == pytest.approx(seen)
    assert regions.stored_size(width, height, orientation) == (80, 60)


@given(EDGES, EDGES, st.sampled_from(ORIENTATIONS))
def test_there_and_back_is_the_same(across: list[float], down: list[float], orientation: int) -> None:
    area = (across[0], down[0], across[1], down[1])
    assert regions.stored(regions.upright(area, orientation), orientation) == pytest.approx(area)


def test_overlap() -> None:
    assert regions.overlap((0, 0, 1, 1), (0, 0, 1, 0.5)) == pytest.approx(0.5)
    assert regions.overlap((0, 0, 0.4, 1), (0.5, 0, 1, 1)) == 0
    assert regions.overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0
