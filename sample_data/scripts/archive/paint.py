"""Painting with numpy and Pillow: textures, blur as of a lens, and a canvas measured in picture heights.

Light is added and blurred in linear values, where a lamp may be brighter than white; `display` brings it back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]
Point = tuple[float, float]
GAMMA = 2.2


def linear(display_values: Floats) -> Floats:
    """Return linear light for display values from 0 to 1."""
    return np.power(np.clip(display_values, 0, None), GAMMA, dtype=np.float32)


def colour(red: float, green: float, blue: float) -> Floats:
    """Return the linear light (3,) of a display colour from 0 to 255."""
    return linear(np.array([red, green, blue], np.float32) / 255)


def vary(r: Generator, base: Colour, spread: float = 0.06) -> Colour:
    """Return a display colour (0 to 255) near the base: brighter or darker, and a little off in hue."""
    scale = 1 + r.normal(0, spread)
    moved = [min(255.0, max(0.0, value * scale * (1 + r.normal(0, spread / 3)))) for value in base]
    return moved[0], moved[1], moved[2]


def pick(r: Generator, colours: Sequence[Colour], spread: float = 0.05) -> Colour:
    """Return one of the display colours, varied."""
    return vary(r, colours[int(r.integers(len(colours)))], spread)


def _layer(r: Generator, height: int, width: int, down: float, across: float) -> Floats:
    """Return smooth noise (height, width) of -1 to 1 whose features are `down` by `across` pixels."""
    rows, columns = int(np.ceil(height / down)) + 4, int(np.ceil(width / across)) + 4
    grid = Image.fromarray(r.uniform(-1, 1, (rows, columns)).astype(np.float32))
    box = (1.5, 1.5, 1.5 + width / across, 1.5 + height / down)
    return np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC, box=box), np.float32)


def cloudy(
    r: Generator, height: int, width: int, cell: float, octaves: int = 5, stretch: Point = (1, 1), gain: float = 0.5
) -> Floats:
    """Return fractal noise (height, width), about -1 to 1; `cell` is the largest feature (pixels), stretched (x, y)."""
    total = np.zeros((height, width), np.float32)
    weight, size = 1.0, float(cell)
    for _ in range(octaves):
        total += weight * _layer(r, height, width, max(1.0, size * stretch[1]), max(1.0, size * stretch[0]))
        weight, size = weight * gain, size / 2
        if size < 1:
            break
    return total / np.float32(1.2)


def ridge(r: Generator, width: int, cell: float, octaves: int = 6, gain: float = 0.5) -> Floats:
    """Return a fractal line (width,), about -1 to 1, as of hills against the sky."""
    return cloudy(r, 1, width, cell, octaves, (1, 1), gain)[0]


def smooth(pixels: Floats, sigma: float) -> Floats:
    """Return the picture (h, w[, 3]) under a Gaussian blur of sigma pixels."""
    if sigma <= 0.05:
        return pixels
    if pixels.ndim == 3:
        return np.stack([smooth(plane, sigma) for plane in np.moveaxis(pixels, 2, 0)], axis=2)
    if sigma < 5:
        return gaussian_filter(pixels, sigma, mode="nearest", truncate=3)
    # A wide blur leaves nothing that a smaller picture could not hold, and costs its square.
    step = min(8, int(sigma / 2.2))
    height, width = pixels.shape
    small = np.asarray(Image.fromarray(np.ascontiguousarray(pixels, np.float32)).reduce(step))
    blurred = Image.fromarray(gaussian_filter(small, sigma / step, mode="nearest", truncate=3))
    box = (0, 0, width / step, height / step)
    return np.asarray(blurred.resize((width, height), Image.Resampling.BILINEAR, box=box), np.float32)


def _disc(radius: float) -> Floats:
    """Return the footprint (k, k) of a lens out of focus: a disc slightly brighter at its rim, summing to 1."""
    reach = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    distance = np.hypot(x, y)
    disc = np.clip(radius + 0.5 - distance, 0, 1) * (0.85 + 0.3 * (distance / radius) ** 4)
    return (disc / disc.sum()).astype(np.float32)


def defocus(pixels: Floats, radius: float) -> Floats:
    """Return the picture (h, w, 3) as a lens out of focus by `radius` pixels would show it."""
    if radius < 0.6:
        return pixels
    height, width = pixels.shape[:2]
    scale = 2 if radius > 5 else 1
    small = pixels
    if scale == 2:
        even = pixels[: height // 2 * 2, : width // 2 * 2]
        small = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
    pad = int(radius / scale) + 3
    padded = np.pad(small, ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
    blurred = fftconvolve(padded, _disc(radius / scale)[:, :, None], mode="same", axes=(0, 1))
    blurred = np.clip(blurred[pad:-pad, pad:-pad], 0, None).astype(np.float32)
    return resized(blurred, width, height) if scale == 2 else blurred


def resized(pixels: Floats, width: int, height: int) -> Floats:
    """Return the picture (h, w, c) at another size, by linear interpolation."""
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize((width, height), Image.Resampling.BILINEAR))
        for plane in np.moveaxis(pixels, 2, 0)
    ]
    return np.stack(planes, axis=2)


def blend(under: Floats, over: Floats, mask: Floats) -> Floats:
    """Return `over` laid on `under` by a mask (h, w) from 0 to 1."""
    return under + (over - under) * mask[:, :, None]


def mesh(height: int, width: int) -> tuple[Floats, Floats]:
    """Return x and y (h, w) in picture heights: y from 0 at the top to 1, x from 0 to the aspect ratio."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return (x + 0.5) / height, (y + 0.5) / height


