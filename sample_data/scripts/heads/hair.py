"""Hair: where it grows, the shells that carry it, and which points of a shell are strands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import mesh
from .identity import Hair
from .raster import Floats, Ints

# The hairline's height in decimetres by angle around the head, from the forehead to the nape.
_ANGLES = (0, 0.35, 0.62, 0.85, 1.12, 1.3, 1.55, 1.9, 3.2)


def hair_field(points: Floats, hair: Hair) -> Floats:
    """Return how far above the hairline neutral points (n, 3) lie, in decimetres; negative is bare skin."""
    x, y, z = points.T
    angle = np.arctan2(np.abs(x), z - 0.15)
    heights = (
        hair.hairline,
        hair.hairline - 0.02,
        hair.hairline - 0.13 + hair.temple * 0.5,
        7.78 + hair.temple,
        7.35,
        7.15,
        7.45,
        7.0,
        6.75,
    )
    return (y - np.interp(angle, _ANGLES, heights)).astype(np.float32)


def strand_noise(points: Floats, hair: Hair, offset: Floats) -> Floats:
    """Return noise stretched along the strands: (n,) from 0 to 1."""
    curl = hair.curl
    stretched = points * np.array([26 - 6 * curl, 6 + 17 * curl, 16 + 6 * curl], np.float32) + offset
    return 0.6 * mesh.noise(stretched) + 0.4 * mesh.noise(stretched, 2.1)


def scalp_triangles(head: mesh.Mesh, hair: Hair) -> Ints:
    """Return the triangles (m, 3) that carry hair, a little beyond the hairline."""
    skin = head.of(mesh.SKIN)
    grows = hair_field(head.vertices, hair)[skin].max(1) > -0.05
    above = head.vertices[skin][:, :, 1].min(1) > 6.5
    return skin[grows & above & (head.ears[skin].max(1) < 0.2)]


def shell(head: mesh.Mesh, vertices: Floats, normals: Floats, hair: Hair, offset: Floats, height: float) -> Floats:
    """Return the vertices (n, 3) lifted to a height from 0 (scalp) to 1 (tips), combed over and down."""
    points = head.vertices
    top = np.clip((points[:, 1] - 7.4) / 0.9, 0, 1)
    length = hair.length * (0.45 + 0.75 * top) * (0.8 if hair.style == "receding" else 1)
    lump = 1 + 0.4 * (mesh.noise(points + offset, 2.2) - 0.5)
    lump += 0.35 * hair.curl * (mesh.noise(points + offset, 6) - 0.5)
    ramp = np.clip((hair_field(points, hair) + 0.02) / 0.16, 0, 1)
    lift = (length * lump * ramp * height)[:, None]
    # Straight hair lies along the head; curls stand off it.
    lie = (1 - hair.curl) * height
    comb = np.array([0.9 * hair.comb, -0.35, -0.5], np.float32)
    comb = comb - normals * (normals @ comb)[:, None]
    return (vertices + normals * lift * (1 - 0.35 * lie) + comb * lift * lie).astype(np.float32)


def is_strand(points: Floats, height: Floats, hair: Hair, offset: Floats) -> NDArray[np.bool_]:
    """Tell which points (n, 3) of the shells at heights (n,) from 0 to 1 are hair rather than air."""
    edge = hair_field(points, hair) + 0.08 * (mesh.noise(points + offset, 9) - 0.5)
    return (edge > 0) & (strand_noise(points, hair, offset) > 0.16 + 0.34 * height**2)


def is_hanging(points: Floats, height: Floats, hair: Hair, offset: Floats) -> NDArray[np.bool_]:
    """Tell which points (n, 3) of the curtain of long hair are hair: not before the face, and only down to its ends."""
    x, y, z = points.T
    strands = mesh.noise(points * np.array([22, 1.2, 22], np.float32) + offset)
    before_face = (z > 0.62 + 0.25 * np.clip(7.9 - y, 0, 1)) & (np.abs(x) < 2) & (y < 8.15)
    return (y > hair.ends + 0.25 * (strands - 0.5)) & (strands > 0.12 + 0.25 * (height - 0.5)) & ~before_face
