"""Put people into a backdrop: depth, shadows, light round the edges, the lens, the film."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image

from .backdrop import Backdrop
from .figure import Figure
from .paint import GAMMA, Floats, blend, cloudy, mesh, smooth

Box = tuple[int, int, int, int]
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True)
class Grade:
    """How a picture was developed: exposure, contrast, saturation, warmth, grain (as displayed), black and white."""

    exposure: float = 1.0
    contrast: float = 0.15
    saturation: float = 1.0
    warmth: float = 0.0
    grain: float = 0.01
    mono: bool = False


def draw_grade(r: Generator, iso: int) -> Grade:
    """Draw a development; grain follows the film speed."""
    return Grade(
        exposure=float(r.uniform(0.93, 1.08)),
        contrast=float(r.uniform(0.05, 0.28)),
        saturation=float(r.uniform(0.82, 1.02)),
        warmth=float(r.normal(0.02, 0.03)),
        grain=0.004 + 0.0007 * (iso / 100) ** 0.7,
        mono=bool(r.random() < 0.03),
    )


def _placed(values: Floats, shape: tuple[int, int], left: int, top: int) -> Floats:
    """Return values (h, w[, 3]) cut or padded with zeros to `shape`, their corner at (left, top)."""
    height, width = shape
    out = np.zeros((height, width, *values.shape[2:]), np.float32)
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(height, top + values.shape[0]), min(width, left + values.shape[1])
    if y1 > y0 and x1 > x0:
        out[y0:y1, x0:x1] = values[y0 - top : y1 - top, x0 - left : x1 - left]
    return out


def add_figure(
    pixels: Floats, ambience: Floats, person: Figure, left: int, top: int, backdrop: Backdrop, crowd: bool
) -> Floats:
    """Lay a person over the picture (h, w, 3), with a shadow on the wall or on those behind, and light at the edges."""
    height, width = pixels.shape[:2]
    alpha = _placed(person.alpha, (height, width), left, top)
    body = _placed(person.colour, (height, width), left, top)
    away = round(-0.45 * person.scale * float(np.sign(backdrop.light.direction[0])))
    if backdrop.wall > 0.25 and not crowd:
        thrown = _placed(person.alpha, (height, width), left + away, top + round(0.12 * person.scale))
        soft = smooth(thrown, person.scale * (0.75 - 0.5 * backdrop.wall))
        pixels = pixels * (1 - 0.5 * backdrop.wall * soft)[:, :, None]
    if crowd:
        near = smooth(_placed(person.alpha, (height, width), left + away // 5, top), person.scale * 0.2)
        pixels = pixels * (1 - 0.38 * near)[:, :, None]
    inside = smooth(alpha, 1.2 + person.scale * 0.018)
    edge = alpha * (1 - inside) * 0.32
    tint = ambience.mean((0, 1))
    tint = (tint / max(float(tint @ LUMA), 1e-3)) ** 0.16
    body = body * tint.astype(np.float32)
    body = body + ambience * edge[:, :, None]
    return blend(pixels, body.astype(np.float32), alpha)


def develop(pixels: Floats, r: Generator, grade: Grade) -> Image.Image:
    """Return the picture as a camera would give it: tone curve, colour, vignette, softness, grain."""
    height, width = pixels.shape[:2]
    x, y = mesh(height, width)
    corner = np.hypot(x - x.max() / 2, y - 0.5) / np.hypot(x.max() / 2, 0.5)
    pixels = pixels * (grade.exposure * (1 - 0.22 * corner**2.4))[:, :, None]
    pixels = pixels * np.array([1 + grade.warmth, 1, 1 - grade.warmth], np.float32)
    # Highlights roll off instead of clipping.
    pixels = np.where(pixels > 0.75, 0.75 + 0.25 * np.tanh((pixels - 0.75) / 0.45), pixels)
    shown = np.clip(smooth(pixels, 0.42), 0, 1) ** (1 / GAMMA)
    grey = (shown @ LUMA)[:, :, None]
    shown = grey + (shown - grey) * (0 if grade.mono else grade.saturation)
    shown = shown + grade.contrast * (shown - 0.5) * (1 - np.abs(2 * shown - 1)) * 0.9
    luma_grain = smooth(r.normal(0, 1, (height, width)).astype(np.float32), 0.55) * 1.7
    chroma = 0 if grade.mono else smooth(r.normal(0, 1, (height, width, 3)).astype(np.float32), 0.8) * 1.1
    strength = grade.grain * (1.25 - 0.6 * shown)
    shown = shown + strength * (luma_grain[:, :, None] + chroma)
    return Image.fromarray((np.clip(shown, 0, 1) * 255 + 0.5).astype(np.uint8))


def foreground(pixels: Floats, r: Generator) -> Floats:
    """Lay leaves far out of focus over one side of the picture (h, w, 3), as when shooting past a branch."""
    height, width = pixels.shape[:2]
    x, y = mesh(height, width)
    left = bool(r.random() < 0.5)
    reach = x if left else x.max() - x
    blobs = cloudy(r, height, width, height * 0.25, 3)
    cover = np.clip((0.16 - reach + 0.10 * blobs + 0.10 * (y - 0.5)) * 9, 0, 1) * 0.85
    ink = np.array([0.05, 0.10, 0.03], np.float32) * (1 + 0.5 * cloudy(r, height, width, height * 0.2, 2))[:, :, None]
    return blend(pixels, ink.astype(np.float32), smooth(cover, height * 0.02))
