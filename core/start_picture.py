"""May a picture be what image-to-image starts from: whoever is in it must have allowed pictures of themselves.

So it is of inpainting too, and of the whole picture: a mask says where is drawn, not who is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from blake3 import blake3
from PIL import Image, ImageOps

from core import consent, image
from core.errors import BadImage, BadValue, Refused, UnreadablePath
from core.generated_checks import NSFW_LIMIT, Checker
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
        mask = None if self.mask is None else _square(self.mask, side, Image.Resampling.BOX)
        if mask is not None and mask.getbbox() is None:
            raise BadValue("the mask is black all over", "paint white what is to be drawn anew")
        return replace(self, picture=_square(self.picture, side, Image.Resampling.LANCZOS), mask=mask)


def start_picture(catalog: Catalog, path: Path, checker: Checker, mask: Path | None = None) -> Start:
    """The picture upright, with its mask, if it may be drawn from.

    One that the catalog holds shows only people who allow `train-individual` now; any other shows nobody, for nobody
    has said who it is. Kyodaku's own pictures are no exception: their marks are easily forged. Raises Refused,
    BadImage, UnreadablePath, and BadValue for a mask of another size.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadablePath(f"{path} can't be read: {error.strerror}", "name a picture") from error
    try:
        picture = image.load(BytesIO(data), image.probe(BytesIO(data)).orientation)
    except BadImage as error:
        raise BadImage(f"{path}: {error.message}", error.hint) from error
    content = blake3(data).hexdigest()
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
    mask = image.load(path, image.probe(path).orientation).convert("L")
    if mask.size != size:
        told = f"{mask.width} x {mask.height} pixels, the picture {size[0]} x {size[1]}"
        raise BadValue(f"{path}: the mask has {told}", "make it as large as the picture")
    return mask


def _square(picture: Image.Image, side: int, by: Image.Resampling) -> Image.Image:
    return ImageOps.fit(picture, (side, side), by)


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
