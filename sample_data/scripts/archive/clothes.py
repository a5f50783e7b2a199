"""Clothes: the renderer's plain shirt, keyed by its green, is dyed, cut and folded into something to wear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt

from .paint import Colour, Floats, blend, cloudy, colour, pick, smooth
from .torso import hang

NECK_UP, NECK_HALF = 5.82, 0.66  # decimetres: the neckline of the neutral mesh, which all cuts are drawn for
CUTS = ("tee", "shirt", "jacket", "vneck", "scarf", "sash", "crossed", "cardigan")
CLOTH: tuple[Colour, ...] = (
    (52, 62, 84),
    (78, 84, 92),
    (122, 52, 50),
    (58, 88, 74),
    (206, 196, 176),
    (150, 118, 78),
    (96, 122, 148),
    (226, 224, 218),
    (44, 44, 48),
    (140, 90, 82),
    (104, 112, 76),
    (176, 142, 122),
    (92, 70, 96),
    (198, 160, 92),
)
PALE: tuple[Colour, ...] = ((232, 230, 224), (208, 218, 226), (226, 214, 204), (196, 204, 196), (214, 208, 222))
DARK: tuple[Colour, ...] = ((38, 42, 54), (60, 60, 64), (70, 58, 48), (50, 62, 58), (86, 84, 80), (62, 42, 48))
SILK: tuple[Colour, ...] = ((132, 40, 52), (40, 84, 92), (150, 108, 44), (74, 48, 96), (34, 70, 60))


@dataclass(frozen=True)
class Outfit:
    """What someone wears: a cut, a weave, display colours (0 to 255), and a seed for folds and threads."""

    cut: str
    weave: str
    main: Colour
    second: Colour
    seed: int


def draw_outfit(
    r: Generator, cuts: tuple[str, ...] = ("tee", "shirt", "jacket", "vneck", "scarf", "cardigan")
) -> Outfit:
    """Draw an outfit of one of the cuts."""
    cut = str(r.choice(cuts))
    seed = int(r.integers(1 << 31))
    if cut == "jacket":
        return Outfit(cut, str(r.choice(["plain", "tweed"])), pick(r, DARK), pick(r, PALE), seed)
    if cut == "sash":
        return Outfit(cut, "plain", pick(r, PALE), pick(r, SILK), seed)
    if cut == "crossed":
        return Outfit(cut, str(r.choice(["plain", "linen", "pinstripe"])), pick(r, CLOTH), pick(r, PALE), seed)
    weaves = {
        "tee": ["plain", "plain", "stripes"],
        "shirt": ["plain", "linen", "plaid", "pinstripe"],
        "vneck": ["linen", "plain", "knit"],
    }
    weave = str(r.choice(weaves.get(cut, ["plain", "knit"])))
    return Outfit(cut, weave, pick(r, CLOTH, 0.08), pick(r, PALE if r.random() < 0.6 else CLOTH, 0.08), seed)


def _weave(outfit: Outfit, r: Generator, across: Floats, up: Floats, scale: float) -> Floats:
    """Return the cloth's own colour (h, w, 3), linear, before light and folds."""
    main, second = colour(*outfit.main), colour(*outfit.second)
    height, width = across.shape
    cloth = np.broadcast_to(main, (height, width, 3)).astype(np.float32)
    # Cloth curves over the chest, so its pattern does too.
    bent = up - 0.10 * across**2 + 0.03 * cloudy(r, height, width, scale, 2)
    if outfit.weave == "stripes":
        share = smooth(((bent * 2.6) % 1 < 0.36).astype(np.float32), 0.7)
        cloth = blend(cloth, np.broadcast_to(second, cloth.shape).astype(np.float32), share)
    elif outfit.weave == "pinstripe":
        share = smooth(((across * 4.5) % 1 < 0.13).astype(np.float32), 0.6)
        cloth = blend(cloth, np.broadcast_to(second, cloth.shape).astype(np.float32), 0.6 * share)
    elif outfit.weave == "plaid":
        for line, wide, weight in (
            (bent * 1.5, 0.42, 0.5),
            (across * 1.5, 0.42, 0.5),
            (bent * 1.5 + 0.3, 0.08, 0.8),
            (across * 1.5 + 0.3, 0.08, 0.8),
        ):
            share = smooth((line % 1 < wide).astype(np.float32), 0.7) * weight * 0.7
            cloth = blend(cloth, np.broadcast_to(second * 0.8, cloth.shape).astype(np.float32), share)
    elif outfit.weave == "knit":
        rib = 0.5 + 0.5 * np.sin(across * 52) * np.sin(bent * 40)
        cloth = cloth * (0.86 + 0.24 * rib)[:, :, None]
    thread = cloudy(r, height, width, 6, 3) if outfit.weave in ("linen", "tweed") else cloudy(r, height, width, 4, 2)
    return cloth * (1 + (0.13 if outfit.weave in ("linen", "tweed") else 0.03) * thread)[:, :, None]


