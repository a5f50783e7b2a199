"""What is said of a face in one copy of a photograph is said of it in all: models trained on another copy hear it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import people, withdrawal
from core.decisions import undo
from storage import artifacts, faces, photos
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.photos import ScanBatch
from storage.records import Box, CohortRules, Companion, CompanionKind, FaceMark, ModelState, Photo, Purpose, Subject
from tests import composites
from tests.composites import Composite
from tests.tiny_base import write_tiny_base
from tests.world import FACE, SPACE, adult, photograph

RULES = CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=2)
ELSEWHERE: Box = (10, 10, 60, 60)
NEAR: Box = (200, 120, 215, 140)  # in the crop that trains
TWICE: Box = (2 * FACE[0], 2 * FACE[1], 2 * FACE[2], 2 * FACE[3])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture
def three(catalog: Catalog, base: Path) -> Composite:
    return composites.build(catalog, base, ["Ann", "Ben", "Kim"], RULES)


def trained(catalog: Catalog, person: Subject) -> Photo:
    """A photograph that the person's LoRA was trained on."""
    return photos.get(catalog, faces.of_subject(catalog, person.id)[0].photo_id)


def copy_of(catalog: Catalog, photo: Photo, box: Box = FACE) -> int:
    """The face in another file of the same content, which nobody has named."""
    (face,) = faces.of_photo(catalog, photograph(catalog, [(None, box)], content=photo.content_hash))
    return face.id


def raw_of(catalog: Catalog, photo: Photo) -> int:
    """The face in a copy, of twice the size, of the RAW that belongs to a photograph."""
    raw = Companion(b"raw.nef", CompanionKind.RAW, 1, 1, 1, 1, "e" * 64)
    photos.apply_scan(catalog, ScanBatch(same=[replace(photo, companions=(raw,))]))
    alone = photos.get(catalog, photograph(catalog, [(None, TWICE)], content="e" * 64))
    with catalog.transaction() as db:
        db.execute("UPDATE photos SET width = 2 * width, height = 2 * height WHERE id = ?", (alone.id,))
    (face,) = faces.of_photo(catalog, alone.id)
    return face.id


@pytest.mark.parametrize("mark", [mark for mark in FaceMark if mark is not FaceMark.ERASED])  # which nobody gives
def test_a_face_that_is_ignored_takes_out_what_it_trained(catalog: Catalog, three: Composite, mark: FaceMark) -> None:
    face = faces.of_subject(catalog, three.people[0].id)[0]
    done = people.ignore(catalog, face.id, mark, "a statue", "me")
    assert done.settled.quarantined == [three.loras[0]]
    assert any(three.loras[0] in line for line in done.lines())
    assert f"marked {mark}" in (artifacts.get_model(catalog, three.loras[0]).why or "")
    assert artifacts.get_cohort(catalog, "c").tainted
    assert people.ignore(catalog, face.id, None, "it is she", "me").settled == withdrawal.NOTHING


def beside(catalog: Catalog, person: Subject, box: Box, mark: FaceMark | None) -> int:
    """A face of nobody's in a photograph that the person's LoRA was trained on, as a detector finds it too late."""
    photo = trained(catalog, person)
    own = faces.of_subject(catalog, person.id)[0]
    found = [NewFace(each, 0.99, np.zeros(4, dtype=np.float32)) for each in (own.box, box)]
    faces.replace_faces(catalog, photo.id, found, SPACE)
    assert faces.get(catalog, own.id).subject_id == person.id
    (other,) = [face.id for face in faces.of_photo(catalog, photo.id) if face.id != own.id]
    if mark is not None:
        faces.set_mark(catalog, [other], mark)
    return other


