"""Render the training pictures of the base: `python -m base.render_set OUT.npz FIRST LAST [VIEWS]`.

Tight, nearly frontal heads before plain backdrops. All seeds are rendered; training takes those that passed
the screen of `heads.screen`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from heads import BACKDROP_COUNT, View, backdrop, caption, compose, make_identity, random_view, render
from numpy.typing import NDArray

SIZE = 64  # pixels
TURNED = 0.14  # radians of yaw from which a caption says so
DARK = 0.42  # brightness of the backdrop below which a caption calls it dark


def training_view(rng: np.random.Generator) -> View:
    """Draw a view that fills the small picture with the face."""
    mood = str(rng.choice(["neutral", "neutral", "slight smile", "smile"]))
    return replace(
        random_view(rng),
        yaw=float(np.clip(rng.normal(0, 0.13), -0.32, 0.32)),
        pitch=float(np.clip(rng.normal(0, 0.05), -0.12, 0.12)),
        roll=float(np.clip(rng.normal(0, 0.03), -0.08, 0.08)),
        zoom=rng.uniform(1.15, 1.35),
        shift=(float(rng.normal(0, 0.012)), float(rng.normal(0, 0.012))),
        expression=mood,
        strength=rng.uniform(0.6, 1.0),
    )


def view_caption(view: View, ground: NDArray[np.float32]) -> str:
    """Describe what a picture shows besides the person."""
    facing = "looking left" if view.yaw < -TURNED else "looking right" if view.yaw > TURNED else "facing the camera"
    mood = ", smiling" if view.expression == "smile" else ""
    return f"{mood}, {facing}, {'dark' if ground.mean() < DARK else 'light'} background"


def picture(seed: int, view: View, style: int, size: int = SIZE) -> tuple[NDArray[np.uint8], str]:
    """Render one training picture (size, size, 3) from 0 to 255, with its caption."""
    who = make_identity(seed)
    ground = backdrop(style, size, size)
    drawn = compose(ground, *render(who, view, size))
    return (drawn * 255 + 0.5).astype(np.uint8), caption(who) + view_caption(view, ground)


def main() -> None:
    """Render every seed in several views into one file."""
    out, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    views = int(sys.argv[4]) if len(sys.argv) > 4 else 16
    pictures, captions, seeds = [], [], []
    for seed in range(first, last):
        rng = np.random.default_rng(900_000 + seed)
        for _ in range(views):
            drawn, words = picture(seed, training_view(rng), int(rng.integers(BACKDROP_COUNT)))
            pictures.append(drawn)
            captions.append(words)
            seeds.append(seed)
        if (seed - first) % 25 == 24:
            print(seed, len(pictures), flush=True)
    np.savez(out, pictures=np.stack(pictures), captions=np.array(captions), seeds=np.array(seeds))


if __name__ == "__main__":
    main()