def _polygon(points: list[tuple[float, float]], across: Floats, up: Floats, scale: float) -> Floats:
    """Return a soft mask (h, w) of a polygon given in decimetres (across, up)."""
    height, width = across.shape
    left, top = float(across[0, 0]), float(up[0, 0])
    canvas = Image.new("L", (width * 2, height * 2), 0)
    corners = [((x - left) * scale * 2, (top - y) * scale * 2) for x, y in points]
    ImageDraw.Draw(canvas).polygon(corners, fill=255)
    return np.asarray(canvas.resize((width, height), Image.Resampling.BOX), np.float32) / 255


class _Tailor:
    """The cloth being cut: its colour (h, w, 3), its shading (h, w), and where it lies (h, w)."""

    def __init__(self, cloth: Floats, light: Floats, mask: Floats, across: Floats, up: Floats, scale: float) -> None:
        """Take what `dress` has found out."""
        self.cloth, self.light, self.mask = cloth, light, mask
        self.across, self.up, self.scale = across, up, scale

    def area(self, *points: tuple[float, float]) -> Floats:
        """Return a polygon's mask."""
        return _polygon(list(points), self.across, self.up, self.scale)

    def lay(self, ink: Floats, mask: Floats, shadow: float = 0.35, over_skin: bool = False) -> None:
        """Lay cloth of a colour over what is there, with a thin shadow round its edge."""
        halo = smooth(mask, self.scale * 0.05) * (1 - mask)
        self.light = self.light * (1 - shadow * halo)
        self.cloth = blend(self.cloth, np.broadcast_to(ink, self.cloth.shape).astype(np.float32), mask)
        if over_skin:
            self.mask = np.maximum(self.mask, mask)

    def seam(self, mask: Floats, strength: float = 0.4) -> None:
        """Darken a thin line along the edge of a mask."""
        soft = smooth(mask, max(0.6, self.scale * 0.012))
        self.light = self.light * (1 - strength * 4 * soft * (1 - soft) * 0.8)


def _collar(tailor: _Tailor, ink: Floats) -> None:
    """Lay a shirt's collar round the neck and its row of buttons down the front."""
    for side in (-1, 1):
        leaf = tailor.area(
            (side * 0.60, 6.02), (side * 0.66, 5.86), (side * 0.47, 5.16), (side * 0.04, 5.52), (side * 0.30, 5.74)
        )
        tailor.lay(ink * 1.06, leaf, 0.6, over_skin=True)
        tailor.seam(leaf, 0.35)
    placket = tailor.area((-0.1, 5.5), (0.1, 5.5), (0.1, 2.5), (-0.1, 2.5)) * tailor.mask
    tailor.seam(placket, 0.22)
    for height in np.arange(5.2, 2.5, -0.55):
        dot = np.clip(1.4 - np.hypot(tailor.across, tailor.up - height) / 0.035, 0, 1) * tailor.mask
        tailor.lay(ink * 0.55, dot.astype(np.float32), 0.5)


def _opening(tailor: _Tailor, ink: Floats, wide: float, low: float) -> Floats:
    """Cut a V down the front, showing `ink`; return its mask."""
    vee = tailor.area((-wide, 5.95), (0, low), (wide, 5.95)) * tailor.mask
    tailor.cloth = blend(tailor.cloth, np.broadcast_to(ink, tailor.cloth.shape).astype(np.float32), vee)
    inner = smooth(vee, tailor.scale * 0.06)
    tailor.light = tailor.light * (1 - 0.5 * vee * (1 - inner))
    tailor.seam(vee, 0.4)
    return vee


