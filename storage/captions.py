"""Captions that people wrote: what the picture of somebody in a photograph is called when it trains.

A picture is a photograph's id and a subject's, so that its caption outlives cohorts. They go with either. Where a
record was merged into another, what its pictures are called stands for the other's too, unless those have their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from storage.catalog import Catalog

PictureKey = tuple[int, int]
"""A photograph's id, and that of whom the picture shows."""

# Every merged record with each that it ended up in: merges may follow one another.
_FOLDED = """
    WITH RECURSIVE now(subject_id, into_id) AS (
      SELECT subject_id, into_id FROM folded
      UNION SELECT now.subject_id, f.into_id FROM now JOIN folded f ON f.subject_id = now.into_id
    )
"""


def of_pictures(catalog: Catalog, pictures: Iterable[PictureKey]) -> dict[PictureKey, str]:
    """The captions of these pictures; those that have none of their own are left out."""
    return {picture: caption for picture, _, caption in _stored(catalog, set(pictures))}


def behind(catalog: Catalog, pictures: Iterable[PictureKey]) -> dict[PictureKey, str]:
    """What `of_pictures` goes by, as it was written: under the record of then, where that was merged since."""
    return {(photo, record): caption for (photo, _), record, caption in _stored(catalog, set(pictures))}


def _stored(catalog: Catalog, wanted: set[PictureKey]) -> list[tuple[PictureKey, int, str]]:
    """Captions with the picture and the record that each was written of; those written of the picture come last."""
    rows = catalog.connection.execute(
        _FOLDED + "SELECT c.photo_id, n.into_id, c.subject_id, c.caption, 0 AS own FROM captions c"
        " JOIN now n ON n.subject_id = c.subject_id WHERE c.photo_id IN (SELECT value FROM json_each(?1))"
        " UNION ALL SELECT photo_id, subject_id, subject_id, caption, 1 FROM captions"
        " WHERE photo_id IN (SELECT value FROM json_each(?1)) ORDER BY own, 3",
        (json.dumps(sorted({photo_id for photo_id, _ in wanted})),),
    )
    return [((row[0], row[1]), row[2], row[3]) for row in rows if (row[0], row[1]) in wanted]


def put(catalog: Catalog, captions: Mapping[PictureKey, str | None]) -> None:
    """Write captions, in the caller's transaction where there is one; None: the picture has none of its own then."""
    with catalog.transaction() as db:
        db.executemany(
            "INSERT INTO captions(photo_id, subject_id, caption) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET caption = excluded.caption",
            [(*picture, caption) for picture, caption in captions.items() if caption is not None],
        )
        db.executemany(
            _FOLDED + "DELETE FROM captions WHERE photo_id = ?1 AND"
            " (subject_id = ?2 OR subject_id IN (SELECT subject_id FROM now WHERE into_id = ?2))",
            [picture for picture, caption in captions.items() if caption is None],
        )
