"""Faces, measured: `python benchmarks/faces.py [--archive FOLDER] [--limit N] [--longest PIXELS] [--scale N]`.

1. Photographs a second from file to stored faces, beside a plain loop of facenet-pytorch's `MTCNN.detect` and
   the same embedder over full-size pictures, and which of the faces in truth.csv (or, without one, of the plain
   loop's) each finds.
2. Pairwise F1 of the clusters against truth.csv, at the catalog's own threshold and at others.
3. Seconds of clustering `--scale` made-up faces, and the peak memory of the whole run.

Defaults: the sample archive, all of it. `--longest 4000` enlarges the pictures first, to a camera's size.
"""

from __future__ import annotations

import argparse
import csv
import resource
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from facenet_pytorch import MTCNN
from PIL import Image

from core import image, people, scan
from core.errors import BadImage
from core.faces.detection import Detection
from core.faces.embed import DlibEmbedder
from core.faces.index import index_faces
from core.faces.linkage import average_linkage
from storage import catalog as catalogs
from storage import faces, photos
from storage.catalog import Catalog
from storage.records import Box, Photo

SAMPLE = Path(__file__).resolve().parent.parent / "sample_data"
SURE = 0.9  # below it the plain loop's detections are mostly leaves and cloth
SMALLEST = 40  # pixels of the shorter side from which a face counts for the recall

Named = Mapping[bytes, Sequence[tuple[Box, str]]]
"""Faces by the photograph's path: box in upright pixels, and whose it is."""


def enlarge(archive: Path, target: Path, longest: int, limit: int | None) -> None:
    """Write the first `limit` pictures of `archive`, those that can be read, to `target`, enlarged."""
    for source in sorted(archive.rglob("*.[jJ][pP][gG]"))[:limit]:
        try:
            picture = image.load(source, image.probe(source).orientation)
        except BadImage:
            continue
        scale = longest / max(picture.size)
        size = round(picture.width * scale), round(picture.height * scale)
        copy = target / source.relative_to(archive)
        copy.parent.mkdir(parents=True, exist_ok=True)
        picture.resize(size, Image.Resampling.BICUBIC).save(copy, quality=90)


