"""The photographer's jobs: folder, place, day, light, backdrops and cameras."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from . import indoors, outdoors
from .backdrop import Painter

SCENES: dict[str, Painter] = {
    "plaster": indoors.plaster_wall,
    "boards": indoors.boards,
    "bricks": indoors.bricks,
    "studio": indoors.studio,
    "window": indoors.window_room,
    "books": indoors.bookshelf,
    "cafe": indoors.cafe,
    "shoji": indoors.shoji,
    "atelier": indoors.atelier,
    "garden": outdoors.garden,
    "bamboo": outdoors.bamboo,
    "street": outdoors.street,
    "evening": outdoors.evening_street,
    "market": outdoors.market,
    "temple": outdoors.temple,
    "alps": outdoors.lake_and_alps,
    "sea": outdoors.inland_sea,
    "river": outdoors.river_dusk,
    "karst": outdoors.karst,
}


@dataclass(frozen=True)
class Camera:
    """A camera and the lens on it: names as EXIF has them, focal lengths in mm, widest aperture, and file names."""

    make: str
    model: str
    lens_make: str
    lens: str
    focal: tuple[float, ...]
    crop: float
    aperture: float
    pattern: str
    software: str


@dataclass(frozen=True)
class Job:
    """One job: its folder, where and when it was, what stood behind the people, and with what it was photographed."""

    region: str
    folder: str
    town: str
    place: tuple[float, float]
    offset: str
    start: str
    scenes: tuple[str, ...]
    cameras: tuple[str, str]
    first: int
    dress: tuple[str, ...]
    group_name: str = ""
    gps: bool = True


def _read() -> tuple[dict[str, Camera], tuple[Job, ...]]:
    """Read the cameras and the jobs from jobs.toml."""
    table = tomllib.loads(Path(__file__).with_name("jobs.toml").read_text("utf-8"))
    cameras = {name: Camera(**{**fields, "focal": tuple(fields["focal"])}) for name, fields in table["cameras"].items()}
    jobs = [
        Job(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})
        for fields in table["jobs"]
    ]
    return cameras, tuple(jobs)


CAMERAS, JOBS = _read()
