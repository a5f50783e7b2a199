"""Backdrops outdoors: gardens, streets, rivers, hills."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from .backdrop import Backdrop, Light, open_shade, side_light
from .paint import Canvas, Colour, Floats, blend, cloudy, colour, defocus, mesh, pick, ridge, smooth, vary

GREENS: tuple[Colour, ...] = ((52, 78, 40), (74, 104, 50), (96, 128, 62), (40, 62, 38), (118, 142, 74))
PETALS: tuple[Colour, ...] = ((214, 120, 130), (232, 206, 120), (236, 230, 226), (178, 98, 150), (226, 140, 84))
STUCCO: tuple[Colour, ...] = (
    (222, 206, 178),
    (206, 186, 160),
    (196, 200, 196),
    (214, 178, 140),
    (182, 190, 200),
    (226, 216, 200),
)


def sky(
    r: Generator, width: int, height: int, zenith: Colour, horizon: Colour, line: float, clouds: float = 0.5
) -> Floats:
    """Paint a sky (h, w, 3) that fades from zenith to the horizon at height `line`, with clouds."""
    _, y = mesh(height, width)
    depth = np.clip(y / line, 0, 1)[:, :, None] ** 0.8
    pixels = colour(*zenith) * (1 - depth) + colour(*horizon) * depth
    puffs = cloudy(r, height, width, height * 0.5, 6, (2.2, 0.7), 0.55)
    cover = np.clip((puffs - 0.15 + 0.25 * clouds) * 1.6, 0, 1) * clouds * np.clip(1.2 - depth[:, :, 0] * 0.6, 0, 1)
    shade = 0.86 + 0.14 * np.clip(puffs * 2, 0, 1)
    white = (colour(*horizon) * 0.35 + colour(252, 250, 246) * 0.65)[None, None] * shade[:, :, None]
    return blend(pixels, white.astype(np.float32), smooth(cover, 1.5))


def hills(
    r: Generator, pixels: Floats, top: float, relief: float, ink: Floats, haze: Floats, far: float, cell: float = 0.5
) -> Floats:
    """Lay a ridge of hills over a picture (h, w, 3): `top`, `relief` in heights; `far` from 0 near to 1 in the haze."""
    height, width = pixels.shape[:2]
    _, y = mesh(height, width)
    line = top - relief * ridge(r, width, height * cell, 7, 0.48)
    mask = np.clip((y - line[None]) * height / 1.5, 0, 1)
    bumps = 1 + 0.35 * (1 - far) * cloudy(r, height, width, height * 0.09, 5, (1.4, 0.8), 0.62)
    body = (ink * (1 - far) + haze * far)[None, None] * bumps[:, :, None]
    mist = np.clip((y - line[None]) / 0.35, 0, 1)[:, :, None] * 0.35 * far
    return blend(pixels, (body * (1 - mist) + haze * mist).astype(np.float32), mask)


def water(r: Generator, pixels: Floats, line: float, tint: Floats, glitter: float = 0.0, sun: float = 0.5) -> Floats:
    """Replace what lies below `line` with water that mirrors what lies above it: (h, w, 3)."""
    height, width = pixels.shape[:2]
    row = int(line * height)
    deep = height - row
    mirror = pixels[np.clip(row - 1 - np.arange(deep), 0, height - 1)]
    near = (np.arange(deep, dtype=np.float32) / max(deep, 1))[:, None]
    waves = cloudy(r, deep, width, 40, 5, (4, 0.35), 0.7) * (0.4 + 0.9 * near)
    shift = np.clip(np.arange(deep)[:, None] + waves * (4 + 22 * near), 0, deep - 1).astype(int)
    mirror = mirror[shift, np.arange(width)[None]]
    surface = smooth(mirror, 1.2) * 0.62 + tint * 0.38
    surface = surface * (1 + 0.22 * waves)[:, :, None]
    if glitter:
        x = np.arange(width, dtype=np.float32)[None] / width
        path = np.exp(-(((x - sun) / (0.05 + 0.12 * near)) ** 2))
        sparks = np.clip(waves - 0.25, 0, 1) * path * glitter
        surface = surface + sparks[:, :, None] * np.array([3.0, 2.3, 1.3], np.float32)
    out = pixels.copy()
    out[row:] = surface
    return out


def foliage(r: Generator, canvas: Canvas, top: float, count: int, inks: tuple[Colour, ...], size: float) -> None:
    """Draw leaves in three depths, dark behind and light in front, from `top` to the bottom edge."""
    for depth in range(3):
        lift = 0.55 + 0.3 * depth
        for _ in range(count // 3):
            x, y = r.uniform(-0.05, canvas.aspect + 0.05), top + (1 - top) * r.random() ** 0.8
            base = pick(r, inks, 0.12)
            ink = (base[0] * lift, base[1] * lift, base[2] * lift)
            canvas.leaf(x, y, size * r.uniform(0.6, 1.4), r.uniform(0, 6.28), ink, r.uniform(0.2, 0.4))


def specks(
    r: Generator, pixels: Floats, count: int, top: float, bottom: float, size: float, strength: float, tint: Colour
) -> Floats:
    """Add small bright specks (sun through leaves, lamps), which a lens turns into discs: (h, w, 3)."""
    height, width = pixels.shape[:2]
    x, y = mesh(height, width)
    out = pixels.copy()
    aspect = width / height
    for _ in range(count):
        cx, cy, reach = r.uniform(0, aspect), r.uniform(top, bottom), size * r.uniform(0.6, 1.4)
        rows = slice(max(0, int((cy - reach) * height)), int((cy + reach) * height) + 2)
        columns = slice(max(0, int((cx - reach) * height)), int((cx + reach) * height) + 2)
        spot = np.hypot(x[rows, columns] - cx, y[rows, columns] - cy) < reach
        out[rows, columns] += (spot * strength * r.uniform(0.4, 1.2))[:, :, None] * colour(*vary(r, tint, 0.08))
    return out


def garden(r: Generator, width: int, height: int) -> Backdrop:
    """Paint a garden out of focus: leaves near and far, some flowers, sun through the trees."""
    canvas = Canvas(width, height, (58, 76, 46), fine=1)
    foliage(r, canvas, -0.05, 1500, GREENS, 0.07)
    light_top = r.random() < 0.6
    if r.random() < 0.7:
        petals = PETALS[int(r.integers(len(PETALS)))]
        for _ in range(int(r.integers(30, 90))):
            canvas.oval(
                r.uniform(0, canvas.aspect),
                r.uniform(0.45, 1),
                r.uniform(0.008, 0.018),
                r.uniform(0.008, 0.018),
                vary(r, petals, 0.08),
            )
    pixels = canvas.pixels()
    _, y = mesh(height, width)
    lift = np.clip(1.35 - 0.9 * y, 0.5, 2) if light_top else np.clip(0.8 + 0.4 * y, 0.5, 2)
    broad = np.clip(1 + 0.55 * cloudy(r, height, width, height * 0.4, 2), 0.35, 2)
    pixels = pixels * (1.35 * lift * broad)[:, :, None]
    pixels = specks(r, pixels, int(r.integers(40, 110)), 0, 0.6, 0.008, 5, (250, 246, 206))
    return Backdrop(
        defocus(pixels, height * r.uniform(0.017, 0.028)), open_shade(r, 0.1), iso=int(r.choice([100, 160, 200]))
    )


def bamboo(r: Generator, width: int, height: int, blur: float | None = None) -> Backdrop:
    """Paint a bamboo grove, its stalks paler the nearer they stand to the light."""
    canvas = Canvas(width, height, (96, 118, 74), fine=1)
    foliage(r, canvas, -0.1, 500, ((110, 138, 76), (132, 156, 92), (84, 110, 62)), 0.08)
    for depth in range(3):
        for _ in range(int(14 * canvas.aspect) + 4):
            x, thick = r.uniform(-0.05, canvas.aspect + 0.05), (0.010 + 0.010 * depth) * r.uniform(0.7, 1.3)
            lean, stalk = r.normal(0, 0.05), pick(r, ((120, 146, 84), (96, 124, 70), (146, 160, 100)), 0.1)
            dim = 0.9 - 0.18 * depth
            ink = (stalk[0] * dim, stalk[1] * dim, stalk[2] * dim)
            canvas.stroke([(x, -0.02), (x + lean, 1.02)], ink, thick)
            canvas.stroke(
                [(x - thick * 0.25, -0.02), (x + lean - thick * 0.25, 1.02)],
                (ink[0] * 1.25, ink[1] * 1.2, ink[2] * 1.2),
                thick * 0.25,
            )
            for joint in np.arange(r.uniform(0, 0.2), 1, 0.2):
                canvas.box(
                    x + lean * joint - thick / 2,
                    joint,
                    x + lean * joint + thick / 2,
                    joint + 0.006,
                    (ink[0] * 0.6, ink[1] * 0.6, ink[2] * 0.6),
                )
    pixels = canvas.pixels() * 1.1
    pixels = specks(r, pixels, 50, 0, 0.5, 0.007, 4, (246, 250, 214))
    radius = height * r.uniform(0.008, 0.016) if blur is None else blur
    return Backdrop(defocus(pixels, radius), open_shade(r, 0.0), iso=400)


def _front(r: Generator, canvas: Canvas, x0: float, x1: float, base: float) -> None:
    """Draw one house front between x0 and x1, from above the picture down to `base`."""
    wall = pick(r, STUCCO, 0.06)
    canvas.box(x0, -0.05, x1, base, wall)
    shutter = pick(r, ((86, 106, 92), (110, 78, 58), (84, 100, 122), (142, 92, 70), (60, 64, 66)))
    columns = max(1, int((x1 - x0) / 0.14))
    step = (x1 - x0) / columns
    for column in range(columns):
        for row in range(2):
            cx, cy = x0 + step * (column + 0.5), 0.10 + row * 0.26
            canvas.box(
                cx - 0.030, cy - 0.07, cx + 0.030, cy + 0.07, pick(r, ((58, 66, 74), (88, 98, 108), (40, 44, 50)), 0.15)
            )
            canvas.box(cx - 0.056, cy - 0.07, cx - 0.030, cy + 0.07, vary(r, shutter, 0.06))
            canvas.box(cx + 0.030, cy - 0.07, cx + 0.056, cy + 0.07, vary(r, shutter, 0.06))
            canvas.box(
                cx - 0.062, cy + 0.07, cx + 0.062, cy + 0.082, vary(r, (wall[0] * 0.8, wall[1] * 0.8, wall[2] * 0.8))
            )
    door = x0 + (x1 - x0) * r.uniform(0.25, 0.75)
    canvas.box(door - 0.06, base - 0.30, door + 0.06, base, pick(r, ((74, 54, 42), (52, 66, 70), (96, 44, 40))))
    awning = pick(r, ((158, 66, 52), (64, 96, 84), (196, 168, 110), (78, 92, 124)))
    for stripe in range(8):
        a, b = x0 + (x1 - x0) * stripe / 8, x0 + (x1 - x0) * (stripe + 1) / 8
        ink = awning if stripe % 2 else (232, 226, 212)
        canvas.shape([(a, base - 0.36), (b, base - 0.36), (b, base - 0.29), (a, base - 0.29)], ink)


def street(r: Generator, width: int, height: int) -> Backdrop:
    """Paint a street by day, out of focus: house fronts, awnings, a tree, pavement."""
    canvas = Canvas(width, height, (176, 168, 156))
    base = r.uniform(0.70, 0.78)
    x = -r.uniform(0, 0.2)
    while x < canvas.aspect:
        wide = r.uniform(0.34, 0.62)
        _front(r, canvas, x, x + wide, base)
        x += wide
    canvas.box(0, base, canvas.aspect, 1, pick(r, ((140, 134, 126), (160, 152, 140), (122, 120, 118))))
    if r.random() < 0.7:
        trunk = r.uniform(0.05, canvas.aspect - 0.05)
        canvas.box(trunk - 0.015, 0.25, trunk + 0.015, base + 0.03, (74, 60, 48))
        for _ in range(260):
            canvas.leaf(
                trunk + r.normal(0, 0.13), 0.16 + r.normal(0, 0.11), 0.05, r.uniform(0, 6.28), pick(r, GREENS, 0.12)
            )
    sunny = r.random() < 0.5
    x_, y = mesh(height, width)
    edge = np.clip((x_ * r.uniform(-0.7, 0.7) + y - r.uniform(0.2, 0.6)) * 8, 0, 1)
    shade = np.where(edge > 0, 1 - 0.42 * edge, 1) if sunny else 0.85
    pixels = canvas.pixels() * np.asarray(shade * 1.05, np.float32).reshape(-1, width if sunny else 1)[:, :, None]
    light = side_light(r, key=0.72, ambient=0.5, warm=0.25) if sunny else open_shade(r)
    return Backdrop(defocus(pixels, height * r.uniform(0.010, 0.018)), light, iso=100)


def evening_street(r: Generator, width: int, height: int) -> Backdrop:
    """Paint a street at dusk: dark fronts, shop windows, and lamps as discs of light."""
    pixels = sky(r, width, height, (38, 46, 76), (150, 112, 104), 0.6, 0.4)
    canvas = Canvas(width, height, (0, 0, 0), fine=1)
    x = -0.05
    while x < canvas.aspect:
        wide, top = r.uniform(0.16, 0.34), r.uniform(0.05, 0.34)
        canvas.box(x, top, x + wide, 1, pick(r, ((52, 48, 54), (44, 42, 46), (62, 54, 52))))
        for cy in np.arange(top + 0.05, 0.55, 0.09):
            for cx in np.arange(x + 0.03, x + wide - 0.04, 0.06):
                if r.random() < 0.35:
                    canvas.box(
                        cx, cy, cx + 0.03, cy + 0.05, pick(r, ((236, 190, 110), (246, 214, 150), (190, 200, 214)), 0.1)
                    )
        canvas.box(
            x + 0.01,
            0.60,
            x + wide - 0.01,
            0.74,
            pick(r, ((230, 172, 96), (214, 196, 158), (150, 84, 60), (96, 84, 76)), 0.12),
        )
        x += wide
    canvas.box(0, 0.78, canvas.aspect, 1, (48, 44, 46))
    drawn = canvas.pixels()
    pixels = blend(pixels * 0.8, drawn, (drawn.sum(axis=2) > 1e-4).astype(np.float32))
    for tint, count in (((255, 206, 128), 34), ((255, 120, 84), 10), ((170, 210, 255), 8)):
        pixels = specks(r, pixels, count, 0.15, 0.72, 0.006, 14, tint)
    pixels = defocus(pixels, height * r.uniform(0.020, 0.032))
    return Backdrop(pixels, side_light(r, key=0.62, ambient=0.42, warm=0.6), iso=int(r.choice([1600, 2500, 3200])))


def market(r: Generator, width: int, height: int) -> Backdrop:
    """Paint a covered market: coloured awnings, heaps of fruit and greens, lamps."""
    canvas = Canvas(width, height, (92, 80, 68))
    for row in range(3):
        y, x = 0.02 + row * 0.10, -r.uniform(0, 0.3)
        while x < canvas.aspect:
            wide = r.uniform(0.3, 0.55)
            ink = pick(r, ((196, 92, 66), (222, 186, 112), (86, 130, 140), (208, 204, 190), (116, 140, 88)), 0.08)
            canvas.shape([(x, y), (x + wide, y), (x + wide + 0.04, y + 0.14), (x - 0.04, y + 0.14)], ink)
            canvas.box(x - 0.04, y + 0.13, x + wide + 0.04, y + 0.15, (ink[0] * 0.7, ink[1] * 0.7, ink[2] * 0.7))
            x += wide + 0.05
    canvas.box(0, 0.40, canvas.aspect, 0.62, (66, 58, 52))
    for _ in range(26):
        x, y, ink = (
            r.uniform(0, canvas.aspect),
            r.uniform(0.58, 0.98),
            pick(r, ((206, 120, 50), (176, 48, 44), (110, 142, 64), (222, 188, 84), (98, 66, 92), (70, 104, 56)), 0.1),
        )
        for _ in range(26):
            canvas.oval(x + r.normal(0, 0.06), y + r.normal(0, 0.02), 0.016, 0.015, vary(r, ink, 0.12))
    pixels = canvas.pixels()
    pixels = specks(r, pixels, 12, 0.3, 0.5, 0.011, 5, (255, 236, 190))
    pixels *= np.clip(1 + 0.3 * cloudy(r, height, width, height * 0.4, 2), 0.5, 1.6)[:, :, None]
    return Backdrop(
        defocus(pixels, height * r.uniform(0.014, 0.022)), open_shade(r, 0.25), iso=int(r.choice([320, 500, 640]))
    )


def temple(r: Generator, width: int, height: int) -> Backdrop:
    """Paint a temple's veranda: red and gilded columns, a white wall, green beyond, swept eaves above."""
    canvas = Canvas(width, height, (62, 84, 50), fine=2)
    foliage(r, canvas, 0.05, 900, GREENS, 0.06)
    canvas.box(0, 0.05, canvas.aspect, r.uniform(0.26, 0.4), vary(r, (214, 204, 186)))
    canvas.box(0, 0.62, canvas.aspect, 1, vary(r, (206, 196, 178)))
    red, gold = vary(r, (132, 42, 34)), (206, 164, 78)
    for x in np.arange(r.uniform(-0.05, 0.2), canvas.aspect + 0.1, r.uniform(0.34, 0.46)):
        canvas.box(x - 0.04, 0, x + 0.04, 0.84, red)
        canvas.box(x - 0.04, 0, x - 0.015, 0.84, (red[0] * 1.3, red[1] * 1.3, red[2] * 1.3))
        for y in (0.16, 0.62, 0.78):
            canvas.box(x - 0.044, y, x + 0.044, y + 0.03, gold)
        for step in range(5):
            canvas.oval(x, 0.40 + step * 0.035, 0.018, 0.012, gold)
        canvas.box(x - 0.06, 0.84, x + 0.06, 0.92, (216, 208, 194))
    canvas.shape(
        [(0, 0), (canvas.aspect, 0), (canvas.aspect, 0.09), (canvas.aspect / 2, 0.14), (0, 0.09)], (88, 36, 28)
    )
    for x in np.arange(0, canvas.aspect, 0.05):
        canvas.shape([(x, 0.10), (x + 0.05, 0.10), (x + 0.025, 0.145)], gold)
    pixels = canvas.pixels() * np.clip(1 + 0.25 * cloudy(r, height, width, height * 0.5, 2), 0.6, 1.5)[:, :, None]
    return Backdrop(defocus(pixels, height * r.uniform(0.010, 0.018)), open_shade(r, 0.2), iso=200)


