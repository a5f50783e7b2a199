"""The migrations: numbered without a gap, and an older catalog's rows kept by them."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from storage import schema


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [int(path.name[:3]) for path in schema.MIGRATIONS] == list(range(1, schema.VERSION + 1))


def test_embeddings_are_moved_beside_the_faces_and_their_stamps_stay() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        before = next(n for n, path in enumerate(schema.MIGRATIONS) if path.stem.endswith("face_embeddings"))
        schema.migrate(db, to=before)
        db.executescript("""
            INSERT INTO folders(id, path) VALUES (1, '/a');
            INSERT INTO photos(id, folder_id, name, path_text, size, mtime_ns, ctime_ns, inode)
            VALUES (1, 1, 'a', 'a', 1, 1, 1, 1);
            INSERT INTO faces(id, photo_id, x0, y0, x1, y1, probability, space, embedding, cluster)
            VALUES (3, 1, 0, 0, 9, 9, 1, 'a', x'0000803f', 5), (7, 1, 9, 9, 20, 20, 1, 'b', x'00000040', NULL);
        """)
        stamps = db.execute("SELECT * FROM face_stamps").fetchall(), db.execute("SELECT * FROM faces_stamp").fetchall()
        schema.migrate(db)
        assert db.execute("SELECT id, space, cluster FROM faces").fetchall() == [(3, "a", 5), (7, "b", None)]
        assert db.execute("SELECT * FROM face_embeddings").fetchall() == [(3, b"\0\0\x80?"), (7, b"\0\0\0@")]
        assert stamps == (
            db.execute("SELECT * FROM face_stamps").fetchall(),
            db.execute("SELECT * FROM faces_stamp").fetchall(),
        )
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
