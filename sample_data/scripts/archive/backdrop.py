"""What stands behind the people: the pixels, and the light that falls on whoever stands there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from numpy.random import Generator

from .paint import Floats


@dataclass(frozen=True)
class Light:
    """The light on a person: a direction (right, up, towards the camera), its strengths, and its warmth."""

    direction: tuple[float, float, float]
    key: float = 0.65
    ambient: float = 0.5
    warm: float = 0.2


@dataclass(frozen=True)
class Backdrop:
    """A painted backdrop: linear pixels (h, w, 3), its light, and how near the wall is (0 far, 1 at the shoulders)."""

    pixels: Floats
    light: Light
    wall: float = 0.0
    iso: int = 200
    fronts: list[Floats] = field(default_factory=list)


Painter = Callable[[Generator, int, int], Backdrop]


def side_light(
    r: Generator, key: float = 0.7, ambient: float = 0.45, warm: float = 0.15, left: bool | None = None
) -> Light:
    """Return light from one side and a little above, as from a window."""
    sign = -1.0 if (r.random() < 0.5 if left is None else left) else 1.0
    direction = (sign * r.uniform(0.45, 0.95), r.uniform(0.3, 0.7), r.uniform(0.75, 1.1))
    return Light(direction, key * r.uniform(0.92, 1.06), ambient * r.uniform(0.92, 1.08), warm + r.normal(0, 0.08))


def open_shade(r: Generator, warm: float = 0.0) -> Light:
    """Return soft light from above and in front, as under an open sky."""
    direction = (r.uniform(-0.5, 0.5), r.uniform(0.7, 1.1), r.uniform(0.9, 1.2))
    return Light(direction, r.uniform(0.5, 0.62), r.uniform(0.55, 0.65), warm + r.normal(0, 0.08))