def _band(pixels: Floats, top: float, ink: Floats, r: Generator, cell: float = 30) -> Floats:
    """Lay a textured foreground (grass, sand, stones) below height `top`: (h, w, 3)."""
    height, width = pixels.shape[:2]
    _, y = mesh(height, width)
    line = top + 0.012 * ridge(r, width, height * 0.2)
    mask = np.clip((y - line[None]) * height / 2, 0, 1)
    body = ink[None, None] * (1 + 0.4 * cloudy(r, height, width, cell, 5, (1.5, 0.6), 0.7))[:, :, None]
    return blend(pixels, np.clip(body, 0, None).astype(np.float32), mask)


def lake_and_alps(r: Generator, width: int, height: int, blur: float | None = None) -> Backdrop:
    """Paint a lake below mountains with snow."""
    haze, line = colour(186, 202, 216), r.uniform(0.60, 0.66)
    pixels = sky(r, width, height, (96, 142, 196), (206, 220, 230), line, r.uniform(0.3, 0.8))
    _, y = mesh(height, width)
    for far, top, relief in ((0.55, 0.34, 0.16), (0.38, 0.42, 0.14)):
        before = pixels
        pixels = hills(r, pixels, top, relief, colour(84, 92, 104), haze, far, 0.45)
        rock = (np.abs(pixels - before).sum(axis=2) > 1e-3).astype(np.float32)
        snow = np.clip(
            (top + 0.02 - y + 0.10 * cloudy(r, height, width, height * 0.08, 5, (0.7, 1.6), 0.65)) * 14, 0, 1
        )
        pixels = blend(
            pixels, np.broadcast_to(colour(236, 240, 246), pixels.shape).astype(np.float32), snow * rock * 0.9
        )
    pixels = hills(r, pixels, line - 0.05, 0.05, colour(58, 80, 62), haze, 0.25, 0.4)
    pixels = water(r, pixels, line, colour(72, 110, 138), 0)
    pixels = _band(pixels, r.uniform(0.88, 0.94), colour(92, 110, 62), r)
    radius = height * r.uniform(0.003, 0.007) if blur is None else blur
    return Backdrop(defocus(pixels, radius), side_light(r, key=0.7, ambient=0.55, warm=0.08), iso=100)


