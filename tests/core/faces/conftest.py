"""Photographs with known faces: a few of the sample archive's."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from core import image
from core.faces.detect import Detector
from core.faces.embed import DlibEmbedder
from storage.records import Box

SAMPLE = Path(__file__).resolve().parents[3] / "sample_data"
PEOPLE = 3


@dataclass(frozen=True)
class Known:
    """A photograph, upright, and who is seen where."""

    path: Path
    picture: Image.Image
    names: tuple[str, ...]
    boxes: tuple[Box, ...]


def truth() -> dict[str, list[tuple[str, Box]]]:
    """Faces by the photograph's path below sample_data/, sorted."""
    faces: dict[str, list[tuple[str, Box]]] = defaultdict(list)
    with (SAMPLE / "truth.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            x0, y0, x1, y1 = (round(float(line[key])) for key in ("x0", "y0", "x1", "y1"))
            faces[line["path"]].append((line["name"], (x0, y0, x1, y1)))
    return dict(sorted(faces.items()))


def known(path: str, faces: list[tuple[str, Box]]) -> Known:
    file = SAMPLE / path
    picture = image.load(file, image.probe(file).orientation)
    return Known(file, picture, tuple(name for name, _ in faces), tuple(box for _, box in faces))


@pytest.fixture(scope="session")
def portraits() -> list[Known]:
    """Two photographs of each of three people, who are alone in them."""
    alone: dict[str, list[str]] = defaultdict(list)
    everything = truth()
    for path, faces in everything.items():
        if len(faces) == 1 and Path(path).suffix.lower() in (".jpg", ".jpeg"):
            alone[faces[0][0]].append(path)
    chosen = [paths[:2] for paths in alone.values() if len(paths) > 1][:PEOPLE]
    return [known(path, everything[path]) for pair in chosen for path in pair]


@pytest.fixture(scope="session")
def company() -> Known:
    """A photograph of several people."""
    path, faces = max(truth().items(), key=lambda item: len(item[1]))
    return known(path, faces)


@pytest.fixture(scope="session")
def detector() -> Detector:
    return Detector("cpu")


@pytest.fixture(scope="session")
def dlib_embedder() -> DlibEmbedder:
    return DlibEmbedder()
