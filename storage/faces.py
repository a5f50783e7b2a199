"""Face rows, and what is known of whose they are.

Embeddings are stored as little-endian float32, in a table of their own; two are comparable only when the `space`
of their faces is the same.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from storage.catalog import Catalog
from storage.errors import NoSuchRecord
from storage.records import Box, Face, FaceMark

COLUMNS = (
    "f.id, f.photo_id, f.x0, f.y0, f.x1, f.y1, f.probability, f.space, f.sharpness, f.age_estimate,"
    " f.yaw, f.pitch, f.roll, f.cluster, f.subject_id, f.assigned_by_person, f.mark"
)
SAME_FACE_IOU = 0.5  # two boxes of one picture that overlap by so much are one face


@dataclass(frozen=True, slots=True)
class NewFace:
    """A face as detection and embedding made it. `box` in upright pixels, `embedding` float32 [d]."""

    box: Box
    probability: float
    embedding: NDArray[np.float32]
    sharpness: float | None = None
    age_estimate: float | None = None
    pose: tuple[float, float, float] | None = None  # yaw, pitch and roll in degrees


class Standing(NamedTuple):
    """What is known of whose a face is. A tuple, because clustering makes one for every face.

    `waiting`: no clustering has looked at it yet.
    """

    face_id: int
    cluster: int | None
    subject_id: int | None
    by_person: bool
    marked: bool
    waiting: bool = False


class Clustering(NamedTuple):
    """The last clustering of all the faces of a space: up to what distance groups merged, and how many faces."""

    threshold: float
    faces: int


def _face(row: sqlite3.Row) -> Face:
    return Face(
        id=row["id"],
        photo_id=row["photo_id"],
        box=(row["x0"], row["y0"], row["x1"], row["y1"]),
        probability=row["probability"],
        space=row["space"],
        sharpness=row["sharpness"],
        age_estimate=row["age_estimate"],
        pose=None if row["yaw"] is None else (row["yaw"], row["pitch"], row["roll"]),
        cluster=row["cluster"],
        subject_id=row["subject_id"],
        assigned_by_person=bool(row["assigned_by_person"]),
        mark=None if row["mark"] is None else FaceMark(row["mark"]),
    )


def _ids(ids: Iterable[int]) -> str:
    """Ids as the JSON array that `json_each` reads: one parameter however many there are."""
    return json.dumps([int(number) for number in ids])


def get(catalog: Catalog, face_id: int) -> Face:
    """The face with this id. Raises NoSuchRecord."""
    found = get_many(catalog, [face_id])
    if not found:
        raise NoSuchRecord(f"there is no face {face_id}", "`kyodaku show PHOTO` lists a photograph's faces")
    return found[0]


def get_many(catalog: Catalog, face_ids: Iterable[int]) -> list[Face]:
    """Those of the faces that exist, by id."""
    return page(catalog, "f.id IN (SELECT value FROM json_each(?))", (_ids(face_ids),))


def of_photo(catalog: Catalog, photo_id: int) -> list[Face]:
    """A photograph's faces, marked ones too, by id."""
    return page(catalog, "f.photo_id = ?", (photo_id,))


def of_photos(catalog: Catalog, photo_ids: Iterable[int]) -> dict[int, list[Face]]:
    """Faces by photograph; every id asked for is a key, with an empty list where no face was found."""
    wanted: dict[int, list[Face]] = {int(number): [] for number in photo_ids}
    for face in page(catalog, "f.photo_id IN (SELECT value FROM json_each(?))", (_ids(wanted),)):
        wanted[face.photo_id].append(face)
    return wanted


def of_subject(catalog: Catalog, subject_id: int, *, after: int | None = None, limit: int | None = None) -> list[Face]:
    """A subject's faces by id, those after the face `after`."""
    return page(catalog, "f.subject_id = ?", (subject_id,), after=after, limit=limit)


def photos_of_subject(catalog: Catalog, subject_id: int) -> list[int]:
    """Ids of the photographs that show a subject, marked faces left out, in order."""
    rows = catalog.connection.execute(
        "SELECT DISTINCT photo_id FROM faces WHERE subject_id = ? AND mark IS NULL ORDER BY photo_id", (subject_id,)
    )
    return [row[0] for row in rows]


