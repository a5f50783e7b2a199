"""The body below the shoulders: filled in so that cloth hangs down past the picture's edge.

The renderer's mesh ends at the chest, and its arms fit bodies of middle height only. Cloth hides both.
"""

from __future__ import annotations

import numpy as np

from .paint import Floats, smooth

SHOULDER_TOP, SHOULDER_LOW = 5.25, 4.75  # decimetres up, on the neutral mesh: where the widest row is looked for


def _edges(mask: Floats, up: Floats) -> tuple[float, float, int]:
    """Return the left and right edge (pixels) of the widest row of shoulders, and that row."""
    rows = np.flatnonzero((up[:, 0] < SHOULDER_TOP) & (up[:, 0] > SHOULDER_LOW))
    best = (mask.shape[1] / 2, mask.shape[1] / 2, mask.shape[0])
    for row in rows:
        columns = np.flatnonzero(mask[row] > 0.5)
        if len(columns) and columns[-1] - columns[0] > best[1] - best[0]:
            best = (float(columns[0]), float(columns[-1]), int(row))
    return best


def hang(alpha: Floats, mask: Floats, light: Floats, up: Floats, scale: float) -> tuple[Floats, Floats, Floats]:
    """Extend a shirt (alpha, mask and light, each (h, w)) down from the shoulders, with sleeves beside the chest.

    `up` is the height of each pixel in decimetres of the neutral mesh, `scale` pixels a decimetre.
    """
    height, width = mask.shape
    left, right, row = _edges(mask, up)
    if row >= height:
        return alpha, mask, light
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    below = np.clip((y - row) / scale, 0, None)
    grow = scale * 0.16 * (1 - np.exp(-1.4 * below))
    middle, half = (left + right) / 2, (right - left) / 2 + grow
    offset = np.abs(x - middle)
    body = np.clip(half + 0.5 - offset, 0, 1) * (y >= row)
    lit = (mask > 0.3).astype(np.float32) * (up > SHOULDER_LOW - 0.9)
    near = smooth(lit, scale * 0.1) + 0.03 * smooth(lit, scale * 0.5) + 1e-4
    spread = (smooth(light * lit, scale * 0.1) + 0.03 * smooth(light * lit, scale * 0.5) + 1e-4 * 0.6) / near
    fade = np.clip(below / 0.8, 0, 1)
    round_off = 1 - 0.42 * np.clip(1 - (half - offset) / (0.30 * scale), 0, 1) ** 2 * np.clip(below / 0.3, 0, 1)
    inner = offset - (half - scale * (0.62 + 0.03 * below))
    crease = np.exp(-((inner / (0.05 * scale)) ** 2)) * 0.38 + np.exp(-((inner / (0.2 * scale)) ** 2)) * 0.16
    crease = crease * np.clip((below - 0.25) / 0.5, 0, 1)
    hung = spread * round_off * (1 - crease) * (1 - 0.07 * below)
    light = light + (hung - light) * np.maximum(fade, (mask < 0.5)) * body
    return np.maximum(alpha, body), np.maximum(mask, body), light.astype(np.float32)
