"""Group photographs, followed to the tensors that reach the loss: of a face that was not granted nothing is left.

The pictures are grey, and every other person's head (the box with its margin) is painted red before the picture
is turned as a camera turns it: any colour in a tensor, and any weight where colour was, gives a leak away.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from core import base_model, consent_actions, framing, scan
from core import cohort as cohorts
from core.base_model import Base
from core.training import pictures
from core.training.dataset import prepare
from core.training.fit import Fit, Group
from core.training.pictures import picture_of
from core.training.recipe import Recipe
from storage import artifacts, faces, photos
from storage import catalog as catalogs
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.records import Box, CohortItem, CohortRules, GroupRule, Purpose
from tests.world import SPACE, adult

GREY, RED = (128, 128, 128), (255, 0, 0)
WIDTH, HEIGHT = 240, 160
TURNED_BACK = {  # what a camera held that way has stored of an upright picture (EXIF 2.32, orientation)
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
OTHERS = ("nobody has said who", "said nothing", "refused", "withdrew", "granted another purpose", "by likeness alone")

boxes = st.builds(
    lambda x, y, w, h: (x, y, min(x + w, WIDTH), min(y + h, HEIGHT)),
    st.integers(0, WIDTH - 30),
    st.integers(0, HEIGHT - 30),
    st.integers(24, 60),
    st.integers(24, 60),
)


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> Base:
    return base_model.load(tiny_base, "cpu")


def photograph(catalog: Catalog, folder: Path, own: Box, others: Sequence[tuple[Box, str]], turn: int) -> int:
    """Take, index and settle a picture of somebody who granted, and of others who did not; gives its id."""
    upright = Image.new("RGB", (WIDTH, HEIGHT), GREY)
    for box, _ in others:
        upright.paste(RED, framing.clipped(framing.around(box), WIDTH, HEIGHT))
    stored = upright if TURNED_BACK[turn] is None else upright.transpose(TURNED_BACK[turn])
    exif = Image.Exif()
    exif[0x0112] = turn
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 12:00:00"
    folder.mkdir()
    stored.save(folder / "group.png", exif=exif)
    scan.index(catalog, [folder])
    photo = photos.by_path(catalog, str(folder / "group.png").encode())
    assert photo is not None
    assert (photo.width, photo.height, photo.orientation) == (WIDTH, HEIGHT, turn)
    rows = [NewFace(box, 0.99, np.zeros(4, np.float32)) for box in (own, *(box for box, _ in others))]
    faces.replace_faces(catalog, photo.id, rows, SPACE)
    found = {face.box: face.id for face in faces.of_photo(catalog, photo.id)}
    faces.assign(catalog, [found[own]], adult(catalog, "Ann").id, by_person=True)
    for number, (box, why) in enumerate(others):
        if why == OTHERS[0]:
            continue
        granted = (Purpose.PRINT,) if why == "granted another purpose" else (Purpose.TRAIN_COMPOSITE,)
        person = adult(catalog, f"Other {number}", *(() if why == "by likeness alone" else granted))
        if why == "refused":
            consent_actions.refuse(catalog, [person.id], [Purpose.TRAIN_COMPOSITE], by="me")
        faces.assign(catalog, [found[box]], person.id, by_person=why != "by likeness alone")
    return photo.id


def taken(catalog: Catalog, group: GroupRule) -> list[CohortItem]:
    """What a cohort under this rule trains on of the first person."""
    cohorts.create(catalog, "c", "", CohortRules(Purpose.TRAIN_COMPOSITE, group=group, min_subjects=1))
    cohort = artifacts.get_cohort(catalog, "c")
    chosen = cohorts.selection(catalog, cohort).items
    return [item for item in chosen if item.subject_id == 1]


def colour(pixels: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where RGB pixels [h, w, 3] are not grey."""
    parts = pixels.astype(int)
    return np.asarray(parts.max(-1) - parts.min(-1) > 2)


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    own=boxes,
    others=st.lists(st.tuples(boxes, st.sampled_from(OTHERS)), min_size=1, max_size=3, unique_by=lambda one: one[0]),
    turn=st.integers(1, 8),
    group=st.sampled_from([GroupRule.CROP, GroupRule.MASK]),
    resolution=st.sampled_from([16, 32, 64]),
)
def test_of_others_nothing_reaches_the_loss(
    base: Base, own: Box, others: list[tuple[Box, str]], turn: int, group: GroupRule, resolution: int
) -> None:
    assume(own not in [box for box, _ in others])
    with TemporaryDirectory() as room, catalogs.create(Path(room) / "catalog") as catalog:
        photo_id = photograph(catalog, Path(room) / "archive", own, others, turn)
        items = taken(catalog, group)
        photo = photos.get(catalog, photo_id)
        for item in items:
            picture, free = picture_of(photo, item, (resolution, resolution))
            assert not colour(np.asarray(picture)).any()
            # the same pixels with nothing filled show where the others were
            x0, y0, x1, y1 = pictures.cut_of(item.crop, (1, 1))
            upright = Image.new("RGB", (WIDTH, HEIGHT), GREY)
            for box, _ in others:
                upright.paste(RED, framing.clipped(framing.around(box), WIDTH, HEIGHT))
            bare = upright.crop((x0, y0, x1, y1)).resize((resolution, resolution), Image.Resampling.LANCZOS)
            leaks = colour(np.asarray(bare))
            assert not (leaks & (free > 0)).any()
            (found,) = prepare(catalog, base, [item], resolution)
            side = found.weight.shape[-1]
            cells = leaks.reshape(side, resolution // side, side, resolution // side).any((1, 3))
            assert not (torch.from_numpy(cells) & (found.weight[0] > 0)).any()
            if group is GroupRule.CROP:
                assert not item.masks
                assert not leaks.any()


def test_what_is_mirrored_hides_the_mirrored_place(base: Base, tmp_path: Path) -> None:
    """A flipped picture's weights are flipped with it, all the way into the batch of the loss."""
    with catalogs.create(tmp_path / "catalog") as catalog:
        photograph(catalog, tmp_path / "archive", (100, 50, 150, 110), [((160, 50, 200, 110), "refused")], 6)
        (item,) = taken(catalog, GroupRule.MASK)
        assert item.masks
        pictures = prepare(catalog, base, [item], 32, mirrored=True)
        (only,) = pictures
        assert only.weight.min() == 0 < only.weight.max()
        recipe = Recipe(rank=1, steps=1, batch=16, flip=True, previews=0)
        fit = Fit(base, recipe, [Group("uid", "kyo", pictures, ["{trigger}"], (item.leaf,))], "key")
        ((rows, _),) = fit.batches.parts(0, 16)
        flipped = 0
        for latent, weight in zip(rows.latents, rows.weights, strict=True):
            mirrored = torch.equal(latent, only.latents[1])
            flipped += mirrored
            assert mirrored or torch.equal(latent, only.latents[0])
            assert torch.equal(weight, only.weight.flip(-1) if mirrored else only.weight)
        assert 0 < flipped < 16


@pytest.mark.parametrize("group", [GroupRule.CROP, GroupRule.MASK])
def test_some_layouts_are_used_and_some_are_not(group: GroupRule, tmp_path: Path) -> None:
    """The property above is not held by using nothing: apart they are cut, one upon the other they are left out."""
    apart, upon = [((180, 40, 230, 100), "refused")], [((60, 45, 100, 95), "refused")]
    for name, others, used in (("apart", apart, True), ("upon", upon, False)):
        with catalogs.create(tmp_path / name) as catalog:
            photograph(catalog, tmp_path / f"{name} archive", (60, 40, 100, 90), others, 1)
            assert bool(taken(catalog, group)) is used
            explained = cohorts.explain(catalog, "c").excluded
            assert {one.subject for one in explained} == ({"Other 0"} if used else {"Ann", "Other 0"})
