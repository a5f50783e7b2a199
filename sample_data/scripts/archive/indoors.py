"""Backdrops indoors and against walls."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.random import Generator

from .backdrop import Backdrop, side_light
from .paint import Canvas, Colour, Floats, blend, cloudy, colour, defocus, linear, mesh, pick, smooth, vary

WALLS: tuple[Colour, ...] = (
    (214, 206, 192),
    (198, 204, 202),
    (188, 176, 158),
    (170, 182, 176),
    (208, 190, 176),
    (150, 158, 160),
)
DEEP: tuple[Colour, ...] = ((86, 98, 96), (104, 84, 74), (74, 84, 104), (92, 98, 78), (110, 94, 88))
WOODS: tuple[Colour, ...] = ((132, 92, 62), (98, 68, 48), (158, 122, 88), (112, 88, 70), (142, 128, 114))
CLOTH: tuple[Colour, ...] = ((92, 96, 100), (112, 98, 84), (70, 80, 92), (120, 112, 102), (84, 74, 70), (98, 106, 96))


def falloff(r: Generator, height: int, width: int, left: bool, depth: float = 0.6) -> Floats:
    """Return how window light fades across a wall (h, w): 1 near the window, less away from it."""
    x, y = mesh(height, width)
    x = x / x.max()
    across = x if left else 1 - x
    wave = 0.08 * cloudy(r, height, width, height * 0.6, 2)
    return np.clip(1 - depth * across**1.2 - 0.22 * np.abs(y - 0.35) + wave, 0.1, 1.2)


def plaster_wall(r: Generator, width: int, height: int) -> Backdrop:
    """Paint a plastered wall in raking window light, at times with the window's bars thrown on it."""
    left = bool(r.random() < 0.5)
    base = colour(*pick(r, WALLS if r.random() < 0.6 else DEEP))
    trowel = cloudy(r, height, width, height * 0.22, 6, (1.6, 1), 0.62)
    fine = cloudy(r, height, width, 9, 3)
    wall = base * (1 + 0.10 * trowel + 0.035 * fine)[:, :, None]
    light = falloff(r, height, width, left, r.uniform(0.35, 0.6))
    if r.random() < 0.45:
        light = light * (0.72 + 0.5 * _bars(r, height, width))
    pixels = wall * light[:, :, None] * np.array([1.04, 1, 0.95], np.float32)
    return Backdrop(defocus(pixels, r.uniform(1.5, 3)), side_light(r, left=left), wall=r.uniform(0.3, 0.8), iso=400)


def _bars(r: Generator, height: int, width: int) -> Floats:
    """Return the light of a window with bars, thrown slantwise on a wall: (h, w) from 0 to 1."""
    x, y = mesh(height, width)
    slant = r.uniform(-0.35, 0.35)
    across = (x + slant * y) * r.uniform(1.6, 2.4) + r.uniform(0, 1)
    down = (y + 0.1 * x) * r.uniform(1.2, 1.8) + r.uniform(0, 1)
    panes = (np.abs(across % 1 - 0.5) < 0.44) & (np.abs(down % 1 - 0.5) < 0.45)
    window = (np.abs(x - r.uniform(0.2, 0.8) * x.max()) < 0.42) & (np.abs(y - 0.35) < 0.4)
    return smooth((panes & window).astype(np.float32), height * 0.012)


