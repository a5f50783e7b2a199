"""The packed head: its mesh, its shape targets, and noise to texture it with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .raster import Floats, Ints

HEAD_FILE = Path(__file__).with_name("head.npz")
SKIN, SHIRT, LONG_HAIR, LEFT_EYE, RIGHT_EYE, LEFT_LASHES, RIGHT_LASHES = range(7)
_LATTICE = np.random.default_rng(7).random((32, 32, 32)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Mesh:
    """The neutral head: vertices (n, 3) in decimetres, triangles (m, 3), targets (k, n, 3), masks (n,) from 0 to 1."""

    vertices: Floats
    triangles: Ints
    part: NDArray[np.int8]
    index: dict[str, int]
    deltas: Floats
    occlusion: Floats
    lips: Floats
    lids: Floats
    ears: Floats

    def of(self, *parts: int) -> Ints:
        """Return the triangles of the named parts: (p, 3)."""
        return self.triangles[np.isin(self.part, parts)]

    def shaped(self, weights: Iterable[tuple[str, float]]) -> Floats:
        """Return the vertices (n, 3) moved by weighted targets."""
        vertices = self.vertices.copy()
        for name, weight in weights:
            vertices += np.float32(weight) * self.deltas[self.index[name]]
        return vertices


@lru_cache(maxsize=1)
def load() -> Mesh:
    """Read the packed head once."""
    with np.load(HEAD_FILE) as packed:
        masks = {name: packed[name].astype(np.float32) / 255 for name in ("lips", "lids", "ears")}
        return Mesh(
            vertices=packed["vertices"],
            triangles=packed["triangles"].astype(np.int64),
            part=packed["part"],
            index={str(name): number for number, name in enumerate(packed["names"])},
            deltas=packed["deltas"].astype(np.float32),
            occlusion=packed["occlusion"].astype(np.float32),
            **masks,
        )


def noise(points: Floats, frequency: float = 1.0) -> Floats:
    """Return smooth value noise from 0 to 1 at points (n, 3)."""
    scaled = points * np.float32(frequency)
    cell = np.floor(scaled).astype(np.int32)
    part = scaled - cell
    part = part * part * (3 - 2 * part)
    low, high = cell & 31, (cell + 1) & 31
    total = np.zeros(len(points), np.float32)
    for corner in range(8):
        upper = [bool(corner >> axis & 1) for axis in range(3)]
        weight = np.ones(len(points), np.float32)
        for axis in range(3):
            weight *= part[:, axis] if upper[axis] else 1 - part[:, axis]
        x, y, z = ((high if upper[axis] else low)[:, axis] for axis in range(3))
        total += weight * _LATTICE[x, y, z]
    return total
