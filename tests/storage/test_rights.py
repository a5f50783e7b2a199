"""Whose photographs are: said, changed, taken back, and noted for a ruling each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage import catalog as catalogs
from storage import rights
from storage.records import Rights


@pytest.fixture
def catalog(tmp_path: Path) -> catalogs.Catalog:
    with catalogs.create(tmp_path / "catalog") as made:
        with made.transaction() as db:
            db.execute("INSERT INTO folders(id, path) VALUES (1, ?)", (b"/archive",))
            db.executemany(
                "INSERT INTO photos(id, folder_id, name, path_text, size, mtime_ns, ctime_ns, inode, content_hash)"
                " VALUES (?1, 1, CAST(?1 AS BLOB), ?1, 1, 1, 1, 1, printf('hash %d', ?1))",
                [(number,) for number in (1, 2, 3)],
            )
        yield made


def test_those_alone_turn_that_were_what_was_said(catalog: catalogs.Catalog) -> None:
    rights.put(catalog, [2], Rights.LICENSED)
    assert rights.turn(catalog, [3, 1, 2], Rights.UNKNOWN, Rights.MINE) == {1: "hash 1", 3: "hash 3"}
    assert rights.of_photos(catalog, [1, 2, 3]) == {Rights.MINE: [1, 3], Rights.LICENSED: [2]}
    assert rights.turn(catalog, [1, 2], Rights.MINE, Rights.UNKNOWN) == {1: "hash 1"}
    assert rights.of_photos(catalog, [1, 2, 3]) == {Rights.UNKNOWN: [1], Rights.LICENSED: [2], Rights.MINE: [3]}


@pytest.mark.parametrize(("said", "noted"), [(Rights.MINE, []), (Rights.LICENSED, [1]), (Rights.UNKNOWN, [1])], ids=str)
def test_a_change_is_noted_for_a_ruling(catalog: catalogs.Catalog, said: Rights, noted: list[int]) -> None:
    rights.put(catalog, [1], Rights.MINE)
    with catalog.transaction() as db:
        db.execute("DELETE FROM status_dirty")
    with catalog.transaction() as db:
        rights.put(catalog, [1], said)
        assert [row[0] for row in db.execute("SELECT photo_id FROM status_dirty")] == noted


def test_what_was_said_of_a_photograph_goes_with_it(catalog: catalogs.Catalog) -> None:
    rights.put(catalog, [1], Rights.MINE)
    with catalog.transaction() as db:
        db.execute("DELETE FROM photos WHERE id = 1")
    assert catalog.connection.execute("SELECT count(*) FROM photo_rights").fetchone()[0] == 0
