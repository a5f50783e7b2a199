"""What is worked out of each detected face, one face at a time: its vector, its age estimate, its sharpness.

This runs in worker processes, because dlib keeps Python's lock while it computes. A worker gets the
pixels around a face, not the file, and loads neither torch nor the detector.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.process import BaseProcess

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.faces.age import AgeModel
from core.faces.detection import Detection
from core.faces.embed import DlibEmbedder
from core.faces.quality import sharpness

MARGIN = 0.6  # of the box, kept around it on each side: dlib's aligned chip reaches no farther


@dataclass(frozen=True, slots=True)
class FacePixels:
    """The pixels uint8 [h, w, 3] around one face, and the face in their coordinates."""

    pixels: NDArray[np.uint8]
    face: Detection


@dataclass(frozen=True, slots=True)
class Description:
    """What a worker says of one face. `embedding` is float32 [d], [0] where it was not asked to embed."""

    embedding: NDArray[np.float32]
    sharpness: float
    age_estimate: float


def cut(image: Image.Image, face: Detection) -> FacePixels:
    """The face with its surroundings, cut at whole pixels so that nothing is resampled."""
    x0, y0, x1, y1 = face.box
    reach = MARGIN * max(x1 - x0, y1 - y0)
    left, top = max(0, int(x0 - reach)), max(0, int(y0 - reach))
    right, bottom = min(image.width, int(x1 + reach) + 1), min(image.height, int(y1 + reach) + 1)
    return FacePixels(np.asarray(image.crop((left, top, right, bottom))), face.moved(-left, -top))


@cache
def _dlib() -> DlibEmbedder:
    return DlibEmbedder()


@cache
def _ages() -> AgeModel:
    return AgeModel()


def describe(faces: Sequence[FacePixels], *, embed: bool) -> list[Description]:
    """Describe faces, with dlib's vector if `embed`. The models load with the first call of a process."""
    described = []
    for part in faces:
        image = Image.fromarray(part.pixels)
        described.append(
            Description(
                embedding=_dlib().embed(image, [part.face])[0] if embed else np.empty(0, np.float32),
                sharpness=sharpness(image, part.face.box),
                age_estimate=_ages().estimate(image, [part.face])[0],
            )
        )
    return described


def get_ready(embed: bool) -> None:
    """What a worker process does first: load its models, and see to it that it ends with its parent.

    Without that a worker whose parent was killed would wait for ever.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _ages()
    if embed:
        _dlib()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
