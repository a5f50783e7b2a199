"""What people decided stays; the other faces follow the nearest decision."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.faces.follow import settle
from storage.faces import Standing

ANNA, BO = 1, 2


def row(face_id: int, cluster: int | None = None, subject: int | None = None, by_person: bool = False) -> Standing:
    return Standing(face_id, cluster, subject, by_person, False)


def line(*places: float) -> NDArray[np.float32]:
    """Vectors on a line, so that a test can say how far apart they lie."""
    return np.array([[place, 0] for place in places], dtype="f4")


def labels(*numbers: int) -> NDArray[np.int64]:
    return np.array(numbers)


def test_new_groups_get_fresh_numbers_and_single_faces_none() -> None:
    settled = settle(labels(0, 0, 1, 2, 2), [row(face) for face in range(5)], line(0, 0, 5, 9, 9), 1)
    assert settled == {0: (1, None), 1: (1, None), 2: (None, None), 3: (2, None), 4: (2, None)}


def test_a_group_keeps_the_number_that_most_of_it_had() -> None:
    now = [row(0, 7), row(1, 7), row(2, 8), row(3), row(4, 8)]
    settled = settle(labels(0, 0, 0, 1, 1), now, line(0, 0, 0, 5, 5), 1)
    assert [settled[face][0] for face in range(5)] == [7, 7, 7, 8, 8]


def test_new_faces_of_a_named_person_take_the_name_but_count_as_undecided() -> None:
    now = [row(0, 4, ANNA, True), row(1, 4, ANNA, True), row(2)]
    assert settle(labels(0, 0, 0), now, line(0, 0.1, 0.2), 1)[2] == (4, ANNA)


def test_a_face_too_far_from_any_decision_joins_the_cluster_without_the_name() -> None:
    now = [row(0, 4, ANNA, True), row(1)]
    assert settle(labels(0, 0), now, line(0, 1.5), 1)[1] == (4, None)


def test_a_name_given_by_clustering_alone_goes_when_the_likeness_does() -> None:
    now = [row(0, 4, ANNA, True), row(1, 4, ANNA)]
    assert settle(labels(0, 1), now, line(0, 9), 1)[1] == (None, None)


def test_two_people_grouped_together_each_draw_their_nearest() -> None:
    now = [row(0, 4, ANNA, True), row(1, 5, BO, True), row(2), row(3)]
    settled = settle(labels(0, 0, 0, 0), now, line(0, 1, 0.1, 0.9), 2)
    assert settled[2] == (4, ANNA)
    assert settled[3] == (5, BO)


def test_a_face_split_off_stays_so_and_draws_its_like() -> None:
    now = [row(0, 4, ANNA, True), row(1, 9, None, True), row(2)]
    settled = settle(labels(0, 0, 0), now, line(0, 1, 0.9), 2)
    assert settled[0] == (4, ANNA)
    assert settled[1] == settled[2] == (9, None)


def test_a_decided_face_without_a_cluster_gets_its_persons() -> None:
    now = [row(0, None, ANNA, True), row(1, 4, ANNA, True), row(2, None, BO, True), row(3)]
    settled = settle(labels(0, 0, 0, 0), now, line(0, 0.1, 5, 5.1), 1)
    assert settled == {0: (4, ANNA), 1: (4, ANNA), 2: (5, BO), 3: (5, BO)}


standings = st.lists(
    st.tuples(st.integers(0, 3), st.none() | st.integers(1, 5), st.none() | st.integers(1, 3), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(standings, st.integers(0, 1000))
def test_no_decision_is_ever_changed(rows: list[tuple[int, int | None, int | None, bool]], seed: int) -> None:
    now = [row(face, cluster, subject, decided) for face, (_, cluster, subject, decided) in enumerate(rows)]
    vectors = np.random.default_rng(seed).normal(size=(len(rows), 3)).astype("f4")
    settled = settle(labels(*(label for label, *_ in rows)), now, vectors, 1.0)
    assert settled.keys() == set(range(len(rows)))
    decided = [face for face in now if face.by_person]
    assert all(settled[face.face_id][1] == face.subject_id for face in decided)
    assert all(settled[face.face_id][0] == face.cluster for face in decided if face.cluster is not None)
    known = {face.subject_id for face in decided} | {None}
    assert {settled[face.face_id][1] for face in now} <= known
