"""A file as the catalog has it on record: these bytes, or none."""

from __future__ import annotations

import os
import stat as stats
from pathlib import Path

from blake3 import blake3

from core.errors import BadImage

_MOST_BYTES = 1 << 30


def read(path: bytes | Path, content_hash: str | None, recorded: str) -> bytes:
    """The file's bytes, whose blake3 is `content_hash`; no link is followed and no pipe waited for.

    Raises BadImage; `recorded` tells there since when they should be the same.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(file, "rb") as source:
            stat = os.fstat(file)
            if not stats.S_ISREG(stat.st_mode) or stat.st_size > _MOST_BYTES:
                raise BadImage("it is no file that can be copied")
            data = source.read(_MOST_BYTES)
    except OSError as error:
        raise BadImage(f"it can't be read: {error.strerror}") from error
    if blake3(data).hexdigest() != content_hash:
        raise BadImage(f"it changed since it was {recorded}")
    return data
