"""Views: everything about a picture that is not the person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EXPRESSIONS: dict[str, dict[str, float]] = {
    "neutral": {},
    "smile": {"mouthSmile": 0.55, "cheekSquint": 0.4, "eyeSquint": 0.2},
    "slight smile": {"mouthSmile": 0.28, "cheekSquint": 0.15},
    "serious": {"browDown": 0.35, "mouthPress": 0.4},
    "surprised": {"browInnerUp": 0.5, "browOuterUp": 0.4, "eyeWide": 0.4},
    "sad": {"mouthFrown": 0.4, "browInnerUp": 0.3},
    "blink": {"eyeBlink": 0.9},
}
_ONE_SIDED = ("browInnerUp",)


@dataclass(frozen=True)
class View:
    """One picture of a person: pose in radians, light, framing and mood.

    `zoom` 1 shows 3.55 decimetres across, 0.5 twice that (head, shoulders and chest; the least that is modelled).
    `shift` moves the person by a share of the picture's side, right and down. `light` points from the face to
    the lamp: right, up, towards the camera.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    light: tuple[float, float, float] = (0.4, 0.5, 1.0)
    ambient: float = 0.45
    key: float = 0.75
    warmth: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    shirt: tuple[float, float, float] = (0.3, 0.35, 0.5)
    expression: str = "neutral"
    strength: float = 1.0

    def expression_weights(self) -> list[tuple[str, float]]:
        """Return the weights of the expression's targets by name."""
        weights = []
        for unit, weight in EXPRESSIONS[self.expression].items():
            sides = ("",) if unit in _ONE_SIDED else ("Left", "Right")
            weights += [(f"expression/{unit}{side}", weight * self.strength) for side in sides]
        return weights


def random_view(rng: np.random.Generator, *, frontal: bool = False) -> View:
    """Draw a natural view; a frontal one hardly turns the head."""
    turn = 0.12 if frontal else 0.26
    moods = ["neutral", "neutral", "slight smile", "slight smile", "smile", "serious"]
    return View(
        yaw=float(np.clip(rng.normal(0, turn), -2.1 * turn, 2.1 * turn)),
        pitch=float(np.clip(rng.normal(0, 0.08), -0.2, 0.2)),
        roll=float(np.clip(rng.normal(0, 0.05), -0.15, 0.15)),
        light=(rng.uniform(-0.9, 0.9), rng.uniform(0.1, 0.9), rng.uniform(0.7, 1.2)),
        ambient=rng.uniform(0.36, 0.6),
        key=rng.uniform(0.45, 0.85),
        warmth=rng.uniform(-0.6, 1),
        gaze=(float(rng.normal(0, 0.05)), float(rng.normal(0, 0.03))),
        zoom=rng.uniform(0.9, 1.15),
        shift=(float(rng.normal(0, 0.02)), float(rng.normal(0, 0.02))),
        shirt=(rng.uniform(0.08, 0.8), rng.uniform(0.08, 0.8), rng.uniform(0.08, 0.8)),
        expression=str(rng.choice(moods)),
        strength=rng.uniform(0.5, 1.0),
    )