def boards(r: Generator, width: int, height: int) -> Backdrop:
    """Paint a wall of old boards, upright or lying, with grain and knots."""
    upright = bool(r.random() < 0.6)
    rows, columns = (width, height) if upright else (height, width)
    wood = pick(r, WOODS, 0.08)
    count = int(r.integers(5, 10) * (rows / height))
    edges = np.cumsum(r.uniform(0.8, 1.2, count))
    edges = np.concatenate([[0], edges / edges[-1] * rows]).astype(int)
    wall = np.zeros((rows, columns, 3), np.float32)
    for top, bottom in pairwise(edges):
        deep = bottom - top
        grain = cloudy(r, deep, columns, 60, 5, (9, 0.35), 0.7)
        knots = np.clip(cloudy(r, deep, columns, 90, 2, (1.6, 0.6)) - 0.75, 0, 1) * 1.6
        tone = 1 + 0.30 * grain - 0.8 * knots + r.normal(0, 0.10)
        board = colour(*vary(r, wood, 0.10)) * np.clip(tone, 0.15, 2)[:, :, None]
        gap = max(1, round(height * 0.004))
        board[:gap] *= 0.16
        board[gap : 2 * gap] *= 1.18
        wall[top:bottom] = board
    pixels = np.ascontiguousarray(wall.transpose(1, 0, 2)) if upright else wall
    left = bool(r.random() < 0.5)
    pixels = pixels * (1.15 * falloff(r, height, width, left, 0.45))[:, :, None]
    return Backdrop(defocus(pixels, r.uniform(1.2, 2.6)), side_light(r, left=left), wall=r.uniform(0.4, 0.8), iso=320)


def bricks(r: Generator, width: int, height: int) -> Backdrop:
    """Paint a brick wall, bare or whitewashed."""
    white = bool(r.random() < 0.35)
    canvas = Canvas(width, height, (176, 170, 160) if white else (150, 140, 128))
    tall = r.uniform(0.042, 0.055)
    long = tall * 3.1
    tones: tuple[Colour, ...] = (
        ((206, 200, 190), (196, 190, 182)) if white else ((142, 76, 56), (124, 66, 52), (158, 92, 68), (108, 62, 52))
    )
    for row in range(int(1 / tall) + 2):
        start = -long * (0.5 if row % 2 else 0) - 0.02
        for column in range(int(canvas.aspect / long) + 3):
            x, y = start + column * long, row * tall
            canvas.box(x + 0.004, y + 0.004, x + long - 0.003, y + tall - 0.003, pick(r, tones, 0.09))
    left = bool(r.random() < 0.5)
    rough = 1 + 0.14 * cloudy(r, height, width, 24, 4)
    pixels = canvas.pixels() * (rough * 1.1 * falloff(r, height, width, left, 0.45))[:, :, None]
    return Backdrop(defocus(pixels, r.uniform(2, 4)), side_light(r, left=left), wall=r.uniform(0.2, 0.6), iso=250)


def studio(r: Generator, width: int, height: int) -> Backdrop:
    """Paint a studio's mottled canvas, lit from behind the sitter."""
    base = colour(*pick(r, CLOTH, 0.08))
    mottle = cloudy(r, height, width, height * 0.3, 5, (1, 1), 0.55)
    folds = cloudy(r, height, width, height * 0.35, 2, (0.5, 6))
    x, y = mesh(height, width)
    glow = np.exp(-(((x - x.max() * r.uniform(0.35, 0.65)) / 0.55) ** 2) - ((y - 0.4) / 0.55) ** 2)
    pixels = base * ((0.55 + 0.75 * glow) * (1 + 0.22 * mottle + 0.06 * folds))[:, :, None]
    light = side_light(r, key=0.8, ambient=0.38, warm=0.05)
    return Backdrop(defocus(pixels, 3.0), light, wall=0.0, iso=100)


