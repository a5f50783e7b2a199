"""Groups of faces, counted: clusters and named people, and what of a cluster a person named otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from storage.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Group:
    """Faces that share a cluster and a subject.

    `example` is the face that shows the person best, None where none was sought.
    """

    cluster: int | None
    subject_id: int | None
    subject: str | None
    faces: int
    photos: int
    example: int | None = None


class Tally(NamedTuple):
    """How many unmarked faces a cluster and a subject share, and in how many photographs."""

    cluster: int | None
    subject_id: int | None
    faces: int
    photos: int


def groups(catalog: Catalog, *, unnamed: bool = False) -> list[Group]:
    """Clusters and named people with their face counts, the largest first; `unnamed`: only those to name.

    A cluster in which a person named single faces otherwise gives one group for each subject. Faces
    marked as none, and faces with neither cluster nor subject, are left out.
    """
    which = "f.subject_id IS NULL AND f.cluster" if unnamed else "coalesce(f.subject_id, f.cluster)"
    # The bare column `id` is that of the row which holds the maximum: sqlite.org/lang_select.html#bareagg
    query = f"""
        SELECT f.cluster, f.subject_id, s.name, count(*) AS faces, count(DISTINCT f.photo_id) AS photos,
               f.id AS example, max((f.x1 - f.x0) * (f.y1 - f.y0) * f.probability)
        FROM faces f LEFT JOIN subjects s ON s.id = f.subject_id
        WHERE f.mark IS NULL AND {which} IS NOT NULL
        GROUP BY f.cluster, f.subject_id ORDER BY faces DESC, f.cluster, f.subject_id"""
    return [
        Group(row["cluster"], row["subject_id"], row["name"], row["faces"], row["photos"], row["example"])
        for row in catalog.connection.execute(query)
    ]


def tallies(catalog: Catalog, among: Iterable[tuple[int | None, int | None]] | None = None) -> Iterator[Tally]:
    """The counts of `groups` alone, in no order; `among`: of these clusters and subjects, those that have faces."""
    counts = "f.cluster, f.subject_id, count(*), count(DISTINCT f.photo_id) FROM faces f WHERE f.mark IS NULL"
    if among is None:  # the plus keeps SQLite to an index that holds all that is asked for
        yield from map(Tally._make, catalog.connection.execute(
            f"SELECT {counts} AND coalesce(f.subject_id, f.cluster) IS NOT NULL GROUP BY +f.cluster, f.subject_id"
        ))  # fmt: skip
        return
    for cluster, subject_id in among:
        if cluster is None and subject_id is None:
            continue
        key = "f.cluster = ? AND +f.subject_id IS ?" if cluster is not None else "+f.cluster IS ? AND f.subject_id = ?"
        query = f"SELECT {counts} AND {key} GROUP BY f.cluster, f.subject_id"
        yield from map(Tally._make, catalog.connection.execute(query, (cluster, subject_id)))


def clusters_of(catalog: Catalog, face_ids: Iterable[int]) -> set[int | None]:
    """The clusters that these faces are in, None among them where one is in none."""
    query = "SELECT DISTINCT cluster FROM faces WHERE id IN (SELECT value FROM json_each(?))"
    return {row[0] for row in catalog.connection.execute(query, (json.dumps([int(number) for number in face_ids]),))}
