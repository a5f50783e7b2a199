"""Naming people: what is said stays said, through every later clustering."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from core import people
from core.errors import BadValue, NoSuchRecord, Refused
from storage import artifacts, faces, ledger, subjects
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.records import CohortItem, CohortRules, EventKind, FaceMark, Purpose

SPACE = "somewhere"
WITHIN = 1.0  # people lie 10 apart, pictures of one person about 0.4


def add_photos(catalog: Catalog, who: list[int], seed: int = 0) -> list[int]:
    """A photograph with one face for each number of a person; ids of the faces."""
    rng = np.random.default_rng(seed)
    made = []
    with catalog.transaction() as db:
        db.execute("INSERT OR IGNORE INTO folders(id, path) VALUES (1, ?)", (b"/a",))
        for person in who:
            vector = rng.normal(size=8) * 0.1
            vector[person] += 10 / np.sqrt(2)
            photo_id = db.execute(
                "INSERT INTO photos(folder_id, name, path_text, size, mtime_ns, ctime_ns, inode, content_hash)"
                " VALUES (1, randomblob(8), 'x', 1, 1, 1, 1, 'abc')"
            ).lastrowid
            assert photo_id
            faces.replace_faces(catalog, photo_id, [NewFace((5, 5, 60, 60), 0.99, vector.astype("f4"))], SPACE)
            made.append(faces.of_photo(catalog, photo_id)[0].id)
    return made


def names(catalog: Catalog, face_ids: list[int]) -> list[str | None]:
    known = {person.id: person.name for person in subjects.list_all(catalog)}
    by_id = {face.id: face.subject_id for face in faces.get_many(catalog, face_ids)}
    return [known.get(by_id[face] or 0) for face in face_ids]


def clusters(catalog: Catalog, face_ids: list[int]) -> list[int | None]:
    by_id = {face.id: face.cluster for face in faces.get_many(catalog, face_ids)}
    return [by_id[face] for face in face_ids]


def test_clustering_finds_who_is_alike(catalog: Catalog) -> None:
    ids = add_photos(catalog, [0, 1, 0, 1, 0, 2])
    result = people.cluster(catalog, WITHIN)
    assert (result.clusters, result.faces, result.unclustered, result.threshold) == (2, 5, 1, WITHIN)
    assert clusters(catalog, ids) == [1, 2, 1, 2, 1, None]
    assert [(group.cluster, group.faces) for group in people.listing(catalog, unnamed=True)] == [(1, 3), (2, 2)]


def test_an_empty_catalog_has_nobody(catalog: Catalog) -> None:
    assert people.cluster(catalog).clusters == 0
    assert people.listing(catalog) == []


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan"), float("inf")])
def test_a_threshold_that_is_no_distance_is_refused(catalog: Catalog, threshold: float) -> None:
    with pytest.raises(BadValue):
        people.cluster(catalog, threshold)


def test_marked_faces_take_no_part(catalog: Catalog) -> None:
    ids = add_photos(catalog, [0, 0, 0])
    faces.set_mark(catalog, ids[:1], FaceMark.NOT_A_FACE)
    assert people.cluster(catalog, WITHIN).faces == 2


def test_a_name_spreads_to_photographs_added_later_and_numbers_stay(catalog: Catalog) -> None:
    ids = add_photos(catalog, [0, 0, 1, 1])
    people.cluster(catalog, WITHIN)
    assert people.name(catalog, 1, "Anna").faces == 2
    later = add_photos(catalog, [0, 1, 3, 3, 0], seed=1)
    people.cluster(catalog, WITHIN)
    assert names(catalog, ids + later) == ["Anna", "Anna", None, None, "Anna", None, None, None, "Anna"]
    assert clusters(catalog, ids + later) == [1, 1, 2, 2, 1, 2, 3, 3, 1]
    by_person = [face.assigned_by_person for face in faces.get_many(catalog, ids + later)]
    assert by_person == [True, True, False, False, False, False, False, False, False]


def test_a_new_name_makes_a_subject_who_has_granted_nothing(catalog: Catalog) -> None:
    add_photos(catalog, [0, 0])
    people.cluster(catalog, WITHIN)
    people.name(catalog, 1, "ນາງ ຄໍາ")
    person = subjects.get(catalog, "ນາງ ຄໍາ")
    assert ledger.events_of(catalog, person.uid) == []


def test_a_cluster_that_is_not_there_makes_nobody(catalog: Catalog) -> None:
    with pytest.raises(NoSuchRecord):
        people.name(catalog, 4, "Anna")
    assert subjects.list_all(catalog) == []


def test_a_cluster_named_wrongly_can_be_named_again(catalog: Catalog) -> None:
    ids = add_photos(catalog, [0, 0])
    people.cluster(catalog, WITHIN)
    people.name(catalog, 1, "Anna")
    people.name(catalog, 1, "Bo")
    assert names(catalog, ids) == ["Bo", "Bo"]


def test_naming_a_cluster_leaves_what_was_assigned_by_hand(catalog: Catalog) -> None:
    ids = add_photos(catalog, [0, 0, 0])
    people.cluster(catalog, WITHIN)
    faces.assign(catalog, ids[:1], subjects.add(catalog, "Twin").id, by_person=True)
    people.name(catalog, 1, "Anna")
    assert names(catalog, ids) == ["Twin", "Anna", "Anna"]


def test_split_faces_stay_away_through_clustering(catalog: Catalog) -> None:
    ids = add_photos(catalog, [0, 0, 0, 0])
    people.cluster(catalog, WITHIN)
    people.name(catalog, 1, "Anna")
    assert people.split(catalog, "Anna", ids[:2]).faces == 2
    people.cluster(catalog, WITHIN)
    assert names(catalog, ids) == [None, None, "Anna", "Anna"]
    assert clusters(catalog, ids) == [2, 2, 1, 1]
    people.name(catalog, 2, "Sister")
    people.cluster(catalog, WITHIN)
    assert names(catalog, ids) == ["Sister", "Sister", "Anna", "Anna"]


def test_only_a_subjects_own_faces_can_be_split_off(catalog: Catalog) -> None:
    ids = add_photos(catalog, [0, 0, 1])
    people.cluster(catalog, WITHIN)
    people.name(catalog, 1, "Anna")
    with pytest.raises(BadValue, match=f"face {ids[2]} is not Anna's"):
        people.split(catalog, "Anna", ids)
    with pytest.raises(BadValue):
        people.split(catalog, "Anna", [])
    assert names(catalog, ids) == ["Anna", "Anna", None]


def test_an_assigned_face_stays_with_its_subject(catalog: Catalog) -> None:
    ids = add_photos(catalog, [0, 0, 0, 1, 1])
    people.cluster(catalog, WITHIN)
    people.name(catalog, 1, "Anna")
    people.name(catalog, 2, "Bo")
    assert people.assign(catalog, ids[0], "Bo").faces == 3
    people.cluster(catalog, WITHIN)
    assert names(catalog, ids) == ["Bo", "Anna", "Anna", "Bo", "Bo"]
    assert clusters(catalog, ids) == [2, 1, 1, 2, 2]
    with pytest.raises(NoSuchRecord):
        people.assign(catalog, ids[0], "Nobody of that name")
    with pytest.raises(NoSuchRecord):
        people.assign(catalog, 999, "Bo")


def named_two(catalog: Catalog) -> list[int]:
    ids = add_photos(catalog, [0, 0, 1, 1])
    people.cluster(catalog, WITHIN)
    people.name(catalog, 1, "Anna")
    people.name(catalog, 2, "Anna K.")
    return ids


def grant(catalog: Catalog, name: str, *purposes: Purpose, kind: EventKind = EventKind.GRANT) -> None:
    uid = subjects.get(catalog, name).uid
    ledger.append(catalog, kind=kind, subject_uid=uid, purposes=purposes, by="her", at=datetime(2026, 1, 1, tzinfo=UTC))


def test_merged_people_are_one_and_stay_so(catalog: Catalog) -> None:
    ids = named_two(catalog)
    assert people.merge(catalog, "Anna", "Anna K.") == people.Belongs("Anna", 4)
    people.cluster(catalog, WITHIN)
    assert names(catalog, ids) == ["Anna"] * 4
    with pytest.raises(BadValue):
        people.merge(catalog, "Anna", "Anna")


def test_a_merge_never_widens_what_a_person_allowed(catalog: Catalog) -> None:
    ids = named_two(catalog)
    grant(catalog, "Anna", Purpose.PUBLISH, Purpose.PRINT)
    grant(catalog, "Anna K.", Purpose.PRINT)
    grant(catalog, "Anna K.", Purpose.PUBLISH, kind=EventKind.REFUSAL)
    with pytest.raises(Refused, match="publish"):
        people.merge(catalog, "Anna", "Anna K.")
    assert names(catalog, ids) == ["Anna", "Anna", "Anna K.", "Anna K."]
    assert people.merge(catalog, "Anna K.", "Anna").faces == 4


def test_a_merge_never_loses_what_is_known_of_an_age(catalog: Catalog) -> None:
    named_two(catalog)
    young = subjects.get(catalog, "Anna K.")
    subjects.edit(catalog, type(young)(young.id, young.uid, young.name, born=date(2015, 1, 1)), by="me")
    with pytest.raises(Refused, match="age"):
        people.merge(catalog, "Anna", "Anna K.")


def test_pictures_in_a_frozen_cohort_stay_within_reach_of_their_withdrawal(catalog: Catalog) -> None:
    ids = named_two(catalog)
    person = subjects.get(catalog, "Anna K.")
    cohort = artifacts.add_cohort(
        catalog, "summer", "faces:1", CohortRules(Purpose.TRAIN_COMPOSITE), datetime(2026, 1, 1, tzinfo=UTC)
    )
    photo_id = faces.get(catalog, ids[2]).photo_id
    item = CohortItem(photo_id, ids[2], person.id, person.uid, "abc", (0, 0, 9, 9), (), "f" * 64, "a" * 64, "b" * 64)
    artifacts.freeze_cohort(
        catalog,
        cohort.id,
        [item],
        merkle_root="b" * 64,
        ledger_head="c" * 64,
        frozen_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    with pytest.raises(Refused, match="summer"):
        people.merge(catalog, "Anna", "Anna K.")


def test_a_mark_is_on_the_ledger_with_who_and_why(catalog: Catalog) -> None:
    [face_id] = add_photos(catalog, [0])
    face = people.ignore(catalog, face_id, FaceMark.UNRECOGNISABLE, "seen from behind", "Mika").face
    assert face.mark is FaceMark.UNRECOGNISABLE
    [event] = ledger.all(catalog)
    assert (event.kind, event.by, event.note) == (EventKind.FACE_MARK, "Mika", "seen from behind")
    assert (event.details["mark"], event.details["face"], event.details["content_hash"]) == (
        "unrecognisable",
        face_id,
        "abc",
    )
    assert people.ignore(catalog, face_id, None, "she can be known by her coat", "Mika").face.mark is None
    assert [event.details["mark"] for event in ledger.all(catalog)] == ["unrecognisable", None]


@pytest.mark.parametrize(("why", "by"), [("", "Mika"), ("a leaf", " ")])
def test_a_mark_without_a_reason_or_a_name_is_refused(catalog: Catalog, why: str, by: str) -> None:
    [face_id] = add_photos(catalog, [0])
    with pytest.raises(BadValue):
        people.ignore(catalog, face_id, FaceMark.NOT_A_FACE, why, by)
    assert faces.get(catalog, face_id).mark is None
    assert list(ledger.all(catalog)) == []


def test_new_photographs_are_dealt_to_the_clusters_there_are(catalog: Catalog) -> None:
    ids = add_photos(catalog, [0, 0, 1, 1, 2])
    people.cluster(catalog, WITHIN)
    people.name(catalog, 1, "Anna")
    later = add_photos(catalog, [0, 2, 3, 3, 1, 4], seed=1)
    result = people.cluster(catalog, whole=False)
    assert (result.clusters, result.faces, result.unclustered) == (4, 10, 1)
    assert result.looked_at == 7  # and the lone face that is no longer alone
    assert names(catalog, ids + later) == ["Anna", "Anna", None, None, None, "Anna", *[None] * 5]
    assert clusters(catalog, ids + later)[:4] == [1, 1, 2, 2]
    of_two, of_three = clusters(catalog, ids)[4], clusters(catalog, later)[2]
    assert {of_two, of_three} == {3, 4}
    assert clusters(catalog, later) == [1, of_two, of_three, of_three, 2, None]
    assert people.cluster(catalog, whole=False).looked_at == 0


def test_which_faces_are_grouped_follows_from_how_many_there_are(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "FEW", 3)
    add_photos(catalog, [0, 0, 1, 1, 2, 2, 3, 3])
    assert people.cluster(catalog, WITHIN).looked_at == 8
    add_photos(catalog, [0], seed=1)
    assert people.cluster(catalog, WITHIN).looked_at == 1
    assert people.cluster(catalog, whole=True).looked_at == 9
    add_photos(catalog, [0], seed=2)
    assert people.cluster(catalog, WITHIN + 0.5).looked_at == 10  # another threshold
    add_photos(catalog, [0, 1, 2, 3], seed=3)
    assert people.cluster(catalog).looked_at == 14  # the archive has grown by more than a quarter
    monkeypatch.setattr(people, "FEW", 100)
    assert people.cluster(catalog).looked_at == 14  # few enough


def test_a_face_that_is_counted_again_is_looked_at_again(catalog: Catalog) -> None:
    ids = add_photos(catalog, [0, 0, 0])
    faces.set_mark(catalog, ids[2:], FaceMark.NOT_A_FACE)
    people.cluster(catalog, WITHIN)
    assert clusters(catalog, ids) == [1, 1, None]
    faces.set_mark(catalog, ids[2:], None)
    people.cluster(catalog, whole=False)
    assert clusters(catalog, ids) == [1, 1, 1]


def test_the_nearest_faces_leave_out_itself_and_the_marked(catalog: Catalog) -> None:
    ids = add_photos(catalog, [0, 0, 0, 1, 1])
    people.cluster(catalog, WITHIN)
    people.name(catalog, 1, "Anna")
    faces.set_mark(catalog, ids[1:2], FaceMark.NOT_A_FACE)
    found = people.nearest(catalog, ids[0])
    assert found[0].face == ids[2]
    assert {one.face for one in found} == {ids[2], ids[3], ids[4]}
    assert (found[0].subject, found[0].cluster, found[1].subject) == ("Anna", 1, None)
    assert [one.distance for one in found] == sorted(one.distance for one in found)
    assert len(people.nearest(catalog, ids[0], 1)) == 1
    with pytest.raises(NoSuchRecord):
        people.nearest(catalog, 99)
    with pytest.raises(BadValue, match="marked"):
        people.nearest(catalog, ids[1])
    with pytest.raises(BadValue):
        people.nearest(catalog, ids[0], 0)


def test_the_nearest_are_sought_on_where_most_are_marked(catalog: Catalog) -> None:
    ids = add_photos(catalog, [0] * 40 + [1])
    faces.set_mark(catalog, ids[1:40], FaceMark.NOT_A_FACE)
    assert [one.face for one in people.nearest(catalog, ids[0], 1)] == [ids[40]]
