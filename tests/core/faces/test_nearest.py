"""The nearest faces are those of a search of all, whatever the index is or was."""

from __future__ import annotations

import os
from itertools import count

import numpy as np
import pytest
from numpy.typing import NDArray

from core.faces import nearest as ours
from core.faces.nearest import nearest
from storage import faces
from storage.catalog import Catalog
from storage.face_matrix import caches
from storage.faces import NewFace

SPACE = "somewhere"
_numbers = count(1)


def add(catalog: Catalog, vectors: NDArray[np.float32]) -> None:
    """A photograph of all these faces."""
    number = next(_numbers)
    with catalog.transaction() as db:
        db.execute("INSERT OR IGNORE INTO folders(id, path) VALUES (1, ?)", (b"/a",))
        db.execute(
            "INSERT INTO photos(id, folder_id, name, path_text, size, mtime_ns, ctime_ns, inode)"
            " VALUES (?, 1, ?, 'x', 1, 1, 1, 1)",
            (number, str(number).encode()),
        )
    found = [NewFace((10 * at, 0, 10 * at + 9, 9), 0.9, vector) for at, vector in enumerate(vectors)]
    faces.replace_faces(catalog, number, found, SPACE)


def made_up(number: int, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors around a tenth as many centres."""
    draws = np.random.default_rng(seed)
    centres = draws.normal(size=(number // 10, 64))
    vectors = centres[draws.integers(len(centres), size=number)] + 0.6 * draws.normal(size=(number, 64))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("f4")


def of_all(catalog: Catalog, vector: NDArray[np.float32], number: int) -> list[int]:
    """Ids of the nearest by comparing with every face in the table."""
    rows = faces.page(catalog)
    held = faces.vectors(catalog, [row.id for row in rows])
    apart = [float(((held[row.id].astype(float) - vector) ** 2).sum()) for row in rows]
    return [rows[at].id for at in np.argsort(apart, kind="stable")[:number]]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index pays from 50 faces on, and few are looked at again."""
    monkeypatch.setattr(ours, "PLAIN", 50)
    monkeypatch.setattr(ours, "AT_LEAST", 40)


def codes(catalog: Catalog) -> list[str]:
    return [path.name for path in caches(catalog) if path.suffix == ".codes"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("cores", [1, 3])
def test_with_an_index_the_nearest_are_those_of_all(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    monkeypatch.setattr(ours, "A_PART", 70)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    vectors = made_up(400)
    add(catalog, vectors)
    search = nearest(catalog, SPACE)
    assert search.index.ntotal == 400
    right = 0
    for vector in vectors[::20]:
        ids, distances = search.search(vector, 10)
        assert (np.diff(distances) >= 0).all()
        right += len(set(ids.tolist()) & set(of_all(catalog, vector, 10)))
    assert right >= 0.99 * 10 * 20


@pytest.mark.usefixtures("small")
def test_new_faces_are_found_at_once_and_indexed_when_they_are_many(catalog: Catalog) -> None:
    first, few, many = made_up(200), made_up(30, 1), made_up(60, 2)
    add(catalog, first)
    nearest(catalog, SPACE)
    [name] = codes(catalog)
    add(catalog, few)
    search = nearest(catalog, SPACE)
    assert search.index.ntotal == 200
    assert search.search(few[3], 5)[0].tolist() == of_all(catalog, few[3], 5)
    add(catalog, many)
    search = nearest(catalog, SPACE)
    assert search.index.ntotal == 290
    assert codes(catalog) == [name]
    assert search.search(many[3], 5)[0].tolist() == of_all(catalog, many[3], 5)


@pytest.mark.usefixtures("small")
def test_a_lost_damaged_or_stale_index_changes_nothing(catalog: Catalog) -> None:
    vectors = made_up(200)
    add(catalog, vectors)
    before = nearest(catalog, SPACE).search(vectors[7], 12)[0].tolist()
    path = nearest(catalog, SPACE).matrix.codes
    assert path.stat().st_mode & 0o777 == 0o600
    whole = path.read_bytes()
    for damaged in (None, b"", b"nonsense", whole[: len(whole) // 2]):
        path.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
        search = nearest(catalog, SPACE)
        assert search.search(vectors[7], 12)[0].tolist() == before
        assert search.index.ntotal == 200
    lost = faces.page(catalog)[7].photo_id
    faces.replace_faces(catalog, lost, [], SPACE)
    assert nearest(catalog, SPACE).search(vectors[7], 12)[0].tolist() == []
    add(catalog, vectors[:100])
    assert nearest(catalog, SPACE).search(vectors[7], 12)[0].tolist() == of_all(catalog, vectors[7], 12)


def test_few_faces_need_no_index(catalog: Catalog) -> None:
    vectors = made_up(30)
    add(catalog, vectors)
    search = nearest(catalog, SPACE)
    assert search.index is None
    assert search.search(vectors[0], 50)[0].tolist() == of_all(catalog, vectors[0], 50)
    assert nearest(catalog, "nothing").search(vectors[0], 5)[0].tolist() == []
