"""Photographs that look alike: the hash of each content, and the groups that comparing put them in."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from storage.catalog import Catalog


class Likeness(StrEnum):
    """Why a photograph is in its group."""

    COPY = "copy"  # the same bytes
    NEAR_DUPLICATE = "near-duplicate"  # the same picture: saved again, resized, touched up, cut a little
    BURST = "burst"  # taken within seconds by the same camera, and similar


@dataclass(frozen=True, slots=True)
class Member:
    """A photograph in a group; `kind` is None for the one that the group began with."""

    photo: int
    kind: Likeness | None


@dataclass(frozen=True, slots=True)
class Group:
    """Photographs alike, by id. `kind` is the loosest of its members': burst, near-duplicate, then copy."""

    id: int
    kind: Likeness
    members: tuple[Member, ...]


class Place(NamedTuple):
    """A photograph's group number, None where it is alone, and why it is in that group, None for its first."""

    group: int | None
    kind: Likeness | None


class Seen(NamedTuple):
    """A photograph as comparing needs it. A tuple, because comparing reads every row.

    `hash` is None where nothing in it can be compared; `taken` is the local time as stored, ISO 8601; `group` None: it
    is alone. `anchor`: others may be near-duplicates of it, for it is no other's.
    """

    photo: int
    content_hash: str
    hash: bytes | None
    camera: str | None
    taken: str | None
    group: int | None
    anchor: bool


class Placing(NamedTuple):
    """Where comparing puts a photograph; `group` None: it is alone."""

    group: int | None
    kind: Likeness | None
    photo: int
    content_hash: str


_USABLE = "p.state = 'present' AND p.error IS NULL AND p.content_hash IS NOT NULL"
_HASHED = "EXISTS (SELECT 1 FROM perceptual_hashes h WHERE h.content_hash = p.content_hash)"
_LOOSEST = "max(CASE a.kind WHEN 'burst' THEN 3 WHEN 'near-duplicate' THEN 2 WHEN 'copy' THEN 1 ELSE 0 END)"
_KINDS = (Likeness.COPY, Likeness.COPY, Likeness.NEAR_DUPLICATE, Likeness.BURST)


# Hashes ----------------------------------------------------------------------------------------------


def unhashed(catalog: Catalog) -> array[int]:
    """Ids of usable photographs whose content has no hash yet, one for each content, ascending."""
    rows = catalog.connection.execute(
        f"SELECT min(p.id) FROM photos p WHERE {_USABLE} AND NOT {_HASHED} GROUP BY p.content_hash ORDER BY 1"
    )
    return array("q", (row[0] for row in rows))


def write_hashes(catalog: Catalog, hashes: Mapping[str, bytes | None]) -> None:
    """Record the perceptual hash of contents, by content hash (see `core.similar.hashing`), all or none."""
    with catalog.transaction() as db:
        db.executemany("INSERT OR REPLACE INTO perceptual_hashes VALUES (?, ?)", hashes.items())


# Comparing -------------------------------------------------------------------------------------------

_SEEN = "SELECT p.id, p.content_hash, h.hash, p.camera, p.taken_at"


@dataclass(frozen=True, slots=True)
class State:
    """How far grouping has come: the number that the next new group gets, and a count of all changes."""

    next: int
    changes: int


def state(catalog: Catalog) -> State:
    """How far grouping has come."""
    return State(*catalog.connection.execute("SELECT next, changes FROM alike_state").fetchone())


def uncompared(catalog: Catalog) -> Iterator[Seen]:
    """Usable photographs with a hash that were not compared yet, by id."""
    return _seen(
        catalog,
        f"{_SEEN}, NULL, 1 FROM photos p JOIN perceptual_hashes h ON h.content_hash = p.content_hash"
        f" WHERE {_USABLE} AND NOT EXISTS (SELECT 1 FROM alike a WHERE a.photo_id = p.id) ORDER BY p.id",
    )


def compared(catalog: Catalog) -> Iterator[Seen]:
    """The photographs compared so far, by id, without those that were taken out of their groups."""
    return _seen(
        catalog,
        f"{_SEEN}, a.group_id, a.kind IS NULL OR a.kind = 'burst' OR NOT EXISTS"
        "  (SELECT 1 FROM alike b WHERE b.group_id = a.group_id AND (b.kind IS NULL OR b.photo_id < a.photo_id))"
        " FROM alike a JOIN photos p ON p.id = a.photo_id"
        " JOIN perceptual_hashes h ON h.content_hash = p.content_hash WHERE NOT a.apart ORDER BY p.id",
    )


def _seen(catalog: Catalog, sql: str) -> Iterator[Seen]:
    cursor = catalog.connection.cursor()
    cursor.row_factory = None
    return map(Seen._make, cursor.execute(sql))


