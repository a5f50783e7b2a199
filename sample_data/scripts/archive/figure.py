"""One person cut out: pose, light and clothes, at a given number of pixels per decimetre."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator

from ..heads import Identity, View, render
from ..heads import mesh as head_mesh
from ..heads.raster import rotation
from .backdrop import Light
from .clothes import NECK_HALF, NECK_UP, Outfit, dress
from .paint import Floats, linear

FIELD, DISTANCE = 3.55, 13.0  # of the renderer: decimetres across at zoom 1, and from the camera to the face
KEY_GREEN = (0.0, 0.75, 0.0)  # the shirt is rendered in it and dyed afterwards


@dataclass(frozen=True)
class Build:
    """Where a person's body parts lie on their mesh, in decimetres: heights, and half the neck's width."""

    crown: float
    eyes: float
    neck: float
    neck_half: float


@dataclass(frozen=True)
class Pose:
    """How someone holds themselves: angles in radians, where they look, and their expression."""

    yaw: float
    pitch: float
    roll: float
    gaze: tuple[float, float]
    expression: str
    strength: float


@dataclass(frozen=True, eq=False)
class Figure:
    """A cut-out: linear colour (n, n, 3), alpha (n, n), the face's box and the eyes' row in its pixels, its scale."""

    colour: Floats
    alpha: Floats
    box: tuple[float, float, float, float]
    eyes: float
    scale: float


@lru_cache(maxsize=128)
def build(who: Identity) -> Build:
    """Measure a person: bodies differ by more than a decimetre."""
    head = head_mesh.load()
    shaped = head.shaped(who.shape)
    neutral = head.vertices
    shirt = np.zeros(len(neutral), bool)
    shirt[np.unique(head.of(head_mesh.SHIRT))] = True
    collar = shirt & (neutral[:, 1] > 5.7) & (neutral[:, 1] < 5.95) & (np.abs(neutral[:, 0]) < 0.8)
    eyes = np.unique(head.of(head_mesh.LEFT_EYE, head_mesh.RIGHT_EYE))
    skin = np.unique(head.of(head_mesh.SKIN))
    return Build(
        crown=float(shaped[skin, 1].max()) + 1.5 * who.hair.length + 0.25,
        eyes=float(shaped[eyes, 1].mean()),
        neck=float(shaped[collar, 1].mean()),
        neck_half=float(np.abs(shaped[collar, 0]).max()),
    )


def draw_pose(r: Generator, lively: float = 1.0, towards: float = 0.0) -> Pose:
    """Draw a natural pose; `towards` turns the head (positive: to the picture's right) as people in a group do."""
    moods = ["neutral", "slight smile", "smile", "smile", "smile", "smile"]
    yaw = float(np.clip(r.normal(towards, 0.17 * lively), -0.45, 0.45))
    away = r.random() < 0.12
    return Pose(
        yaw=yaw,
        pitch=float(np.clip(r.normal(0, 0.055), -0.13, 0.13)),
        roll=float(np.clip(r.normal(0, 0.045), -0.11, 0.11)),
        gaze=(0.12 if yaw > 0 else -0.12, 0.0) if away else (-0.4 * yaw, float(r.normal(0, 0.02))),
        expression=str(r.choice(moods)),
        strength=float(r.uniform(0.9, 1.6)),
    )


def _view(pose: Pose, light: Light, span: float, drop: float) -> View:
    """Return the renderer's view of a pose: `span` decimetres square, the eyes `drop` below its upper edge."""
    return View(
        yaw=pose.yaw,
        pitch=pose.pitch,
        roll=pose.roll,
        light=light.direction,
        ambient=light.ambient,
        key=light.key,
        warmth=light.warm,
        gaze=pose.gaze,
        zoom=FIELD / span,
        # The renderer turns the head about a point a quarter below the eyes, and shows it in the middle.
        shift=(0.0, (drop + 0.25) / span - 0.5),
        shirt=KEY_GREEN,
        expression=pose.expression,
        strength=pose.strength,
    )


def face_box(who: Identity, view: View, size: int) -> tuple[float, float, float, float]:
    """Return the box (x0, y0, x1, y1) in pixels of the face: forehead to chin and cheek to cheek, as it projects."""
    head = head_mesh.load()
    shaped = head.shaped((*who.shape, *view.expression_weights()))
    eyes = np.unique(head.of(head_mesh.LEFT_EYE, head_mesh.RIGHT_EYE))
    origin = np.array([0, shaped[eyes].mean(0)[1] - 0.25, 0.35], np.float32)
    x, y, z = head.vertices.T
    face = (z > 0.55) & (y > 6.12) & (y < 7.85) & (np.abs(x) < 0.78)
    used = np.zeros(len(x), bool)
    used[np.unique(head.of(head_mesh.SKIN))] = True
    turned = (shaped[face & used] - origin) @ rotation(view.yaw, view.pitch, view.roll).T
    focal = size / (FIELD / view.zoom) * DISTANCE
    right = size / 2 + focal * turned[:, 0] / (DISTANCE - turned[:, 2]) + view.shift[0] * size
    down = size / 2 - focal * turned[:, 1] / (DISTANCE - turned[:, 2]) + view.shift[1] * size
    return float(right.min()), float(down.min()), float(right.max()), float(down.max())


def figure(who: Identity, pose: Pose, light: Light, outfit: Outfit, scale: float, reach: float) -> Figure:
    """Render a person from above the hair to `reach` decimetres below the eyes."""
    body = build(who)
    drop = body.crown - body.eyes
    span = drop + reach
    size = round(span * scale)
    view = _view(pose, light, span, drop)
    rgb, alpha = render(who, view, size, supersample=2 if size < 760 else 1)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    fit = NECK_HALF / body.neck_half
    across = ((x + 0.5 - size / 2) / scale - np.float32(0.9 * np.sin(0.45 * pose.yaw))) * fit
    up = NECK_UP + (body.crown - (y + 0.5) / scale - body.neck) * fit
    pixels = linear(rgb.astype(np.float32) / 255)
    colour, alpha = dress(pixels, alpha, across, up, who.skin, outfit, scale / fit, KEY_GREEN[1])
    return Figure(colour, alpha, face_box(who, view, size), drop * scale, scale)
