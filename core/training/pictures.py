"""A picture as it trains: cut out of its photograph, other people's pixels filled. No torch: it is looked at too."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from core import decoding
from core.decoding import Cut
from core.errors import Changed
from core.training.latent_cache import Array
from storage.records import Box, CohortItem, Photo

Size = tuple[int, int]  # width and height

FILL = (127, 127, 127)  # stands for other people's pixels before encoding


def picture_of(photo: Photo, item: CohortItem, size: Size) -> tuple[Image.Image, Array]:
    """The item's crop, RGB, of that size, others' pixels filled, and where they are: float32 [h, w], 1 is free.

    Raises BadImage, JobFailed, UnreadablePath.
    """
    cut = cut_of(item.crop, size)
    try:
        crop = decoding.picture(decoding.ask(photo, content_hash=item.content_hash, cut=Cut(cut, size)))
    except Changed as error:
        raise Changed(
            f"{photo.path_text} is gone, or changed since the cohort was frozen", "index again, then freeze again"
        ) from error
    free = np.ones((size[1], size[0]), dtype=np.float32)
    for mask in item.masks:
        left, top, right, bottom = within(mask, cut, size)
        if left < right and top < bottom:
            free[top:bottom, left:right] = 0
            crop.paste(FILL, (left, top, right, bottom))
    return crop, free


def cut_of(crop: Box, size: Size) -> Box:
    """The largest box of whole pixels in the middle of a crop that has the shape of `size`: width, height."""
    x0, y0, x1, y1 = crop
    width = min(x1 - x0, max(1, (y1 - y0) * size[0] // size[1]))
    height = min(y1 - y0, max(1, (x1 - x0) * size[1] // size[0]))
    left, top = x0 + (x1 - x0 - width) // 2, y0 + (y1 - y0 - height) // 2
    return left, top, left + width, top + height


def within(box: Box, cut: Box, size: Size, reach: int | None = None) -> Box:
    """A box in the pixels of the resized cut, widened by `reach`: the Lanczos kernel's, 3 of the coarser pixels."""
    scales = [size[axis] / (cut[axis + 2] - cut[axis]) for axis in (0, 1)]
    wide = [math.ceil(3 * max(1.0, scale)) if reach is None else reach for scale in scales]
    left, top = ((box[axis] - cut[axis]) * scales[axis] for axis in (0, 1))
    right, bottom = ((box[axis + 2] - cut[axis]) * scales[axis] for axis in (0, 1))
    return (
        max(0, math.floor(left) - wide[0]),
        max(0, math.floor(top) - wide[1]),
        min(size[0], math.ceil(right) + wide[0]),
        min(size[1], math.ceil(bottom) + wide[1]),
    )