def vectors(catalog: Catalog, face_ids: Iterable[int]) -> dict[int, NDArray[np.float32]]:
    """The embeddings of faces, float32 [d], by id ascending; a face that has none is left out."""
    rows = catalog.connection.execute(
        "SELECT face_id, vector FROM face_embeddings WHERE face_id IN (SELECT value FROM json_each(?))"
        " ORDER BY face_id",
        (_ids(face_ids),),
    )
    return {row[0]: np.frombuffer(row[1], dtype="<f4") for row in rows}


def of_cluster(catalog: Catalog, cluster: int) -> list[Face]:
    """A cluster's faces by id."""
    return page(catalog, "f.cluster = ?", (cluster,))


def page(
    catalog: Catalog,
    where: str = "1",
    params: Sequence[Any] = (),
    *,
    after: int | None = None,
    limit: int | None = None,
) -> list[Face]:
    """Faces by id that meet `where`, SQL over the alias `f`; a page begins after the face `after`."""
    query = f"SELECT {COLUMNS} FROM faces f WHERE ({where}) AND f.id > ? ORDER BY f.id LIMIT ?"
    bounds = (-1 if after is None else after, -1 if limit is None else limit)
    return [_face(row) for row in catalog.connection.execute(query, (*params, *bounds))]


def count(catalog: Catalog, where: str = "1", params: Sequence[Any] = ()) -> int:
    """How many faces meet `where`, SQL over the alias `f`."""
    query = f"SELECT count(*) FROM faces f WHERE {where}"
    return int(catalog.connection.execute(query, tuple(params)).fetchone()[0])


def spaces(catalog: Catalog) -> dict[str, int]:
    """Embedding spaces in use with how many faces each holds, the largest first."""
    query = "SELECT space, count(*) FROM faces GROUP BY space ORDER BY count(*) DESC, space"
    return {row[0]: row[1] for row in catalog.connection.execute(query)}


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (both - width * height)


def replace_faces(catalog: Catalog, photo_id: int, rows: Sequence[NewFace], space: str) -> None:
    """Put down what was found in one photograph, as `replace_many` does."""
    replace_many(catalog, {photo_id: rows}, space)


def replace_many(catalog: Catalog, found: Mapping[int, Sequence[NewFace]], space: str) -> None:
    """Put down the faces found in photographs and that they were sought, in one transaction.

    A face found again keeps its id, its subject and its mark, and a face that a person assigned or marked
    stays even if it was not found again: a detector must not undo what a person said. (Where a picture
    changed, the scan has removed the faces of the old one.)
    """
    with catalog.transaction() as db:
        before = of_photos(catalog, found)
        free = int(db.execute("SELECT coalesce(max(id), 0) + 1 FROM faces").fetchone()[0])
        for photo_id, rows in found.items():
            free = _replace(db, photo_id, before[photo_id], rows, space, free)
        db.executemany("UPDATE photos SET faces_space = ? WHERE id = ?", [(space, number) for number in found])


def _replace(
    db: sqlite3.Connection, photo_id: int, old: Sequence[Face], new: Sequence[NewFace], space: str, free: int
) -> int:
    """Put down what was found in one photograph; new faces are numbered from `free` on. Gives the next number."""
    left = list(old)
    updates: list[tuple[Any, ...]] = []
    inserts: list[tuple[Any, ...]] = []
    embeddings: list[tuple[int, bytes]] = []
    for row in new:
        values = (
            *row.box,
            row.probability,
            space,
            row.sharpness,
            row.age_estimate,
            *(row.pose or (None, None, None)),
        )
        same = max(left, key=lambda face: overlap(face.box, row.box), default=None)
        if same is not None and overlap(same.box, row.box) >= SAME_FACE_IOU:
            left.remove(same)
            cluster = same.cluster if same.space == space or same.assigned_by_person else None
            updates.append((*values, cluster, same.id))
            embeddings.append((same.id, _bytes(row.embedding)))
        else:
            inserts.append((free, photo_id, *values))
            embeddings.append((free, _bytes(row.embedding)))
            free += 1
    db.executemany(
        "UPDATE faces SET x0=?, y0=?, x1=?, y1=?, probability=?, space=?, sharpness=?, age_estimate=?,"
        " yaw=?, pitch=?, roll=?, cluster=? WHERE id=?",
        updates,
    )
    db.executemany(
        "DELETE FROM faces WHERE id=?",
        [(face.id,) for face in left if not face.assigned_by_person and face.mark is None],
    )
    db.executemany(
        "INSERT INTO faces(id, photo_id, x0, y0, x1, y1, probability, space, sharpness, age_estimate,"
        " yaw, pitch, roll) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        inserts,
    )
    # no upsert: its way with conflicts would hold in the triggers too
    db.executemany("DELETE FROM face_embeddings WHERE face_id = ?", [(face_id,) for *_, face_id in updates])
    db.executemany("INSERT INTO face_embeddings VALUES (?, ?)", embeddings)
    return free


