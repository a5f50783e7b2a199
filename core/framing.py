"""Where to cut a picture so that it shows one person: crops without anyone else's face, and masks over them.

Pure; boxes are `(x0, y0, x1, y1)`, half open, in pixels of the upright picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from storage.records import Box

FACTOR = 1.5  # side of the crop, in lengths of the face's longer side: the whole head, and little of the place
TIGHTEST = 1.15  # what a crop is shrunk to at most, so that the whole face stays in it
STEPS = 18  # sizes tried between the two
MARGIN = 0.35  # of a face's box on each side: a detector's box leaves out hair, ears and chin
SMALLEST = 32  # pixels a side, below which a crop shows nobody
COVERED = 0.1  # of the own face under a mask, above which the picture is not used


def around(box: Box, margin: float = MARGIN) -> Box:
    """The box with its margin on each side, at least the whole head of a detected face."""
    x0, y0, x1, y1 = box
    dx, dy = round((x1 - x0) * margin), round((y1 - y0) * margin)
    return x0 - dx, y0 - dy, x1 + dx, y1 + dy


def clipped(box: Box, width: int, height: int) -> Box:
    """The part of the box that lies in the picture; empty boxes come out with no area."""
    x0, y0, x1, y1 = box
    left, top = min(max(x0, 0), width), min(max(y0, 0), height)
    return left, top, min(max(x1, left), width), min(max(y1, top), height)


def common_area(a: Box, b: Box) -> int:
    """Pixels that two boxes share."""
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def whole_crop(face: Box, width: int, height: int) -> Box:
    """The square around a face, as large as FACTOR asks and the picture allows, moved to lie in it."""
    side = min(round(_length(face) * FACTOR), width, height)
    x0 = min(max((face[0] + face[2] - side) // 2, 0), width - side)
    y0 = min(max((face[1] + face[3] - side) // 2, 0), height - side)
    return x0, y0, x0 + side, y0 + side


def crop_alone(face: Box, others: Sequence[Box], width: int, height: int) -> Box | None:
    """The largest square around a face that touches no other face's box with its margin, or None.

    It is moved as little as possible from having the face in its middle.
    """
    own = clipped(face, width, height)
    kept_off = [around(other) for other in others]
    longest = _length(face)
    for step in range(STEPS + 1):
        factor = FACTOR + (TIGHTEST - FACTOR) * step / STEPS
        side = min(round(longest * factor), width, height)
        found = _place(own, kept_off, side, width, height)
        if found is not None:
            return found
    return None


def shows(box: Box, crop: Box, masked: Iterable[Box]) -> bool:
    """Whether a crop holds any of a box that lies under none of the masks alone."""
    part = max(box[0], crop[0]), max(box[1], crop[1]), min(box[2], crop[2]), min(box[3], crop[3])
    area = common_area(box, crop)
    return area > 0 and all(common_area(part, mask) < area for mask in masked)


def masks(face: Box, others: Iterable[Box], crop: Box) -> tuple[Box, ...] | None:
    """Other faces' boxes with their margin, cut to the crop; None when they cover the face itself."""
    found = [
        (max(box[0], crop[0]), max(box[1], crop[1]), min(box[2], crop[2]), min(box[3], crop[3]))
        for box in map(around, others)
        if common_area(box, crop)
    ]
    area = (face[2] - face[0]) * (face[3] - face[1])
    if any(common_area(box, face) > COVERED * area for box in found):
        return None
    return tuple(sorted(found))


def _length(box: Box) -> int:
    return max(box[2] - box[0], box[3] - box[1])


def _place(own: Box, kept_off: Sequence[Box], side: int, width: int, height: int) -> Box | None:
    """A square of `side` that holds `own` and touches none of `kept_off`, nearest to the middle of `own`."""
    low_x, high_x = max(0, own[2] - side), min(own[0], width - side)
    low_y, high_y = max(0, own[3] - side), min(own[1], height - side)
    if low_x > high_x or low_y > high_y:
        return None
    middle_x = min(max((own[0] + own[2] - side) // 2, low_x), high_x)
    middle_y = min(max((own[1] + own[3] - side) // 2, low_y), high_y)
    # The nearest free place is the middle, or touches the edge of a box that is in the way.
    xs = {middle_x} | {x for box in kept_off for x in (box[0] - side, box[2]) if low_x <= x <= high_x}
    ys = {middle_y} | {y for box in kept_off for y in (box[1] - side, box[3]) if low_y <= y <= high_y}
    free = [
        ((x - middle_x) ** 2 + (y - middle_y) ** 2, x, y)
        for x in xs
        for y in ys
        if not any(common_area((x, y, x + side, y + side), box) for box in kept_off)
    ]
    if not free:
        return None
    _, x, y = min(free)
    return x, y, x + side, y + side
