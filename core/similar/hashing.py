"""The perceptual hash of a picture: what stays when it is saved again, resized, brightened or cut a little. Pure.

Hashes by `imagehash`: the signs of the lowest frequencies of a cosine transform (pHash) and of the differences
between neighbours (dHash).
"""

from __future__ import annotations

import numpy as np
from PIL import Image

KEY = 8  # bytes of the hash that is looked up: pHash of 8 x 8 frequencies
DETAIL = 64  # bytes that confirm it: pHash of 16 x 16 frequencies, dHash of 16 x 16 differences
LONGEST = 128  # pixels of the longer side that hashes are worked out at; more make no difference to them
_BLANK = 3.0  # spread of brightness, of 255, below which a picture holds noise alone


def perceptual_hash(image: Image.Image) -> bytes | None:
    """`KEY` + `DETAIL` bytes of an upright RGB picture of any size; None for one without anything in it.

    Hashes are compared by the number of bits in which they differ. A black frame has none: its hash would be that
    of its noise.
    """
    import imagehash

    small = image.copy()
    small.thumbnail((LONGEST, LONGEST), Image.Resampling.BOX)
    grey = small.convert("L")
    if float(np.asarray(grey).std()) < _BLANK:
        return None
    parts = (imagehash.phash(grey, 8), imagehash.phash(grey, 16), imagehash.dhash(grey, 16))
    return b"".join(np.packbits(part.hash.ravel()).tobytes() for part in parts)
