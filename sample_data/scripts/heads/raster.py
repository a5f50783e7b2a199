"""Triangles to pixels: every fragment with its weights and depth, and the nearest of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
FAR = np.float32(1e9)


@dataclass(frozen=True, eq=False)
class Fragments:
    """What the triangles cover: pixel (n,), triangle (n,), barycentric weights (n, 3), depth (n,)."""

    pixel: Ints
    triangle: Ints
    weights: Floats
    depth: Floats

    def take(self, index: NDArray[np.bool_] | Ints) -> Fragments:
        """Return the chosen fragments."""
        return Fragments(self.pixel[index], self.triangle[index], self.weights[index], self.depth[index])


def rasterize(screen: Floats, triangles: Ints, size: int) -> Fragments:
    """Cover a square picture with triangles given in pixels: screen (n, 3) holds x, y and depth (small is near)."""
    a, b, c = (screen[triangles[:, corner]] for corner in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    low = np.clip(np.floor(np.minimum(np.minimum(a, b), c)[:, :2]).astype(np.int64), 0, size)
    high = np.clip(np.ceil(np.maximum(np.maximum(a, b), c)[:, :2]).astype(np.int64), 0, size)
    width, height = (high - low).T
    drawn = np.flatnonzero((width > 0) & (height > 0) & (np.abs(area) > 1e-6))
    counts = (width * height)[drawn]
    triangle = np.repeat(drawn, counts)
    within = np.arange(len(triangle)) - np.repeat(np.cumsum(counts) - counts, counts)
    column = low[triangle, 0] + within % width[triangle]
    row = low[triangle, 1] + within // width[triangle]
    x, y = (column + 0.5).astype(np.float32), (row + 0.5).astype(np.float32)
    a, b, c, inverse = a[triangle], b[triangle], c[triangle], 1 / area[triangle]
    first = ((b[:, 0] - x) * (c[:, 1] - y) - (b[:, 1] - y) * (c[:, 0] - x)) * inverse
    second = ((c[:, 0] - x) * (a[:, 1] - y) - (c[:, 1] - y) * (a[:, 0] - x)) * inverse
    third = 1 - first - second
    inside = (first >= -1e-4) & (second >= -1e-4) & (third >= -1e-4)
    weights = np.stack([first[inside], second[inside], third[inside]], 1).astype(np.float32)
    depth = weights[:, 0] * a[inside, 2] + weights[:, 1] * b[inside, 2] + weights[:, 2] * c[inside, 2]
    return Fragments((row * size + column)[inside], triangle[inside], weights, depth)


def nearest(fragments: Fragments, size: int) -> Ints:
    """Return the index of the nearest fragment of every covered pixel, in pixel order."""
    winner = np.full(size * size, -1, np.int64)
    order = np.argsort(-fragments.depth, kind="stable")
    winner[fragments.pixel[order]] = order
    return winner[winner >= 0]


def depth_map(fragments: Fragments, size: int) -> Floats:
    """Return the depth of the nearest fragment of every pixel: (size * size,), FAR where there is none."""
    depth = np.full(size * size, FAR, np.float32)
    order = np.argsort(-fragments.depth, kind="stable")
    depth[fragments.pixel[order]] = fragments.depth[order]
    return depth


def vertex_normals(vertices: Floats, triangles: Ints) -> Floats:
    """Return unit normals (n, 3), weighted by area."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    faces = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(triangles[:, corner], faces[:, axis], minlength=len(vertices))
    return (normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9)).astype(np.float32)


def rotation(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Floats:
    """Return the matrix (3, 3) that turns a head: angles in radians, yaw first."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return (tilt @ nod @ turn).astype(np.float32)


def frame_along(direction: Floats) -> tuple[Floats, Floats]:
    """Return two unit axes square to a unit direction, for looking along it."""
    up = np.array([0, 1, 0] if abs(direction[1]) < 0.9 else [1, 0, 0], np.float32)
    across = np.cross(up, direction)
    across /= np.linalg.norm(across)
    return across, np.cross(direction, across)
