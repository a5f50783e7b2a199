"""Faces, measured: `python -m benchmarks.faces [--photos 24]`.

Photographs of 12 megapixels whose faces are known (`scenes.py`), from file to stored faces: photographs a second by
the clock and by processor time, and how many of the faces of at least 40 pixels are found, beside a plain loop over
the same files: each picture decoded whole, facenet-pytorch's `MTCNN.detect`, and the same embedder on what it finds.
Ours also estimates ages, measures sharpness and pose, and writes the catalog. The plain loop has torch's own threads.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from facenet_pytorch import MTCNN

from benchmarks import scenes
from benchmarks.table import Row, show
from core import image, scan
from core.faces.detection import Detection
from core.faces.embed import DlibEmbedder
from core.faces.index import index_faces
from storage import catalog as catalogs
from storage import faces, photos
from storage.catalog import Catalog
from storage.records import Box, Photo

SMALLEST = 40  # pixels of a face's shorter side from which on it counts
SURE = 0.9  # below it the plain loop's detections are mostly leaves and cloth
TIMES, SHARE = 4.0, 0.01

Found = Mapping[bytes, Sequence[Box]]
"""Boxes by the photograph's path."""


def measure(number: int, room: Path) -> list[Row]:
    """Ours beside the plain loop on so many photographs."""
    truth = scenes.make(room / "scenes", number)
    with catalogs.create(room / "faces-catalog") as catalog:
        scan.index(catalog, [room / "scenes"])
        chosen = photos.page(catalog, limit=number)
        before, started = cpu_seconds(), time.monotonic()
        index_faces(catalog, embedder="dlib")
        ours, ours_cpu = time.monotonic() - started, cpu_seconds() - before
        found = stored(catalog, chosen)
    before, started = cpu_seconds(), time.monotonic()
    plainly = plain_loop(chosen)
    plain, plain_cpu = time.monotonic() - started, cpu_seconds() - before
    share, plain_share = recall(truth, found), recall(truth, plainly)
    beside = "MTCNN.detect and embedder, picture by picture"
    return [
        Row(
            "photographs of 12 MP", number / ours, "a second", beside, plain / ours, f">= {TIMES:g} x",
            plain >= TIMES * ours,
        ),
        Row("  by processor time", number / ours_cpu, "a CPU second", beside, plain_cpu / ours_cpu),
        Row(
            f"recall of faces >= {SMALLEST} px ({wanted(truth)} of them)", share, "", f"the same: {plain_share:.4f}",
            share / plain_share, f"within {SHARE:.0%}", share >= plain_share - SHARE,
        ),
        Row("detections that are no face", wrong(truth, found), "", f"the same: {wrong(truth, plainly)}"),
    ]  # fmt: skip


def plain_loop(chosen: Sequence[Photo]) -> Found:
    """What a user would write first: each picture whole, one after another."""
    detector, embedder = MTCNN(keep_all=True), DlibEmbedder()
    found: dict[bytes, list[Box]] = {}
    for photo in chosen:
        picture = image.load(photo.path, photo.orientation)
        boxes, chances = detector.detect(picture)
        sure = [] if boxes is None else [box for box, chance in zip(boxes, chances, strict=True) if chance >= SURE]
        corners = [(float(box[0]), float(box[1]), float(box[2]), float(box[3])) for box in sure]
        embedder.embed(picture, [Detection(box, 1.0, np.zeros((5, 2), "f4")) for box in corners])
        found[photo.path] = [(int(b[0]), int(b[1]), int(b[2]), int(b[3])) for b in corners]
    return found


def stored(catalog: Catalog, chosen: Sequence[Photo]) -> Found:
    """The catalog's faces."""
    seen = faces.of_photos(catalog, [photo.id for photo in chosen])
    return {photo.path: [face.box for face in seen[photo.id]] for photo in chosen}


def wanted(truth: Found) -> int:
    """How many faces count."""
    return sum(counts(box) for boxes in truth.values() for box in boxes)


def counts(box: Box) -> bool:
    return min(box[2] - box[0], box[3] - box[1]) >= SMALLEST


def recall(truth: Found, found: Found) -> float:
    """Share of the true faces that count which overlap a found one by a third, as intersection over union."""
    hits = sum(
        any(faces.overlap(box, other) >= 1 / 3 for other in found.get(path, ()))
        for path, boxes in truth.items()
        for box in boxes
        if counts(box)
    )
    return hits / wanted(truth)


def wrong(truth: Found, found: Found) -> int:
    """How many found boxes are no true face's, of whatever size."""
    return sum(
        not any(faces.overlap(box, true) >= 0.2 for true in truth.get(path, ()))
        for path, boxes in found.items()
        for box in boxes
    )


def cpu_seconds() -> float:
    """Seconds that this process and those it started have computed: they travel better than the clock's."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--photos", type=int, default=48)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="kyodaku-benchmark-") as folder:
        show(f"faces of {given.photos} photographs of 12 megapixels", measure(given.photos, Path(folder)))


if __name__ == "__main__":
    main()
