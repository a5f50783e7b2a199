"""Copies of training pictures are found, by patches and by hash and face; what merely resembles them is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from core.audit_copies import Trained, copies, items_of, look_of, trained
from core.progress import silent
from core.training.pictures import picture_of
from storage import artifacts, photos
from storage.catalog import Catalog
from storage.records import Model
from tests import composites, small_archive
from tests.small_archive import SmallArchive
from tests.tiny_base import write_tiny_base


def scene(seed: int) -> Image.Image:
    """A picture of some soft shapes."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((96, 96), Image.Resampling.BICUBIC)


@pytest.fixture
def archive(catalog: Catalog, tmp_path: Path) -> SmallArchive:
    return small_archive.build(catalog, tmp_path / "archive", people=3, pictures=4)


@pytest.fixture
def model(archive: SmallArchive, tmp_path: Path) -> Model:
    frozen = archive.freeze()
    base = write_tiny_base(tmp_path / "base")
    return artifacts.get_model(archive.catalog, composites.lora(archive.catalog, frozen, base, archive.people))


@pytest.fixture
def scenes(archive: SmallArchive, model: Model) -> Trained:
    """The model's training pictures, looking like scenes that differ, with a face vector each."""
    items = items_of(archive.catalog, model)
    looks = [look_of(view) for at in range(len(items)) for view in (scene(at), scene(at).transpose(0))]
    vectors = np.random.default_rng(0).normal(size=(len(items), 16)).astype(np.float32)
    return Trained(tuple(item for item in items for _ in range(2)), tuple(looks), np.repeat(vectors, 2, axis=0), 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda picture: picture,
        lambda picture: picture.filter(ImageFilter.GaussianBlur(1)),
        lambda picture: ImageEnhance.Brightness(picture).enhance(1.1),
        lambda picture: picture.resize((48, 48)).resize((128, 128)),
        lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    ],
    ids=["same", "blurred", "brighter", "smaller", "mirrored"],
)
def test_a_planted_copy_is_found(scenes: Trained, change: object) -> None:
    planted = change(scene(5))  # type: ignore[operator]
    looks = [look_of(scene(900)), look_of(planted), look_of(scene(901))]
    found = copies(looks, np.array([1]), scenes.vectors[10:11], scenes)
    assert (found[0].image, found[0].photo) == (1, scenes.items[10].photo_id)
    assert "patches" in found[0].by
    assert [one.by for one in found[1:]] == [(), ()]
    assert len(found) == 3


def test_a_face_and_a_hash_that_agree_are_a_copy_though_patches_differ(scenes: Trained) -> None:
    darker = ImageEnhance.Brightness(scene(5)).enhance(0.25)  # far in pixels, the same to a hash
    (found,) = copies([look_of(darker)], np.array([0]), scenes.vectors[10:11], scenes)
    assert found.by == ("hash and face",)
    (other,) = copies([look_of(darker)], np.array([0]), scenes.vectors[10:11] + 9, scenes)
    assert other.by == ()


def test_nothing_drawn_or_trained_on_has_no_copies(scenes: Trained) -> None:
    assert copies([], np.empty(0), np.empty((0, 16)), scenes) == []
    blank = [look_of(Image.new("RGB", (64, 64)))]
    assert copies(blank, np.empty(0), np.empty((0, 16)), Trained((), (), np.empty((0, 1)), 0)) == []
    assert copies(blank, np.empty(0), np.empty((0, 16)), scenes)[0].by == ()


def test_training_pictures_are_read_as_they_were_cut(archive: SmallArchive, model: Model) -> None:
    read = trained(archive.catalog, model, 32, small_archive.SPACE, silent)
    assert (len(read.items), len(read.looks), read.unread) == (24, 24, 0)
    item = read.items[0]
    (photo,) = photos.get_many(archive.catalog, [item.photo_id])
    assert look_of(picture_of(photo, item, (32, 32))[0]).hash == read.looks[0].hash
    assert np.isfinite(read.vectors).all()
    (archive.folder / "1-2.png").unlink()
    assert trained(archive.catalog, model, 32, small_archive.SPACE, silent).unread == 1


def test_only_people_in_the_model_are_compared(archive: SmallArchive, tmp_path: Path) -> None:
    frozen = archive.freeze("again")
    base = write_tiny_base(tmp_path / "other")
    name = composites.lora(archive.catalog, frozen, base, archive.people[:1])
    items = items_of(archive.catalog, artifacts.get_model(archive.catalog, name))
    assert {item.subject_id for item in items} == {archive.people[0].id}
