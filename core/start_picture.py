"""May a picture be what image-to-image starts from: whoever is in it must have allowed pictures of themselves."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image, ImageOps

from core import consent, decoding
from core.companions import Shot
from core.errors import BadImage, Refused
from core.generated_checks import NSFW_LIMIT, Checker
from core.readers import Readers
from storage import companions, faces, ledger, photos, subjects
from storage.catalog import Catalog
from storage.records import Face, Photo, Purpose, Status

LONGEST = 1024  # pixels: at this size faces are sought, as where a catalog is indexed


def start_picture(catalog: Catalog, path: Path, checker: Checker) -> Image.Image:
    """The picture upright in RGB, if it may be drawn from.

    One that the catalog holds shows only people who allow `train-individual` now; any other shows nobody, for nobody
    has said who it is. Kyodaku's own pictures are no exception: their marks are easily forged. Raises Refused,
    BadImage, JobFailed, UnreadablePath.
    """
    photo = _read(path)
    picture = decoding.picture(decoding.ask(photo, content_hash=photo.content_hash))
    if not _settled(catalog, path, photo.content_hash or ""):
        seen = checker.faces(ImageOps.contain(picture, (LONGEST, LONGEST)) if max(picture.size) > LONGEST else picture)
        if seen:
            raise Refused(
                f"{path}: somebody is seen in it, and the catalog does not know who allowed it",
                "index it and settle consent first",
            )
    (looked,) = checker.look([picture])
    if looked.nsfw >= NSFW_LIMIT:
        raise Refused(f"{path}: sexual content suspected ({looked.nsfw:.2f})", "start from another picture")
    return picture


def _read(path: Path) -> Photo:
    """What the file holds, as it would be indexed; which bytes are looked up and decoded is told by their hash."""
    with Readers(1) as readers:
        readers.submit([Shot(os.fsencode(path.resolve()))])
        found = [reading.photo for reading in readers.collect()]
    if not found:
        raise BadImage(f"{path} is no file that can be read")
    if found[0].error is not None or found[0].content_hash is None:
        raise BadImage(f"{path}: {found[0].error}")
    return found[0]


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
