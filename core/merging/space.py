"""Is there room for what will be written?"""

from __future__ import annotations

import shutil
from pathlib import Path

from core.errors import NotEnoughSpace

SPARE = 64 << 20  # bytes left free beside the file, for the database and its log


def require_space(folder: Path, nbytes: int) -> None:
    """Raises NotEnoughSpace unless `folder`'s disk takes `nbytes` more."""
    free = shutil.disk_usage(folder).free
    if nbytes + SPARE > free:
        raise NotEnoughSpace(
            f"{folder} has {free / 1e6:,.0f} MB free where {(nbytes + SPARE) / 1e6:,.0f} MB are needed",
            "free some space, or move the catalog",
        )
