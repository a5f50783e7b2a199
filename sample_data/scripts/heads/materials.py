"""Colour and gloss of skin, eyes, hair, lashes and shirt at the points that are seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import mesh
from .hair import hair_field, strand_noise
from .identity import EYE_COLOURS, Identity
from .raster import Floats
from .view import View

SKIN, EYE, HAIR, SHIRT, LASHES, LONG_HAIR = range(6)
EYE_CENTRE = np.array([0.31, 7.285, 1.245], np.float32)  # of the neutral mesh; the other eye mirrors it
EYE_RADIUS = 0.172


@dataclass(frozen=True, eq=False)
class Points:
    """What is seen, one row a pixel: points of the neutral head (n, 3), material, shell height and masks (n,)."""

    place: Floats
    material: NDArray[np.int8]
    height: Floats
    occlusion: Floats
    lips: Floats
    lids: Floats


def _mix(base: Floats, colour: Floats | tuple[float, float, float], share: Floats) -> Floats:
    """Blend a colour into base (n, 3) by shares (n,)."""
    return base * (1 - share[:, None]) + np.asarray(colour, np.float32) * share[:, None]


def _spot(x: Floats, y: Floats, centre: tuple[float, float], spread: tuple[float, float]) -> Floats:
    """Return a soft spot on both halves of the face."""
    return np.exp(-(((x - centre[0]) / spread[0]) ** 2) - ((y - centre[1]) / spread[1]) ** 2)


def _complexion(points: Points, who: Identity, offset: Floats, front: Floats) -> Floats:
    """Return bare skin (n, 3): mottling, flush, shadows under the eyes, freckles and moles."""
    x, y, _ = points.place.T
    side = np.abs(x)
    place = points.place + offset
    mottle = 0.5 * mesh.noise(place, 3) + 0.3 * mesh.noise(place, 9) + 0.2 * mesh.noise(place, 27) - 0.5
    skin = np.array(who.skin, np.float32) * (1 + 0.16 * mottle)[:, None]
    flush = _spot(side, y, (0.42, 6.98), (0.2, 0.2)) + 0.8 * _spot(side, y, (0, 6.98), (0.12, 0.12))
    flush += 0.4 * _spot(side, y, (0, 6.35), (0.2, 0.12))
    skin *= 1 + (flush * front * who.flush)[:, None] * np.array([0.05, -0.12, -0.11], np.float32)
    skin *= (1 - 0.28 * who.tired * _spot(side, y, (0.3, 7.13), (0.16, 0.07)) * front)[:, None]
    if who.freckles:
        specks = np.clip((mesh.noise(place, 22) - 0.66) * 6, 0, 1) * _spot(side, y, (0.2, 7.05), (0.5, 0.3)) * front
        skin *= (1 - 0.35 * who.freckles * specks)[:, None]
    for mole_x, mole_y, radius in who.moles:
        skin *= (1 - 0.65 * np.clip(1.5 - np.hypot(x - mole_x, y - mole_y) / radius, 0, 1) * front)[:, None]
    return skin


def _aged(skin: Floats, points: Points, who: Identity, offset: Floats, front: Floats) -> Floats:
    """Add the lines of the forehead, beside the eyes and beside the mouth that come with age."""
    x, y, _ = points.place.T
    side = np.abs(x)
    years = np.clip((who.age - 30) / 34, 0, 1)
    wave = np.sin(y * 62 + 6 * mesh.noise(points.place + offset, 2.5) + x * x * 6)
    forehead = np.clip(1 - np.abs(y - 7.82) / 0.22, 0, 1) * np.clip(1 - side / 0.5, 0, 1)
    skin = skin * (1 - 0.38 * years * np.clip(wave - 0.55, 0, 1) * forehead * front)[:, None]
    crow = np.clip(np.sin((y - 7.27) * 60 / (0.6 + side)) - 0.4, 0, 1) * _spot(side, y, (0.56, 7.26), (0.06, 0.1))
    skin = skin * (1 - 0.45 * years * crow * front)[:, None]
    fold = np.abs(side - (0.20 + 0.24 * (6.98 - y)))
    crease = np.clip(1 - fold / 0.026, 0, 1) * np.clip((6.99 - y) * 20, 0, 1) * np.clip((y - 6.60) * 12, 0, 1)
    return skin * (1 - (0.04 + 0.14 * years) * crease * front)[:, None]


def _around_eyes(skin: Floats, points: Points) -> Floats:
    """Darken the lids, the lash line and the edge of the eye."""
    x, y, z = points.place.T
    skin = skin * (1 - 0.14 * points.lids)[:, None]
    away = np.sqrt((np.abs(x) - EYE_CENTRE[0]) ** 2 + (y - EYE_CENTRE[1]) ** 2 + (z - EYE_CENTRE[2]) ** 2)
    upper = 0.62 * np.clip((EYE_RADIUS - away) / 0.02, 0, 1) * (y > 7.27)
    lower = 0.25 * np.clip((EYE_RADIUS - 0.007 - away) / 0.02, 0, 1) * (y <= 7.27)
    return skin * (1 - upper - lower)[:, None]


def _with_brows(skin: Floats, points: Points, who: Identity, offset: Floats, front: Floats) -> Floats:
    """Draw the eyebrows."""
    x, y, z = points.place.T
    side, brows = np.abs(x), who.brows
    along = np.clip((side - brows.inner) / (brows.outer - brows.inner), 0, 1)
    middle = brows.height + brows.arch * np.sin(np.pi * along * 0.95) + brows.tilt * (along - 0.5)
    thick = brows.thickness * (1 - 0.65 * along**2) * np.clip((side - brows.inner + 0.03) / 0.05, 0, 1)
    grain = mesh.noise(np.stack([x * 30 + y * 18, y * 34, z * 20], 1) + offset)
    cover = np.clip((thick * (1 + 0.7 * (grain - 0.5)) - np.abs(y - middle)) / 0.012, 0, 1)
    colour = np.minimum(np.array(who.hair.colour) * 0.77, np.array(who.skin) * 0.75)
    return _mix(skin, colour.astype(np.float32), cover * (side < brows.outer) * front * brows.density)


def _with_beard(skin: Floats, points: Points, who: Identity, offset: Floats, front: Floats) -> Floats:
    """Draw the beard, if there is one."""
    if who.hair.beard == "none":
        return skin
    x, y, z = points.place.T
    side = np.abs(x)
    jaw = np.clip((6.86 - y + 0.35 * np.clip(side - 0.3, 0, 1)) * 7, 0, 1)
    jaw *= np.clip((z - 0.15) * 3, 0, 1) * np.clip((y - 6.02) * 6, 0, 1)
    lip = np.clip((6.80 - y) * 22, 0, 1) * np.clip((y - 6.62) * 20, 0, 1) * np.clip((0.33 - side) * 12, 0, 1) * front
    chin = np.clip((0.27 - side) * 12, 0, 1) * np.clip((6.52 - y) * 14, 0, 1)
    chin *= np.clip((y - 6.08) * 8, 0, 1) * np.clip((z - 0.6) * 4, 0, 1)
    kinds = {"stubble": jaw * 0.4, "full": np.maximum(jaw, lip), "goatee": np.maximum(chin, lip), "moustache": lip}
    cover = kinds[who.hair.beard] * (1 - 0.95 * np.clip(points.lips * 1.6, 0, 1))
    grain = mesh.noise(np.stack([x * 40, y * 22, z * 40], 1) + offset)
    colour = np.array(who.hair.colour, np.float32) * 0.8
    return _mix(skin, colour, np.clip(cover * (0.55 + 0.8 * grain), 0, 1) * 0.9)


def skin_colour(points: Points, who: Identity, offset: Floats) -> Floats:
    """Return the colour of skin points (n, 3), with lips, brows, beard and the tint of the scalp."""
    front = np.clip((points.place[:, 2] - 0.6) / 0.4, 0, 1)
    skin = _complexion(points, who, offset, front)
    skin = _aged(skin, points, who, offset, front)
    skin = _mix(skin, who.lips, 0.75 * points.lips)
    skin = _around_eyes(skin, points)
    field = hair_field(points.place, who.hair)
    if who.hair.style != "bald":
        tint = np.clip(field * 14 + 0.6 * (mesh.noise(points.place + offset, 14) - 0.5), 0, 1) * 0.85
        skin = _mix(skin, who.hair.colour, tint)
    elif who.sex == "man":
        skin = _mix(skin, who.hair.colour, np.clip(field * 8 - 0.4 * (points.place[:, 1] > 7.9), 0, 1) * 0.18)
    skin = _with_brows(skin, points, who, offset, front)
    skin = _with_beard(skin, points, who, offset, front)
    return skin * (0.55 + 0.45 * np.clip(points.occlusion * 1.25, 0, 1))[:, None]


def eye_colour(points: Points, who: Identity, offset: Floats, gaze: tuple[float, float]) -> Floats:
    """Return the colour of eyeball points (n, 3): white, iris, ring and pupil."""
    place = points.place.copy()
    # Mirrored, so that both eyes look the same way: gaze is taken along the picture's x.
    aim = place - EYE_CENTRE * np.stack([np.sign(place[:, 0]), np.ones(len(place)), np.ones(len(place))], 1)
    aim = aim / np.linalg.norm(aim, axis=1, keepdims=True)
    right, up = aim[:, 0] - gaze[0], aim[:, 1] - gaze[1]
    radius = np.where(aim[:, 2] > 0, np.hypot(right, up), 2).astype(np.float32)
    colour = np.tile(np.array([0.86, 0.83, 0.80], np.float32), (len(place), 1))
    colour *= (1 - 0.25 * np.clip((radius - 0.6) * 2, 0, 1))[:, None]
    spokes = mesh.noise(np.stack([np.arctan2(up, right) * 6, radius * 3, radius * 0], 1).astype(np.float32) + offset)
    iris = np.array(EYE_COLOURS[who.eyes], np.float32) / 255 * (0.8 + 0.5 * spokes)[:, None]
    inside = np.clip((0.47 - radius) / 0.05, 0, 1)[:, None]
    colour = colour * (1 - inside) + iris * inside
    colour *= 1 - 0.55 * np.clip(1 - np.abs(radius - 0.45) / 0.06, 0, 1)[:, None]
    colour = _mix(colour, (0.02, 0.02, 0.02), np.clip((0.22 - radius) / 0.04, 0, 1))
    return colour * (1 - 0.45 * np.clip((aim[:, 1] - 0.12) * 2.2, 0, 1))[:, None]


def colour_and_gloss(points: Points, who: Identity, view: View) -> tuple[Floats, Floats]:
    """Return the colour (n, 3) and the gloss (n,) of everything that is seen."""
    offset = np.array(who.texture_offset, np.float32)
    colour = np.zeros((len(points.place), 3), np.float32)
    gloss = np.zeros(len(points.place), np.float32)

    def chosen(material: int) -> tuple[NDArray[np.bool_], Points]:
        at = points.material == material
        rest = (points.height, points.occlusion, points.lips, points.lids)
        return at, Points(points.place[at], points.material[at], *(values[at] for values in rest))

    at, some = chosen(SKIN)
    colour[at], gloss[at] = skin_colour(some, who, offset), 0.16 + 0.12 * some.lips
    at, some = chosen(EYE)
    colour[at], gloss[at] = eye_colour(some, who, offset, view.gaze), 0.45
    dye = np.array(who.hair.colour, np.float32)
    at, some = chosen(HAIR)
    streak = strand_noise(some.place, who.hair, offset)
    colour[at] = dye * (0.4 + 0.5 * some.height + 0.5 * (streak - 0.3))[:, None]
    gloss[at] = 0.12
    at, some = chosen(LONG_HAIR)
    streak = mesh.noise(some.place * np.array([30, 1.6, 30], np.float32) + offset)
    colour[at], gloss[at] = dye * (0.55 + 0.75 * (streak - 0.2))[:, None], 0.1
    colour[points.material == LASHES] = (0.05, 0.04, 0.035)
    colour[points.material == SHIRT] = view.shirt
    return colour, gloss
