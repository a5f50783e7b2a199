"""A person as they stand in their photographs, for their receipt: their own face, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from core import framing
from core.errors import BadImage
from core.thumbnails import thumbnail
from storage import faces, photos
from storage.catalog import Catalog
from storage.records import Box, Face, FaceMark, Photo

DECODED = 1024  # longest side of the thumbnails that are cut
SIDE = 160  # pixels of a picture
COVER = (214, 210, 201)  # over other people
BLEED = 2  # pixels: a thumbnail's own reach beyond a box

Shown = Image.Image | str
"""A square picture, or the wording's key for why there is none."""


def pictures(catalog: Catalog, subject_id: int, photo_ids: Sequence[int]) -> Iterator[Shown]:
    """One for each photograph, in their order. Thumbnails are the catalog's, made where they are missing."""
    found = faces.of_photos(catalog, photo_ids)
    for photo in photos.get_many(catalog, photo_ids):
        yield _picture(catalog, photo, found[photo.id], subject_id)


def _picture(catalog: Catalog, photo: Photo, found: Iterable[Face], subject_id: int) -> Shown:
    own = [face for face in found if face.subject_id == subject_id and face.mark is None]
    others = [face.box for face in found if face.subject_id != subject_id and face.mark is not FaceMark.NOT_A_FACE]
    if not own or not photo.width or not photo.height:
        return "picture_unreadable"
    face = max(own, key=lambda one: (one.box[2] - one.box[0]) * (one.box[3] - one.box[1])).box
    framed = frame(face, others, photo.width, photo.height)
    if framed is None:
        return "picture_others"
    crop, masks = framed
    try:
        with Image.open(thumbnail(catalog, photo, DECODED)) as opened:
            thumb = opened.convert("RGB")
    except BadImage:
        return "picture_unreadable" if _is_there(photo) else "picture_gone"
    scale = thumb.width / photo.width
    for mask in masks:
        left, top, right, bottom = (round(edge * scale) for edge in mask)
        thumb.paste(COVER, (left - BLEED, top - BLEED, right + BLEED, bottom + BLEED))
    box = tuple(edge * scale for edge in crop)
    cut = thumb.crop((int(box[0]), int(box[1]), max(int(box[2]), int(box[0]) + 1), max(int(box[3]), int(box[1]) + 1)))
    return cut.resize((SIDE, SIDE), Image.Resampling.LANCZOS)  # after the cut: a filter reads beyond its box


def frame(face: Box, others: Sequence[Box], width: int, height: int) -> tuple[Box, Sequence[Box]] | None:
    """A square around a face, and what of it to cover, so that no other face with its margin shows; None: can't be."""
    alone = framing.crop_alone(face, others, width, height)
    if alone is not None:
        return alone, ()
    crop = framing.whole_crop(face, width, height)
    masks = framing.masks(face, others, crop)
    return None if masks is None else (crop, masks)


def _is_there(photo: Photo) -> bool:
    try:
        return Path(photo.path.decode("utf-8", "surrogateescape")).exists()
    except OSError:
        return False
