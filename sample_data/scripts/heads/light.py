"""Light: a lamp with soft shadows, a sky, a weak fill, gloss, and the film's response."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import materials
from .hair import hair_field
from .identity import Identity
from .raster import FAR, Floats, Fragments, Ints, depth_map, frame_along, rasterize
from .view import View

MAP_SIZE = 320
MAP_FIELD = 6.4  # decimetres covered by the shadow map
BIAS = 0.07  # decimetres
_BLUR = (-1.5, -0.5, 0.5, 1.5)


@dataclass(frozen=True, eq=False)
class Caster:
    """What throws a shadow: world and neutral places (n, 3), triangles (m, 3), their material and height (m,)."""

    world: Floats
    neutral: Floats
    triangles: Ints
    material: NDArray[np.int8]
    height: Floats


def direction(view: View) -> Floats:
    """Return the unit vector towards the lamp."""
    towards = np.array(view.light, np.float32)
    return towards / np.linalg.norm(towards)


def _casting(
    caster: Caster, fragments: Fragments, triangles: Ints, material: NDArray[np.int8], who: Identity
) -> Fragments:
    """Drop the fragments of hair shells that carry no hair."""
    corners = caster.neutral[triangles[fragments.triangle]]
    place = np.einsum("ij,ijk->ik", fragments.weights, corners)
    kind = material[fragments.triangle]
    _, y, z = place.T
    hanging = (y > who.hair.ends) & ~((z > 0.62) & (y < 8.15))
    keep = np.where(kind == materials.HAIR, hair_field(place, who.hair) > 0, True)
    keep = np.where(kind == materials.LONG_HAIR, hanging, keep)
    return fragments.take(keep)


def shadow(caster: Caster, world: Floats, who: Identity, view: View) -> Floats:
    """Return how much of the lamp is seen from places in the world (n, 3): (n,) from 0 to 1."""
    lamp = direction(view)
    across, along = frame_along(lamp)
    scale = MAP_SIZE / MAP_FIELD

    def as_seen(places: Floats) -> Floats:
        seen = np.stack([places @ across, places @ along, -(places @ lamp)], 1)
        seen[:, :2] = seen[:, :2] * scale + MAP_SIZE / 2
        return seen.astype(np.float32)

    middle_shell = (caster.material == materials.HAIR) & (caster.height > 0.4) & (caster.height < 0.75)
    solid = (caster.material == materials.SKIN) | middle_shell | (caster.material == materials.LONG_HAIR)
    triangles, material = caster.triangles[solid], caster.material[solid]
    fragments = rasterize(as_seen(caster.world), triangles, MAP_SIZE)
    depth = depth_map(_casting(caster, fragments, triangles, material, who), MAP_SIZE).reshape(MAP_SIZE, MAP_SIZE)
    depth = np.pad(depth, 2, constant_values=FAR)
    seen = as_seen(world)
    lit = np.zeros(len(world), np.float32)
    for down in _BLUR:
        for right in _BLUR:
            row = np.clip((seen[:, 1] + down + 2).astype(int), 0, MAP_SIZE + 3)
            column = np.clip((seen[:, 0] + right + 2).astype(int), 0, MAP_SIZE + 3)
            lit += seen[:, 2] <= depth[row, column] + BIAS
    return lit / len(_BLUR) ** 2


def shade(colour: Floats, gloss: Floats, normal: Floats, lit: Floats, points: materials.Points, view: View) -> Floats:
    """Return what the camera records of points (n, 3): colours from 0 to 1, gamma 2.2."""
    lamp = direction(view)
    is_hair = points.material >= materials.LASHES
    normal = np.where((is_hair & (normal[:, 2] < 0))[:, None], -normal, normal)
    is_skin = (points.material == materials.SKIN)[:, None]
    # Light seeps through skin past the shadow's edge, red the farthest.
    wrap = np.where(is_skin, np.array([0.30, 0.14, 0.08], np.float32), np.float32(0.1))
    diffuse = np.clip(((normal @ lamp)[:, None] + wrap) / (1 + wrap), 0, None) * lit[:, None]
    key = np.array([1 + 0.12 * view.warmth, 1, 1 - 0.14 * view.warmth], np.float32) * view.key
    open_sky = np.clip(points.occlusion * 1.1 + 0.1, 0.25, 1)[:, None]
    sky = (0.72 + 0.28 * normal[:, 1])[:, None] * np.array([0.96, 1, 1.05], np.float32) * view.ambient * open_sky
    fill = np.clip(normal @ np.array([-lamp[0], 0.1, 0.6], np.float32), 0, None)[:, None] * 0.16
    light = np.maximum(colour, 0) ** 2.2 * (diffuse * key * 1.35 + sky * 1.25 + fill)
    half = lamp + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    shine = np.clip(normal @ half, 0, 1)
    light += ((0.30 * shine**18 + 0.25 * shine**60) * gloss * lit * view.key)[:, None]
    return np.clip(light / (1 + 0.25 * light) * 1.18, 0, 1) ** (1 / 2.2)
