"""What photographs permit, as it was ruled, and which of them must be ruled on anew.

A photograph has one standing: the number of an answer for all purposes, which `standings` keeps once however
many photographs share it. The view `photo_status` shows a photograph's statuses by purpose.

Triggers note in `status_dirty` the photographs of which anything changed that their standing rests on;
a standing's `until` tells when time alone may change it, `status_clock` the instant that was ruled at last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import starmap
from typing import NamedTuple

from storage.catalog import Catalog
from storage.claims import BARRED
from storage.instants import from_text, to_text
from storage.records import Purpose, Status
from storage.rights import RIGHTS
from storage.stretches import BITS

Standing = tuple[tuple[Purpose, Status, datetime | None], ...]
"""For each purpose the status, and the instant from which time alone may change it."""


class FaceFacts(NamedTuple):
    """What a ruling asks of a face. Tuples, here and below, because bulk work makes one for every face."""

    subject_id: int | None
    by_person: int
    mark: str | None


class PhotoFacts(NamedTuple):
    """What a ruling asks of a photograph, and the number of the standing it has, None where it has none yet.

    `taken_at` is ISO 8601 without offset, `taken_offset` in minutes. `shown` are its faces, as `faces_of` reads
    them: text, because thousands of photographs show the same people and each such text is read once.
    """

    id: int
    taken_at: str | None
    taken_offset: int | None
    taken_source: str | None
    rights: str
    failed: int  # an error is recorded
    sought: int  # faces were looked for
    barred: str | None  # by claims: as `claims.BARRED` gives it
    standing: int | None
    shown: str


_FACTS = """
    SELECT p.id, p.taken_at, p.taken_offset, p.taken_source, {rights}, p.error IS NOT NULL, p.faces_space IS NOT NULL,
           {barred}, s.standing,
           (SELECT json_group_array(json_array(f.subject_id, f.assigned_by_person, f.mark)) FROM faces f
            WHERE f.photo_id = p.id)
    FROM ({which}) AS which CROSS JOIN photos p ON p.id = which.id LEFT JOIN photo_standing s ON s.photo_id = p.id
"""
_DIRTY = "SELECT photo_id AS id FROM status_dirty ORDER BY photo_id LIMIT ?"
_AFTER = "SELECT id FROM photos WHERE id > ? ORDER BY id LIMIT ?"


def any_dirty(catalog: Catalog) -> bool:
    """Whether a photograph waits to be ruled on because something changed."""
    return catalog.connection.execute("SELECT 1 FROM status_dirty LIMIT 1").fetchone() is not None


def dirty(catalog: Catalog, limit: int) -> list[PhotoFacts]:
    """At most `limit` of the photographs that wait to be ruled on because something changed, by id."""
    return _facts(catalog, _DIRTY, (limit,))


def after(catalog: Catalog, photo_id: int, limit: int) -> list[PhotoFacts]:
    """At most `limit` photographs by id, from behind this one."""
    return _facts(catalog, _AFTER, (photo_id, limit))


def _facts(catalog: Catalog, which: str, params: tuple[int, ...]) -> list[PhotoFacts]:
    cursor = catalog.connection.cursor()
    cursor.row_factory = None
    return list(starmap(PhotoFacts, cursor.execute(_FACTS.format(which=which, barred=BARRED, rights=RIGHTS), params)))


def faces_of(shown: str) -> tuple[FaceFacts, ...]:
    """The faces that `PhotoFacts.shown` tells of."""
    return tuple(map(FaceFacts._make, json.loads(shown)))


def count_stale(catalog: Catalog, at: datetime) -> int:
    """How many photographs have statuses that may not be right at an instant no earlier than `clock`."""
    query = f"SELECT count(*) FROM (SELECT photo_id FROM status_dirty UNION {_DUE})"
    return int(catalog.connection.execute(query, (to_text(at),)).fetchone()[0])


def stale_among(catalog: Catalog, photo_ids: Iterable[int], at: datetime) -> set[int]:
    """Those of these photographs that `count_stale` counts."""
    query = f"SELECT photo_id FROM (SELECT photo_id FROM status_dirty UNION {_DUE}) WHERE photo_id IN ({_AMONG})"
    return {row[0] for row in catalog.connection.execute(query, (to_text(at), json.dumps(list(photo_ids))))}


_AMONG = "SELECT value FROM json_each(?)"
_DUE = (
    "SELECT photo_id FROM photo_standing"
    " WHERE standing IN (SELECT id FROM standings WHERE until IS NOT NULL AND until <= ?)"
)


def any_due(catalog: Catalog, at: datetime) -> bool:
    """Whether time alone may have changed a photograph's statuses by `at`."""
    return catalog.connection.execute(f"{_DUE} LIMIT 1", (to_text(at),)).fetchone() is not None


def next_due(catalog: Catalog) -> datetime | None:
    """The instant from which time alone may have changed a photograph's statuses; None where it never will."""
    row = catalog.connection.execute(
        "SELECT until FROM standings WHERE until IS NOT NULL"
        " AND EXISTS (SELECT 1 FROM photo_standing WHERE standing = standings.id) ORDER BY until LIMIT 1"
    ).fetchone()
    return None if row is None else from_text(row[0])


def note_due(catalog: Catalog, at: datetime, limit: int) -> int:
    """Note at most `limit` photographs, of which time alone may have changed something by `at`; how many."""
    with catalog.transaction() as db:
        return db.execute(f"INSERT OR IGNORE INTO status_dirty {_DUE} LIMIT ?", (to_text(at), limit)).rowcount