def window_room(r: Generator, width: int, height: int, blur: float | None = None) -> Backdrop:
    """Paint a room out of focus: a bright window with a curtain, a picture, a lamp, a plant, a sideboard."""
    wall_ink = pick(r, WALLS)
    canvas = Canvas(width, height, wall_ink)
    left = bool(r.random() < 0.5)
    flip = (lambda x: x) if left else (lambda x: canvas.aspect - x)
    right_edge = canvas.aspect
    x0, x1 = r.uniform(-0.05, 0.06), r.uniform(0.32, 0.42)
    canvas.box(flip(x0), 0.02, flip(x1), 0.66, vary(r, (236, 232, 224), 0.02))
    for column in range(2):
        for row in range(3):
            px = x0 + 0.015 + column * (x1 - x0 - 0.01) / 2
            canvas.box(
                flip(px), 0.04 + row * 0.205, flip(px + (x1 - x0) / 2 - 0.025), 0.225 + row * 0.205, (255, 255, 255)
            )
    curtain = pick(r, ((206, 196, 178), (150, 160, 164), (176, 140, 120)))
    for fold in range(9):
        px = x1 - 0.03 + fold * 0.016
        canvas.box(flip(px), 0, flip(px + 0.016), 0.78, vary(r, curtain, 0.09))
    px = r.uniform(0.62, 0.72) * right_edge
    canvas.box(flip(px), 0.12, flip(px + 0.22), 0.40, pick(r, ((52, 44, 40), (148, 120, 86))))
    canvas.box(
        flip(px + 0.018), 0.138, flip(px + 0.202), 0.382, pick(r, ((186, 176, 156), (122, 140, 150), (160, 130, 112)))
    )
    canvas.oval(flip(px + 0.11), 0.27, 0.05, 0.07, pick(r, ((96, 112, 92), (170, 120, 80), (90, 100, 128))))
    wood = pick(r, WOODS)
    canvas.box(flip(0.5 * right_edge), 0.72, flip(right_edge + 0.1), 1.0, wood)
    canvas.box(flip(0.5 * right_edge), 0.71, flip(right_edge + 0.1), 0.728, vary(r, wood, 0.1))
    lamp = flip(right_edge * r.uniform(0.86, 0.95))
    canvas.box(lamp - 0.008, 0.56, lamp + 0.008, 0.72, (80, 70, 60))
    canvas.shape([(lamp - 0.05, 0.44), (lamp + 0.05, 0.44), (lamp + 0.08, 0.57), (lamp - 0.08, 0.57)], (250, 226, 178))
    pot = flip(right_edge * r.uniform(0.54, 0.62))
    for _ in range(46):
        canvas.leaf(
            pot,
            0.62,
            r.uniform(0.1, 0.22),
            r.uniform(-2.8, -0.3),
            pick(r, ((62, 92, 54), (84, 116, 66), (48, 74, 50)), 0.12),
            0.16,
        )
    canvas.box(pot - 0.045, 0.62, pot + 0.045, 0.71, pick(r, ((176, 108, 78), (220, 214, 204), (92, 104, 112))))
    pixels = canvas.pixels()
    bright = np.clip((pixels.min(axis=2) - 0.93) * 14, 0, 1)
    pixels = pixels * (0.25 + 0.75 * falloff(r, height, width, left, 0.62))[:, :, None] * 0.9
    pixels = pixels + bright[:, :, None] * np.array([1.5, 1.6, 1.75], np.float32)
    pixels = defocus(pixels, height * r.uniform(0.010, 0.017) if blur is None else blur)
    return Backdrop(
        pixels, side_light(r, key=0.75, ambient=0.42, warm=-0.02, left=left), iso=int(r.choice([400, 640, 800]))
    )