class Canvas:
    """A picture to draw on with display colours, measured in picture heights (x to the right, y down)."""

    def __init__(self, width: int, height: int, ground: Colour = (128, 128, 128), fine: int = 2) -> None:
        """Make a canvas of width by height pixels, drawn `fine` times finer for smooth edges."""
        self.width, self.height = width, height
        self.unit = height * fine
        self.image = Image.new("RGB", (width * fine, height * fine), self._ink(ground))
        self.draw = ImageDraw.Draw(self.image)

    @property
    def aspect(self) -> float:
        """Return the picture's width in picture heights."""
        return self.width / self.height

    @staticmethod
    def _ink(value: Colour) -> tuple[int, int, int]:
        red, green, blue = (int(min(255, max(0, channel))) for channel in value)
        return red, green, blue

    def box(self, x0: float, y0: float, x1: float, y1: float, ink: Colour) -> None:
        """Fill a rectangle."""
        x0, x1, y0, y1 = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
        self.draw.rectangle([x0 * self.unit, y0 * self.unit, x1 * self.unit, y1 * self.unit], fill=self._ink(ink))

    def oval(self, x: float, y: float, rx: float, ry: float, ink: Colour) -> None:
        """Fill an ellipse about a centre."""
        corners = [(x - rx) * self.unit, (y - ry) * self.unit, (x + rx) * self.unit, (y + ry) * self.unit]
        self.draw.ellipse(corners, fill=self._ink(ink))

    def shape(self, points: Sequence[Point], ink: Colour) -> None:
        """Fill a polygon."""
        self.draw.polygon([(x * self.unit, y * self.unit) for x, y in points], fill=self._ink(ink))

    def stroke(self, points: Sequence[Point], ink: Colour, thickness: float) -> None:
        """Draw a line of some thickness in picture heights."""
        path = [(x * self.unit, y * self.unit) for x, y in points]
        self.draw.line(path, fill=self._ink(ink), width=max(1, int(thickness * self.unit)), joint="curve")

    def leaf(self, x: float, y: float, length: float, angle: float, ink: Colour, slim: float = 0.3) -> None:
        """Fill a pointed leaf from its stem at (x, y)."""
        along, side = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        steps = ((0, 0), (0.3, slim * 0.8), (0.55, slim), (1, 0), (0.55, -slim), (0.3, -slim * 0.8))
        points = [np.array([x, y]) + length * (a * along + b * side) for a, b in steps]
        self.shape([(float(px), float(py)) for px, py in points], ink)

    def pixels(self) -> Floats:
        """Return the drawing as linear light (h, w, 3)."""
        reduced = self.image.resize((self.width, self.height), Image.Resampling.BOX)
        return linear(np.asarray(reduced, np.float32) / 255)
