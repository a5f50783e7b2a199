"""What photographs' files claim of people, releases and ages, as rows; what that bars is `core.consent`'s to say."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from storage.catalog import Catalog
from storage.instants import from_text, to_text
from storage.records import Bar, Claim, ClaimField, Photo

BARRED = (
    "(SELECT group_concat(DISTINCT bars) FROM claims WHERE photo_id = p.id AND bars IS NOT NULL AND settled IS NULL)"
)
"""What bars the photograph `p`, as text for `barred_of`."""
_HERE = "FROM photos WHERE folder_id = (SELECT id FROM folders WHERE path = ?) AND name = ?"
_AMONG = "(SELECT value FROM json_each(?))"


def barred_of(text: str | None) -> frozenset[Bar]:
    """The bars that `BARRED` names."""
    return frozenset(map(Bar, text.split(","))) if text else frozenset()


def write(db: sqlite3.Connection, folder: bytes, name: bytes, photo: Photo) -> None:
    """Put down the claims of the photograph at this place; where they are None they stay as they are.

    What the catalog itself wrote into the file is none. One that was settled stays so under whichever file says it.
    """
    if photo.claims is None:
        return
    row = db.execute(f"SELECT id {_HERE}", (folder, name)).fetchone()
    if row is not None:
        _replace(db, int(row[0]), photo.claims)


def replace_all(catalog: Catalog, claimed: Mapping[int, Sequence[Claim]]) -> None:
    """Put down the claims of photographs, by id, in the place of those on record."""
    with catalog.transaction() as db:
        for photo_id, claims in claimed.items():
            _replace(db, photo_id, claims)


def forget(db: sqlite3.Connection, photo_ids: Iterable[int]) -> None:
    """Drop all that is known of what these photographs' files say: another picture has their names now."""
    wanted = (json.dumps(list(photo_ids)),)
    db.execute(f"DELETE FROM claims WHERE photo_id IN {_AMONG}", wanted)
    db.execute(f"DELETE FROM own_words WHERE photo_id IN {_AMONG}", wanted)


def of_photos(catalog: Catalog, photo_ids: Iterable[int]) -> dict[int, list[Claim]]:
    """Photographs' claims, by field and value; an empty list where there is none."""
    found: dict[int, list[Claim]] = {id: [] for id in photo_ids}
    rows = catalog.connection.execute(
        f"SELECT * FROM claims WHERE photo_id IN {_AMONG} ORDER BY photo_id, field, value, source",
        (json.dumps(list(found)),),
    )
    for row in rows:
        found[row["photo_id"]].append(
            Claim(
                field=ClaimField(row["field"]),
                value=row["value"],
                source=row["source"],
                area=tuple(json.loads(row["area"])) if row["area"] else None,
                bars=None if row["bars"] is None else Bar(row["bars"]),
                id=row["id"],
                photo_id=row["photo_id"],
                at=from_text(row["at"]),
                settled=row["settled"],
            )
        )
    return found


def claiming(catalog: Catalog) -> list[int]:
    """Ids of the photographs of which anything is claimed, ascending."""
    return [row[0] for row in catalog.connection.execute("SELECT DISTINCT photo_id FROM claims ORDER BY 1")]


def settle(catalog: Catalog, settled: Mapping[int, str]) -> None:
    """Note for claims, by id, the hash of the event that settled them."""
    with catalog.transaction() as db:
        db.executemany("UPDATE claims SET settled = ? WHERE id = ?", [(event, id) for id, event in settled.items()])


def own_words(catalog: Catalog, photo_id: int, source: str) -> set[tuple[ClaimField, str]]:
    """What the catalog wrote last into a file of this name beside a photograph."""
    rows = catalog.connection.execute(
        "SELECT field, value FROM own_words WHERE photo_id = ? AND source = ?", (photo_id, source)
    )
    return {(ClaimField(row[0]), row[1]) for row in rows}


def all_own_words(catalog: Catalog) -> Iterator[tuple[int, str]]:
    """All that the catalog wrote into files beside photographs: a photograph's id and a value each."""
    yield from catalog.connection.execute("SELECT photo_id, value FROM own_words")


def set_own_words(catalog: Catalog, photo_id: int, source: str, said: Iterable[tuple[ClaimField, str]]) -> None:
    """Note what the catalog writes into a file of this name beside a photograph, for what it wrote before."""
    with catalog.transaction() as db:
        db.execute("DELETE FROM own_words WHERE photo_id = ? AND source = ?", (photo_id, source))
        db.executemany(
            "INSERT OR IGNORE INTO own_words VALUES (?, ?, ?, ?)",
            [(photo_id, source, field, value) for field, value in said],
        )


def _replace(db: sqlite3.Connection, photo_id: int, claimed: Sequence[Claim]) -> None:
    words = db.execute("SELECT source, field, value FROM own_words WHERE photo_id = ?", (photo_id,))
    own = {tuple(row) for row in words}
    rows = {
        (str(claim.field), claim.value, claim.source, "" if claim.area is None else json.dumps(claim.area)): claim.bars
        for claim in claimed
        if (claim.source, str(claim.field), claim.value) not in own
    }
    known = {
        (row["field"], row["value"], row["source"], row["area"]): (row["id"], row["settled"])
        for row in db.execute("SELECT * FROM claims WHERE photo_id = ?", (photo_id,))
    }
    if rows.keys() == known.keys():
        return
    settled = {key[:2]: event for key, (_, event) in known.items() if event is not None}
    now = to_text(datetime.now(UTC))
    db.executemany("DELETE FROM claims WHERE id = ?", [(known[key][0],) for key in known.keys() - rows.keys()])
    db.executemany(
        "INSERT INTO claims(photo_id, field, value, source, area, bars, at, settled) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(photo_id, *key, rows[key], now, settled.get(key[:2])) for key in rows if key not in known],
    )
