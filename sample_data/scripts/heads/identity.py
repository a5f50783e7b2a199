"""People: everything about a face that stays the same from picture to picture, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from . import mesh

Colour = tuple[float, float, float]
OPPOSITES = (
    ("decr", "incr"),
    ("down", "up"),
    ("in", "out"),
    ("backward", "forward"),
    ("concave", "convex"),
    ("compress", "uncompress"),
)
HEAD_SHAPES = ("diamond", "invertedtriangular", "oval", "rectangular", "square", "triangular")
# What a face is told apart by gets more room than the rest: standard deviation of the weight, and its limit.
ROOM = {
    "nose/": (0.44, 0.9),
    "eyes/l-eye-trans": (0.55, 1.0),
    "eyes/": (0.38, 0.8),
    "eyebrows/": (0.45, 0.9),
    "forehead/": (0.45, 0.9),
    "chin/": (0.45, 0.9),
    "cheek/": (0.42, 0.9),
    "mouth/": (0.40, 0.85),
    "head/head-scale": (0.34, 0.65),
    "": (0.35, 0.8),
}
SKIN_TONES = (
    np.array(
        [(238, 204, 186), (229, 186, 160), (205, 152, 118), (168, 116, 86), (120, 80, 60), (84, 56, 44)], np.float64
    )
    / 255
)
HAIR_COLOURS = {
    "black": (22, 19, 18),
    "dark brown": (48, 33, 25),
    "brown": (84, 56, 37),
    "auburn": (105, 50, 28),
    "blond": (176, 140, 86),
    "grey": (140, 138, 135),
    "white": (200, 198, 194),
    "red": (148, 70, 32),
}
EYE_COLOURS = {
    "brown": (84, 52, 30),
    "dark": (46, 30, 22),
    "hazel": (110, 86, 48),
    "green": (84, 108, 72),
    "blue": (88, 122, 158),
    "grey": (118, 128, 134),
}
# Length of the hair shell in decimetres; long hair hangs from a shell of its own besides.
STYLES = {
    "bald": 0.0,
    "receding": 0.08,
    "cropped": 0.05,
    "short": 0.14,
    "medium": 0.26,
    "long": 0.13,
    "tied back": 0.08,
}


@dataclass(frozen=True)
class Brows:
    """Eyebrows in decimetres of the neutral head: height, thickness, arch, tilt, inner and outer ends, density."""

    height: float
    thickness: float
    arch: float
    tilt: float
    inner: float
    outer: float
    density: float


@dataclass(frozen=True)
class Hair:
    """Hair: style, colour by name and value, length and hairline in decimetres, curl from 0 to 1, how it is combed."""

    style: str
    name: str
    colour: Colour
    length: float
    hairline: float
    temple: float
    curl: float
    comb: float
    ends: float
    beard: str


@dataclass(frozen=True)
class Identity:
    """One synthetic adult: shape weights by target name, skin, eyes, hair, brows and marks."""

    seed: int
    sex: str
    age: int
    shape: tuple[tuple[str, float], ...]
    melanin: float
    skin: Colour
    lips: Colour
    eyes: str
    hair: Hair
    brows: Brows
    flush: float
    freckles: float
    tired: float
    moles: tuple[tuple[float, float, float], ...]
    texture_offset: Colour


@lru_cache(maxsize=1)
def shape_pairs() -> tuple[tuple[str, str, str], ...]:
    """Return (target, low suffix, high suffix) of every feature that goes two ways; right sides follow left ones."""
    names = mesh.load().index
    pairs = []
    for name in sorted(names):
        base, _, suffix = name.rpartition("-")
        if name.startswith(("macro", "asym", "neck", "expression")) or "/r-" in name:
            continue
        pairs += [(base, low, high) for low, high in OPPOSITES if suffix == low and f"{base}-{high}" in names]
    return tuple(pairs)


def _macro_weights(rng: np.random.Generator, male: float, old: float, ancestry: np.ndarray) -> dict[str, float]:
    """Weigh the adult macro targets: sex, age, ancestry, muscle and weight."""

    def thirds(value: float) -> dict[str, float]:
        return {"min": max(0, 1 - 2 * value), "average": 1 - abs(2 * value - 1), "max": max(0, 2 * value - 1)}

    muscle = thirds(float(np.clip(0.5 + rng.normal(0, 0.2), 0, 1)))
    heft = thirds(float(np.clip(0.42 + rng.normal(0, 0.2) + 0.1 * old, 0.05, 0.9)))
    weights: dict[str, float] = {}
    for sex, share_sex in (("female", 1 - male), ("male", male)):
        for age, share_age in (("young", 1 - old), ("old", old)):
            for people, share in zip(("african", "asian", "caucasian"), ancestry, strict=True):
                weights[f"macro/{people}-{sex}-{age}"] = share_sex * share_age * share
            for m, share_m in muscle.items():
                for h, share_h in heft.items():
                    weights[f"macro/universal-{sex}-{age}-{m}muscle-{h}weight"] = (
                        share_sex * share_age * share_m * share_h
                    )
    return weights


def _feature_weights(rng: np.random.Generator) -> dict[str, float]:
    """Weigh the features: pairs, one head shape, and a little asymmetry."""
    weights: dict[str, float] = {}
    for base, low, high in shape_pairs():
        spread, limit = next(room for prefix, room in ROOM.items() if base.startswith(prefix))
        value = float(np.clip(rng.normal(0, spread), -limit, limit))
        suffix = high if value > 0 else low
        if "/l-" in base:  # both sides, never quite alike
            for side in (base, base.replace("/l-", "/r-")):
                weights[f"{side}-{suffix}"] = abs(value) * float(np.clip(1 + rng.normal(0, 0.06), 0.8, 1.2))
        else:
            weights[f"{base}-{suffix}"] = abs(value)
    weights[f"head/head-{rng.choice(HEAD_SHAPES)}"] = rng.uniform(0.1, 0.6)
    for name in sorted(mesh.load().index):
        if name.startswith("asym") and rng.random() < 0.12:
            weights[name] = rng.uniform(0, 0.35)
    return weights


def _hair(rng: np.random.Generator, sex: str, age: int, melanin: float, ancestry: np.ndarray) -> Hair:
    """Draw hair that suits age and ancestry."""
    if rng.random() < (age - 42) / 30:
        name = rng.choice(["grey", "white"])
    elif melanin > 2.3 or ancestry[1] > 0.6:
        name = rng.choice(["black", "black", "dark brown"])
    else:
        name = rng.choice(["black", "dark brown", "brown", "brown", "auburn", "blond", "blond", "red"])
    if sex == "man":
        style = rng.choice(["bald", "receding", "cropped", "short", "short", "medium"])
        beard = rng.choice(["none", "none", "stubble", "full", "goatee", "moustache"])
    else:
        style = rng.choice(["short", "medium", "long", "long", "long", "tied back"])
        beard = "none"
    shade = 1 + rng.normal(0, 0.08)
    return Hair(
        style=str(style),
        name=str(name),
        colour=_colour(np.array(HAIR_COLOURS[str(name)]) / 255 * shade),
        length=STYLES[str(style)] * rng.uniform(0.8, 1.25),
        hairline=rng.uniform(7.96, 8.14) + (0.14 if style == "receding" else 0),
        temple=rng.uniform(0, 0.18),
        curl=float(np.clip(ancestry[0] + rng.normal(0, 0.2), 0, 1)),
        comb=float(rng.choice([-1, 1]) * rng.uniform(0.2, 1)),
        ends=rng.uniform(5.2, 6.5),
        beard=str(beard),
    )


def _brows(rng: np.random.Generator, sex: str) -> Brows:
    """Draw eyebrows; men's are thicker."""
    return Brows(
        height=rng.uniform(7.465, 7.555),
        thickness=rng.uniform(0.02, 0.06) * (1.15 if sex == "man" else 0.85),
        arch=rng.uniform(0, 0.08),
        tilt=rng.uniform(-0.10, 0.05),
        inner=rng.uniform(0.09, 0.18),
        outer=rng.uniform(0.49, 0.61),
        density=rng.uniform(0.5, 0.97),
    )


