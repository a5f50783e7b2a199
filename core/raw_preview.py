"""The picture that stands for a RAW: the largest preview its camera put in."""

from __future__ import annotations

import io
from typing import BinaryIO

from PIL import Image

from core import jpeg, raw
from core.errors import BadImage

LARGE_ENOUGH = 1000  # pixels of the longer side; LibRaw is asked for something better than a smaller one

NONE = "it is a RAW without a preview that can be decoded"


def of(source: BinaryIO, found: raw.Raw) -> Image.Image:
    """The preview, header read; a JPEG's frame is in `info["frame"]`. Raises BadImage where there is none.

    The container is looked through first. Where its previews are small or none, LibRaw, which knows where makers
    hide theirs, is asked too. Also raises what Pillow does for a preview that is damaged.
    """
    best = raw.largest_preview(source, found)
    if best is None or max(best.frame.width, best.frame.height) < LARGE_ENOUGH:
        other = _by_libraw(source)
        if isinstance(other, Image.Image) and (best is None or _pixels(other.size) > _area(best)):
            return other
        if isinstance(other, raw.Preview) and (best is None or _area(other) > _area(best)):
            best = other
    if best is None:
        raise BadImage(NONE, "convert it to DNG or JPEG with its maker's program")
    image = Image.open(io.BytesIO(best.data), formats=("JPEG",))
    image.info["frame"] = best.frame
    return image


def _area(preview: raw.Preview) -> int:
    return preview.frame.width * preview.frame.height


def _pixels(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _by_libraw(source: BinaryIO) -> raw.Preview | Image.Image | None:
    """LibRaw's largest preview, a JPEG or a bitmap, or None where it finds none or knows no such camera."""
    import rawpy  # a tenth of a second, and few archives need it

    source.seek(0)
    try:
        with rawpy.imread(source) as opened:
            thumb = opened.extract_thumb()
        if thumb.format is rawpy.ThumbFormat.BITMAP:
            return Image.fromarray(thumb.data).convert("RGB")
    except TimeoutError:
        raise
    except Exception:
        return None  # it says in many ways that there is none
    frame = jpeg.frame_of(thumb.data)
    return None if frame is None or frame.lossless else raw.Preview(thumb.data, frame)
