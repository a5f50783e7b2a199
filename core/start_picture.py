"""May a picture be what image-to-image starts from: whoever is in it must have allowed pictures of themselves.

So it is of inpainting too, and of the whole picture: a mask says where is drawn, not who is asked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageOps

from core import consent, decoding
from core.companions import Shot
from core.errors import BadImage, BadValue, Refused
from core.generated_checks import NSFW_LIMIT, Checker
from core.readers import Readers
from storage import companions, faces, ledger, photos, subjects
from storage.catalog import Catalog
from storage.records import Face, Photo, Purpose, Status

LONGEST = 1024  # pixels: at this size faces are sought, as where a catalog is indexed
STRENGTH = 0.6


@dataclass(frozen=True, slots=True)
class Start:
    """An RGB picture to draw from, with the blake3 of its file; `mask` (L, of its size) is white where is drawn anew.

    `strength`, 0..1: how far to go from it.
    """

    picture: Image.Image
    content_hash: str
    mask: Image.Image | None = None
    strength: float = STRENGTH

    def square(self, side: int) -> Start:
        """The largest square in its middle, at `side` pixels. Raises BadValue where the mask leaves nothing to draw."""
        mask = None if self.mask is None else ImageOps.fit(self.mask, (side, side), Image.Resampling.BOX)
        if mask is not None and mask.getbbox() is None:
            raise BadValue("the mask is black all over", "paint white what is to be drawn anew")
        picture = ImageOps.fit(self.picture, (side, side), Image.Resampling.LANCZOS)
        return replace(self, picture=picture, mask=mask)


def start_picture(catalog: Catalog, path: Path, checker: Checker, mask: Path | None = None) -> Start:
    """The picture upright, with its mask, if it may be drawn from.

    One that the catalog holds shows only people who allow `train-individual` now; any other shows nobody, for nobody
    has said who it is. Kyodaku's own pictures are no exception: their marks are easily forged. Raises Refused,
    BadImage, JobFailed, UnreadablePath, and BadValue for a mask of another size.
    """
    picture, content = _read(path)
    if not _settled(catalog, path, content):
        seen = checker.faces(ImageOps.contain(picture, (LONGEST, LONGEST)) if max(picture.size) > LONGEST else picture)
        if seen:
            raise Refused(
                f"{path}: somebody is seen in it, and the catalog does not know who allowed it",
                "index it and settle consent first",
            )
    (looked,) = checker.look([picture])
    if looked.nsfw >= NSFW_LIMIT:
        raise Refused(f"{path}: sexual content suspected ({looked.nsfw:.2f})", "start from another picture")
    return Start(picture, content, None if mask is None else _mask(mask, picture.size))


def _mask(path: Path, size: tuple[int, int]) -> Image.Image:
    mask, _ = _read(path)
    if mask.size != size:
        told = f"{mask.width} x {mask.height} pixels, the picture {size[0]} x {size[1]}"
        raise BadValue(f"{path}: the mask has {told}", "make it as large as the picture")
    return mask.convert("L")


def _read(path: Path) -> tuple[Image.Image, str]:
    """The picture upright, and the blake3 of its file; which bytes are looked up and decoded is told by that."""
    with Readers(1) as readers:
        readers.submit([Shot(os.fsencode(path.resolve()))])
        found = [reading.photo for reading in readers.collect()]
    if not found:
        raise BadImage(f"{path} is no file that can be read")
    if found[0].error is not None or found[0].content_hash is None:
        raise BadImage(f"{path}: {found[0].error}")
    content = found[0].content_hash
    return decoding.picture(decoding.ask(found[0], content_hash=content)), content


def _settled(catalog: Catalog, path: Path, content: str) -> bool:
    """Whether the catalog knows who is in the picture. Raises Refused naming those who do not allow it."""
    same = photos.get_many(catalog, [row.file.id for row in photos.with_content(catalog, [content]).get(content, ())])
    # a RAW shows whom its JPEG does: that says who is against, but not that nobody else is in it
    beside = photos.get_many(catalog, companions.with_content(catalog, [content]).get(content, []))
    shown = faces.of_photos(catalog, [photo.id for photo in (*same, *beside)])
    against = [why for photo in (*same, *beside) for why in _against(catalog, photo, shown[photo.id])]
    if against:
        raise Refused(f"{path}: {'; '.join(dict.fromkeys(against))}", "start from another picture, or ask them")
    return any(photo.faces_space is not None and photo.error is None and shown[photo.id] for photo in same)


def _against(catalog: Catalog, photo: Photo, seen: list[Face]) -> list[str]:
    """Why each person in a photograph of the catalog who does not allow pictures of themselves does not."""
    people = subjects.get_many(catalog, {face.subject_id for face in seen if face.subject_id is not None})
    events = ledger.events_of_many(catalog, [person.uid for person in people.values()])
    ruling = consent.photo_ruling(photo, seen, people, events, Purpose.TRAIN_INDIVIDUAL, ledger.instant(catalog))
    claimed = [each.why for each in consent.claim_rulings(photo, Purpose.TRAIN_INDIVIDUAL)]
    faced = [face.why for face in ruling.per_face.values() if face is not None and face.status is not Status.GRANTED]
    return [*faced, *claimed]
