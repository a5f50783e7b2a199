"""Decisions that can be taken back: one row each, in order, the undone ones last; and what they write.

The rows are a stack with two ends in one table: those that stand, and those that were undone and may be done
again. A new decision forgets the undone ones, as in every editor.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from storage.catalog import Catalog
from storage.instants import from_text, to_text
from storage.records import Decision, DecisionKind


class FaceState(NamedTuple):
    """Whose a face is, by whom said, its cluster, and the subjects, by id ascending, that people said it is not."""

    subject_id: int | None
    by_person: bool
    cluster: int | None
    denied: tuple[int, ...]


def add(
    catalog: Catalog,
    at: datetime,
    kind: DecisionKind,
    told: str,
    body: Mapping[str, Any],
    subject_ids: Iterable[int] = (),
) -> int:
    """Put down a decision, in the caller's transaction where there is one; its number. Undone ones are forgotten."""
    with catalog.transaction() as db:
        db.execute("DELETE FROM decisions WHERE undone")
        cursor = db.execute(
            "INSERT INTO decisions(at, kind, told, subjects, body) VALUES (?, ?, ?, ?, ?)",
            (to_text(at), kind, told, json.dumps(sorted(set(subject_ids))), _packed(body)),
        )
        return int(cursor.lastrowid or 0)


def last(catalog: Catalog) -> Decision | None:
    """The newest decision that stands."""
    return _first(catalog, "SELECT * FROM decisions WHERE undone = 0 ORDER BY id DESC LIMIT 1")


def next_undone(catalog: Catalog) -> Decision | None:
    """The decision that was undone last, which is the one to do again first."""
    return _first(catalog, "SELECT * FROM decisions WHERE undone = 1 ORDER BY id LIMIT 1")


def newest(catalog: Catalog, limit: int = 20) -> list[Decision]:
    """The newest decisions, whether they stand or were undone, the newest first."""
    return [_decision(row) for row in catalog.connection.execute(f"{_ALL} ORDER BY id DESC LIMIT ?", (limit,))]


def mark(catalog: Catalog) -> tuple[Any, ...]:
    """What tells the decisions as they stand from those before or after any was made, undone or done again."""
    newest = catalog.connection.execute("SELECT id, at FROM decisions ORDER BY id DESC LIMIT 1").fetchone()
    undone = catalog.connection.execute("SELECT count(*) FROM decisions WHERE undone = 1").fetchone()
    return (*(newest or ()), *undone)


def turn(catalog: Catalog, decision: Decision, body: Mapping[str, Any]) -> None:
    """A decision that stood is undone now, or the other way round; `body` is what it takes from here."""
    with catalog.transaction() as db:
        db.execute(
            "UPDATE decisions SET undone = ?, body = ? WHERE id = ?",
            (int(not decision.undone), _packed(body), decision.id),
        )


def forget(catalog: Catalog, decision_id: int) -> None:
    """Drop one decision: it stays as it is for good."""
    with catalog.transaction() as db:
        db.execute("DELETE FROM decisions WHERE id = ?", (decision_id,))


def forget_subjects(catalog: Catalog, subject_ids: Iterable[int]) -> None:
    """Drop every decision that names one of these people: it can't be undone any more."""
    with catalog.transaction() as db:
        db.execute(
            "DELETE FROM decisions WHERE EXISTS (SELECT 1 FROM json_each(decisions.subjects) AS named"
            f" WHERE named.value IN ({_AMONG}))",
            (json.dumps(list(subject_ids)),),
        )


# What decisions write -------------------------------------------------------------------------


def face_states(catalog: Catalog, face_ids: Iterable[int]) -> dict[int, FaceState]:
    """Whose these faces are, by id; those that are no more are left out."""
    wanted = json.dumps(list(face_ids))
    denied: dict[int, list[int]] = {}
    for face_id, subject_id in catalog.connection.execute(
        f"SELECT face_id, subject_id FROM faces_not WHERE face_id IN ({_AMONG}) ORDER BY subject_id", (wanted,)
    ):
        denied.setdefault(face_id, []).append(subject_id)
    rows = catalog.connection.execute(
        f"SELECT id, subject_id, assigned_by_person, cluster FROM faces WHERE id IN ({_AMONG})", (wanted,)
    )
    return {
        row[0]: FaceState(
            row["subject_id"], bool(row["assigned_by_person"]), row["cluster"], tuple(denied.get(row[0], ()))
        )
        for row in rows
    }


def restore_faces(catalog: Catalog, states: Mapping[int, FaceState]) -> None:
    """Give faces back the state they had."""
    with catalog.transaction() as db:
        db.executemany(
            "UPDATE faces SET subject_id = ?, assigned_by_person = ?, cluster = ? WHERE id = ?",
            [(state.subject_id, int(state.by_person), state.cluster, face) for face, state in states.items()],
        )
        db.execute(f"DELETE FROM faces_not WHERE face_id IN ({_AMONG})", (json.dumps(list(states)),))
        db.executemany(
            "INSERT INTO faces_not(face_id, subject_id) VALUES (?, ?)",
            [(face, subject) for face, state in states.items() for subject in state.denied],
        )


def give_keyword(catalog: Catalog, photo_ids: Iterable[int], word: str) -> list[int]:
    """Give photographs a keyword; the ids of those that did not have it."""
    with catalog.transaction() as db:
        rows = db.execute(
            "INSERT OR IGNORE INTO tags(photo_id, tag, by_person) SELECT value, ?, 1 FROM json_each(?)"
            " RETURNING photo_id",
            (word, json.dumps(list(photo_ids))),
        ).fetchall()
        return [row[0] for row in rows]


def take_keyword(catalog: Catalog, photo_ids: Iterable[int], word: str) -> list[tuple[int, bool]]:
    """Take a keyword off photographs; the ids of those that had it, each with whether a person had given it here."""
    with catalog.transaction() as db:
        rows = db.execute(
            f"DELETE FROM tags WHERE tag = ? AND photo_id IN ({_AMONG}) RETURNING photo_id, by_person",
            (word, json.dumps(list(photo_ids))),
        ).fetchall()
        return [(row[0], bool(row[1])) for row in rows]


def put_keywords(catalog: Catalog, rows: Iterable[tuple[int, bool]], word: str) -> None:
    """Put a keyword back as `take_keyword` found it."""
    with catalog.transaction() as db:
        db.executemany(
            "INSERT OR IGNORE INTO tags(photo_id, tag, by_person) VALUES (?, ?, ?)",
            [(photo_id, word, int(by_person)) for photo_id, by_person in rows],
        )


_AMONG = "SELECT value FROM json_each(?)"
_ALL = "SELECT * FROM decisions"


def _first(catalog: Catalog, query: str) -> Decision | None:
    row = catalog.connection.execute(query).fetchone()
    return None if row is None else _decision(row)


def _packed(body: Mapping[str, Any]) -> bytes:
    return zlib.compress(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(), 1)


def _decision(row: sqlite3.Row) -> Decision:
    return Decision(
        id=row["id"],
        at=from_text(row["at"]),
        kind=DecisionKind(row["kind"]),
        told=row["told"],
        undone=bool(row["undone"]),
        body=json.loads(zlib.decompress(row["body"])),
    )
