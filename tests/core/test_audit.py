"""The audit: what it takes to say nobody, and a report of what was seen."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest
from PIL import Image

from core import audit_sheet
from core.audit import audit
from core.audit_faces import NOBODY, Drawn, DrawnFace, known_faces
from core.audit_likeness import nearest_people
from core.errors import BadValue, Refused, Tainted
from core.training.loop import train
from core.training.recipe import Recipe
from storage import artifacts, audits, faces
from storage.audits import Audit
from storage.catalog import Catalog
from storage.records import FaceMark, ModelState, Purpose
from tests import small_archive
from tests.small_archive import SmallArchive
from tests.tiny_base import write_tiny_base


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture
def archive(catalog: Catalog, tmp_path: Path) -> SmallArchive:
    return small_archive.build(catalog, tmp_path / "archive")


def drawn_at(vectors: np.ndarray, pictures: int | None = None) -> Drawn:
    crop = Image.new("RGB", (40, 40), (120, 100, 90))
    found = [DrawnFace(number, crop, vector) for number, vector in enumerate(vectors)]
    return Drawn(pictures or len(found), found, (pictures or len(found)) - len(found), frozenset())


def test_a_planted_face_is_found_and_named(archive: SmallArchive) -> None:
    known = known_faces(archive.catalog)
    assert (known.number, len(known.subjects)) == (3, 3)
    names = {person.id: person.name for person in archive.people}
    planted = np.concatenate([known.vectors[:1] + 5, known.vectors[4:5] + 0.001])
    near, matched = nearest_people(drawn_at(planted), known, names, 1.3)
    assert matched == 1
    assert (near[0].subject, near[0].image, near[0].matches) == ("Person 1", 1, 1)
    assert near[0].distance == pytest.approx(0.001 * 128**0.5, rel=0.1)
    assert all(one.matches == 0 for one in near[1:])


def test_faces_without_a_name_are_searched_each_as_somebody(archive: SmallArchive) -> None:
    lone = faces.of_subject(archive.catalog, archive.people[0].id)
    faces.assign(archive.catalog, [face.id for face in lone], None, by_person=True)
    known = known_faces(archive.catalog)
    assert int(np.count_nonzero(known.people == NOBODY)) == 3
    assert (known.number, len(known.subjects)) == (5, 2)
    near, _ = nearest_people(drawn_at(known.vectors[:1]), known, {p.id: p.name for p in archive.people}, 1.0)
    assert near[0].subject.startswith("unnamed face")
    assert near[0].distance == pytest.approx(0, abs=1e-3)
    faces.settle(archive.catalog, {face.id: (7, None) for face in lone})
    assert known_faces(archive.catalog).number == 3
    assert "unnamed, cluster 7" in known_faces(archive.catalog).labels({p.id: p.name for p in archive.people})


def test_marked_faces_and_other_spaces_are_left_out(archive: SmallArchive) -> None:
    first = faces.of_subject(archive.catalog, archive.people[0].id)[0]
    faces.set_mark(archive.catalog, [first.id], FaceMark.NOT_A_FACE)
    assert first.id not in known_faces(archive.catalog).ids
    with pytest.raises(BadValue, match="knows no faces"):
        known_faces(archive.catalog, "another")


def test_sheet_shows_nearest_pairs_and_leaves_out_what_is_withheld(archive: SmallArchive, tmp_path: Path) -> None:
    known = known_faces(archive.catalog)
    drawn = drawn_at(known.vectors[:3])
    audit_sheet.write(archive.catalog, tmp_path / "sheet.png", drawn, known, 0.5)
    with Image.open(tmp_path / "sheet.png") as sheet:
        three = sheet.size
    (archive.folder / "0-0.png").unlink()  # a photograph that is gone leaves a blank tile
    hidden = Drawn(3, drawn.faces, 0, frozenset({0, 1}))
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
    assert told["calibration"]["searches"] == 9
    assert told["unchecked"] is not None
    assert audits.last(archive.catalog, artifacts.get_model(archive.catalog, name).id) == Audit(
        1, found.model_hash, ANY, found.verdict, 4, 0, 0, 0.0, 1.0, 0.02, None
    )
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