def follow_size(db: sqlite3.Connection, sizes: Iterable[tuple[int, int | None, int | None]]) -> None:
    """Photographs, as (id, width, height), are shown by another file of theirs from now on: boxes follow its size.

    Called before the photographs' own rows change. The faces count as not sought for. One that a person found
    unrecognisable may be plain to see now, and loses that mark.
    """
    for id, width, height in sizes:
        old = db.execute("SELECT width, height FROM photos WHERE id = ?", (id,)).fetchone()
        if width and height and old["width"] and old["height"]:
            wide, high = width / old["width"], height / old["height"]
            rows = db.execute("SELECT x0, y0, x1, y1, id FROM faces WHERE photo_id = ?", (id,)).fetchall()
            db.executemany(
                "UPDATE faces SET x0 = ?, y0 = ?, x1 = ?, y1 = ? WHERE id = ?",
                [
                    (round(x0 * wide), round(y0 * high), max(1, round(x1 * wide)), max(1, round(y1 * high)), face)
                    for x0, y0, x1, y1, face in rows
                ],
            )
        db.execute("UPDATE faces SET mark = NULL WHERE photo_id = ? AND mark = ?", (id, str(FaceMark.UNRECOGNISABLE)))
        db.execute("UPDATE photos SET faces_space = NULL WHERE id = ?", (id,))


