"""Contact sheets: the very pixels that train, page by page, with names that can't do anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import cohort as cohorts
from core import withdrawal
from core.errors import BadValue, ConsentLost
from core.training import sheet
from core.training.pictures import picture_of
from storage import artifacts, photos, subjects
from storage.catalog import Catalog
from storage.records import Box, CohortRules, GroupRule, Purpose
from tests.core.training.test_group_pictures import OTHERS, colour, photograph

OWN: Box = (60, 60, 100, 108)
NEAR: Box = (114, 50, 132, 70)
FAR: Box = (200, 60, 230, 96)


@pytest.fixture
def group(catalog: Catalog, tmp_path: Path) -> int:
    """A photograph of somebody who granted, with two others who did not: red where their heads are."""
    photo = photograph(catalog, tmp_path / "archive", OWN, [(NEAR, OTHERS[0]), (FAR, OTHERS[2])], 6)
    person = subjects.get(catalog, 1)
    subjects.edit(catalog, replace(person, name="<b>Ann</b> กิตติ ノイ"))
    cohorts.create(catalog, "c", "", CohortRules(Purpose.TRAIN_COMPOSITE, group=GroupRule.MASK, min_subjects=1))
    return photo


def test_it_shows_the_pixels_that_train(catalog: Catalog, group: int, tmp_path: Path) -> None:
    made = sheet.write(catalog, "c", tmp_path / "sheet.png")
    assert (made.files, made.pictures, made.unreadable) == ([tmp_path / "sheet.png"], 1, {})
    [item] = cohorts.training(catalog, "c")
    assert item.masks
    expected, free = picture_of(photos.get(catalog, group), item, (sheet.SIDE, sheet.SIDE))
    with Image.open(made.files[0]) as drawn:
        pixels = np.asarray(drawn.convert("RGB"))
    top, left = sheet.LABEL + sheet.GAP, sheet.GAP
    shown = pixels[top : top + sheet.SIDE, left : left + sheet.SIDE]
    assert np.array_equal(shown, np.asarray(expected))
    assert (free == 0).any()
    assert not colour(shown).any(), "a pixel of somebody else's head is shown"


def test_it_is_paged_and_its_text_is_escaped(
    catalog: Catalog, group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet, "ON_A_PAGE", 1)
    [item] = cohorts.training(catalog, "c")
    monkeypatch.setattr(cohorts, "training", lambda *_: [item, item])
    made = sheet.write(catalog, "c", tmp_path / "sheet.html")
    assert [file.name for file in made.files] == ["sheet.html", "sheet-2.html"]
    first, second = (file.read_text(encoding="utf-8") for file in made.files)
    assert "&lt;b&gt;Ann&lt;/b&gt;" in first
    assert "<b>Ann" not in first
    assert f"photograph {group}" in first
    assert 'href="sheet-2.html"' in first
    assert 'href="sheet.html"' in second
    assert "data:image/png;base64," in second


def test_a_page_is_drawn_and_nothing_is_written(
    catalog: Catalog, group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [item] = cohorts.training(catalog, "c")
    expected, _ = picture_of(photos.get(catalog, group), item, (sheet.SIDE, sheet.SIDE))
    monkeypatch.setattr(cohorts, "training", lambda *_: [item] * 5)
    before = sorted((*catalog.folder.rglob("*"), *tmp_path.rglob("*")))
    first, pages = sheet.page(catalog, "c", 0, size=4, columns=2)
    last, same = sheet.page(catalog, "c", 1, size=4, columns=2)
    assert sorted((*catalog.folder.rglob("*"), *tmp_path.rglob("*"))) == before
    assert (pages, same) == (2, 2)
    assert first.height - last.height == sheet.SIDE + sheet.LABEL + sheet.GAP, "two rows, then one"
    top, left = sheet.LABEL + sheet.GAP, sheet.GAP
    box = (left, top, left + sheet.SIDE, top + sheet.SIDE)
    assert np.array_equal(np.asarray(first.crop(box)), np.asarray(expected))
    for number in (-1, 2):
        with pytest.raises(BadValue, match="has no page"):
            sheet.page(catalog, "c", number, size=4)


def test_a_file_that_changed_is_told_and_not_shown(catalog: Catalog, group: int, tmp_path: Path) -> None:
    (tmp_path / "archive" / "group.png").write_bytes(b"another")
    made = sheet.write(catalog, "c", tmp_path / "sheet.jpg")
    assert "changed since" in made.unreadable[group]
    with Image.open(made.files[0]) as drawn:
        assert drawn.format == "JPEG"


@pytest.mark.usefixtures("group")
def test_what_it_refuses(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"no kind of sheet"):
        sheet.write(catalog, "c", tmp_path / "sheet.gif")
    with pytest.raises(BadValue, match="archive"):
        sheet.write(catalog, "c", tmp_path / "archive" / "sheet.png")
    with pytest.raises(BadValue, match="catalog"):
        sheet.write(catalog, "c", catalog.folder / "sheet.png")
    cohorts.freeze(catalog, "c")
    withdrawal.withdraw(catalog, 1, [Purpose.TRAIN_COMPOSITE], by="Ann")
    with pytest.raises(ConsentLost):
        sheet.write(catalog, "c", tmp_path / "sheet.png")
    assert artifacts.get_cohort(catalog, "c").merkle_root is not None
    assert not (tmp_path / "sheet.png").exists()
    cohorts.create(catalog, "none", "name:nothing", CohortRules(Purpose.TRAIN_COMPOSITE))
    with pytest.raises(BadValue, match="no picture"):
        sheet.write(catalog, "none", tmp_path / "sheet.png")