def test_a_face_that_counts_again_takes_out_what_shows_it(catalog: Catalog, three: Composite) -> None:
    """It was ignored when others' pictures were cut: nobody asked whose it is."""
    other = beside(catalog, three.people[0], NEAR, FaceMark.UNRECOGNISABLE)
    done = people.ignore(catalog, other, None, "one knows him by his hat", "me")
    assert done.settled.quarantined == [three.loras[0]]
    assert "shows another face" in (artifacts.get_model(catalog, three.loras[0]).why or "")
    assert artifacts.get_cohort(catalog, "c").tainted
    assert artifacts.get_model(catalog, three.loras[1]).state is ModelState.OK


def test_taking_a_mark_back_is_the_same(catalog: Catalog, three: Composite) -> None:
    other = beside(catalog, three.people[0], NEAR, None)
    people.ignore(catalog, other, FaceMark.NOT_A_FACE, "a statue", "me")
    assert artifacts.get_model(catalog, three.loras[0]).state is ModelState.OK
    undo.undo(catalog)
    assert artifacts.get_model(catalog, three.loras[0]).state is ModelState.QUARANTINED


def test_a_face_outside_of_the_crop_takes_nothing_out(catalog: Catalog, three: Composite) -> None:
    other = beside(catalog, three.people[0], ELSEWHERE, FaceMark.UNRECOGNISABLE)
    assert people.ignore(catalog, other, None, "one knows him", "me").settled == withdrawal.NOTHING


def test_a_face_under_a_mask_takes_nothing_out(catalog: Catalog, three: Composite) -> None:
    other = beside(catalog, three.people[0], NEAR, FaceMark.UNRECOGNISABLE)
    with catalog.transaction() as db:
        db.execute("UPDATE cohort_items SET masks = ?", (f"[{[0, 0, 1000, 1000]}]",))
    assert people.ignore(catalog, other, None, "one knows him", "me").settled == withdrawal.NOTHING


def test_a_face_found_later_takes_out_what_shows_it_once_it_has_a_name(catalog: Catalog, three: Composite) -> None:
    other = beside(catalog, three.people[0], NEAR, None)
    adult(catalog, "Bea")
    foreseen = people.assign(catalog, other, "Bea", sure=False)
    assert (foreseen.done, foreseen.settled.quarantined) == (False, [three.loras[0]])
    assert people.assign(catalog, other, "Bea").settled.quarantined == [three.loras[0]]


def test_a_withdrawal_reaches_pictures_of_others_that_show_the_person(catalog: Catalog, three: Composite) -> None:
    """As a catalog may hold them from before."""
    other = beside(catalog, three.people[0], NEAR, None)
    faces.assign(catalog, [other], adult(catalog, "Bea").id, by_person=True)
    done = withdrawal.withdraw(catalog, "Bea", [Purpose.TRAIN_COMPOSITE], by="me")
    assert (done.cohorts, done.quarantined) == (["c"], [three.loras[0]])


def test_a_second_face_of_the_same_person_takes_nothing_out(catalog: Catalog, three: Composite) -> None:
    """Such as one in a mirror: she is asked already."""
    other = beside(catalog, three.people[0], NEAR, FaceMark.UNRECOGNISABLE)
    faces.assign(catalog, [other], three.people[0].id, by_person=True)
    assert people.ignore(catalog, other, None, "it is she", "me").settled == withdrawal.NOTHING


def found_anew(catalog: Catalog, person: Subject, box: Box) -> int:
    """A face in a photograph that the person's LoRA was trained on, whose own face another detector does not find."""
    photo, own = trained(catalog, person), faces.of_subject(catalog, person.id)[0]
    with catalog.transaction() as db:
        db.execute("UPDATE faces SET assigned_by_person = 0 WHERE id = ?", (own.id,))
    faces.replace_faces(catalog, photo.id, [NewFace(box, 0.99, np.zeros(4, dtype=np.float32))], "another")
    (face,) = faces.of_photo(catalog, photo.id)
    assert face.id != own.id
    return face.id


def test_a_face_in_the_place_of_one_that_is_gone_takes_out_what_that_trained(
    catalog: Catalog, three: Composite
) -> None:
    face = found_anew(catalog, three.people[0], NEAR)
    adult(catalog, "Bea")
    assert people.assign(catalog, face, "Bea").settled.quarantined == [three.loras[0]]


