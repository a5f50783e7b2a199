"""The audit: what it takes to say nobody, and a report of what was seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import audit_sheet
from core.audit import _nearest, audit, verdict_of
from core.audit_faces import NOBODY, DrawnFace, DrawnFaces, known_faces, strangers_matched, threshold_of
from core.audit_stats import Threshold, threshold_at
from core.errors import BadValue, Refused, Tainted
from core.training.loop import train
from core.training.recipe import Recipe
from storage import artifacts, faces
from storage.catalog import Catalog
from storage.records import ModelState, Purpose
from tests import small_archive
from tests.small_archive import SmallArchive
from tests.tiny_base import write_tiny_base

SURE = threshold_at(np.linspace(0.3, 1.0, 20_000), 1e-3)
UNSURE = threshold_at(np.linspace(0.3, 1.0, 200), 1e-3)


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture
def archive(catalog: Catalog, tmp_path: Path) -> SmallArchive:
    return small_archive.build(catalog, tmp_path / "archive")


def drawn_at(vectors: np.ndarray, pictures: int | None = None) -> DrawnFaces:
    crop = Image.new("RGB", (40, 40), (120, 100, 90))
    found = [DrawnFace(number, crop, vector) for number, vector in enumerate(vectors)]
    return DrawnFaces(pictures or len(found), found, (pictures or len(found)) - len(found), frozenset())


@pytest.mark.parametrize(
    ("found", "pictures", "faceless", "matches", "threshold", "verdict"),
    [
        (60, 64, 4, 0, SURE, "nobody"),
        (60, 64, 4, 1, SURE, "resembles"),
        (2, 64, 62, 1, SURE, "resembles"),  # a match counts however few faces there are
        (29, 32, 3, 0, SURE, "not enough evidence"),
        (40, 100, 60, 0, SURE, "not enough evidence"),  # blurred or broken: no face in most pictures
        (0, 64, 64, 0, SURE, "not enough evidence"),
        (60, 64, 4, 0, UNSURE, "not enough evidence"),
    ],
)
def test_verdict(found: int, pictures: int, faceless: int, matches: int, threshold: Threshold, verdict: str) -> None:
    said, why = verdict_of(found, pictures, faceless, matches, threshold)
    assert said == verdict
    assert bool(why) == (said == "not enough evidence" or found < 30)


def test_a_planted_face_is_found_and_named(archive: SmallArchive) -> None:
    known = known_faces(archive.catalog)
    threshold = threshold_of(known, 1e-3)
    assert (threshold.pairs, threshold.enough) == (27, False)
    names = {person.id: person.name for person in archive.people}
    far = known.vectors[:1] + 5
    planted = np.concatenate([far, known.vectors[4:5] + 0.001])
    near, matched = _nearest(drawn_at(planted), known, names, threshold.value)
    assert matched == 1
    assert (near[0].subject, near[0].image, near[0].matches) == ("Person 1", 1, 1)
    assert all(one.matches == 0 for one in near[1:])


def test_a_face_within_reach_of_two_people_names_both(archive: SmallArchive) -> None:
    known = known_faces(archive.catalog)
    names = {person.id: person.name for person in archive.people}
    middle = (known.vectors[0] + known.vectors[3])[None] / 2
    near, matched = _nearest(drawn_at(middle), known, names, 100.0)
    assert matched == 1
    assert {one.subject for one in near if one.matches} == {person.name for person in archive.people}


def test_faces_without_a_name_are_searched_but_do_not_calibrate(archive: SmallArchive) -> None:
    before = threshold_of(known_faces(archive.catalog), 1e-3)
    lone = faces.of_subject(archive.catalog, archive.people[0].id)
    faces.assign(archive.catalog, [face.id for face in lone], None, by_person=True)
    known = known_faces(archive.catalog)
    assert int(np.count_nonzero(known.people == NOBODY)) == 3
    assert threshold_of(known, 1e-3).pairs == 9 < before.pairs
    near, _ = _nearest(drawn_at(known.vectors[:1]), known, {p.id: p.name for p in archive.people}, 0.1)
    assert near[0].subject.startswith("unnamed")
    assert near[0].matches == 1


def test_strangers_matched(archive: SmallArchive) -> None:
    known = known_faces(archive.catalog)
    assert strangers_matched(known, 0.0) == 0
    assert strangers_matched(known, 100.0) == 1


def test_sheet_shows_nearest_pairs_and_leaves_out_what_is_withheld(archive: SmallArchive, tmp_path: Path) -> None:
    known = known_faces(archive.catalog)
    drawn = drawn_at(known.vectors[:3])
    audit_sheet.write(archive.catalog, tmp_path / "sheet.png", drawn, known, 0.5)
    with Image.open(tmp_path / "sheet.png") as sheet:
        three = sheet.size
    (archive.folder / "0-0.png").unlink()  # a photograph that is gone leaves a blank tile
    hidden = DrawnFaces(3, drawn.faces, 0, frozenset({0, 1}))
    audit_sheet.write(archive.catalog, tmp_path / "sheet.png", hidden, known, 0.5)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width < three[0]


def test_noise_is_not_nobody(archive: SmallArchive, tiny_base: Path) -> None:
    """A base of random weights draws no faces: the audit must not clear it."""
    archive.freeze("alone", of=1)
    recipe = Recipe(rank=2, steps=1, batch=1, previews=0)
    (name,) = train(archive.catalog, "alone", tiny_base, "v1", recipe=recipe)
    found = audit(archive.catalog, name, n=4)
    assert found.verdict == "not enough evidence"
    assert (found.images, found.faces, found.images_without_face) == (4, 0, 4)
    assert found.upper_bound95 == 1.0
    folder = archive.catalog.models / f"{name}.audit"
    told = json.loads((folder / "report.json").read_text())
    assert told["verdict"] == found.verdict
    assert told["calibration"]["pairs"] == 27
    assert (folder / "sheet.png").is_file()
    assert (folder / "report.json").stat().st_mode & 0o777 == 0o600
    assert any("not enough evidence" in line for line in found.lines())
    of_base = audit(archive.catalog, str(tiny_base), n=2)
    assert (of_base.likeness, of_base.shift) == (None, None)


def test_refusals(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze("alone", of=1)
    recipe = Recipe(rank=2, steps=1, batch=1, previews=0)
    (name,) = train(archive.catalog, "alone", tiny_base, "v1", recipe=recipe)
    with pytest.raises(BadValue):
        audit(archive.catalog, name, n=0)
    archive.withdraw(archive.people[0], Purpose.TRAIN_INDIVIDUAL)
    with pytest.raises(Refused, match="Person 0 alone: train-individual is withdrawn"):
        audit(archive.catalog, name, n=1)
    artifacts.set_state(archive.catalog, [artifacts.get_model(archive.catalog, name).id], ModelState.TAINTED, "gone")
    with pytest.raises(Tainted):
        audit(archive.catalog, name, n=1)


def test_a_catalog_without_faces(catalog: Catalog, tiny_base: Path) -> None:
    with pytest.raises(BadValue, match="knows no faces"):
        audit(catalog, str(tiny_base), n=1)