def inland_sea(r: Generator, width: int, height: int, blur: float | None = None) -> Backdrop:
    """Paint a calm sea with islands, one behind the other, under a hazy sky."""
    haze, line = colour(206, 212, 216), r.uniform(0.50, 0.56)
    pixels = sky(r, width, height, (128, 164, 200), (224, 224, 220), line, r.uniform(0.2, 0.6))
    for far in (0.78, 0.6, 0.4):
        pixels = hills(r, pixels, line + 0.01 - 0.02 * far, 0.10, colour(66, 88, 84), haze, far, r.uniform(0.3, 0.6))
    pixels = water(r, pixels, line, colour(98, 132, 150), 0.25, r.uniform(0.2, 0.8))
    pixels = _band(pixels, r.uniform(0.86, 0.93), colour(150, 138, 116), r, 14)
    radius = height * r.uniform(0.003, 0.007) if blur is None else blur
    return Backdrop(defocus(pixels, radius), side_light(r, key=0.68, ambient=0.55, warm=0.1), iso=100)


def river_dusk(r: Generator, width: int, height: int, blur: float | None = None) -> Backdrop:
    """Paint a wide river at sunset, the sun low over wooded hills."""
    line, sun = r.uniform(0.54, 0.60), r.uniform(0.15, 0.85)
    pixels = sky(r, width, height, (122, 138, 176), (248, 190, 128), line, 0.5)
    x, y = mesh(height, width)
    distance = np.hypot(x - sun * width / height, y - line + 0.12)
    pixels = pixels + (np.exp(-((distance / 0.22) ** 2)) * 0.7)[:, :, None] * np.array([1, 0.62, 0.3], np.float32)
    pixels = pixels + (distance < 0.032)[:, :, None] * np.array([4, 3, 1.8], np.float32)
    haze = colour(226, 168, 128)
    pixels = hills(r, pixels, line - 0.035, 0.035, colour(82, 70, 78), haze, 0.55, 0.5)
    pixels = hills(r, pixels, line - 0.005, 0.018, colour(48, 48, 44), haze, 0.12, 0.12)
    pixels = water(r, pixels, line, colour(150, 116, 96), 0.9, sun)
    radius = height * r.uniform(0.003, 0.008) if blur is None else blur
    side = 1.0 if sun > 0.5 else -1.0
    light = Light((side * r.uniform(0.6, 0.95), r.uniform(0.25, 0.45), r.uniform(0.7, 1)), 0.66, 0.5, 0.75)
    return Backdrop(defocus(pixels, radius), light, iso=int(r.choice([200, 400])))


