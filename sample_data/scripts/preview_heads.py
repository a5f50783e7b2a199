"""Draw a contact sheet of people: `python preview_heads.py OUT.png FIRST COUNT [SIZE]`."""

from __future__ import annotations

import sys

import numpy as np
from heads import backdrop, compose, make_identity, random_view, render
from PIL import Image

COLUMNS = 8


def tile(seed: int, size: int) -> np.ndarray:
    """Render one person in a random view: (size, size, 3) from 0 to 255."""
    rng = np.random.default_rng(500 + seed)
    picture = compose(backdrop(seed, size, size), *render(make_identity(seed), random_view(rng), size))
    return (picture * 255 + 0.5).astype(np.uint8)


def main() -> None:
    """Write the sheet, eight people a row."""
    out, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    size = int(sys.argv[4]) if len(sys.argv) > 4 else 192
    tiles = [tile(seed, size) for seed in range(first, first + count)]
    tiles += [np.zeros_like(tiles[0])] * (-count % COLUMNS)
    rows = [np.concatenate(tiles[start : start + COLUMNS], 1) for start in range(0, len(tiles), COLUMNS)]
    Image.fromarray(np.concatenate(rows)).save(out)


if __name__ == "__main__":
    main()