def bookshelf(r: Generator, width: int, height: int, blur: float | None = None) -> Backdrop:
    """Paint shelves of books, out of focus."""
    wood = pick(r, WOODS)
    dark = (wood[0] * 0.35, wood[1] * 0.35, wood[2] * 0.35)
    canvas = Canvas(width, height, dark)
    spines: tuple[Colour, ...] = (
        (122, 52, 44),
        (46, 64, 88),
        (58, 82, 62),
        (196, 182, 150),
        (150, 112, 60),
        (84, 60, 84),
        (218, 214, 204),
        (40, 40, 44),
    )
    shelf = r.uniform(0.2, 0.25)
    for row in range(6):
        floor = (row + 1) * shelf - r.uniform(0, 0.02)
        x = -0.02
        while x < canvas.aspect:
            thick, tall = r.uniform(0.014, 0.034), shelf * r.uniform(0.6, 0.86)
            if r.random() < 0.06:
                x += r.uniform(0.03, 0.09)
                continue
            ink = pick(r, spines, 0.12)
            canvas.box(x, floor - tall, x + thick - 0.002, floor, ink)
            canvas.box(
                x,
                floor - tall * 0.8,
                x + thick - 0.002,
                floor - tall * 0.74,
                vary(r, (ink[0] + 50, ink[1] + 45, ink[2] + 30)),
            )
            x += thick
        canvas.box(0, floor, canvas.aspect, floor + 0.02, wood)
    for x in (r.uniform(0.1, 0.3), r.uniform(0.8, 1.2)):
        canvas.box(x * canvas.aspect, 0, x * canvas.aspect + 0.022, 1, vary(r, wood))
    left = bool(r.random() < 0.5)
    pixels = canvas.pixels() * (1.15 * falloff(r, height, width, left, 0.5))[:, :, None]
    radius = height * r.uniform(0.006, 0.012) if blur is None else blur
    return Backdrop(defocus(pixels, radius), side_light(r, left=left, warm=0.3), wall=0.1, iso=800)


def cafe(r: Generator, width: int, height: int) -> Backdrop:
    """Paint a café in the evening: pendant lamps, a counter, bottles on a shelf, a tiled wall."""
    canvas = Canvas(width, height, pick(r, ((74, 62, 54), (58, 66, 66), (84, 70, 60))))
    tile = 0.05
    for row in range(5, 13):
        for column in range(int(canvas.aspect / 0.1) + 2):
            x = column * 0.1 - (0.05 if row % 2 else 0)
            canvas.box(x + 0.002, row * tile, x + 0.098, (row + 1) * tile - 0.003, vary(r, (128, 126, 116), 0.08))
    for level in (0.24, 0.44):
        canvas.box(0, level, canvas.aspect, level + 0.015, pick(r, WOODS))
        x = r.uniform(0, 0.05)
        while x < canvas.aspect:
            tall, wide = r.uniform(0.06, 0.13), r.uniform(0.018, 0.036)
            ink = pick(r, ((60, 88, 62), (120, 70, 40), (186, 178, 160), (190, 150, 84), (48, 44, 44)), 0.1)
            canvas.box(x, level - tall, x + wide, level, ink)
            canvas.box(x + wide * 0.35, level - tall * 1.3, x + wide * 0.65, level - tall, ink)
            x += wide + r.uniform(0.006, 0.05)
    canvas.box(0, 0.7, canvas.aspect, 1, pick(r, WOODS, 0.1))
    canvas.box(0, 0.69, canvas.aspect, 0.71, (172, 150, 120))
    pixels = canvas.pixels() * 0.75
    x, y = mesh(height, width)
    for lamp in np.arange(r.uniform(0.05, 0.2), canvas.aspect, r.uniform(0.28, 0.4)):
        top = r.uniform(0.05, 0.13)
        bulb = (np.hypot((x - lamp) / 0.03, (y - top) / 0.028) < 1).astype(np.float32)
        pool = np.exp(-(((x - lamp) / 0.22) ** 2) - ((y - top - 0.1) / 0.3) ** 2)
        pixels += (bulb * 4.5)[:, :, None] * np.array([1.0, 0.76, 0.42], np.float32)
        pixels *= 1 + 1.1 * pool[:, :, None] * np.array([1.0, 0.85, 0.62], np.float32)
    pixels = defocus(pixels, height * r.uniform(0.012, 0.02))
    return Backdrop(pixels, side_light(r, key=0.72, ambient=0.42, warm=0.55), iso=int(r.choice([800, 1250, 1600])))