def karst(r: Generator, width: int, height: int, blur: float | None = None) -> Backdrop:
    """Paint rice fields below steep limestone hills in morning haze."""
    haze, line = colour(204, 212, 210), r.uniform(0.60, 0.66)
    pixels = sky(r, width, height, (150, 178, 200), (226, 226, 218), line, 0.55)
    for far, top in ((0.72, 0.42), (0.5, 0.47), (0.3, 0.53)):
        pixels = hills(r, pixels, top, 0.13, colour(58, 80, 58), haze, far, 0.22)
    height_, width_ = pixels.shape[:2]
    _, y = mesh(height_, width_)
    strips = np.clip((y - line) / (1 - line), 0, 1)
    rows = 0.5 + 0.5 * np.sin(34 * np.sqrt(strips) + 1.5 * cloudy(r, height_, width_, height_ * 0.3, 2, (3, 1)))
    field = colour(120, 128, 74)[None, None] * (0.62 + 0.26 * rows)[:, :, None]
    field = field * (1 + 0.3 * cloudy(r, height_, width_, 26, 5, (1.6, 0.7), 0.7))[:, :, None]
    pixels = blend(pixels, np.clip(field, 0, None).astype(np.float32), np.clip((y - line) * height_ / 2, 0, 1))
    far = np.clip(1 - strips * 3, 0, 1) * (y >= line)
    pixels = blend(pixels, np.broadcast_to(haze, pixels.shape).astype(np.float32), 0.45 * far)
    radius = height * r.uniform(0.003, 0.007) if blur is None else blur
    return Backdrop(defocus(pixels, radius), open_shade(r, 0.1), iso=100)
