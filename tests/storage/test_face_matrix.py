"""The matrix that mirrors the table of faces, and everything else that is cached of faces."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import catalog as catalogs
from storage import faces, schema
from storage.catalog import Catalog
from storage.face_matrix import caches, forget, matrix
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


def put(catalog: Catalog, boxes: Sequence[Box], space: str = SPACE, number: int = 1, first: float = 0) -> list[int]:
    """Faces at these boxes; the embeddings count up from `first`."""
    found = [NewFace(box, 0.99, np.full(4, first + at, dtype=np.float32)) for at, box in enumerate(boxes)]
    faces.replace_faces(catalog, number, found, space)
    return [face.id for face in faces.of_photo(catalog, number)]


def mirrors(catalog: Catalog, space: str = SPACE) -> None:
    """The matrix is what the table says."""
    held, rows = matrix(catalog, space), faces.page(catalog, "f.space = ?", (space,))
    assert held.ids.tolist() == [face.id for face in rows]
    assert held.vectors.tobytes() == b"".join(vector.tobytes() for vector in faces.vectors(catalog, held.ids).values())


def vectors_files(catalog: Catalog) -> list[str]:
    return [path.name for path in caches(catalog) if path.suffix == ".vectors"]


def test_the_matrix_holds_every_face_of_its_space(catalog: Catalog) -> None:
    photo(catalog)
    photo(catalog, 2)
    one = put(catalog, [LEFT, RIGHT])
    put(catalog, [LEFT], OTHER, number=2)
    held = matrix(catalog, SPACE)
    assert held.ids.tolist() == one
    assert held.vectors.tolist() == [[0.0] * 4, [1.0] * 4]
    assert isinstance(held.vectors, np.memmap)
    assert not held.vectors.flags.writeable
    assert [held.row(face) for face in (*one, 99)] == [0, 1, None]


def test_the_matrix_of_an_unused_space_is_empty(catalog: Catalog) -> None:
    held = matrix(catalog, "nothing")
    assert held.ids.shape == (0,)
    assert held.vectors.shape == (0, 0)


def test_new_faces_are_written_behind_the_others(catalog: Catalog) -> None:
    photo(catalog)
    photo(catalog, 2)
    put(catalog, [LEFT])
    before = matrix(catalog, SPACE)
    files = vectors_files(catalog)
    put(catalog, [LEFT, RIGHT], number=2, first=5)
    mirrors(catalog)
    assert vectors_files(catalog) == files
    assert before.vectors.tolist() == [[0.0] * 4]  # who holds the old one is not disturbed


def test_all_is_made_anew_when_a_face_went_or_changed(catalog: Catalog) -> None:
    photo(catalog)
    photo(catalog, 2)
    put(catalog, [LEFT, RIGHT])
    put(catalog, [LEFT], number=2, first=5)
    matrix(catalog, SPACE).codes.write_bytes(b"an index of these rows")
    put(catalog, [LEFT])
    mirrors(catalog)
    [only] = vectors_files(catalog)
    assert not [path for path in caches(catalog) if path.suffix == ".codes"]
    put(catalog, [LEFT], first=8)
    mirrors(catalog)
    assert vectors_files(catalog) != [only]
    assert len(vectors_files(catalog)) == 1


def test_losing_any_file_or_its_end_changes_nothing(catalog: Catalog) -> None:
    photo(catalog)
    put(catalog, [LEFT, RIGHT])
    for number in range(4):
        matrix(catalog, SPACE)
        files = [path for path in caches(catalog) if path.suffix != ".lock"]
        assert len(files) == 3
        if number < 3:
            files[number].unlink()
        else:
            files[-1].write_bytes(files[-1].read_bytes()[:-1])
        mirrors(catalog)


def test_a_crash_while_growing_leaves_no_trace(catalog: Catalog) -> None:
    photo(catalog)
    photo(catalog, 2)
    put(catalog, [LEFT])
    matrix(catalog, SPACE)
    for path in caches(catalog):
        if path.suffix in (".vectors", ".ids"):
            path.write_bytes(path.read_bytes() + b"half of a face")
    mirrors(catalog)
    put(catalog, [LEFT, RIGHT], number=2, first=5)
    mirrors(catalog)


def test_a_cache_of_a_later_state_is_not_taken_for_an_older_database(catalog: Catalog) -> None:
    photo(catalog)
    photo(catalog, 2)
    put(catalog, [LEFT])
    older = dict(catalog.connection.execute("SELECT face_id, stamp FROM face_stamps"))
    stamp = catalog.connection.execute("SELECT stamp FROM faces_stamp").fetchone()[0]
    put(catalog, [LEFT], number=2, first=5)
    matrix(catalog, SPACE)
    with catalog.transaction() as db:  # as if the database of before had been put back, and gone on otherwise
        db.execute("DELETE FROM faces WHERE photo_id = 2")
        db.execute("UPDATE faces_stamp SET stamp = ?", (stamp,))
    assert dict(catalog.connection.execute("SELECT face_id, stamp FROM face_stamps")) == older
    mirrors(catalog)
    put(catalog, [LEFT], number=2, first=9)
    mirrors(catalog)


def test_everything_cached_is_private_and_can_be_forgotten(catalog: Catalog) -> None:
    photo(catalog)
    put(catalog, [LEFT])
    put(catalog, [LEFT], OTHER)
    photo(catalog, 2)
    put(catalog, [RIGHT], number=2)
    for space in (SPACE, OTHER):
        matrix(catalog, space)
    assert {path.stat().st_mode & 0o777 for path in caches(catalog)} == {0o600}
    assert set(caches(catalog)) == set(catalog.cache.iterdir())
    assert len(forget(catalog)) == 8
    assert list(catalog.cache.iterdir()) == []
    mirrors(catalog)


def test_marking_and_naming_leave_the_matrix_cached(catalog: Catalog) -> None:
    photo(catalog)
    [left] = put(catalog, [LEFT])
    matrix(catalog, SPACE)
    before = vectors_files(catalog)
    faces.set_mark(catalog, [left], FaceMark.UNRECOGNISABLE)
    faces.settle(catalog, {left: (3, None)})
    matrix(catalog, SPACE)
    assert vectors_files(catalog) == before


def test_an_older_catalogs_faces_wait_and_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "older"
    catalogs.create(folder).close()
    (folder / "catalog.db").unlink()
    with closing(sqlite3.connect(folder / "catalog.db")) as db:
        schema.migrate(db, to=1)
        db.execute(f"PRAGMA application_id = {catalogs.APPLICATION_ID}")
        db.executescript("""
            INSERT INTO folders(id, path) VALUES (1, '/a');
            INSERT INTO photos(id, folder_id, name, path_text, size, mtime_ns, ctime_ns, inode)
            VALUES (1, 1, 'a', 'a', 1, 1, 1, 1), (2, 1, 'b', 'b', 1, 1, 1, 1);
            INSERT INTO faces(photo_id, x0, y0, x1, y1, probability, space, embedding)
            VALUES (1, 0, 0, 9, 9, 1, 'space-a', zeroblob(16));
        """)
    with catalogs.open_catalog(folder) as catalog:
        assert faces.waiting(catalog, SPACE) == 1
        mirrors(catalog)
        files = vectors_files(catalog)
        put(catalog, [LEFT], number=2, first=5)
        mirrors(catalog)
        assert vectors_files(catalog) == files
        assert faces.waiting(catalog, SPACE) == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.lists(st.integers(0, 4), max_size=4)), max_size=6))
def test_the_matrix_always_mirrors_the_table(catalog: Catalog, runs: list[tuple[int, list[int]]]) -> None:
    with catalog.transaction() as db:
        db.execute("DELETE FROM faces")
        db.execute("DELETE FROM status_dirty")
        db.execute("DELETE FROM photos")
    for number in (1, 2, 3):
        photo(catalog, number)
    for number, places in runs:
        put(catalog, [(x * 50, 0, x * 50 + 40, 40) for x in places], number=number)
        mirrors(catalog)
