"""Where in a picture a region lies: from fractions of the picture as stored to those of the upright one, and back.

The Metadata Working Group's guidelines (2.0, 5.9) apply regions to the stored image: whoever turns it by its EXIF
orientation turns them too. digiKam and Lightroom do so, in their own forms as well. An area is
`(x0, y0, x1, y1)`, fractions of width and height from the upper left corner.
"""

from __future__ import annotations

from storage.records import Area

_SIDEWAYS = frozenset({5, 6, 7, 8})


def upright(stored: Area, orientation: int) -> Area:
    """An area of the stored picture where it lies in the upright one; `orientation` is EXIF's, 1 to 8."""
    return _turned(stored, orientation)


def stored(upright: Area, orientation: int) -> Area:
    """The other way: an area of the upright picture where it lies in the stored one."""
    # a quarter turn is undone by the other one, all else by itself
    return _turned(upright, {6: 8, 8: 6}.get(orientation, orientation))


def stored_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Width and height of the stored picture, of those of the upright one."""
    return (height, width) if orientation in _SIDEWAYS else (width, height)


def _turned(area: Area, orientation: int) -> Area:
    (ax, ay), (bx, by) = (_point(x, y, orientation) for x, y in (area[:2], area[2:]))
    return min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)


def _point(x: float, y: float, orientation: int) -> tuple[float, float]:
    match orientation:
        case 2:
            return 1 - x, y
        case 3:
            return 1 - x, 1 - y
        case 4:
            return x, 1 - y
        case 5:
            return y, x
        case 6:
            return 1 - y, x
        case 7:
            return 1 - y, 1 - x
        case 8:
            return y, 1 - x
    return x, y


def overlap(a: Area, b: Area) -> float:
    """Intersection over union, 0 to 1."""
    common = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    whole = sum((r[2] - r[0]) * (r[3] - r[1]) for r in (a, b)) - common
    return common / whole if whole > 0 else 0.0
