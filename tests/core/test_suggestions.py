"""Guesses at who somebody is: ranked, with a confidence, and assigning nothing."""

from __future__ import annotations

import numpy as np
import pytest

from core import people, suggestions
from core.errors import BadValue, NoSuchRecord
from storage import faces, subjects
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.records import FaceMark

SPACE = "somewhere"
PEOPLE, DIM, SPREAD, WITHIN = 14, 32, 0.35, 0.7


def add(catalog: Catalog, who: list[int], *, off: float = 0.0, seed: int = 0) -> list[int]:
    """A photograph with a face for each number of a person, `off` from where that person's lie; ids of the faces."""
    draws = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(PEOPLE, 2, DIM)) / np.sqrt(DIM)
    made = []
    with catalog.transaction() as db:
        db.execute("INSERT OR IGNORE INTO folders(id, path) VALUES (1, ?)", (b"/a",))
        for person in who:
            side = centres[person, 1] / np.linalg.norm(centres[person, 1])
            vector = centres[person, 0] + off * side + SPREAD * draws.normal(size=DIM) / np.sqrt(DIM)
            photo_id = db.execute(
                "INSERT INTO photos(folder_id, name, path_text, size, mtime_ns, ctime_ns, inode)"
                " VALUES (1, randomblob(8), 'x', 1, 1, 1, 1)"
            ).lastrowid
            assert photo_id
            faces.replace_faces(catalog, photo_id, [NewFace((5, 5, 60, 60), 0.99, vector.astype("f4"))], SPACE)
            made.append(faces.of_photo(catalog, photo_id)[0].id)
    return made


@pytest.fixture
def named(catalog: Catalog) -> Catalog:
    """Person 0 to 11 named; of person 3 a second cluster, of somebody unknown one, and a lone face of person 4."""
    ids = add(catalog, list(range(12)) * 8)
    for person in range(12):
        subject = subjects.add(catalog, f"Person {person}")
        for face in ids[person::12]:
            people.assign(catalog, face, subject.id)
    add(catalog, [3, 3, 3, 13, 13, 13], off=0.55, seed=5)
    add(catalog, [4], off=0.6, seed=6)
    people.cluster(catalog, WITHIN)
    return catalog


def unnamed(catalog: Catalog) -> list[int]:
    return [group.cluster for group in people.listing(catalog, unnamed=True) if group.cluster is not None]


def test_a_cluster_is_guessed_at(named: Catalog) -> None:
    best = {cluster: suggestions.who_is(named, cluster) for cluster in unnamed(named)}
    assert len(best) == 2
    [of_three, *_] = [guesses for guesses in best.values() if guesses and guesses[0].subject == "Person 3"]
    assert of_three[0].confidence is not None
    assert of_three[0].confidence > 0.5
    assert of_three[0].faces == 3
    [of_stranger] = [guesses for guesses in best.values() if guesses is not of_three]
    assert sum(guess.confidence or 0 for guess in of_stranger) < 0.5


def test_a_person_is_sought_among_clusters_and_lone_faces(named: Catalog) -> None:
    [first, *_] = suggestions.who_could_be(named, "Person 3")
    assert first.cluster in unnamed(named)
    [lone, *_] = suggestions.who_could_be(named, "Person 4")
    assert (lone.cluster, lone.faces) == (None, 1)
    assert [guess.confidence for guess in suggestions.who_could_be(named, "Person 3")] == sorted(
        (guess.confidence for guess in suggestions.who_could_be(named, "Person 3")), reverse=True
    )


def test_a_guess_assigns_nothing(named: Catalog) -> None:
    before = [tuple(row) for row in named.connection.execute("SELECT * FROM faces ORDER BY id")]
    suggestions.who_could_be(named, "Person 3")
    suggestions.who_is(named, unnamed(named)[0])
    assert [tuple(row) for row in named.connection.execute("SELECT * FROM faces ORDER BY id")] == before


def test_marked_faces_are_no_guess(named: Catalog) -> None:
    [lone, *_] = suggestions.who_could_be(named, "Person 4")
    people.ignore(named, lone.example, FaceMark.NOT_A_FACE, "a leaf", "me")
    assert lone.example not in [guess.example for guess in suggestions.who_could_be(named, "Person 4")]


def test_who_was_split_off_is_not_suggested_until_a_person_says_otherwise(named: Catalog) -> None:
    [cluster] = [guess.cluster for guess in suggestions.who_could_be(named, "Person 3")][:1]
    assert cluster is not None
    people.name(named, cluster, "Person 3")
    theirs = [face.id for face in faces.of_cluster(named, cluster) if face.subject_id is not None]
    people.split(named, "Person 3", theirs)
    [now] = {face.cluster for face in faces.get_many(named, theirs)}
    assert now is not None
    assert "Person 3" not in [guess.subject for guess in suggestions.who_is(named, now)]
    assert now not in [guess.cluster for guess in suggestions.who_could_be(named, "Person 3")]
    people.assign(named, theirs[0], "Person 3")
    assert theirs[0] not in faces.denied(named)
    assert set(faces.denied(named)) == set(theirs[1:])


def test_among_few_people_the_distance_ranks_and_no_confidence_is_given(catalog: Catalog) -> None:
    add(catalog, [0, 0, 1, 1, 2, 2])
    people.cluster(catalog, WITHIN)
    people.name(catalog, 1, "Anna")
    people.name(catalog, 2, "Bo")
    guesses = suggestions.who_is(catalog, 3)
    assert {guess.subject for guess in guesses} == {"Anna", "Bo"}
    assert [guess.confidence for guess in guesses] == [None, None]
    assert guesses[0].distance <= guesses[1].distance


def test_what_can_not_be_guessed_at_is_said(catalog: Catalog) -> None:
    add(catalog, [0, 0])
    people.cluster(catalog, WITHIN)
    assert suggestions.who_is(catalog, 1) == []
    subjects.add(catalog, "Anna")
    with pytest.raises(BadValue, match="no face is Anna's"):
        suggestions.who_could_be(catalog, "Anna")
    with pytest.raises(NoSuchRecord):
        suggestions.who_could_be(catalog, "Bo")
    people.name(catalog, 1, "Anna")
    with pytest.raises(NoSuchRecord, match="no cluster 1 without"):
        suggestions.who_is(catalog, 1)
    assert suggestions.who_could_be(catalog, "Anna") == []
