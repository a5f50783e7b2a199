"""Stable Diffusion's safety checker: where it is found, what it stops, and how pictures say that there was none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from core.errors import BadValue
from core.generate import generate
from core.safety_checker import SafetyChecker, find
from storage.catalog import Catalog
from tests.tiny_base import write_safety_checker, write_tiny_base

PICTURE = Image.new("RGB", (64, 64), (90, 120, 200))


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


def checks_of(path: Path) -> dict[str, object]:
    with Image.open(path) as picture:
        found: dict[str, object] = json.loads(picture.text["kyodaku"])["checks"]  # type: ignore[attr-defined]
    return found


def test_without_a_checker_pictures_and_sheet_are_marked(catalog: Catalog, tiny_base: Path, tmp_path: Path) -> None:
    drawn = generate(catalog, str(tiny_base), "photo", out=tmp_path / "o", n=2, steps=1)
    assert drawn.unchecked is not None
    assert drawn.sheet is not None
    assert checks_of(drawn.images[0])["unchecked"] is True
    assert checks_of(drawn.sheet)["unchecked"] is True
    with Image.open(drawn.sheet) as sheet:
        assert sheet.height > 128  # the line that says so stands above the pictures


@pytest.mark.parametrize("own", [True, False])
def test_the_checker_of_the_base_or_of_the_user_looks_at_every_picture(
    catalog: Catalog, tiny_base: Path, tmp_path: Path, own: bool
) -> None:
    base = shutil.copytree(tiny_base, tmp_path / "base")
    place = write_safety_checker(base / "safety_checker" if own else tmp_path / "mine", suspects=False)
    safety = None if own else place
    drawn = generate(catalog, str(base), "photo", out=tmp_path / "o", n=1, steps=1, safety=safety)
    assert drawn.unchecked is None
    assert checks_of(drawn.images[0])["safety_checker"] == SafetyChecker(place).digest
    strict = write_safety_checker(tmp_path / "strict", suspects=True)
    refused = generate(catalog, str(base), "photo", out=tmp_path / "s", n=2, steps=1, safety=strict)
    assert (refused.images, refused.sheet) == ([], None)
    assert all("says the safety checker" in why for why in refused.withheld)
    assert list((tmp_path / "s").iterdir()) == []


def test_where_a_checker_is_found(tmp_path: Path) -> None:
    assert find(tmp_path, None) is None
    own = write_safety_checker(tmp_path / "base" / "safety_checker", suspects=False)
    assert find(tmp_path / "base", None) == own
    assert find(None, tmp_path / "base") == own
    assert find(tmp_path, own) == own


def test_what_is_no_checker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="holds no safety checker"):
        SafetyChecker(tmp_path)
    folder = write_safety_checker(tmp_path / "c", suspects=True)
    assert SafetyChecker(folder).suspect([PICTURE, PICTURE]) == [True, True]
    assert SafetyChecker(folder).suspect([]) == []
    weights = load_file(folder / "model.safetensors")
    del weights["concept_embeds"]  # would be made up, and let everything pass
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(BadValue, match="lacks concept_embeds"):
        SafetyChecker(folder)
    (folder / "model.safetensors").write_bytes(b"none")
    with pytest.raises(BadValue, match="holds no safety checker"):
        SafetyChecker(folder)
