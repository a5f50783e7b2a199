"""Captions and proposals: kept by photograph and person, and gone with either."""

from __future__ import annotations

import pytest

from storage import captions, proposals, subjects
from storage.captions import PictureKey
from storage.catalog import Catalog
from tests.world import photograph


@pytest.fixture
def keys(catalog: Catalog) -> list[PictureKey]:
    """Two people in each of two photographs."""
    people = [subjects.add(catalog, name).id for name in ("Ann", "Ben")]
    return [(photo, person) for photo in (photograph(catalog, []), photograph(catalog, [])) for person in people]


def test_captions_are_written_over_and_given_up(catalog: Catalog, keys: list[PictureKey]) -> None:
    captions.put(catalog, dict.fromkeys(keys, "a"))
    captions.put(catalog, {keys[0]: "b", keys[1]: None})
    assert captions.of_pictures(catalog, keys) == {keys[0]: "b", keys[2]: "a", keys[3]: "a"}
    assert captions.of_pictures(catalog, keys[:1]) == {keys[0]: "b"}


def test_a_merged_records_captions_stand_for_the_other(catalog: Catalog, keys: list[PictureKey]) -> None:
    """Through two merges; its own come first, and giving one up gives up both."""
    photo, ann = keys[0]
    ben, kim = keys[1][1], subjects.add(catalog, "Kim").id
    captions.put(catalog, {(photo, ann): "a", keys[2]: "c"})
    subjects.fold(catalog, ann, ben)
    subjects.fold(catalog, ben, kim)
    assert captions.of_pictures(catalog, [(photo, kim)]) == {(photo, kim): "a"}
    captions.put(catalog, {(photo, kim): "k"})
    assert captions.of_pictures(catalog, [(photo, kim)]) == {(photo, kim): "k"}
    captions.put(catalog, {(photo, kim): None})
    assert captions.of_pictures(catalog, [(photo, kim)]) == {}
    assert captions.of_pictures(catalog, [(keys[2][0], kim)]) == {(keys[2][0], kim): "c"}
    subjects.unfold(catalog, ben)
    assert captions.of_pictures(catalog, [(keys[2][0], kim)]) == {}


def test_what_was_said_goes_with_photograph_and_person(catalog: Catalog, keys: list[PictureKey]) -> None:
    captions.put(catalog, dict.fromkeys(keys, "a"))
    proposals.put(catalog, "one", {key: {"hat": 0.5} for key in keys})
    with catalog.transaction() as db:
        db.execute("DELETE FROM subjects WHERE id = ?", (keys[0][1],))
    left = [key for key in keys if key[1] != keys[0][1]]
    assert list(captions.of_pictures(catalog, keys)) == list(proposals.of_pictures(catalog, keys)) == left


def test_a_second_look_of_one_tagger_takes_the_place_of_the_first(catalog: Catalog, keys: list[PictureKey]) -> None:
    proposals.put(catalog, "one", {keys[0]: {"hat": 0.5, "sea": 0.2}, keys[1]: {}})
    proposals.put(catalog, "one", {keys[0]: {"hat": 0.4}})
    proposals.put(catalog, "two", {keys[0]: {"hat": 0.3, "sand": 0.9}})
    assert proposals.of_pictures(catalog, keys) == {keys[0]: {"hat": 0.4, "sand": 0.9}, keys[1]: {}}
    assert proposals.of_pictures(catalog, keys, "one") == {keys[0]: {"hat": 0.4}, keys[1]: {}}
