"""New faces are dealt to the clusters there are, which stay."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.faces.join import join
from storage.faces import Standing

ANNA, BO = 1, 2


def old(face_id: int, cluster: int | None = None, subject: int | None = None, by_person: bool = False) -> Standing:
    return Standing(face_id, cluster, subject, by_person, False)


def new(face_id: int, cluster: int | None = None, subject: int | None = None, by_person: bool = False) -> Standing:
    return Standing(face_id, cluster, subject, by_person, False, waiting=True)


def line(*places: float) -> NDArray[np.float32]:
    return np.array([[place, 0] for place in places], dtype="f4")


def test_a_new_face_joins_the_cluster_it_is_like_and_nothing_else_moves() -> None:
    now = [old(0, 4), old(1, 4), old(2, 7), old(3, 7), new(4), new(5)]
    assert join(now, line(0, 0.1, 9, 9.1, 9.2, 50), 1, first_new=8) == {4: (7, None), 5: (None, None)}


def test_new_faces_that_are_like_each_other_make_a_new_cluster() -> None:
    now = [old(0, 4), old(1, 4), new(2), new(3)]
    assert join(now, line(0, 0.1, 9, 9.1), 1, first_new=8) == {2: (8, None), 3: (8, None)}


def test_a_lone_face_is_joined_by_a_new_one() -> None:
    now = [old(0, 4), old(1, 4), old(2), new(3)]
    assert join(now, line(0, 0.1, 9, 9.1), 1, first_new=8) == {2: (8, None), 3: (8, None)}


def test_clusters_stay_apart_whatever_comes_between_them() -> None:
    now = [old(0, 4), old(1, 4), old(2, 7), old(3, 7), *(new(face) for face in range(4, 9))]
    settled = join(now, line(0, 0, 1.4, 1.4, 0.7, 0.7, 0.7, 0.7, 0.7), 1, first_new=8)
    assert set(settled) == set(range(4, 9))
    assert {place for place, _ in settled.values()} <= {4, 7}


def test_a_new_face_takes_the_name_of_the_nearest_decision_within_reach() -> None:
    now = [old(0, 4, ANNA, True), old(1, 4, BO, True), old(2, 4), new(3), new(4)]
    settled = join(now, line(0, 0.8, 0.4, 0.1, 0.7), 1, first_new=8)
    assert settled == {3: (4, ANNA), 4: (4, BO)}


def test_a_face_that_a_person_has_placed_waits_no_longer_and_stays() -> None:
    now = [old(0, 4, ANNA, True), new(1, 4, ANNA, True), new(2, None, BO, True)]
    assert join(now, line(0, 0.9, 0.1), 1, first_new=8) == {1: (4, ANNA), 2: (8, BO)}


def test_a_face_embedded_anew_forgets_where_it_was() -> None:
    now = [old(0, 4), old(1, 4), new(2, 4)]
    assert join(now, line(0, 0, 50), 1, first_new=8) == {2: (None, None)}


def test_with_nothing_new_nothing_moves() -> None:
    assert join([old(0, 4), old(1, 4), old(2)], line(0, 0, 0.1), 1, first_new=8) == {}


rows = st.lists(
    st.tuples(
        st.none() | st.integers(1, 4), st.none() | st.integers(1, 3), st.booleans(), st.booleans(), st.integers(0, 40)
    ),
    min_size=1,
    max_size=16,
)


@settings(deadline=None)
@given(rows)
def test_only_new_and_lone_faces_move_and_no_decision_does(
    given_rows: list[tuple[int | None, int | None, bool, bool, int]],
) -> None:
    now = [
        Standing(face, cluster, subject if decided else None, decided, False, waiting)
        for face, (cluster, subject, decided, waiting, _) in enumerate(given_rows)
    ]
    settled = join(now, line(*(place / 4 for *_, place in given_rows)), 1.0, first_new=5)
    by_id = {face.face_id: face for face in now}
    assert {face.face_id for face in now if face.waiting} <= set(settled)
    for face_id, (cluster, subject) in settled.items():
        face = by_id[face_id]
        assert face.waiting or face.cluster is None
        if face.by_person:
            assert subject == face.subject_id
            assert face.cluster in (None, cluster)
        assert cluster is None or cluster >= 5 or cluster in {one.cluster for one in now}
