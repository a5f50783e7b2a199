"""Frozen pictures whose face is somebody else's by now, or nobody's, and faces beside it: in the photograph or a copy.

A copy holds the same content: the same file elsewhere, or another file of the same exposure, where one photograph
is the RAW that belongs to the other. What is said of a face in one of them is said of the same face in all.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from storage.catalog import Catalog
from storage.faces import SAME_FACE_IOU, overlap
from storage.records import Box

_ASKED_OF_SUBJECT = "f.subject_id = ?1"
_ASKED_OF_FACES = "f.id IN (SELECT value FROM json_each(?1))"
_OTHERS = "(i.subject_id IS NOT f.subject_id OR f.mark IS NOT NULL)"


class Held(NamedTuple):
    """A cohort that holds a picture of a face, and the subject it was frozen as."""

    cohort_id: int
    subject_id: int


class Beside(NamedTuple):
    """A picture that a cohort holds of a subject, and another face of its photograph, all in the frozen pixels."""

    held: Held
    face: Box
    crop: Box
    masks: tuple[Box, ...]


def beside(catalog: Catalog, *, face_ids: Iterable[int] | None = None, subject_id: int | None = None) -> list[Beside]:
    """Frozen pictures of other people, not of these faces or of a subject's, but of the photographs they are in.

    Marked faces are left out, and faces of whom the picture is frozen as: it is theirs, however often it shows them.
    """
    db = catalog.connection
    if db.execute("SELECT 1 FROM cohort_items LIMIT 1").fetchone() is None:
        return []
    among, asked = _asked(face_ids, subject_id)
    sql = _FROZEN.format(among=among, also=_HERE, others="i.subject_id IS NOT f.subject_id AND f.mark IS NULL")
    return [near for near, same in _frozen(db, sql, asked) if not same]


def now_others(catalog: Catalog, *, face_ids: Iterable[int] | None = None, subject_id: int | None = None) -> list[Held]:
    """What is held of faces as of somebody whose they are not, or that were marked: among these, or a subject's now."""
    db = catalog.connection
    if db.execute("SELECT 1 FROM cohort_items LIMIT 1").fetchone() is None:
        return []
    among, asked = _asked(face_ids, subject_id)
    here = db.execute(
        "SELECT DISTINCT i.cohort_id, i.subject_id FROM faces f"
        f" JOIN cohort_items i ON i.photo_id = f.photo_id AND i.face_id = f.id WHERE {among} AND {_OTHERS}",
        (asked,),
    )
    return sorted({*(Held(*row) for row in here), *_same_in_copies(db, among, asked)})


def _asked(face_ids: Iterable[int] | None, subject_id: int | None) -> tuple[str, int | str | None]:
    """A condition on `faces f`, and its argument."""
    if face_ids is None:
        return _ASKED_OF_SUBJECT, subject_id
    return _ASKED_OF_FACES, json.dumps([int(number) for number in face_ids])


_HERE = "UNION SELECT a.id, i.cohort_id, i.leaf FROM asked a JOIN cohort_items i ON i.photo_id = a.id"
# In the photograph itself a face is known by its row, while that is there.
_BY_PLACE = "(i.photo_id <> p.id OR g.id IS NULL) AND "
# The contents of a photograph are its own and its RAWs'. What is frozen of another one that shares any is of a copy.
_FROZEN = """
    WITH asked AS (SELECT DISTINCT f.photo_id AS id FROM faces f WHERE {among}),
    contents AS (
      SELECT p.id, p.content_hash AS hash FROM asked JOIN photos p ON p.id = asked.id WHERE p.content_hash IS NOT NULL
      UNION SELECT c.photo_id, c.content_hash FROM asked JOIN companions c ON c.photo_id = asked.id
        WHERE c.kind = 'raw' AND c.content_hash IS NOT NULL
    ),
    copies AS (
      SELECT k.id, i.cohort_id, i.leaf FROM contents k JOIN cohort_items i ON i.content_hash = k.hash
      UNION SELECT k.id, i.cohort_id, i.leaf FROM contents k
        JOIN companions c ON c.content_hash = k.hash AND c.kind = 'raw' JOIN cohort_items i ON i.photo_id = c.photo_id
      {also}
    )
    SELECT i.cohort_id, i.subject_id, i.crop, i.masks, q.width, q.height, p.width, p.height,
           g.x0, g.y0, g.x1, g.y1, f.x0, f.y0, f.x1, f.y1
    FROM copies JOIN cohort_items i ON i.cohort_id = copies.cohort_id AND i.leaf = copies.leaf
    JOIN photos q ON q.id = i.photo_id JOIN photos p ON p.id = copies.id
    LEFT JOIN faces g ON g.id = i.face_id AND g.photo_id = i.photo_id
    JOIN faces f ON f.photo_id = p.id
    WHERE {among} AND {others}
"""


def _same_in_copies(db: sqlite3.Connection, among: str, asked: int | str | None) -> set[Held]:
    """What is held of the same faces in copies of their photographs, or where the frozen face's row is gone."""
    sql = _FROZEN.format(among=among, also="", others=_BY_PLACE + _OTHERS)
    return {near.held for near, same in _frozen(db, sql, asked) if same}


def _frozen(db: sqlite3.Connection, sql: str, asked: int | str | None) -> Iterator[tuple[Beside, bool]]:
    """Frozen pictures with the faces asked of, in the frozen pixels, and whether they are of that very face."""
    for row in db.execute(sql, (asked,)):
        cohort_id, subject_id, crop, masks, wide, high, from_wide, from_high, *boxes = row
        scale = (wide / from_wide, high / from_high) if wide and high and from_wide and from_high else (1.0, 1.0)
        x0, y0, x1, y1 = boxes[4:]
        face = (round(x0 * scale[0]), round(y0 * scale[1]), round(x1 * scale[0]), round(y1 * scale[1]))
        frozen = None if boxes[0] is None else (boxes[0], boxes[1], boxes[2], boxes[3])
        cut, covered = _box(json.loads(crop)), tuple(map(_box, json.loads(masks)))
        yield Beside(Held(cohort_id, subject_id), face, cut, covered), _is_same(face, frozen, cut, covered)


def _box(corners: list[int]) -> Box:
    x0, y0, x1, y1 = corners
    return x0, y0, x1, y1


def _is_same(face: Box, frozen: Box | None, crop: Box, masks: Iterable[Box]) -> bool:
    """Whether these are one face of one content; where the frozen one's row is gone, what its crop shows is."""
    if frozen is not None:
        return overlap(face, frozen) >= SAME_FACE_IOU
    return _holds_middle(crop, face) and not any(_holds_middle(mask, face) for mask in masks)


def _holds_middle(box: Box, face: Box) -> bool:
    """Whether a box holds the middle of a face."""
    across, down = (face[0] + face[2]) / 2, (face[1] + face[3]) / 2
    return box[0] <= across <= box[2] and box[1] <= down <= box[3]