def note_subjects(catalog: Catalog, subject_ids: Iterable[int]) -> None:
    """Note the photographs that show these people."""
    with catalog.transaction() as db:
        db.execute(
            f"INSERT OR IGNORE INTO status_dirty SELECT photo_id FROM faces WHERE subject_id IN ({_AMONG})",
            (json.dumps(list(subject_ids)),),
        )


def forget(catalog: Catalog) -> None:
    """Drop every standing, and note every photograph."""
    with catalog.transaction() as db:
        db.execute("DELETE FROM photo_standing")
        db.execute("DELETE FROM standings")
        db.execute("INSERT OR IGNORE INTO status_dirty SELECT id FROM photos")


def write(catalog: Catalog, ruled: Mapping[Standing, Sequence[PhotoFacts]]) -> int:
    """Store standings with the photographs that have them, all that wait up to the last; how many differ.

    Nothing is written of a photograph whose standing is as it was; one that no photograph has any more goes. This is
    the only way by which standings are written, so searches learn here which of their columns are old.
    """
    last = 0
    changed: list[tuple[int, int]] = []
    left: set[int | None] = set()
    with catalog.transaction() as db:
        for standing, photographs in ruled.items():
            number = _number(catalog, standing)
            changed += [(seen.id, number) for seen in photographs if seen.standing != number]
            left |= {seen.standing for seen in photographs if seen.standing != number}
            last = max(last, *(seen.id for seen in photographs))
        changed.sort()
        db.executemany(
            "INSERT INTO photo_standing VALUES (?, ?) ON CONFLICT DO UPDATE SET standing = excluded.standing", changed
        )
        db.execute(
            f"DELETE FROM standings WHERE id IN ({_AMONG})"
            " AND NOT EXISTS (SELECT 1 FROM photo_standing WHERE standing = standings.id)",
            (json.dumps(list(left - {None})),),
        )
        db.executemany(
            "INSERT INTO column_versions VALUES ('statuses', ?, random())"
            " ON CONFLICT DO UPDATE SET version = excluded.version",
            [(stretch,) for stretch in sorted({photo_id >> BITS for photo_id, _ in changed})],
        )
        # what is ruled on in order of id leaves nothing noted below the last
        db.execute("DELETE FROM status_dirty WHERE photo_id <= ?", (last,))
    return len(changed)


def told(standing: Standing) -> str:
    """A standing as the text by which it is known: canonical JSON."""
    return json.dumps(
        [[purpose, status, until and to_text(until)] for purpose, status, until in standing], separators=(",", ":")
    )


def _number(catalog: Catalog, standing: Standing) -> int:
    """The number of a standing, which is put on record where it is new."""
    text, db = told(standing), catalog.connection
    known = db.execute("SELECT id FROM standings WHERE told = ?", (text,)).fetchone()
    if known is not None:
        return int(known[0])
    ends = min((until for _, _, until in standing if until is not None), default=None)
    row = db.execute(
        "INSERT INTO standings(told, until) VALUES (?, ?) RETURNING id", (text, ends and to_text(ends))
    ).fetchone()
    rows = [(row[0], purpose, status) for purpose, status, _ in standing]
    db.executemany("INSERT INTO standing_purposes VALUES (?, ?, ?)", rows)
    return int(row[0])


def known(catalog: Catalog, numbers: Iterable[int]) -> dict[int, str]:
    """The text of these standings, by number; those are left out whose text is not what the tables say."""
    wanted = json.dumps(list(numbers))
    by_purpose: dict[int, dict[str, str]] = {}
    for number, purpose, status in catalog.connection.execute(
        f"SELECT standing, purpose, status FROM standing_purposes WHERE standing IN ({_AMONG})", (wanted,)
    ):
        by_purpose.setdefault(number, {})[purpose] = status
    sound = {}
    for number, text, until in catalog.connection.execute(
        f"SELECT id, told, until FROM standings WHERE id IN ({_AMONG})", (wanted,)
    ):
        parts = json.loads(text)
        ends = min((end for _, _, end in parts if end is not None), default=None)
        if until == ends and by_purpose.get(number) == {purpose: status for purpose, status, _ in parts}:
            sound[number] = text
    return sound


def clock(catalog: Catalog) -> datetime | None:
    """The instant at which statuses were ruled on last, None where they never were."""
    row = catalog.connection.execute("SELECT at FROM status_clock").fetchone()
    return None if row is None else from_text(row[0])


def set_clock(catalog: Catalog, at: datetime) -> None:
    """Note the instant at which statuses were ruled on."""
    with catalog.transaction() as db:
        db.execute("DELETE FROM status_clock")
        db.execute("INSERT INTO status_clock VALUES (?)", (to_text(at),))


def of_photos(catalog: Catalog, photo_ids: Iterable[int]) -> dict[int, dict[Purpose, Status]]:
    """Statuses as they were ruled, by photograph and purpose; a photograph never ruled on has none."""
    wanted: Sequence[int] = [int(number) for number in photo_ids]
    found: dict[int, dict[Purpose, Status]] = {number: {} for number in wanted}
    rows = catalog.connection.execute(
        f"SELECT photo_id, purpose, status FROM photo_status WHERE photo_id IN ({_AMONG})", (json.dumps(wanted),)
    )
    for row in rows:
        found[row["photo_id"]][Purpose(row["purpose"])] = Status(row["status"])
    return found
