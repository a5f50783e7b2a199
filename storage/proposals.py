"""What taggers saw in pictures: proposals for captions, until a person takes them. They go with picture and person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from storage.captions import PictureKey
from storage.catalog import Catalog


def put(catalog: Catalog, tagger: str, found: Mapping[PictureKey, Mapping[str, float]]) -> None:
    """Write what a tagger saw in pictures: tags, each with its probability; none where it saw nothing."""
    with catalog.transaction() as db:
        db.executemany(
            "INSERT INTO proposals(photo_id, subject_id, tagger, tags) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET tags = excluded.tags",
            [(*key, tagger, json.dumps(dict(tags), ensure_ascii=False)) for key, tags in found.items()],
        )


def of_pictures(
    catalog: Catalog, pictures: Iterable[PictureKey], tagger: str | None = None
) -> dict[PictureKey, dict[str, float]]:
    """What was seen in these pictures, by a tagger or by any (then each tag's highest probability).

    Those that nothing looked at are left out.
    """
    wanted = set(pictures)
    found: dict[PictureKey, dict[str, float]] = {}
    for photo_id, subject_id, text in catalog.connection.execute(
        "SELECT photo_id, subject_id, tags FROM proposals WHERE (? IS NULL OR tagger = ?)"
        " AND photo_id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (tagger, tagger, json.dumps(sorted({photo_id for photo_id, _ in wanted}))),
    ):
        if (photo_id, subject_id) in wanted:
            own = found.setdefault((photo_id, subject_id), {})
            for tag, probability in json.loads(text).items():
                own[tag] = max(probability, own.get(tag, 0.0))
    return found
