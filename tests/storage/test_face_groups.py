"""Clusters and named people, counted."""

from __future__ import annotations

from storage import face_groups, faces
from storage.catalog import Catalog
from storage.records import FaceMark
from tests.storage.test_faces import LEFT, RIGHT, photo, put, subject


def test_groups_name_the_largest_first_and_leave_marked_faces_out(catalog: Catalog) -> None:
    photo(catalog)
    photo(catalog, 2)
    small, large = put(catalog, [(0, 0, 20, 20), RIGHT])
    other, leaf = put(catalog, [LEFT, RIGHT], number=2)
    faces.settle(catalog, {small: (1, None), large: (1, None), other: (2, None), leaf: (2, None)})
    faces.assign(catalog, [other], subject(catalog, "Anna"), by_person=True)
    faces.set_mark(catalog, [leaf], FaceMark.NOT_A_FACE)
    told = [(g.cluster, g.subject, g.faces, g.photos, g.example) for g in face_groups.groups(catalog)]
    assert told == [(1, None, 2, 1, large), (2, "Anna", 1, 1, other)]
    counted = {(one.cluster, one.subject_id): (one.faces, one.photos) for one in face_groups.tallies(catalog)}
    assert counted == {(g.cluster, g.subject_id): (g.faces, g.photos) for g in face_groups.groups(catalog)}
    assert set(face_groups.tallies(catalog, counted)) == set(face_groups.tallies(catalog))
    assert face_groups.clusters_of(catalog, [small, other]) == {1, 2}
    assert [group.cluster for group in face_groups.groups(catalog, unnamed=True)] == [1]
