"""Plain and blurred backdrops, and laying a head over one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TONES = (
    ((0.75, 0.78, 0.80), (0.35, 0.38, 0.42)),
    ((0.55, 0.65, 0.75), (0.80, 0.80, 0.78)),
    ((0.30, 0.40, 0.30), (0.15, 0.22, 0.20)),
    ((0.85, 0.82, 0.75), (0.60, 0.52, 0.45)),
    ((0.25, 0.27, 0.33), (0.10, 0.10, 0.13)),
    ((0.50, 0.42, 0.40), (0.75, 0.70, 0.60)),
    ((0.90, 0.90, 0.92), (0.70, 0.72, 0.76)),
    ((0.40, 0.50, 0.60), (0.20, 0.25, 0.35)),
)
BACKDROP_COUNT = len(_TONES)


def backdrop(style: int, height: int, width: int, rng: np.random.Generator | None = None) -> NDArray[np.float32]:
    """Paint a backdrop (height, width, 3) from 0 to 1; with a generator, out-of-focus lights are strewn over it."""
    near, far = (np.array(tone, np.float32) for tone in _TONES[style % BACKDROP_COUNT])
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    rows, columns = rows / height, columns / width
    blend = rows * 0.7 + columns * 0.3 if style % 2 else np.hypot(columns - 0.5, rows - 0.45) * 1.3
    picture = near * (1 - blend[..., None]) + far * blend[..., None]
    for _ in range(8 if rng is not None else 0):
        assert rng is not None
        x, y, radius = rng.random(), rng.random(), rng.uniform(0.05, 0.2)
        glow = np.clip(1.2 - np.hypot(columns - x, rows - y) / radius, 0, 1)[..., None] * 0.5
        picture = picture * (1 - glow) + rng.random(3).astype(np.float32) * glow * 0.9
    return np.clip(picture, 0, 1).astype(np.float32)


def compose(
    background: NDArray[np.float32], rgb: NDArray[np.uint8], alpha: NDArray[np.float32], top: int = 0, left: int = 0
) -> NDArray[np.float32]:
    """Lay a rendered head over a background (height, width, 3) from 0 to 1; what falls outside is cut off."""
    picture = background.copy()
    height, width = picture.shape[:2]
    first_row, first_column = max(top, 0), max(left, 0)
    last_row, last_column = min(top + alpha.shape[0], height), min(left + alpha.shape[1], width)
    if first_row >= last_row or first_column >= last_column:
        return picture
    rows = slice(first_row - top, last_row - top)
    columns = slice(first_column - left, last_column - left)
    share = alpha[rows, columns, None]
    target = picture[first_row:last_row, first_column:last_column]
    target[:] = target * (1 - share) + rgb[rows, columns].astype(np.float32) / 255 * share
    return picture
