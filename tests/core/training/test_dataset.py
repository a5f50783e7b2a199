"""From photographs to what is learned: crops, masks, the cache."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core import base_model, framing
from core.base_model import Base
from core.training import latent_cache
from core.training.dataset import prepare, size_of
from core.training.pictures import FILL, picture_of
from core.training.words import encode
from storage import artifacts, photos, whole_files
from storage.records import CohortItem
from tests.small_archive import FACE, SIDE, SmallArchive


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> Base:
    return base_model.load(tiny_base, "cpu")


@pytest.fixture
def item(archive: SmallArchive) -> CohortItem:
    cohort = archive.freeze("alone", of=1)
    return next(iter(artifacts.cohort_items(archive.catalog, cohort.id)))


def file_of(path: Path) -> dict[str, Any]:
    """What a photograph's row says of a file that is put in the place of its own."""
    return {"path": bytes(path), "size": path.stat().st_size}


def test_masked_pixels_are_filled_and_carry_no_loss(archive: SmallArchive, base: Base, item: CohortItem) -> None:
    masked = replace(item, crop=(0, 0, SIDE, SIDE), masks=((0, 0, 20, 20),))
    photo = photos.get(archive.catalog, item.photo_id)
    picture, free = picture_of(photo, masked, (32, 32))
    pixels = np.asarray(picture)
    assert (pixels[:10, :10] == FILL).all()
    assert free[:10, :10].max() == 0
    assert free[20:, 20:].min() == 1
    whole, _ = picture_of(photo, replace(masked, masks=()), (32, 32))
    assert (np.asarray(whole)[20:, 20:] == pixels[20:, 20:]).all()
    (found,) = prepare(archive.catalog, base, [masked], 32)
    assert found.weight[0, :5, :5].max() == 0
    assert found.weight[0, 10:, 10:].min() == 1


@pytest.mark.parametrize(("width", "height"), [(601, 401), (1023, 683), (683, 1024)])
def test_a_crop_at_the_edge_fits_whatever_the_decoder_rounds(
    archive: SmallArchive, item: CohortItem, tmp_path: Path, width: int, height: int
) -> None:
    """Reduced decodes round each side by itself: a crop that touches the far edges must stay inside."""
    path = tmp_path / "odd.jpg"
    Image.effect_noise((width, height), 40).convert("RGB").save(path)
    photo = replace(photos.get(archive.catalog, item.photo_id), **file_of(path), width=width, height=height)
    for side in (40, 180, min(width, height)):
        at_edge = replace(
            item, content_hash=whole_files.file_hash(path), crop=(width - side, height - side, width, height), masks=()
        )
        picture, free = picture_of(photo, at_edge, (64, 64))
        assert picture.size == (64, 64)
        assert free.min() == 1


@pytest.mark.parametrize("resolution", [16, 32, 128])
def test_no_masked_pixel_shows_through_the_resampling(archive: SmallArchive, item: CohortItem, resolution: int) -> None:
    """What lies under a mask must not change what is encoded, at any scale."""
    photo = photos.get(archive.catalog, item.photo_id)
    path = archive.folder / "0-0.png"
    shown = []
    for colour in ((255, 0, 0), (0, 0, 255)):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        image.paste(colour, (30, 30, 44, 50))
        image.save(path)
        masked = replace(item, crop=(3, 3, 61, 61), masks=((30, 30, 44, 50),), content_hash=whole_files.file_hash(path))
        own = replace(photo, **file_of(path))
        shown.append(np.asarray(picture_of(own, masked, (resolution, resolution))[0], dtype=int))
    assert (shown[0] == shown[1]).all()


@pytest.mark.parametrize("resolution", [16, 64])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_nothing_around_the_crop_shows_in_it(
    archive: SmallArchive, item: CohortItem, tmp_path: Path, suffix: str, resolution: int
) -> None:
    """Pixels outside the crop may be a neighbour's: whatever they are, the same is encoded."""
    crop = (160, 96, 288, 225)  # a JPEG's blocks end at its left, top and right; it is no square
    shown = []
    for colour in ((255, 255, 255), (0, 0, 0)):
        whole = Image.new("RGB", (512, 480), colour)
        whole.paste(Image.new("RGB", (128, 144), (90, 90, 90)), (160, 96))
        whole.paste((200, 150, 120), (190, 130, 240, 190))
        path = tmp_path / f"{colour[0]}{suffix}"
        whole.save(path, **({"quality": 95, "subsampling": 0} if suffix == ".jpg" else {}))
        photo = replace(photos.get(archive.catalog, item.photo_id), **file_of(path), width=512, height=480)
        own = replace(item, content_hash=whole_files.file_hash(path), crop=crop, masks=())
        shown.append(np.asarray(picture_of(photo, own, (resolution, resolution))[0], dtype=int))
    assert (shown[0] == shown[1]).all()
    assert shown[0].max() - shown[0].min() > 50


