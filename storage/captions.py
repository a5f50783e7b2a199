"""Captions that people wrote: what the picture of somebody in a photograph is called when it trains.

A picture is a photograph's id and a subject's, so that its caption outlives cohorts. They go with either.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from storage.catalog import Catalog

PictureKey = tuple[int, int]
"""A photograph's id, and that of whom the picture shows."""


def of_pictures(catalog: Catalog, pictures: Iterable[PictureKey]) -> dict[PictureKey, str]:
    """The captions of these pictures; those that have none of their own are left out."""
    wanted = set(pictures)
    rows = catalog.connection.execute(
        "SELECT photo_id, subject_id, caption FROM captions WHERE photo_id IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted({photo_id for photo_id, _ in wanted})),),
    )
    return {(row[0], row[1]): row[2] for row in rows if (row[0], row[1]) in wanted}


def put(catalog: Catalog, captions: Mapping[PictureKey, str | None]) -> None:
    """Write captions, in the caller's transaction where there is one; None: the picture has none of its own then."""
    with catalog.transaction() as db:
        db.executemany(
            "INSERT INTO captions(photo_id, subject_id, caption) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET caption = excluded.caption",
            [(*picture, caption) for picture, caption in captions.items() if caption is not None],
        )
        db.executemany(
            "DELETE FROM captions WHERE photo_id = ? AND subject_id = ?",
            [picture for picture, caption in captions.items() if caption is None],
        )