def _bytes(embedding: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(embedding, dtype="<f4").tobytes()


def assign(catalog: Catalog, face_ids: Iterable[int], subject_id: int | None, *, by_person: bool) -> int:
    """Say whose faces these are; None: nobody's known. Gives how many changed hands.

    With `by_person` False, faces on which a person has decided stay as they are; with True, what was said
    before, that they are not that subject's, is taken back.
    """
    ids = _ids(face_ids)
    with catalog.transaction() as db:
        changed = db.execute(
            "UPDATE faces SET subject_id = :subject, assigned_by_person = :person"
            " WHERE id IN (SELECT value FROM json_each(:ids)) AND (:person OR NOT assigned_by_person)"
            " AND (subject_id IS NOT :subject OR assigned_by_person <> :person)",
            {"subject": subject_id, "person": int(by_person), "ids": ids},
        )
        if by_person:
            db.execute(
                "DELETE FROM faces_not WHERE subject_id = ? AND face_id IN (SELECT value FROM json_each(?))",
                (subject_id, ids),
            )
        return changed.rowcount


def set_mark(catalog: Catalog, face_ids: Iterable[int], mark: FaceMark | None) -> int:
    """Mark faces, or take their mark off; gives how many changed. The ledger's line is the caller's."""
    with catalog.transaction() as db:
        value = None if mark is None else mark.value
        changed = db.execute(
            "UPDATE faces SET mark = ?1 WHERE id IN (SELECT value FROM json_each(?2)) AND mark IS NOT ?1",
            (value, _ids(face_ids)),
        )
        return changed.rowcount


def settle(catalog: Catalog, places: Mapping[int, tuple[int | None, int | None]]) -> None:
    """Write cluster and subject, by face id, as a clustering made them; these faces wait no longer.

    Of a face on which a person has decided only the cluster is written.
    """
    with catalog.transaction() as db:
        db.executemany(
            "UPDATE faces SET cluster = ?2, subject_id = CASE WHEN assigned_by_person THEN subject_id ELSE ?3 END"
            " WHERE id = ?1 AND (cluster IS NOT ?2 OR (NOT assigned_by_person AND subject_id IS NOT ?3))",
            [(face_id, cluster, subject_id) for face_id, (cluster, subject_id) in places.items()],
        )
        db.execute("DELETE FROM faces_waiting WHERE face_id IN (SELECT value FROM json_each(?))", (_ids(places),))


def place(catalog: Catalog, face_ids: Iterable[int], cluster: int) -> None:
    """Move faces to a cluster."""
    with catalog.transaction() as db:
        db.execute(
            "UPDATE faces SET cluster = ? WHERE id IN (SELECT value FROM json_each(?))", (cluster, _ids(face_ids))
        )


def main_cluster(catalog: Catalog, subject_id: int) -> int | None:
    """The cluster that holds most of a subject's faces."""
    row = catalog.connection.execute(
        "SELECT cluster FROM faces WHERE subject_id = ? AND cluster IS NOT NULL"
        " GROUP BY cluster ORDER BY count(*) DESC, cluster LIMIT 1",
        (subject_id,),
    ).fetchone()
    return None if row is None else int(row[0])


def next_cluster(catalog: Catalog) -> int:
    """A cluster number not in use; numbers begin at 1."""
    return int(catalog.connection.execute("SELECT coalesce(max(cluster), 0) + 1 FROM faces").fetchone()[0])


def standing(catalog: Catalog, space: str) -> Iterator[Standing]:
    """What is known of whose each face of a space is, by id, streamed."""
    query = """
        SELECT f.id, f.cluster, f.subject_id, f.assigned_by_person, f.mark IS NOT NULL, w.face_id IS NOT NULL
        FROM faces f LEFT JOIN faces_waiting w ON w.face_id = f.id WHERE f.space = ? ORDER BY f.id"""
    cursor = catalog.connection.cursor()
    cursor.row_factory = None
    for face_id, cluster, subject_id, by_person, marked, waiting in cursor.execute(query, (space,)):
        yield Standing(face_id, cluster, subject_id, bool(by_person), bool(marked), bool(waiting))


def waiting(catalog: Catalog, space: str) -> int:
    """How many unmarked faces of a space no clustering has looked at."""
    query = "SELECT count(*) FROM faces_waiting w JOIN faces f ON f.id = w.face_id WHERE f.space = ? AND f.mark IS NULL"
    return int(catalog.connection.execute(query, (space,)).fetchone()[0])


def last_clustering(catalog: Catalog, space: str) -> Clustering | None:
    """The last clustering of all the faces of a space."""
    row = catalog.connection.execute("SELECT threshold, faces FROM clusterings WHERE space = ?", (space,)).fetchone()
    return None if row is None else Clustering(row[0], row[1])


def set_clustering(catalog: Catalog, space: str, clustering: Clustering) -> None:
    """Put down a clustering of all the faces of a space."""
    with catalog.transaction() as db:
        db.execute("INSERT OR REPLACE INTO clusterings VALUES (?, ?, ?)", (space, *clustering))


def deny(catalog: Catalog, face_ids: Iterable[int], subject_id: int) -> None:
    """Put down that a person said of these faces that they are not that subject's."""
    with catalog.transaction() as db:
        db.execute("INSERT OR IGNORE INTO faces_not SELECT value, ? FROM json_each(?)", (subject_id, _ids(face_ids)))


def denied(catalog: Catalog) -> dict[int, set[int]]:
    """The subjects, by id, that a face is not, as people have said; faces without such a word are left out."""
    found: dict[int, set[int]] = {}
    for face_id, subject_id in catalog.connection.execute("SELECT face_id, subject_id FROM faces_not"):
        found.setdefault(face_id, set()).add(subject_id)
    return found


def photos_of(catalog: Catalog, face_ids: Iterable[int]) -> NDArray[np.int64]:
    """The photograph that each of these faces was found in, in the order given."""
    query = "SELECT f.photo_id FROM json_each(?) AS wanted JOIN faces f ON f.id = wanted.value ORDER BY wanted.key"
    return np.array([row[0] for row in catalog.connection.execute(query, (_ids(face_ids),))], dtype=np.int64)