def place(catalog: Catalog, new: Iterable[Placing], again: Iterable[Placing], *, next_group: int, since: State) -> bool:
    """Write where photographs belong, `new` ones and `again` some compared before.

    Nothing is written, and False given, where groups changed since `since`. A photograph whose content is another by
    now is left out: it is compared next time.
    """
    still = "FROM photos WHERE id = ? AND content_hash = ?"
    with catalog.transaction() as db:
        if state(catalog) != since:
            return False
        db.executemany(f"INSERT INTO alike(group_id, kind, photo_id) SELECT ?, ?, id {still}", new)
        db.executemany(f"UPDATE alike SET group_id = ?, kind = ? WHERE photo_id = (SELECT id {still})", again)
        db.execute(
            "UPDATE alike SET group_id = NULL, kind = NULL WHERE group_id IN"
            " (SELECT group_id FROM alike WHERE group_id IS NOT NULL GROUP BY group_id HAVING count(*) = 1)"
        )
        db.execute("UPDATE alike_state SET next = ?, changes = changes + 1", (next_group,))
    return True


def set_apart(catalog: Catalog, photo: int) -> None:
    """Take a photograph out of its group, for good: comparing leaves it alone."""
    with catalog.transaction() as db:
        db.execute("DELETE FROM alike WHERE photo_id = ?", (photo,))
        db.execute("INSERT INTO alike(photo_id, apart) VALUES (?, 1)", (photo,))
        db.execute("UPDATE alike_state SET changes = changes + 1")


def take_back(catalog: Catalog, photo: int) -> bool:
    """Undo `set_apart`: it counts as not compared yet. False where it was not set apart."""
    with catalog.transaction() as db:
        return db.execute("DELETE FROM alike WHERE photo_id = ? AND apart", (photo,)).rowcount > 0


# Asking ----------------------------------------------------------------------------------------------


def groups(
    catalog: Catalog, *, kind: Likeness | None = None, after: int | None = None, limit: int | None = None
) -> list[Group]:
    """Groups behind the one with number `after`, ascending, of this kind or of any.

    A group shows the members whose files are there; one of fewer than two such is left out.
    """
    wanted = "" if kind is None else f"AND {_LOOSEST} = {_KINDS.index(kind, 1)}"
    rows = catalog.connection.execute(
        f"SELECT a.group_id, {_LOOSEST} FROM alike a JOIN photos p ON p.id = a.photo_id"
        " WHERE a.group_id > ? AND p.state = 'present'"
        f" GROUP BY a.group_id HAVING count(*) > 1 {wanted} ORDER BY a.group_id LIMIT ?",
        (after or 0, -1 if limit is None else limit),
    ).fetchall()
    members = _members(catalog, "a.group_id IN (SELECT value FROM json_each(?))", [row[0] for row in rows])
    return [Group(number, _KINDS[loosest], tuple(members[number])) for number, loosest in rows]


def group_of(catalog: Catalog, photo: int) -> Group | None:
    """The group that a photograph is in, as `groups` shows it, or None."""
    row = catalog.connection.execute("SELECT group_id FROM alike WHERE photo_id = ?", (photo,)).fetchone()
    if row is None or row[0] is None:
        return None
    found = groups(catalog, after=row[0] - 1, limit=1)
    return found[0] if found and found[0].id == row[0] else None


def totals(catalog: Catalog) -> tuple[int, int]:
    """How many groups there are, and how many photographs are in them, files that are gone included."""
    row = catalog.connection.execute("SELECT count(DISTINCT group_id), count(group_id) FROM alike").fetchone()
    return int(row[0]), int(row[1])


def _members(catalog: Catalog, where: str, values: Sequence[int]) -> dict[int, list[Member]]:
    found: dict[int, list[Member]] = {}
    for group, photo, kind in catalog.connection.execute(
        "SELECT a.group_id, a.photo_id, a.kind FROM alike a JOIN photos p ON p.id = a.photo_id"
        f" WHERE {where} AND p.state = 'present' ORDER BY a.group_id, a.photo_id",
        (json.dumps(list(values)),),
    ):
        found.setdefault(group, []).append(Member(photo, None if kind is None else Likeness(kind)))
    return found


def places(catalog: Catalog, photos: Iterable[int]) -> dict[int, Place]:
    """Where those of the photographs are that were compared, or taken out of their groups by a person."""
    rows = catalog.connection.execute(
        "SELECT photo_id, group_id, kind FROM alike WHERE photo_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(photos)),),
    )
    return {row[0]: Place(row[1], None if row[2] is None else Likeness(row[2])) for row in rows}