def _jacket(tailor: _Tailor, outfit: Outfit) -> None:
    """Cut a jacket: a shirt with a collar in its opening, and two lapels."""
    main, second = colour(*outfit.main), colour(*outfit.second)
    low = 3.6
    vee = tailor.area((-0.62, 5.98), (-0.5, 5.6), (0, low), (0.5, 5.6), (0.62, 5.98)) * tailor.mask
    tailor.cloth = blend(tailor.cloth, np.broadcast_to(second, tailor.cloth.shape).astype(np.float32), vee)
    tailor.light = tailor.light * (1 - 0.35 * vee * (1 - smooth(vee, tailor.scale * 0.08)))
    for side in (-1, 1):
        leaf = tailor.area(
            (side * 0.54, 6.02), (side * 0.58, 5.88), (side * 0.40, 5.24), (side * 0.03, 5.54), (side * 0.28, 5.74)
        )
        tailor.lay(second * 1.05, leaf, 0.6, over_skin=True)
        tailor.seam(leaf, 0.3)
    for side in (-1, 1):
        lapel = tailor.area(
            (side * 0.66, 5.98),
            (side * 0.44, 5.55),
            (side * 0.0, low),
            (side * 0.12, low - 0.1),
            (side * 0.95, 4.62),
            (side * 0.72, 4.86),
            (side * 0.98, 5.02),
            (side * 0.84, 5.86),
        )
        tailor.lay(main * 1.12, lapel * np.maximum(tailor.mask, 0.0), 0.75)
        tailor.seam(lapel, 0.5)


def _scarf(tailor: _Tailor, outfit: Outfit, r: Generator) -> None:
    """Wind a scarf round the neck."""
    ink = colour(*outfit.second)
    ring = tailor.area(
        (-0.72, 6.12),
        (-0.86, 5.76),
        (-0.62, 5.36),
        (0, 5.14),
        (0.62, 5.36),
        (0.86, 5.76),
        (0.72, 6.12),
        (0.42, 5.88),
        (0, 5.74),
        (-0.42, 5.88),
    )
    tail_side = 1 if r.random() < 0.5 else -1
    tail = tailor.area(
        (tail_side * 0.12, 5.4), (tail_side * 0.58, 5.4), (tail_side * 0.62, 3.2), (tail_side * 0.18, 3.2)
    )
    for part in (tail * tailor.mask, ring):
        tailor.lay(ink, part, 0.8, over_skin=part is ring)
        tailor.seam(part, 0.3)
    folds = np.sin(tailor.up * 26 + 7 * np.cos(tailor.across * 2.2))
    tailor.light = tailor.light * (1 + 0.13 * folds * np.maximum(ring, tail * tailor.mask * 0.3))


def _sash(tailor: _Tailor, outfit: Outfit) -> None:
    """Lay a woven silk sash over the left shoulder and across the chest, as worn on feast days."""
    ink, gold = colour(*outfit.second), colour(206, 168, 88)
    edge = tailor.across * 0.92 + (5.75 - tailor.up) * 0.80 - 1.15
    band = np.clip((0.48 - np.abs(edge)) * tailor.scale * 0.5, 0, 1) * tailor.mask
    tailor.lay(ink, band.astype(np.float32), 0.7)
    along = tailor.across * 0.8 + tailor.up * 0.92
    motif = (np.abs((along * 2.2) % 1 - 0.5) + np.abs((edge * 2.2) % 1 - 0.5) < 0.27) | (
        np.abs(np.abs(edge) - 0.42) < 0.025
    )
    tailor.lay(gold, smooth(motif.astype(np.float32), 0.6) * band.astype(np.float32) * 0.8, 0.0)


def _crossed(tailor: _Tailor, outfit: Outfit, skin: Floats) -> None:
    """Fold a robe's collar left over right, with a white under-collar."""
    _opening(tailor, skin, 0.50, 4.95)
    for wide, ink, thick in ((0.46, colour(236, 232, 224), 0.10), (0.58, colour(*outfit.main) * 0.82, 0.28)):
        for side in (1, -1):
            bottom = (-side * 0.55, 3.3) if side == -1 else (-0.1, 4.4)
            strip = tailor.area(
                (side * wide, 6.02),
                (side * (wide + thick * 0.8), 5.95),
                (bottom[0] + side * thick, bottom[1]),
                bottom,
                (side * (wide - 0.06), 5.7),
            )
            tailor.lay(ink, strip * tailor.mask, 0.5)
            tailor.seam(strip * tailor.mask, 0.35)


