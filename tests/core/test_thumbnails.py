"""Thumbnails: made once, private, of the file that was indexed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from core.errors import BadImage
from core.thumbnails import thumbnail
from storage.catalog import Catalog
from tests.core.test_image import indexed, red, two_halves

TakePicture = Callable[..., Path]


def test_a_thumbnail_is_made_once_private_and_upright(catalog: Catalog, tmp_path: Path) -> None:
    photo = indexed(two_halves(tmp_path / "a.jpg", 6, size=(1600, 900)))
    made = thumbnail(catalog, photo, 100)
    assert made.stat().st_mode & 0o777 == 0o600
    with Image.open(made) as small:
        assert red(small) == "top"
        assert max(small.size) == 100
    stamp = made.stat().st_mtime_ns
    assert thumbnail(catalog, photo, 100) == made
    assert made.stat().st_mtime_ns == stamp
    assert [p.name for p in made.parent.iterdir()] == [made.name]


def test_no_thumbnail_of_a_file_that_changed(catalog: Catalog, tmp_path: Path, take_picture: TakePicture) -> None:
    photo = indexed(take_picture(tmp_path / "a.jpg", 1))
    take_picture(tmp_path / "a.jpg", 2, size=(80, 60))
    with pytest.raises(BadImage, match="changed"):
        thumbnail(catalog, photo)
    with pytest.raises(BadImage, match="changed while"):
        thumbnail(catalog, replace(photo, content_hash=None, error="changed while it was read"))
    assert not list(catalog.thumbs.rglob("*.jpg"))
