"""Stands in for the photographer's eye in the demo: names clusters by the sample archive's truth file.

On a real archive a person looks at each cluster's faces and names it; here `truth.csv` knows who is where.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import comb
from pathlib import Path

from core import people
from storage import catalog as catalogs
from storage import faces, photos
from storage.catalog import Catalog
from storage.records import Box, Face

PAGE = 1000
SAME_FACE = 0.3  # overlap of a detection with the box that the renderer wrote; the two frame a head differently


@dataclass(frozen=True, slots=True)
class Named:
    """What naming did, and how well the clusters agreed with the truth before it (pairwise F1, 0..1)."""

    f1: float
    named: int
    corrected: int
    recall: float


def name_clusters(catalog_folder: Path, archive: Path, truth_file: Path) -> Named:
    """Give each cluster its most frequent true name, and faces that differ from it their own.

    `truth_file` has the columns path (relative to `archive`), name, x0, y0, x1, y1.
    """
    truth = _read_truth(archive, truth_file)
    with catalogs.open_catalog(catalog_folder) as catalog:
        seen = {face.id: (face, name) for face, name in _matched(catalog, truth)}
        members: dict[int, Counter[str]] = defaultdict(Counter)
        for face, name in seen.values():
            if face.cluster is not None:
                members[face.cluster][name] += 1
        owner = {cluster: names.most_common(1)[0][0] for cluster, names in members.items()}
        with catalog.transaction():
            for cluster, name in sorted(owner.items()):
                people.name(catalog, cluster, name)
            odd = [
                (face.id, name) for face, name in seen.values() if face.cluster is None or owner[face.cluster] != name
            ]
            for face_id, name in odd:
                people.assign(catalog, face_id, name)
    known = sum(len(boxes) for boxes in truth.values())
    return Named(
        pairwise_f1((face.cluster, name) for face, name in seen.values()), len(owner), len(odd), len(seen) / known
    )


def pairwise_f1(labelled: Iterable[tuple[int | None, str]]) -> float:
    """Harmonic mean of precision and recall over pairs of faces that share a cluster or a person.

    A face without a cluster stands alone.
    """
    both: Counter[tuple[int, str]] = Counter()
    clusters: Counter[int] = Counter()
    names: Counter[str] = Counter()
    for cluster, name in labelled:
        names[name] += 1
        if cluster is not None:
            both[cluster, name] += 1
            clusters[cluster] += 1
    together = sum(comb(count, 2) for count in both.values())
    guessed = sum(comb(count, 2) for count in clusters.values())
    true = sum(comb(count, 2) for count in names.values())
    return 2 * together / (guessed + true) if guessed + true else 1.0


def _read_truth(archive: Path, truth_file: Path) -> dict[bytes, list[tuple[Box, str]]]:
    found: dict[bytes, list[tuple[Box, str]]] = defaultdict(list)
    with truth_file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            box = (int(row["x0"]), int(row["y0"]), int(row["x1"]), int(row["y1"]))
            found[bytes((archive / row["path"]).resolve())].append((box, row["name"]))
    return found


def _matched(catalog: Catalog, truth: dict[bytes, list[tuple[Box, str]]]) -> Iterator[tuple[Face, str]]:
    """Every detection that lies on a known face, with that face's name; each known face is used once."""
    after: int | None = None
    while page := photos.page(catalog, "1", (), after=after, limit=PAGE):
        after = page[-1].id
        seen = faces.of_photos(catalog, [photo.id for photo in page])
        for photo in page:
            left = list(seen.get(photo.id, ()))
            for box, name in truth.get(photo.path, ()):
                best = max(left, key=lambda face: faces.overlap(face.box, box), default=None)
                if best is not None and faces.overlap(best.box, box) >= SAME_FACE:
                    left.remove(best)
                    yield best, name
