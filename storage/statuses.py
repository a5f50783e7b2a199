"""The cache of photographs' statuses, which searches read: rows of `photo_status`, and which are stale.

Triggers note a photograph as stale when anything that its status rests on changes; `until` does for time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from storage.catalog import Catalog
from storage.instants import to_text
from storage.records import Purpose, Status

Standing = Mapping[Purpose, tuple[Status, datetime | None]]
"""For each purpose the status, and the instant from which time alone may change it."""


def stale(catalog: Catalog, now: datetime, limit: int) -> list[int]:
    """Ids of at most `limit` photographs whose cached statuses may not be right at `now`, ascending."""
    rows = catalog.connection.execute(
        "SELECT photo_id FROM status_dirty UNION SELECT photo_id FROM photo_status WHERE until <= ? LIMIT ?",
        (to_text(now), limit),
    )
    return [row[0] for row in rows]


def count_stale(catalog: Catalog, now: datetime) -> int:
    """How many photographs `stale` would give in all."""
    query = (
        "SELECT count(*) FROM"
        " (SELECT photo_id FROM status_dirty UNION SELECT photo_id FROM photo_status WHERE until <= ?)"
    )
    return int(catalog.connection.execute(query, (to_text(now),)).fetchone()[0])


def write(catalog: Catalog, standings: Mapping[int, Standing]) -> None:
    """Store photographs' statuses, by id, in place of what was cached; they are no longer stale."""
    rows = [
        (photo_id, purpose, status, to_text(until) if until is not None else None)
        for photo_id, standing in standings.items()
        for purpose, (status, until) in standing.items()
    ]
    with catalog.transaction() as db:
        db.executemany("INSERT OR REPLACE INTO photo_status VALUES (?,?,?,?)", rows)
        # also those that time alone made stale: that they leave the list tells searches of it
        db.executemany("INSERT OR IGNORE INTO status_dirty VALUES (?)", [(photo_id,) for photo_id in standings])
        db.executemany("DELETE FROM status_dirty WHERE photo_id = ?", [(photo_id,) for photo_id in standings])


def of_photos(catalog: Catalog, photo_ids: Iterable[int]) -> dict[int, dict[Purpose, Status]]:
    """Cached statuses by photograph and purpose; a photograph never ruled on has none."""
    wanted: Sequence[int] = [int(number) for number in photo_ids]
    found: dict[int, dict[Purpose, Status]] = {number: {} for number in wanted}
    rows = catalog.connection.execute(
        "SELECT photo_id, purpose, status FROM photo_status WHERE photo_id IN (SELECT value FROM json_each(?))",
        (json.dumps(wanted),),
    )
    for row in rows:
        found[row["photo_id"]][Purpose(row["purpose"])] = Status(row["status"])
    return found
