"""Still lifes: turned pots and fruit on a table by a window."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from .backdrop import Backdrop, side_light
from .indoors import WOODS, plaster_wall
from .paint import Colour, Floats, blend, cloudy, colour, mesh, pick, smooth

GLAZES: tuple[Colour, ...] = (
    (206, 198, 182),
    (92, 118, 122),
    (150, 92, 64),
    (66, 78, 92),
    (178, 160, 120),
    (108, 124, 96),
    (196, 120, 96),
)
FRUIT: tuple[Colour, ...] = ((222, 130, 44), (214, 176, 62), (168, 52, 44), (136, 150, 66))


def _profile(r: Generator) -> Floats:
    """Draw a pot's outline: radius (64,) from foot to lip, at most 1."""
    knots = np.array(
        [
            r.uniform(0.4, 0.6),
            r.uniform(0.7, 1),
            r.uniform(0.8, 1),
            r.uniform(0.35, 0.8),
            r.uniform(0.25, 0.5),
            r.uniform(0.4, 0.6),
        ]
    )
    line = np.interp(np.linspace(0, 5, 64), np.arange(6), knots)
    return np.convolve(np.pad(line, 6, "edge"), np.ones(13) / 13, "valid").astype(np.float32)


def _lit(normal: Floats, lamp: Floats, ink: Floats, gloss: float) -> Floats:
    """Shade a surface with normals (h, w, 3): window light, the room's own light, and a gleam."""
    diffuse = np.clip(normal @ lamp * 0.85 + 0.15, 0, None)
    room = 0.20 + 0.10 * normal[:, :, 1]
    half = (lamp + np.array([0, 0, 1], np.float32)) / np.linalg.norm(lamp + np.array([0, 0, 1], np.float32))
    gleam = np.clip(normal @ half, 0, 1) ** 50 * gloss
    return ink * (diffuse + room)[:, :, None] + gleam[:, :, None]


def _shadow(pixels: Floats, x: float, base: float, wide: float, tall: float, lamp: Floats) -> Floats:
    """Throw a pot's soft shadow over the table, away from the lamp, and darken where it stands."""
    height, width = pixels.shape[:2]
    gx, gy = mesh(height, width)
    lean = -float(np.sign(lamp[0])) * tall * 0.55
    along = np.clip((gx - x) / lean, 0, 1) if lean else gx * 0
    thrown = np.clip(
        1.1 - np.hypot((gx - x - lean * 0.45) / (abs(lean) * 0.55 + wide), (gy - base + 0.012) / 0.032), 0, 1
    )
    touch = np.clip(1.3 - np.hypot((gx - x) / (wide * 0.95), (gy - base + 0.004) / 0.020), 0, 1)
    shade = 1 - 0.5 * smooth(thrown * (1 - 0.5 * along), height * 0.012) - 0.45 * smooth(touch, height * 0.005)
    return pixels * np.clip(shade, 0.15, 1)[:, :, None]


def _pot(pixels: Floats, r: Generator, x: float, base: float, wide: float, tall: float, lamp: Floats) -> Floats:
    """Turn a pot and set it on the table."""
    height, width = pixels.shape[:2]
    gx, gy = mesh(height, width)
    profile = _profile(r)
    level = (base - gy) / tall
    radius = np.interp(level, np.linspace(0, 1, 64), profile, left=0, right=0).astype(np.float32) * wide
    slope = np.interp(level, np.linspace(0, 1, 64), np.gradient(profile) * 64 * wide / tall).astype(np.float32)
    off = (gx - x) / np.maximum(radius, 1e-4)
    mask = smooth(((np.abs(off) < 1) & (level > 0) & (level < 1)).astype(np.float32), 0.8)
    off = np.clip(off, -1, 1)
    normal = np.stack([off, -slope, np.sqrt(np.clip(1 - off**2, 0, 1))], 2)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    ink = colour(*pick(r, GLAZES, 0.08))
    body = (
        np.broadcast_to(ink, pixels.shape)
        * (1 + 0.10 * cloudy(r, height, width, 60, 5, (2, 0.6)) + 0.03 * np.sin(level * 180))[:, :, None]
    )
    dip = smooth((level > r.uniform(0.3, 0.7) + 0.02 * np.sin(gx * 60)).astype(np.float32), 1.0)
    body = blend(body.astype(np.float32), (body * colour(*pick(r, GLAZES)) * 2.2).astype(np.float32), dip * 0.8)
    under = np.clip((0.10 - level) / 0.10, 0, 1)
    shaded = _lit(normal.astype(np.float32), lamp, body, 0.35) * (1 - 0.5 * under)[:, :, None]
    return blend(pixels, shaded.astype(np.float32), mask)


def _fruit(pixels: Floats, r: Generator, x: float, base: float, size: float, lamp: Floats) -> Floats:
    """Set a round fruit on the table."""
    height, width = pixels.shape[:2]
    gx, gy = mesh(height, width)
    u, v = (gx - x) / size, (base - size - gy) / (size * 0.95)
    depth = np.sqrt(np.clip(1 - u**2 - v**2, 0, 1))
    mask = smooth(((u**2 + v**2) < 1).astype(np.float32), 0.8)
    ink = colour(*pick(r, FRUIT, 0.08)) * (1 + 0.08 * cloudy(r, height, width, 8, 3))[:, :, None]
    normal = np.stack([u, v, depth], 2)
    shaded = _lit(
        (normal / np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1)).astype(np.float32), lamp, ink, 0.22
    )
    return blend(pixels, (shaded * (0.6 + 0.4 * np.clip(v + 0.9, 0, 1))[:, :, None]).astype(np.float32), mask)


def still_life(r: Generator, width: int, height: int) -> Backdrop:
    """Paint pots and fruit on a wooden table before a plastered wall."""
    wall = plaster_wall(r, width, height)
    light = side_light(r, left=wall.light.direction[0] < 0)
    lamp = np.array(light.direction, np.float32)
    lamp /= np.linalg.norm(lamp)
    edge = r.uniform(0.66, 0.72)
    gx, gy = mesh(height, width)
    grain = cloudy(r, height, width, 40, 5, (10, 0.4), 0.7)
    wood = colour(*pick(r, WOODS)) * (1 + 0.22 * grain)[:, :, None] * (0.75 + 0.35 * (gy - edge))[:, :, None]
    side = gx / gx.max() if lamp[0] > 0 else 1 - gx / gx.max()
    wood = wood * (0.55 + 0.6 * side)[:, :, None]
    pixels = blend(wall.pixels, wood.astype(np.float32), smooth((gy > edge).astype(np.float32), 1.2))
    pixels = pixels * (1 - 0.3 * np.exp(-(((gy - edge) / 0.02) ** 2)))[:, :, None]
    count = int(r.integers(2, 5))
    places = np.linspace(0.22, 0.78, count) * width / height + r.uniform(-0.04, 0.04, count)
    for x in places[r.permutation(count)]:
        base, wide, tall = r.uniform(0.76, 0.84), r.uniform(0.08, 0.13), r.uniform(0.18, 0.44)
        pixels = _shadow(pixels, float(x), base, wide * 0.6, tall, lamp)
        pixels = _pot(pixels, r, float(x), base, wide, tall, lamp)
    for _ in range(int(r.integers(2, 5))):
        x, base, size = r.uniform(0.2, 0.8) * width / height, r.uniform(0.88, 0.93), r.uniform(0.038, 0.05)
        pixels = _shadow(pixels, x, base, size * 0.8, size * 1.6, lamp)
        pixels = _fruit(pixels, r, x, base, size, lamp)
    return Backdrop(pixels, light, wall=0.0, iso=200)
