"""What a face detector says. Free of torch, so that processes that only embed need not load it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatBox = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Detection:
    """One face: `box` x0, y0, x1, y1 in pixels of the picture searched, `landmarks` float32 [5, 2].

    The box may reach past the picture's edge. The landmarks are the eyes, the nose and the corners of
    the mouth, as (x, y).
    """

    box: FloatBox
    probability: float
    landmarks: NDArray[np.float32]

    def moved(self, dx: float, dy: float, scale: float = 1.0) -> Detection:
        """The same face in a picture whose origin lies at (-dx, -dy), enlarged by `scale` afterwards."""
        x0, y0, x1, y1 = self.box
        box = ((x0 + dx) * scale, (y0 + dy) * scale, (x1 + dx) * scale, (y1 + dy) * scale)
        shift = np.array([dx, dy], dtype=np.float32)
        return Detection(box, self.probability, (self.landmarks + shift) * np.float32(scale))
