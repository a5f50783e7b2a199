"""Whose photographs are, which settles consent where nobody is seen: said by somebody, and put into the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice

from core.errors import BadValue
from storage import ledger, photos, rights
from storage.catalog import Catalog
from storage.records import Event, EventKind, Rights

IN_ONE_EVENT = 1000  # photographs: a line of the ledger stays readable


def turn(catalog: Catalog, was: Mapping[Rights, Sequence[int]], now: Rights, *, by: str, note: str | None) -> int:
    """Record that photographs, given by whose they were, are `now`; how many that changed.

    Those that are not what they were said to be are left alone. The events name each photograph by id and content
    hash, with who says so: what is stored beside the photograph follows from them, in one transaction with its
    statuses. Raises BadValue where nobody says so.
    """
    by = " ".join(by.split())
    if not by:
        raise BadValue("rights need who says so", "give --by")
    with catalog.transaction():
        changed: dict[int, str | None] = {}
        for old, ids in was.items():
            changed |= rights.turn(catalog, ids, old, now)
        rest = iter(sorted(changed.items()))
        at = ledger.instant(catalog)
        events = []
        while some := dict(islice(rest, IN_ONE_EVENT)):
            details = {"rights": str(now), "photos": {str(photo): content for photo, content in some.items()}}
            events.append(Event(0, at, EventKind.RIGHTS, None, by=by, note=note, details=details))
        ledger.append_many(catalog, events)
    return len(changed)


def showing_people(catalog: Catalog, ids: Sequence[int]) -> int:
    """In how many of these photographs a face is seen that counts, so that rights settle nothing."""
    among = "p.id IN (SELECT value FROM json_each(?))"
    faces = "EXISTS (SELECT 1 FROM faces f WHERE f.photo_id = p.id AND f.mark IS NULL)"
    return photos.count(catalog, f"{among} AND {faces}", (json.dumps(list(ids)),))
