"""Whose photographs are, as it was said; a photograph of which nobody said anything has no row.

The ledger's line is the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from storage.catalog import Catalog
from storage.records import Rights

RIGHTS = f"coalesce((SELECT rights FROM photo_rights WHERE photo_id = p.id), '{Rights.UNKNOWN}')"
"""SQL that gives whose photograph `p` is."""

_AMONG = "(SELECT value FROM json_each(?))"


def of_photos(catalog: Catalog, photo_ids: Iterable[int]) -> dict[Rights, list[int]]:
    """These photographs by whose they are."""
    found: dict[Rights, list[int]] = {}
    for photo_id, rights in catalog.connection.execute(
        f"SELECT p.id, {RIGHTS} FROM photos p WHERE p.id IN {_AMONG} ORDER BY p.id", (json.dumps(list(photo_ids)),)
    ):
        found.setdefault(Rights(rights), []).append(photo_id)
    return found


def turn(catalog: Catalog, photo_ids: Iterable[int], was: Rights, now: Rights) -> dict[int, str | None]:
    """Change whose photographs are, of these those alone that are `was`; the content hash of each changed, by id."""
    with catalog.transaction() as db:
        rows = db.execute(
            f"SELECT p.id, p.content_hash FROM photos p WHERE p.id IN {_AMONG} AND {RIGHTS} = ? ORDER BY p.id",
            (json.dumps(list(photo_ids)), was),
        ).fetchall()
        changed = {int(row[0]): row[1] for row in rows}
        put(catalog, changed, now)
    return changed


def put(catalog: Catalog, photo_ids: Iterable[int], rights: Rights) -> None:
    """Say whose these photographs are, whatever was said before."""
    wanted = json.dumps(list(photo_ids))
    with catalog.transaction() as db:
        if rights is Rights.UNKNOWN:
            db.execute(f"DELETE FROM photo_rights WHERE photo_id IN {_AMONG}", (wanted,))
        else:
            db.execute(
                "INSERT INTO photo_rights SELECT value, ? FROM json_each(?) WHERE true"
                " ON CONFLICT DO UPDATE SET rights = excluded.rights",
                (rights, wanted),
            )
