"""The columns are those of the rows, whatever was written, by whom, and whatever was held or stored before."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core import consent_actions, statuses
from storage import columns, faces, photos, schema, stretches, subjects
from storage.catalog import Catalog, create, open_catalog
from storage.faces import NewFace
from storage.photos import ScanBatch
from storage.records import FaceMark, Photo, Purpose, Rights
from storage.rights import put as put_rights
from storage.stretches import CODED, FACES, LINES, PLAIN, part_of
from tests.world import GRANTED, SPACE

STRETCHES = (0, 1, 5)  # of ids: full ones would take long to write


def picture(number: int, **fields: object) -> Photo:
    return replace(Photo(0, b"/a/%d.jpg" % number, f"/a/{number}.jpg", 10, 1, 1, number), **fields)  # type: ignore[arg-type]


def spread(catalog: Catalog, each: int = 4) -> list[int]:
    """Photographs with ids in several stretches, where a scan would number them one by one."""
    ids = [stretch * stretches.LENGTH + number * 1000 + 1 for stretch in STRETCHES for number in range(each)]
    with catalog.transaction() as db:
        db.execute("INSERT INTO folders(id, path) VALUES (1, ?)", (b"/a",))
        db.executemany(
            "INSERT INTO photos(id, folder_id, name, path_text, size, mtime_ns, ctime_ns, inode, iso, taken_at)"
            " VALUES (?1, 1, CAST(?1 || '.jpg' AS BLOB), '/a/' || ?1 || '.jpg', 10, 1, 1, ?1, ?1 % 9, '2020-01-01')",
            [(id,) for id in ids],
        )
    return ids


def differing(catalog: Catalog) -> list[str]:
    """The columns that are not what the rows give."""
    wrong = []
    with columns.snapshot(catalog) as table:
        numbers = [row[0] for row in catalog.connection.execute("SELECT DISTINCT id >> 12 FROM photos ORDER BY 1")]
        built = {part: [stretches.build(catalog.connection, part, n) for n in numbers] for part in _PARTS}
        held = sorted(table.ids[:: stretches.LENGTH] >> stretches.BITS)
        place = {n: held.index(n) * stretches.LENGTH for n in numbers}
        for name in (*CODED, *PLAIN, *LINES):
            for n, pieces in zip(numbers, built[part_of(name)], strict=True):
                if told(table, name, place[n]) != plainly(pieces[name], name):
                    wrong.append(f"{name} of stretch {n}")
        found = table.faces()
        rows = [
            (place[n] + a, b, c)
            for n, pieces in zip(numbers, built["faces"], strict=True)
            for a, b, c in zip(*(pieces[name].data.tolist() for name in FACES), strict=True)
        ]
        if list(zip(*(part.tolist() for part in found), strict=True)) != rows:
            wrong.append("faces")
    return wrong


_PARTS = ("photos", "faces", "statuses")


def told(table: columns.Columns, name: str, start: int) -> list[object]:
    end = start + stretches.LENGTH
    if name in CODED:
        column = table.coded(name)
        return [column.words[code] for code in column.codes[start:end].tolist()]
    if name in PLAIN:
        return np.nan_to_num(table.plain(name)[start:end], nan=-999).tolist()
    return bytes(table.lines(name).text).split(b"\n")[start:end]


def plainly(piece: stretches.Piece, name: str) -> list[object]:
    if name in CODED:
        return [piece.words[code] for code in piece.data.tolist()]
    if name in PLAIN:
        return np.nan_to_num(piece.data, nan=-999).tolist()
    return bytes(piece.data).split(b"\n")[:-1]


CHOSEN = st.sampled_from([0, 5])  # of the photographs, in two stretches: so that changes meet on one


class Changes(RuleBasedStateMachine):
    """Writes by one connection, each followed by reads of it and of a read-only one that holds what it had."""

    @initialize()
    def begin(self) -> None:
        self.room = tempfile.TemporaryDirectory()
        self.catalog = create(Path(self.room.name) / "catalog")
        self.other = open_catalog(self.catalog.folder, readonly=True)
        self.ids = spread(self.catalog)
        self.person = subjects.add(self.catalog, "Noy", born=datetime(1980, 1, 1).date(), at=GRANTED)
        self.next = 1

    @rule(at=CHOSEN, iso=st.integers(50, 60))
    def change(self, at: int, iso: int) -> None:
        record = photos.get(self.catalog, self.ids[at])
        photos.apply_scan(self.catalog, ScanBatch(changed=[replace(record, iso=iso, camera=f"camera {iso}")]))

    @rule(at=CHOSEN)
    def go(self, at: int) -> None:
        photos.apply_scan(self.catalog, ScanBatch(gone=[self.ids[at]]))

    @rule()
    def vanish(self) -> None:
        with self.catalog.transaction() as db:
            for (id,) in db.execute("SELECT max(id) FROM photos WHERE inode > 100000").fetchall():
                for table in ("photo_standing", "status_dirty", "tags", "faces"):
                    db.execute(f"DELETE FROM {table} WHERE photo_id = ?", (id,))
                db.execute("DELETE FROM photos WHERE id = ?", (id,))

    @rule()
    def arrive(self) -> None:
        self.next += 1
        photos.apply_scan(self.catalog, ScanBatch(new=[picture(100_000 + self.next)]))

    @rule(at=CHOSEN, number=st.integers(0, 3))
    def find_faces(self, at: int, number: int) -> None:
        rows = [NewFace((20 * k, 0, 20 * k + 9, 9), 0.9, np.zeros(2, np.float32)) for k in range(number)]
        faces.replace_faces(self.catalog, self.ids[at], rows, SPACE)

    @rule(at=CHOSEN, mark=st.sampled_from([None, FaceMark.NOT_A_FACE]), cluster=st.integers(1, 3))
    def tell_faces(self, at: int, mark: FaceMark | None, cluster: int) -> None:
        found = [face.id for face in faces.of_photo(self.catalog, self.ids[at])]
        faces.assign(self.catalog, found[:1], self.person.id, by_person=True)
        faces.place(self.catalog, found, cluster)
        faces.set_mark(self.catalog, found[1:2], mark)

    @rule(at=CHOSEN, rights=st.sampled_from(list(Rights)))
    def say_whose(self, at: int, rights: Rights) -> None:
        put_rights(self.catalog, [self.ids[at]], rights)

    @rule(allow=st.booleans())
    def decide(self, allow: bool) -> None:
        act = consent_actions.grant if allow else consent_actions.refuse
        act(self.catalog, [self.person], [Purpose.PRINT], by="me")

    @rule(at=CHOSEN, tag=st.sampled_from("ab"), gone=st.booleans())
    def tag(self, at: int, tag: str, gone: bool) -> None:
        with self.catalog.transaction() as db:
            if gone:
                db.execute("DELETE FROM tags WHERE photo_id = ?", (self.ids[at],))
            else:
                db.execute("INSERT OR IGNORE INTO tags(photo_id, tag) VALUES (?, ?)", (self.ids[at], tag))

    @rule()
    def forget(self) -> None:
        """Another process: it holds nothing, and reads what was stored."""
        columns.let_go(self.catalog)

    @rule()
    def rule_on_statuses(self) -> None:
        statuses.refresh(self.catalog)

    @rule()
    def undo(self) -> None:
        """What a transaction wrote and a search in it read is gone when it is rolled back."""
        with suppress(KeyboardInterrupt), self.catalog.transaction() as db:
            db.execute("UPDATE photos SET iso = iso + 1")
            assert differing(self.catalog) == []
            raise KeyboardInterrupt

    @invariant()
    def columns_are_those_of_the_rows(self) -> None:
        if hasattr(self, "catalog"):
            assert differing(self.catalog) == []
            assert differing(self.other) == []

    def teardown(self) -> None:
        if hasattr(self, "catalog"):
            self.other.close()
            self.catalog.close()
            self.room.cleanup()


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)


TELLING: dict[str, Callable[[Catalog, list[int]], object]] = {
    "whose": lambda catalog, found: faces.assign(catalog, found, 1, by_person=True),
    "cluster": lambda catalog, found: faces.place(catalog, found, 7),
    "mark": lambda catalog, found: faces.set_mark(catalog, found, FaceMark.NOT_A_FACE),
}


@pytest.mark.parametrize("what", TELLING)
def test_what_is_told_of_a_face_is_searched_at_once(catalog: Catalog, what: str) -> None:
    ids = spread(catalog, 1)
    subjects.add(catalog, "Noy", born=None, at=GRANTED)
    faces.replace_faces(catalog, ids[1], [NewFace((0, 0, 9, 9), 0.9, np.zeros(2, np.float32))], SPACE)
    assert differing(catalog) == []
    (face,) = faces.of_photo(catalog, ids[1])
    TELLING[what](catalog, [face.id])
    assert differing(catalog) == []


def test_what_one_connection_made_is_read_by_the_next_process(catalog: Catalog) -> None:
    spread(catalog)
    statuses.refresh(catalog)
    list(columns.prepare(catalog))
    stored = catalog.connection.execute("SELECT count(*) FROM columns WHERE name = 'state'").fetchone()[0]
    assert stored == len(STRETCHES)
    columns.let_go(catalog)
    with columns.snapshot(catalog) as table:
        for name in CODED:
            table.coded(name)
        assert table.made == {}
    assert differing(catalog) == []


def test_only_the_stretch_that_changed_is_made_anew(catalog: Catalog) -> None:
    ids = spread(catalog)
    list(columns.prepare(catalog))
    photos.set_errors(catalog, {ids[5]: "cut off"})
    with columns.snapshot(catalog) as table:
        table.coded("error")
        assert list(table.made) == [("photos", ids[5] >> stretches.BITS)]


def test_a_column_that_was_let_go_is_read_again(catalog: Catalog) -> None:
    spread(catalog)
    list(columns.prepare(catalog))
    with columns.snapshot(catalog) as table:
        before = table.plain("taken")
        table.let_go("taken")
        assert table.plain("taken") is not before
        assert table.plain("taken").tolist() == before.tolist()


def test_faces_are_counted_as_they_are(catalog: Catalog) -> None:
    ids = spread(catalog, 2)
    found = [NewFace((0, 0, 9, 9), 0.9, np.zeros(2, np.float32))] * 300  # more than eight bits count
    for number, photo in ((1, ids[0]), (300, ids[3]), (2, ids[3])):
        faces.replace_faces(catalog, photo, found[:number], SPACE)
        with columns.snapshot(catalog) as table:
            counts = table.face_counts()
            rows = catalog.connection.execute("SELECT photo_id, count(*) FROM faces GROUP BY 1").fetchall()
            assert {int(table.ids[place]): counts[place] for place in np.flatnonzero(counts)} == dict(map(tuple, rows))
            assert len(counts) == len(table.there)


@pytest.mark.parametrize("last", [7, 2**31 - 1, 2**31, 2**62])
def test_places_and_ids_lead_to_each_other(catalog: Catalog, last: int) -> None:
    ids = np.array([*spread(catalog), last])
    catalog.connection.execute(
        "INSERT INTO photos(id, folder_id, name, path_text, size, mtime_ns, ctime_ns, inode)"
        " VALUES (?, 1, x'61', '/a/a', 1, 1, 1, 0)",
        (last,),
    )
    with columns.snapshot(catalog) as table:
        assert table.ids_at(table.places(ids)).tolist() == ids.tolist()
        assert table.ids[table.there].tolist() == sorted(ids.tolist())
        assert table.id_type.itemsize == (4 if last < 2**31 else 8)


def test_a_search_waits_for_nobody_who_writes(catalog: Catalog) -> None:
    spread(catalog)
    with open_catalog(catalog.folder) as writer, writer.transaction():
        with columns.snapshot(catalog) as table:
            assert np.count_nonzero(table.there) == 4 * len(STRETCHES)
        assert catalog.connection.execute("SELECT count(*) FROM columns").fetchone()[0] == 0
    assert catalog.connection.execute("PRAGMA busy_timeout").fetchone()[0] > 0
    with columns.snapshot(catalog) as table:
        assert np.count_nonzero(table.there) == 4 * len(STRETCHES)


def test_an_older_catalog_gets_its_columns() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(db, to=[file.stem for file in schema.MIGRATIONS].index("006_search_columns"))
    db.execute("INSERT INTO folders(id, path) VALUES (1, x'2f61')")
    db.execute(
        "INSERT INTO photos(id, folder_id, name, path_text, size, mtime_ns, ctime_ns, inode)"
        " VALUES (9000, 1, x'61', '/a/a', 1, 1, 1, 1)"
    )
    schema.migrate(db)
    versions = db.execute("SELECT part, stretch FROM column_versions").fetchall()
    assert ("photos", 2) in versions


def test_a_million_words_keep_their_numbers() -> None:
    """Codes are as wide as the words need, in a stretch and over all of them."""
    pieces = [stretches._coded(np.arange(4096), [f"{n}-{k}" for k in range(4096)]) for n in range(20)]
    assert pieces[0].data.dtype == np.uint16
    assert stretches._coded(np.arange(3), ["a", None, "b"]).data.dtype == np.uint8
    assert stretches.words_of([stretches.Piece(np.array([1, 2], np.uint8), (None, "a", "b"))])[0].dtype == np.uint8
    codes, words = stretches.words_of(pieces)
    assert len(words) == 20 * 4096 + 1
    assert [words[code] for code in codes[[0, 4095, 4096, -1]]] == ["0-0", "0-4095", "1-0", "19-4095"]


@pytest.mark.parametrize("words", [(None, "ຫຼວງ", "a\nb"), (None, 1.8, 0.1 + 0.2, 100)])
def test_a_piece_comes_back_as_it_was_written(words: tuple[stretches.Word, ...]) -> None:
    piece = stretches.Piece(np.array([0, 1, 2], np.uint8), words)
    again = stretches.read(*stretches.write(piece))
    assert again.words == words
    assert again.data.tolist() == [0, 1, 2]
