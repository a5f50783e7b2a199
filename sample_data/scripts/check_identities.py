"""Measure how well the synthetic people can be told apart: `python check_identities.py LIST [VIEWS] [SIZE]`.

LIST is `archive` or `base` of `heads/screened.json`, or a range of seeds such as `0-40`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import dlib
import face_recognition_models
import numpy as np
import torch
from facenet_pytorch import MTCNN
from heads import backdrop, compose, make_identity, random_view, render
from numpy.typing import NDArray

SCREENED = Path(__file__).parent / "heads" / "screened.json"
FOUND = 0.9  # MTCNN's probability from which a face counts as found


class Faces:
    """Finds faces with MTCNN and embeds them with dlib's ResNet and five-point predictor."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._detector = MTCNN(keep_all=True, device="cpu", min_face_size=40)
        self._points = dlib.shape_predictor(face_recognition_models.pose_predictor_five_point_model_location())
        self._network = dlib.face_recognition_model_v1(face_recognition_models.face_recognition_model_location())

    def find(self, picture: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Return the box (4,) of the surest face, or None."""
        boxes, chances = self._detector.detect(picture)
        if boxes is None or np.max(chances) <= FOUND:
            return None
        return boxes[int(np.argmax(chances))]

    def embed(self, picture: NDArray[np.uint8], box: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return dlib's descriptor (128,) of a boxed face."""
        left, top, right, bottom = box
        x, y = (left + right) / 2, (top + bottom) / 2 + 0.04 * (bottom - top)
        half = max(right - left, bottom - top) * 0.95 / 2
        square = dlib.rectangle(int(x - half), int(y - half), int(x + half), int(y + half))
        picture = np.ascontiguousarray(picture)
        return np.array(self._network.compute_face_descriptor(picture, self._points(picture, square), 1))


@dataclass
class Tally:
    """Embeddings of the faces found, whose they are, and how many pictures were looked at."""

    embeddings: list[NDArray[np.float64]] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    pictures: int = 0

    def add(self, faces: Faces, picture: NDArray[np.uint8], person: int) -> None:
        """Look at one picture of a person."""
        self.pictures += 1
        box = faces.find(picture)
        if box is not None:
            self.embeddings.append(faces.embed(picture, box))
            self.people.append(person)

    def report(self) -> str:
        """Say how many faces were found, and how far within and between people they lie."""
        if len(set(self.people)) < 2:
            return f"faces found {len(self.people)} of {self.pictures}"
        within, between = pair_distances(np.array(self.embeddings), np.array(self.people))
        rate, threshold = equal_error_rate(within, between)
        return (
            f"faces found {len(self.people)} of {self.pictures} ({len(self.people) / self.pictures:.1%}); "
            f"within {within.mean():.3f} +- {within.std():.3f}, between {between.mean():.3f} +- {between.std():.3f}; "
            f"EER {rate:.2%} at {threshold:.3f}"
        )


def pair_distances(
    embeddings: NDArray[np.float64], people: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distances of all pairs of one person, and of all pairs of two."""
    first, second = np.triu_indices(len(embeddings), 1)
    distance = np.linalg.norm(embeddings[first] - embeddings[second], axis=1)
    same = people[first] == people[second]
    return distance[same], distance[~same]


def equal_error_rate(within: NDArray[np.float64], between: NDArray[np.float64]) -> tuple[float, float]:
    """Return the rate at which both errors are equal, and the distance where that is."""
    within, between = np.sort(within), np.sort(between)
    thresholds = np.sort(np.concatenate([within, between]))
    missed = 1 - np.searchsorted(within, thresholds, side="right") / len(within)
    mistaken = np.searchsorted(between, thresholds, side="right") / len(between)
    best = int(np.argmin(np.maximum(missed, mistaken)))
    return float(max(missed[best], mistaken[best])), float(thresholds[best])


def chosen_seeds(what: str) -> list[int]:
    """Return the seeds of a screened list, or of a range."""
    if "-" in what:
        first, last = what.split("-")
        return list(range(int(first), int(last)))
    return json.loads(SCREENED.read_text(encoding="utf-8"))[what]


def main() -> None:
    """Render every person in several views and print the figures."""
    seeds = chosen_seeds(sys.argv[1])
    views = int(sys.argv[2]) if len(sys.argv) > 2 else 6
    size = int(sys.argv[3]) if len(sys.argv) > 3 else 256
    faces, tally = Faces(), Tally()
    for seed in seeds:
        rng = np.random.default_rng(500 + seed)
        for number in range(views):
            picture = compose(backdrop(seed + number, size, size), *render(make_identity(seed), random_view(rng), size))
            tally.add(faces, (picture * 255 + 0.5).astype(np.uint8), seed)
    print(f"{len(seeds)} people, {views} views at {size} px: {tally.report()}")


if __name__ == "__main__":
    main()
