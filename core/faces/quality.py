"""How much of a face a picture shows, and how it is held."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.faces.detection import FloatBox

SIDE = 112  # faces are compared at this size, so that a large blurred face is not called sharp for its pixels


NOSE = 0.6  # length of the nose, in lengths from the eyes' line to the mouth's
NOSE_BASE = 0.4  # of that length, from the mouth up to where the nose stands on the face


@dataclass(frozen=True, slots=True)
class Pose:
    """How a face is held, in degrees, all 0 for one that looks straight out of the picture.

    `yaw` is positive when it is turned to the picture's right, `pitch` when it looks down, `roll` when the head leans
    to the picture's right (clockwise).
    """

    yaw: float
    pitch: float
    roll: float


def pose(landmarks: NDArray[np.float32]) -> Pose:
    """The pose that five landmarks [5, 2] tell: the eyes, the tip of the nose, the corners of the mouth, as (x, y).

    The weak perspective model of Gee and Cipolla, "Determining the gaze of faces in images", 1994, with their ratios:
    the tip of the nose stands before the face, so where it lies beside the face's middle line and above or below the
    nose's base tells the turn. An estimate to some ten degrees, for choosing among pictures.
    """
    left, right, tip, mouth_left, mouth_right = landmarks.astype(float)
    across = right - left
    width = math.hypot(*across)
    eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
    down = mouth - eyes
    length = math.hypot(*down)
    if width == 0 or length == 0:
        return Pose(0.0, 0.0, 0.0)
    along = across / width
    upright = np.array([-along[1], along[0]])
    away = tip - (mouth - NOSE_BASE * down)
    yaw, pitch = (
        math.degrees(math.asin(min(1.0, max(-1.0, float(away @ axis) / (NOSE * length))))) for axis in (along, upright)
    )
    return Pose(yaw, pitch, math.degrees(math.atan2(across[1], across[0])))


def sharpness(image: Image.Image, box: FloatBox) -> float:
    """Variance of the Laplacian of the grey face at 112x112 pixels, 0 for a flat one; above ~100 is crisp.

    Measured on the picture given, which where an archive is searched is the reduced decode. After
    Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000. Parts of the box outside
    the picture are left out.
    """
    x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
    x1, y1 = min(image.width, round(box[2])), min(image.height, round(box[3]))
    if x1 <= x0 or y1 <= y0:
        return 0.0
    face = image.crop((x0, y0, x1, y1)).convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    grey = np.asarray(face, dtype=np.float32)
    centre = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * centre
    return float(laplacian.var())