def test_a_withdrawal_reaches_a_face_in_the_place_of_one_that_is_gone(catalog: Catalog, three: Composite) -> None:
    face = found_anew(catalog, three.people[0], NEAR)
    faces.assign(catalog, [face], adult(catalog, "Bea").id, by_person=True)
    done = withdrawal.withdraw(catalog, "Bea", [Purpose.TRAIN_COMPOSITE], by="me")
    assert (done.cohorts, done.quarantined) == (["c"], [three.loras[0]])


def test_a_face_that_was_masked_does_not_stand_in_the_place_of_one_that_is_gone(
    catalog: Catalog, three: Composite
) -> None:
    face = found_anew(catalog, three.people[0], NEAR)
    with catalog.transaction() as db:
        db.execute("UPDATE cohort_items SET masks = ?", (f"[{list(NEAR)}]",))
    adult(catalog, "Bea")
    assert people.assign(catalog, face, "Bea").settled == withdrawal.NOTHING


def test_a_face_that_counts_again_in_a_copy_takes_out_what_shows_it(catalog: Catalog, three: Composite) -> None:
    face = copy_of(catalog, trained(catalog, three.people[0]), NEAR)
    faces.set_mark(catalog, [face], FaceMark.UNRECOGNISABLE)
    assert people.ignore(catalog, face, None, "one knows him", "me").settled.quarantined == [three.loras[0]]


@pytest.mark.parametrize("copied", [copy_of, raw_of])
@pytest.mark.parametrize("how", ["assign", "name", "ignore"])
def test_a_face_put_right_in_a_copy_takes_out_what_the_other_trained(
    catalog: Catalog, three: Composite, copied: object, how: str
) -> None:
    assert callable(copied)
    face = copied(catalog, trained(catalog, three.people[0]))
    adult(catalog, "Bea")
    if how == "assign":
        settled = people.assign(catalog, face, "Bea").settled
    elif how == "name":
        faces.place(catalog, [face], 9)
        settled = people.name(catalog, 9, "Bea").settled
    else:
        settled = people.ignore(catalog, face, FaceMark.NOT_A_FACE, "a statue", "me").settled
    assert settled.quarantined == [three.loras[0]]
    assert artifacts.get_model(catalog, three.loras[1]).state is ModelState.OK


def test_the_same_said_in_a_copy_takes_nothing_out(catalog: Catalog, three: Composite) -> None:
    ann = three.people[0]
    assert people.assign(catalog, copy_of(catalog, trained(catalog, ann)), ann.id).settled == withdrawal.NOTHING


def test_another_face_of_a_copy_takes_nothing_out(catalog: Catalog, three: Composite) -> None:
    face = copy_of(catalog, trained(catalog, three.people[0]), ELSEWHERE)
    adult(catalog, "Bea")
    assert people.assign(catalog, face, "Bea").settled == withdrawal.NOTHING


def test_a_withdrawal_reaches_what_a_copy_trained_as_somebody_else(catalog: Catalog, three: Composite) -> None:
    face = copy_of(catalog, trained(catalog, three.people[0]))
    faces.assign(catalog, [face], adult(catalog, "Bea").id, by_person=True)
    done = withdrawal.withdraw(catalog, "Bea", [Purpose.TRAIN_COMPOSITE], by="me")
    assert (done.cohorts, done.quarantined) == (["c"], [three.loras[0]])


def test_a_frozen_face_that_is_gone_is_known_by_its_crop(catalog: Catalog, three: Composite) -> None:
    photo = trained(catalog, three.people[0])
    face = copy_of(catalog, photo)
    with catalog.transaction() as db:
        db.execute("DELETE FROM faces WHERE photo_id = ?", (photo.id,))
    adult(catalog, "Bea")
    assert people.assign(catalog, face, "Bea").settled.quarantined == [three.loras[0]]