def shoji(r: Generator, width: int, height: int, blur: float | None = None) -> Backdrop:
    """Paint a Japanese room: paper screens lit from outside, posts, a tatami's edge."""
    canvas = Canvas(width, height, (96, 78, 60))
    panel = r.uniform(0.46, 0.6)
    start = -r.uniform(0, panel)
    wood = pick(r, ((94, 66, 44), (70, 52, 40), (128, 98, 66)))
    x = start
    while x < canvas.aspect:
        canvas.box(x + 0.02, 0.06, x + panel - 0.02, 0.80, vary(r, (240, 236, 224), 0.015))
        for column in range(1, 4):
            at = x + panel * column / 4
            canvas.box(at - 0.004, 0.06, at + 0.004, 0.80, wood)
        for row in range(1, 7):
            canvas.box(x + 0.02, 0.06 + row * 0.105, x + panel - 0.02, 0.067 + row * 0.105, wood)
        canvas.box(x + 0.02, 0.80, x + panel - 0.02, 0.93, vary(r, (156, 124, 86)))
        canvas.box(x - 0.02, 0, x + 0.02, 0.95, wood)
        x += panel
    canvas.box(0, 0, canvas.aspect, 0.06, wood)
    canvas.box(0, 0.94, canvas.aspect, 1, (168, 160, 116))
    left = bool(r.random() < 0.5)
    pixels = canvas.pixels() * (0.95 * falloff(r, height, width, left, 0.35))[:, :, None]
    paper = (pixels.mean(axis=2) > 0.35).astype(np.float32)
    pixels = blend(pixels, pixels * np.array([1.05, 1.0, 0.92], np.float32), paper)
    radius = height * r.uniform(0.005, 0.011) if blur is None else blur
    return Backdrop(defocus(pixels, radius), side_light(r, ambient=0.5, left=left, warm=0.15), wall=0.1, iso=500)


def atelier(r: Generator, width: int, height: int) -> Backdrop:
    """Paint a workshop: a pegboard with rolls and tools, shelves with pots, a tall window to the side."""
    canvas = Canvas(width, height, pick(r, ((190, 186, 176), (168, 172, 170), (186, 170, 150))))
    left = bool(r.random() < 0.5)
    side = -1 if left else 1
    middle = canvas.aspect / 2
    edge = middle + side * middle
    canvas.box(edge, 0, edge - side * 0.16, 0.8, (255, 255, 255))
    for row in range(1, 6):
        canvas.box(edge, row * 0.14, edge - side * 0.16, row * 0.14 + 0.012, (90, 92, 92))
    for level in (0.20, 0.40, 0.60):
        canvas.box(edge - side * 0.26, level, edge - side * 3, level + 0.018, pick(r, ((120, 92, 66), (104, 80, 60))))
        x = 0.02
        while x < canvas.aspect - 0.05:
            if abs(x - edge) < 0.3:
                x += 0.1
                continue
            wide, tall = r.uniform(0.03, 0.055), r.uniform(0.05, 0.13)
            wide = min(wide, tall * 0.6)
            glaze = pick(
                r, ((120, 140, 136), (196, 186, 166), (150, 96, 66), (70, 82, 96), (214, 208, 196), (96, 104, 76)), 0.1
            )
            canvas.oval(x + wide, level - tall * 0.45, wide, tall * 0.42, glaze)
            canvas.box(x + wide * 0.55, level - tall, x + wide * 1.45, level, glaze)
            canvas.oval(
                x + wide * 0.7,
                level - tall * 0.5,
                wide * 0.25,
                tall * 0.3,
                vary(r, (glaze[0] + 34, glaze[1] + 34, glaze[2] + 34)),
            )
            x += 2 * wide + r.uniform(0.01, 0.05)
    canvas.box(0, 0.82, canvas.aspect, 1, pick(r, WOODS))
    pixels = canvas.pixels()
    bright = np.clip((pixels.min(axis=2) - 0.95) * 20, 0, 1)
    pixels = pixels * (0.3 + 0.62 * falloff(r, height, width, left, 0.55))[:, :, None]
    pixels = pixels + bright[:, :, None] * linear(np.array([1.2, 1.23, 1.28], np.float32))
    return Backdrop(defocus(pixels, height * r.uniform(0.008, 0.014)), side_light(r, left=left), iso=400)
