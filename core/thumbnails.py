"""Small copies of photographs, kept in the catalog by content."""

from __future__ import annotations

import os
from pathlib import Path

from core import decoding
from core.errors import BadImage
from storage.catalog import Catalog
from storage.records import Photo


def thumbnail(catalog: Catalog, photo: Photo, longest: int = 320) -> Path:
    """A JPEG of the photograph with its longer side at most `longest`, kept in the catalog by content.

    Raises BadImage, also when the file is not the one that was indexed; JobFailed, UnreadablePath.
    """
    if photo.content_hash is None:
        raise BadImage(f"{photo.path_text}: {photo.error or 'was not read yet'}", "run kyodaku index again")
    kept = catalog.thumbs / photo.content_hash[:2] / f"{photo.content_hash}-{longest}.jpg"
    if kept.exists():
        return kept
    picture = decoding.picture(decoding.ask(photo, longest))
    kept.parent.mkdir(mode=0o700, exist_ok=True)
    part = kept.with_suffix(f".{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            picture.save(file, "JPEG", quality=85)
        part.replace(kept)
    finally:
        part.unlink(missing_ok=True)
    return kept