def _cut(tailor: _Tailor, outfit: Outfit, skin: Floats, r: Generator) -> None:
    """Cut the cloth to the outfit."""
    if outfit.cut == "shirt":
        _collar(tailor, colour(*outfit.main))
    elif outfit.cut == "jacket":
        _jacket(tailor, outfit)
    elif outfit.cut == "vneck":
        _opening(tailor, skin, 0.52, 4.98)
    elif outfit.cut == "cardigan":
        vee = _opening(tailor, colour(*outfit.second), 0.62, 3.2)
        tailor.seam(vee, 0.5)
    elif outfit.cut == "scarf":
        _scarf(tailor, outfit, r)
    elif outfit.cut == "sash":
        _sash(tailor, outfit)
    elif outfit.cut == "crossed":
        _crossed(tailor, outfit, skin)
    if outfit.cut in ("tee", "cardigan", "sash"):
        inside = distance_transform_edt(tailor.mask > 0.5) / tailor.scale
        near_neck = (np.abs(tailor.across) < 0.85) & (tailor.up > 5.2)
        band = np.clip((0.11 - inside) * 40, 0, 1) * near_neck * tailor.mask
        tailor.light = tailor.light * (1 - 0.16 * band.astype(np.float32))
        tailor.seam(smooth(band.astype(np.float32), 0.6), 0.25)


def _folds(r: Generator, across: Floats, up: Floats, scale: float) -> Floats:
    """Return the light and dark of creases (h, w), about 1: soft, and slanting from the armpits."""
    height, width = across.shape
    drape = cloudy(r, height, width, scale * 1.1, 4, (0.45, 1.7), 0.5)
    slant = cloudy(r, height, width, scale * 0.8, 3, (1.7, 0.5), 0.5)
    side = np.clip(np.abs(across) - 0.6, 0, 1)
    return 1 + 0.17 * drape + 0.14 * slant * side + 0.0 * up


def dress(
    pixels: Floats, alpha: Floats, across: Floats, up: Floats, skin: Colour, outfit: Outfit, scale: float, green: float
) -> tuple[Floats, Floats]:
    """Replace the green shirt in a cut-out (h, w, 3; linear as displayed) by the outfit: new pixels and alpha."""
    r = np.random.default_rng(outfit.seed)
    red_or_blue = np.maximum(pixels[:, :, 0], pixels[:, :, 2])
    share = (pixels[:, :, 1] - 1.15 * red_or_blue) / np.maximum(pixels[:, :, 1], 1e-4) * 1.2
    keyed = (np.clip(share, 0, 1) * (up < 6.5) * (alpha > 0)).astype(np.float32)
    tone = np.clip(pixels[:, :, 1] / 1.18, 0, 3.0)
    light = np.where(keyed > 0.3, tone / (1 - 0.25 * tone) / green**2.2, 0.6).astype(np.float32)
    # Skin-tight light shows the body's form; cloth hangs looser.
    weight = smooth((keyed > 0.3).astype(np.float32), scale * 0.16) + 1e-3
    loose = smooth(light * (keyed > 0.3), scale * 0.16) / weight
    light = 0.35 * light + 0.65 * loose
    alpha, mask, light = hang(alpha, keyed, light, up, scale)
    light = light * _folds(r, across, up, scale)
    tailor = _Tailor(_weave(outfit, r, across, up, scale), light, mask, across, up, scale)
    _cut(tailor, outfit, np.asarray(skin, np.float32) ** 2.2, r)
    lit = tailor.cloth * np.clip(tailor.light, 0.02, 3)[:, :, None]
    shown = lit / (1 + 0.25 * lit) * 1.18
    bare = pixels.copy()
    bare[:, :, 1] = np.where(keyed > 0.02, np.minimum(bare[:, :, 1], 0.7 * bare[:, :, 0]), bare[:, :, 1])
    return blend(bare, shown.astype(np.float32), np.minimum(tailor.mask, 1)), alpha