def _colour(values: np.ndarray) -> Colour:
    """Return red, green and blue from 0 to 1."""
    red, green, blue = (float(value) for value in np.clip(values, 0.02, 1))
    return red, green, blue


def _skin(rng: np.random.Generator, melanin: float) -> np.ndarray:
    """Return a skin colour for melanin from 0 (fair) to 5 (dark)."""
    step = int(min(melanin, 4.999))
    share = melanin - step
    tone = SKIN_TONES[step] * (1 - share) + SKIN_TONES[min(step + 1, 5)] * share
    return (tone * (1 + rng.normal(0, 0.03, 3))).clip(0.1, 1)


def make_identity(seed: int) -> Identity:
    """Draw one adult of 32 to 70 years; the same seed is always the same person."""
    rng = np.random.default_rng(10_000 + seed)
    sex = "woman" if rng.random() < 0.5 else "man"
    male = float(np.clip((sex == "man") + rng.normal(0, 0.08), 0, 1))
    old = float(np.clip(0.11 + rng.beta(1.1, 1.8) * 0.64, 0.11, 0.7))  # 0 is 25 years, 1 is 90
    age = int(25 + old * 65)
    ancestry = rng.dirichlet([0.35, 0.35, 0.35])
    shape = _macro_weights(rng, male, old, ancestry) | _feature_weights(rng)
    shape["head/head-age-incr"] = rng.uniform(0.1, 0.4)
    melanin = float(np.clip(ancestry @ np.array([4.2, 1.6, 0.7]) + rng.normal(0, 0.35), 0, 5))
    skin = _skin(rng, melanin)
    eyes = rng.choice(["dark", "brown", "brown"] if melanin > 2 or ancestry[1] > 0.6 else list(EYE_COLOURS))
    hair = _hair(rng, sex, age, melanin, ancestry)
    if rng.random() < 0.65 or sex == "man":
        lips = skin * np.array([0.86, 0.60, 0.60]) * (1 + rng.normal(0, 0.05, 3))
    else:
        lips = np.array([0.62, 0.16, 0.2]) * rng.uniform(0.7, 1.15)
    index = mesh.load().index
    return Identity(
        seed=seed,
        sex=sex,
        age=age,
        shape=tuple((name, float(weight)) for name, weight in shape.items() if name in index and weight > 1e-4),
        melanin=melanin,
        skin=_colour(skin),
        lips=_colour(lips),
        eyes=str(eyes),
        hair=hair,
        brows=_brows(rng, sex),
        flush=rng.uniform(0.1, 0.7),
        freckles=rng.uniform(0.3, 1) if melanin < 1.6 and rng.random() < 0.3 else 0.0,
        tired=rng.uniform(0.1, 0.6),
        moles=tuple(
            (rng.uniform(-0.55, 0.55), rng.uniform(6.4, 7.9), rng.uniform(0.012, 0.024))
            for _ in range(rng.integers(0, 4))
        ),
        texture_offset=(rng.uniform(0, 31), rng.uniform(0, 31), rng.uniform(0, 31)),
    )


def caption(identity: Identity) -> str:
    """Describe a person in the words that the base is trained on."""
    decade = ("thirties", "forties", "fifties", "sixties")[min(identity.age // 10 - 3, 3)]
    tones = ((1, "fair"), (2.2, "light brown"), (3.4, "brown"), (9, "dark"))
    skin = next(name for limit, name in tones if identity.melanin < limit)
    hair = identity.hair
    head = "bald" if hair.style == "bald" else f"{hair.style} {hair.name} hair"
    beards = {
        "none": "",
        "stubble": ", stubble",
        "full": ", full beard",
        "goatee": ", goatee",
        "moustache": ", moustache",
    }
    whose = "his" if identity.sex == "man" else "her"
    return f"photo of a {identity.sex} in {whose} {decade}, {skin} skin, {head}{beards[hair.beard]}"
