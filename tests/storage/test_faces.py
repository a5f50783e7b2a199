"""Face rows: replaced without losing a person's word, and the matrix that mirrors them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import faces
from storage.catalog import Catalog
from storage.errors import NoSuchRecord
from storage.faces import NewFace
from storage.records import Box, FaceMark

SPACE, OTHER = "space-a", "space-b"
LEFT: Box = (0, 0, 100, 100)
RIGHT: Box = (200, 0, 300, 100)


def photo(catalog: Catalog, number: int = 1) -> int:
    with catalog.transaction() as db:
        db.execute("INSERT OR IGNORE INTO folders(id, path) VALUES (1, ?)", (b"/a",))
        db.execute(
            "INSERT INTO photos(id, folder_id, name, path_text, size, mtime_ns, ctime_ns, inode)"
            " VALUES (?, 1, ?, 'x', 1, 1, 1, 1)",
            (number, str(number).encode()),
        )
    return number


def subject(catalog: Catalog, name: str) -> int:
    with catalog.transaction() as db:
        return db.execute("INSERT INTO subjects(uid, name) VALUES (?, ?)", (name, name)).lastrowid or 0


def new(box: Box, value: float = 0.0, dim: int = 4) -> NewFace:
    return NewFace(box, 0.99, np.full(dim, value, dtype=np.float32), sharpness=50.0, age_estimate=40.0)


def put(catalog: Catalog, boxes: Sequence[Box], space: str = SPACE, number: int = 1) -> list[int]:
    faces.replace_faces(catalog, number, [new(box, index) for index, box in enumerate(boxes)], space)
    return [face.id for face in faces.of_photo(catalog, number)]


def test_a_face_comes_back_as_it_was_put_down(catalog: Catalog) -> None:
    photo(catalog)
    faces.replace_faces(catalog, 1, [new(LEFT, 0.5)], SPACE)
    [face] = faces.of_photo(catalog, 1)
    assert (face.box, face.probability, face.space, face.sharpness, face.age_estimate) == (LEFT, 0.99, SPACE, 50, 40)
    assert faces.vectors(catalog, [face.id, 99])[face.id].tolist() == [0.5] * 4
    assert (face.cluster, face.subject_id, face.assigned_by_person, face.mark) == (None, None, False, None)
    assert faces.get(catalog, face.id) == face
    sought = catalog.connection.execute("SELECT faces_space FROM photos").fetchone()[0]
    assert sought == SPACE


def test_no_faces_found_is_recorded_as_sought(catalog: Catalog) -> None:
    photo(catalog)
    assert put(catalog, []) == []
    assert faces.of_photos(catalog, [1, 2]) == {1: [], 2: []}
    assert catalog.connection.execute("SELECT faces_space FROM photos").fetchone()[0] == SPACE


def test_an_unknown_face_is_said_so(catalog: Catalog) -> None:
    with pytest.raises(NoSuchRecord, match="no face 7"):
        faces.get(catalog, 7)


def test_a_face_found_again_keeps_its_id_and_its_subject(catalog: Catalog) -> None:
    photo(catalog)
    left, right = put(catalog, [LEFT, RIGHT])
    anna = subject(catalog, "Anna")
    faces.assign(catalog, [left], anna, by_person=True)
    faces.settle(catalog, {right: (3, None)})
    again = put(catalog, [(3, 2, 104, 99)], OTHER)
    assert again == [left]
    kept = faces.get(catalog, left)
    assert (kept.box, kept.space, kept.subject_id, kept.assigned_by_person) == ((3, 2, 104, 99), OTHER, anna, True)


def test_what_a_person_assigned_or_marked_outlives_the_detector(catalog: Catalog) -> None:
    photo(catalog)
    left, right = put(catalog, [LEFT, RIGHT])
    faces.assign(catalog, [left], subject(catalog, "Anna"), by_person=True)
    faces.set_mark(catalog, [right], FaceMark.NOT_A_FACE)
    assert put(catalog, []) == [left, right]


def test_clustering_never_takes_a_face_from_where_a_person_put_it(catalog: Catalog) -> None:
    photo(catalog)
    left, right = put(catalog, [LEFT, RIGHT])
    anna, bo = subject(catalog, "Anna"), subject(catalog, "Bo")
    assert faces.assign(catalog, [left], anna, by_person=True) == 1
    assert faces.assign(catalog, [left, right], bo, by_person=False) == 1
    faces.settle(catalog, {left: (5, bo), right: (5, bo)})
    first, second = faces.of_photo(catalog, 1)
    assert (first.subject_id, first.cluster) == (anna, 5)
    assert (second.subject_id, second.cluster) == (bo, 5)
    assert faces.main_cluster(catalog, anna) == 5
    assert faces.next_cluster(catalog) == 6


def test_pages_go_on_behind_a_face(catalog: Catalog) -> None:
    photo(catalog)
    ids = put(catalog, [(x, 0, x + 9, 9) for x in range(0, 90, 10)])
    first = faces.page(catalog, "f.photo_id = ?", (1,), limit=4)
    rest = faces.page(catalog, "f.photo_id = ?", (1,), after=first[-1].id)
    assert [face.id for face in first + rest] == ids


@given(st.lists(st.integers(0, 30), min_size=8, max_size=8))
def test_overlap_is_symmetric_and_between_nought_and_one(numbers: list[int]) -> None:
    a, b = [(x, y, x + w + 1, y + h + 1) for x, y, w, h in (numbers[:4], numbers[4:])]
    assert faces.overlap(a, b) == faces.overlap(b, a)
    assert 0 <= faces.overlap(a, b) <= 1
    assert faces.overlap(a, a) == 1
