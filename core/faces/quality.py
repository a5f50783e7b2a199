"""How much of a face a picture shows."""

from __future__ import annotations

import numpy as np
from PIL import Image

from core.faces.detection import FloatBox

SIDE = 112  # faces are compared at this size, so that a large blurred face is not called sharp for its pixels


def sharpness(image: Image.Image, box: FloatBox) -> float:
    """Variance of the Laplacian of the grey face at 112x112 pixels, 0 for a flat one; above ~100 is crisp.

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
