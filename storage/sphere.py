"""Distance on the Earth, which searches by place ask the database for. Pure."""

from __future__ import annotations

import math

EARTH_KM = 6371.0088  # mean radius


def km_between(lat1: float | None, lon1: float | None, lat2: float, lon2: float) -> float | None:
    """Great-circle distance of two points in degrees, by the haversine formula (off by at most 0.6 %).

    None for a point that is not on record, as SQL has it.
    """
    if lat1 is None or lon1 is None:
        return None
    a, b = math.radians(lat1), math.radians(lat2)
    across, along = math.sin((b - a) / 2), math.sin(math.radians(lon2 - lon1) / 2)
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(across**2 + math.cos(a) * math.cos(b) * along**2)))