def read_truth(archive: Path, folder: Path, longest: int | None) -> Named:
    """truth.csv's faces, at the size that the pictures below `folder` have."""
    named: dict[bytes, list[tuple[Box, str]]] = defaultdict(list)
    with (archive / "truth.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            facts = image.probe(archive / line["path"])
            scale = longest / max(facts.width, facts.height) if longest else 1
            x0, y0, x1, y1 = (round(float(line[key]) * scale) for key in ("x0", "y0", "x1", "y1"))
            named[bytes(folder / line["path"])].append(((x0, y0, x1, y1), line["name"]))
    return named


def cpu_seconds() -> float:
    """Seconds that this process and those it started have computed: they travel better than the clock's."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def plain_loop(chosen: Iterable[Photo]) -> tuple[Named, float]:
    """What a user would write first: each picture whole, one after another. Faces without names, and seconds."""
    detector, embedder = MTCNN(keep_all=True), DlibEmbedder()
    found: dict[bytes, list[tuple[Box, str]]] = {}
    started = time.monotonic()
    for photo in chosen:
        picture = image.load(photo.path, photo.orientation)
        boxes, chances = detector.detect(picture)
        sure = [] if boxes is None else [box for box, chance in zip(boxes, chances, strict=True) if chance >= SURE]
        corners = [(float(box[0]), float(box[1]), float(box[2]), float(box[3])) for box in sure]
        embedder.embed(picture, [Detection(box, 1.0, np.zeros((5, 2), "f4")) for box in corners])
        found[photo.path] = [((int(b[0]), int(b[1]), int(b[2]), int(b[3])), "") for b in corners]
    return found, time.monotonic() - started


def recall(truth: Named, found: Named, chosen: Iterable[Photo]) -> float:
    """Share of the true faces of at least SMALLEST pixels that overlap a found one by a third."""
    hits = total = 0
    for photo in chosen:
        for box, _ in truth.get(photo.path, ()):
            if min(box[2] - box[0], box[3] - box[1]) >= SMALLEST:
                total += 1
                hits += any(faces.overlap(box, other) >= 0.3 for other, _ in found.get(photo.path, ()))
    return hits / total if total else 1.0


def pairwise_f1(labelled: Sequence[tuple[object, str]]) -> float:
    """Harmonic mean of precision and recall over pairs of faces that share a label, or a person."""

    def pairs(keys: Iterable[object]) -> int:
        return sum(number * (number - 1) // 2 for number in Counter(keys).values())

    both, labels, names = pairs(labelled), pairs(one for one, _ in labelled), pairs(name for _, name in labelled)
    return 2 * both / (labels + names) if labels + names else 1.0


def stored(catalog: Catalog, chosen: Sequence[Photo]) -> Named:
    """The catalog's faces by path."""
    seen = faces.of_photos(catalog, [photo.id for photo in chosen])
    return {photo.path: [(face.box, str(face.id)) for face in seen[photo.id]] for photo in chosen}


def truth_of_faces(truth: Named, found: Named) -> dict[int, str]:
    """Who each stored face is, by its id; faces that are nobody's of the truth are left out."""
    who = {}
    for path, seen in found.items():
        for box, face_id in seen:
            best = max(truth.get(path, ()), key=lambda one: faces.overlap(box, one[0]), default=None)
            if best is not None and faces.overlap(box, best[0]) >= 0.3:
                who[int(face_id)] = best[1]
    return who


def clusters(catalog: Catalog, truth: Named, found: Named) -> None:
    """Print how well the clusters agree with the truth, and at what thresholds."""
    who = truth_of_faces(truth, found)
    result = people.cluster(catalog)
    held = {face.id: face.cluster or -face.id for face in faces.page(catalog)}
    print(f"clusters  {result.clusters} of {len(set(who.values()))} people, threshold {result.threshold}")
    print(f"          pairwise F1 {pairwise_f1([(held[face], name) for face, name in who.items()]):.4f}")
    [space, *_] = faces.spaces(catalog)
    ids, vectors = faces.matrix(catalog, space)
    for threshold in np.arange(0.30, 0.505, 0.02):
        labels = dict(zip(ids.tolist(), average_linkage(np.asarray(vectors), float(threshold)).tolist(), strict=True))
        print(f"          at {threshold:.2f}: {pairwise_f1([(labels[face], name) for face, name in who.items()]):.4f}")


def at_scale(number: int) -> None:
    """Print what it takes to group `number` made-up faces of about 30 a person."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(number // 30 + 1, 128)) * 0.05
    around = rng.normal(size=(number, 128)) * 0.018
    vectors = (centres[rng.integers(len(centres), size=number)] + around).astype(np.float32)
    started = time.monotonic()
    groups = average_linkage(vectors, 0.4).max() + 1
    print(f"grouping  {number:,} made-up faces in {time.monotonic() - started:.1f} s: {groups:,} groups")


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", type=Path, default=SAMPLE, help="a folder with photos/ and truth.csv")
    parser.add_argument("--limit", type=int, help="only so many photographs")
    parser.add_argument("--longest", type=int, help="enlarge the pictures to so many pixels")
    parser.add_argument("--scale", type=int, default=20_000, help="how many made-up faces to group")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, catalogs.create(Path(scratch) / "catalog") as catalog:
        folder = arguments.archive.resolve()
        if arguments.longest:
            folder = Path(scratch)
            enlarge(arguments.archive / "photos", folder / "photos", arguments.longest, arguments.limit)
        scan.index(catalog, [folder / "photos"])
        chosen = photos.page(catalog, "p.error IS NULL", limit=arguments.limit or 10**9)
        before = cpu_seconds()
        ours = index_faces(catalog, embedder="dlib", ids=[photo.id for photo in chosen])
        work = cpu_seconds() - before
        chosen = [photo for photo in photos.get_many(catalog, [photo.id for photo in chosen]) if photo.error is None]
        before = cpu_seconds()
        plain, seconds = plain_loop(chosen)
        plain_work = cpu_seconds() - before
        found = stored(catalog, chosen)
        named = (arguments.archive / "truth.csv").exists()
        truth = read_truth(arguments.archive, folder, arguments.longest) if named else plain
        rate, plain_rate = ours.photos / ours.seconds, len(chosen) / seconds
        print("          photographs/s  CPU s a photograph  recall")
        print(f"kyodaku   {rate:13.2f}  {work / len(chosen):18.3f}  {recall(truth, found, chosen):.4f}")
        print(f"plain     {plain_rate:13.2f}  {plain_work / len(chosen):18.3f}  {recall(truth, plain, chosen):.4f}")
        print(f"ratio     {rate / plain_rate:13.2f}  {plain_work / work:18.2f}")
        seen = [sum(len(boxes) for boxes in found_by.values()) for found_by in (found, plain)]
        print(f"          {len(chosen)} photographs, {seen[0]} faces found, {seen[1]} by the plain loop")
        if named:
            clusters(catalog, truth, found)
    at_scale(arguments.scale)
    print(f"memory    {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most")


if __name__ == "__main__":
    main()
