"""The training pictures of people who passed the screen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from heads.screen import SCREENED
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Pictures (n, 64, 64, 3) from 0 to 255, captions (n,), and the seed of the person in each (n,)."""

    pictures: NDArray[np.uint8]
    captions: NDArray[np.str_]
    seeds: NDArray[np.int64]


def load_set(paths: str) -> TrainingSet:
    """Read sets of pictures (paths parted by commas), leaving out everyone who was not kept by the screen."""
    kept = json.loads(Path(SCREENED).read_text(encoding="utf-8"))["base"]
    parts = []
    for path in paths.split(","):
        with np.load(path) as stored:
            chosen = np.isin(stored["seeds"], kept)
            parts.append([stored[name][chosen] for name in ("pictures", "captions", "seeds")])
    pictures, captions, seeds = (np.concatenate(column) for column in zip(*parts, strict=True))
    return TrainingSet(pictures, captions, seeds)
