"""Where Kyodaku writes what it hands out: never into the archive, nor into the catalog."""

from __future__ import annotations

import os
from pathlib import Path

from core.errors import BadValue
from core.walk import within
from storage import photos
from storage.catalog import Catalog


def require(catalog: Catalog, out: Path) -> None:
    """Raises BadValue for a folder that is one of the archive, or lies in the catalog."""
    real = os.path.realpath(os.fsencode(out))
    if within(real, os.path.realpath(os.fsencode(catalog.folder))):
        raise BadValue(f"{out} lies in the catalog", "name a folder elsewhere")
    if photos.in_folder(catalog, real):
        raise BadValue(f"{out} is a folder of the archive, which is never written to", "name a folder elsewhere")