def test_the_face_weighs_more_than_what_is_around_it(archive: SmallArchive, base: Base, item: CohortItem) -> None:
    """`background` weighs what lies outside the face with its margin; under a mask nothing weighs anything."""
    own = replace(item, crop=(0, 0, SIDE, SIDE), masks=((0, 0, 6, 6),))
    weights = prepare(archive.catalog, base, [own], 32, 0.25)[0].weight
    left, top, right, bottom = (edge / 4 for edge in framing.around(FACE))  # 64 pixels a side are 16 latents
    inside = weights[0, max(0, math.floor(top)) : math.ceil(bottom), max(0, math.floor(left)) : math.ceil(right)]
    assert set(inside.unique().tolist()) <= {0.0, 1.0}
    assert inside[-1, -1] == 1
    assert weights[0, -1, -1] == weights[0, -1, 0] == 0.25
    assert weights[0, 0, 0] == 0
    even = prepare(archive.catalog, base, [own], 32)[0].weight
    assert set(even.unique().tolist()) == {0.0, 1.0}


def test_latents_are_read_again_only_under_the_same_key(archive: SmallArchive, base: Base, item: CohortItem) -> None:
    (first,) = prepare(archive.catalog, base, [item], 32)
    kept = latent_cache.path_of(archive.catalog, item, (32, 32), base.vae_hash)
    assert kept.parent.name == item.subject_uid
    (archive.folder / "0-0.png").unlink()  # from here on only the cache can answer
    (archive.folder / "0-1.png").unlink()
    (archive.folder / "0-2.png").unlink()
    assert torch.equal(prepare(archive.catalog, base, [item], 32)[0].latents, first.latents)
    for other in (replace(item, masks=((1, 1, 5, 5),)), replace(item, crop=(0, 0, 10, 10))):
        assert latent_cache.path_of(archive.catalog, other, (32, 32), base.vae_hash) != kept
    assert latent_cache.path_of(archive.catalog, item, (64, 64), base.vae_hash) != kept
    assert latent_cache.path_of(archive.catalog, item, (32, 32), "another encoder") != kept
    kept.write_bytes(kept.read_bytes()[:-1])
    assert latent_cache.read(kept) is None


def test_mirror_images_are_encoded_only_where_asked(archive: SmallArchive, base: Base, item: CohortItem) -> None:
    plain, both = (prepare(archive.catalog, base, [item], 32, mirrored=asked)[0] for asked in (False, True))
    assert (len(plain.latents), len(both.latents)) == (1, 2)  # what was kept without them was no answer
    assert torch.equal(plain.latents[0], both.latents[0])
    assert not torch.equal(both.latents[0], both.latents[1])
    assert len(prepare(archive.catalog, base, [item], 32)[0].latents) == 2


def test_captions(base: Base) -> None:
    told = encode(base, ["photo of kyoabcde person", "photo of kyofghij person", ""]).tokens
    assert told.shape[0] == 3
    assert not torch.equal(told[0], told[1])


@given(st.integers(1, 4000), st.integers(1, 4000), st.sampled_from([(512, 64), (1024, 64), (768, 64), (32, 4)]))
def test_a_bucket_is_the_nearest_shape_at_no_more_than_the_area(
    width: int, height: int, base_of: tuple[int, int]
) -> None:
    resolution, grain = base_of
    wide, high = size_of((7, 9, 7 + width, 9 + height), resolution, grain)
    assert wide % grain == high % grain == 0
    assert wide * high <= resolution * resolution
    assert max(wide, high) <= 2 * resolution
    if width == height:
        assert (wide, high) == (resolution, resolution)
    off = abs(math.log(wide / high) - math.log(width / height))
    assert off <= abs(math.log(width / height))  # no worse than the square


def test_a_picture_in_a_bucket_keeps_its_shape(archive: SmallArchive, base: Base, item: CohortItem) -> None:
    wide = replace(item, crop=(0, 16, 64, 48))
    (found,) = prepare(archive.catalog, base, [wide], 32, buckets=True)
    assert found.shape[1:] == (10, 22)
    assert found.weight.shape[1:] == found.shape[1:]
    assert found.frame[4:] == (20, 44)
