"""Ambient occlusion of the neutral head, worked out once when it is packed."""

from __future__ import annotations

import numpy as np

from .raster import Floats, Ints, depth_map, frame_along, rasterize, vertex_normals

DIRECTIONS = 96
MAP_SIZE = 384
BIAS = 0.06  # decimetres: how far behind the nearest surface still counts as seen


def ambient_occlusion(vertices: Floats, triangles: Ints) -> Floats:
    """Return for every vertex the cosine-weighted share of the sky it sees: (n,) from 0 to 1."""
    normals = vertex_normals(vertices, triangles)
    rng = np.random.default_rng(1)
    seen, total = np.zeros(len(vertices)), np.zeros(len(vertices))
    for _ in range(DIRECTIONS):
        direction = rng.normal(size=3).astype(np.float32)
        direction /= np.linalg.norm(direction)
        across, along = frame_along(direction)
        screen = np.stack([vertices @ across, vertices @ along, -(vertices @ direction)], 1)
        low = screen[:, :2].min(0)
        scale = (MAP_SIZE - 4) / (screen[:, :2].max(0) - low).max()
        screen[:, :2] = (screen[:, :2] - low) * scale + 2
        depth = depth_map(rasterize(screen.astype(np.float32), triangles, MAP_SIZE), MAP_SIZE)
        column, row = (np.clip(screen[:, axis].astype(int), 0, MAP_SIZE - 1) for axis in (0, 1))
        facing = normals @ direction
        weight = np.where(facing > 0.05, facing, 0)
        seen += weight * (screen[:, 2] <= depth[row * MAP_SIZE + column] + BIAS)
        total += weight
    return (seen / np.maximum(total, 1e-6)).astype(np.float32)
