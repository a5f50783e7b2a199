"""Take one planned photograph: backdrop, people, development."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from PIL import Image

from . import indoors, outdoors
from .backdrop import Backdrop
from .cast import Person
from .clothes import Outfit, draw_outfit
from .compose import add_figure, develop, draw_grade, foreground
from .figure import Figure, build, draw_pose, figure
from .jobs import SCENES
from .paint import Floats, resized, smooth
from .plan import Shot
from .still import still_life

Face = tuple[str, int, int, int, int]
WIDEST = 2.75  # decimetres from the middle of a person to the end of the sleeve
OPEN_AIR = ("garden", "bamboo", "temple")


@dataclass(frozen=True, eq=False)
class Photograph:
    """A developed picture, its faces (name, x0, y0, x1, y1 in pixels of the upright picture), and its film speed."""

    image: Image.Image
    faces: tuple[Face, ...]
    iso: int


@dataclass(frozen=True)
class _Place:
    """Where a person stands: the eyes (pixels), pixels a decimetre, and where the head turns."""

    person: Person
    x: float
    eyes: float
    scale: float
    towards: float


def _empty(shot: Shot, r: Generator) -> Backdrop:
    """Paint a view without people: in focus from front to back."""
    if shot.scene == "still":
        return still_life(r, *shot.size)
    sharp = {
        "alps": outdoors.lake_and_alps,
        "sea": outdoors.inland_sea,
        "river": outdoors.river_dusk,
        "karst": outdoors.karst,
        "shoji": indoors.shoji,
        "window": indoors.window_room,
        "books": indoors.bookshelf,
    }
    return sharp[shot.scene](r, *shot.size, blur=1.3 if shot.scene in ("window", "books", "shoji") else 0.5)


def _backdrop(shot: Shot, r: Generator) -> Backdrop:
    """Paint what stands behind; two corners of each place of a job are used again and again."""
    if not shot.members:
        return _empty(shot, r)
    corner = np.random.default_rng([shot.job.first, sorted(SCENES).index(shot.scene), int(r.integers(2))])
    return SCENES[shot.scene](corner, *shot.size)


def outfit_of(person: Person, shot: Shot) -> Outfit:
    """Return what a person wore at a job: the same in all its pictures."""
    return draw_outfit(np.random.default_rng([person.seed, shot.job.first]), shot.job.dress)


def _sitting(shot: Shot, r: Generator) -> list[_Place]:
    """Place one person: in the middle of an upright picture, to one side of a lying one."""
    width, height = shot.size
    body = build(shot.members[0].who)
    drop = body.crown - body.eyes
    headroom, reach = r.uniform(0.2, 0.55), r.uniform(2.2, 3.3)
    scale = height / (drop + headroom + reach)
    side = float(r.choice([-1, 1]))
    share = 0.5 + (side * r.uniform(0.10, 0.17) if width > height else r.normal(0, 0.025))
    towards = -side * 0.10 if width > height else 0.0
    return [_Place(shot.members[0], share * width, (drop + headroom) * scale, scale, towards)]


def _gathering(shot: Shot, r: Generator) -> list[_Place]:
    """Place two to four people side by side, those behind first."""
    width, height = shot.size
    count = len(shot.members)
    spacing = r.uniform(2.15, 2.45)
    scale = min(width / (count * spacing + (1.5 if count < 4 else 0.9)), height / r.uniform(4.7, 5.0))
    bodies = [build(person.who) for person in shot.members]
    drop = max(body.crown - body.eyes for body in bodies)
    top = max(height / scale - drop - r.uniform(3.0, 3.6), 0.5) * 0.6
    places = []
    for index, person in enumerate(shot.members):
        offset = index - (count - 1) / 2
        behind = count > 2 and index % 2 == 1
        near = scale * (0.94 if behind else 1.0)
        eyes = (drop + top + (r.uniform(-0.15, 0.10) if behind else r.uniform(0.1, 0.55))) * scale
        x = width / 2 + offset * spacing * scale + r.normal(0, 0.05) * scale
        places.append(_Place(person, x, eyes, near, float(-0.07 * offset)))
    return sorted(places, key=lambda place: place.scale)


def _cut_out(place: _Place, shot: Shot, backdrop: Backdrop, r: Generator) -> Figure:
    """Render one person for their place, down to the picture's lower edge and out to the sleeves."""
    body = build(place.person.who)
    drop = body.crown - body.eyes
    below = (shot.size[1] - place.eyes) / place.scale + 0.05
    half_seen = min(WIDEST, (shot.size[0] / 2 + abs(place.x - shot.size[0] / 2)) / place.scale)
    reach = max(below, 2 * half_seen - drop)
    pose = draw_pose(r, 0.8 if len(shot.members) > 1 else 1.0, place.towards)
    return figure(place.person.who, pose, backdrop.light, outfit_of(place.person, shot), place.scale, reach)


def _ambience(backdrop: Backdrop) -> Floats:
    """Return the light that the surroundings throw (h, w, 3): the backdrop, far out of focus."""
    height, width = backdrop.pixels.shape[:2]
    small = resized(smooth(backdrop.pixels, 4), width // 8, height // 8)
    return resized(smooth(small, height / 8 * 0.09), width, height)


def take(shot: Shot) -> Photograph:
    """Render a planned photograph."""
    r = np.random.default_rng(shot.seed)
    backdrop = _backdrop(shot, r)
    pixels, ambience = backdrop.pixels, _ambience(backdrop)
    dim = 0.84 if backdrop.iso >= 1600 else 1.0
    places = [] if not shot.members else _sitting(shot, r) if len(shot.members) == 1 else _gathering(shot, r)
    faces: list[Face] = []
    for number, place in enumerate(places):
        person = _cut_out(place, shot, backdrop, r)
        left, top = round(place.x - person.alpha.shape[1] / 2), round(place.eyes - person.eyes)
        person = replace(person, colour=person.colour * dim)
        pixels = add_figure(pixels, ambience, person, left, top, backdrop, crowd=number > 0)
        x0, y0, x1, y1 = person.box
        edges = (max(0, x0 + left), max(0, y0 + top), min(shot.size[0], x1 + left), min(shot.size[1], y1 + top))
        faces.append((place.person.name, *(round(edge) for edge in edges)))
    if len(shot.members) == 1 and shot.scene in OPEN_AIR and r.random() < 0.3:
        pixels = foreground(pixels, r)
    grade = draw_grade(r, backdrop.iso)
    image = develop(pixels, r, grade if shot.members else replace(grade, mono=False))
    return Photograph(image, tuple(sorted(faces, key=lambda face: face[1])), backdrop.iso)
