"""Tables, indexes and triggers of `catalog.db`: the numbered migrations in `storage/migrations/`, each one file of SQL.

A migration, once released, never changes; a new one is added. `PRAGMA user_version` counts them.
Times of events are ISO 8601 in UTC, JSON columns are canonical JSON text, paths are BLOBs because
file names need not be UTF-8. In tables without rowid the key's columns come first: SQLite 3.40's integrity check
takes others for NULL.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

MIGRATIONS: tuple[Path, ...] = tuple(sorted((Path(__file__).parent / "migrations").glob("*.sql")))
VERSION = len(MIGRATIONS)


def version_of(connection: sqlite3.Connection) -> int:
    """Number of migrations applied to the database, 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, to: int = VERSION) -> None:
    """Apply the migrations that are missing up to number `to`, each with its number in one transaction."""
    for number in range(version_of(connection), to):
        sql = MIGRATIONS[number].read_text(encoding="utf-8")
        connection.executescript(f"BEGIN; {sql} PRAGMA user_version = {number + 1}; COMMIT;")
