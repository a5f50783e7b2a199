"""May a picture be what image-to-image starts from: whoever is in it must have allowed pictures of themselves."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps

from core import consent, image
from core.errors import Refused
from core.generated_checks import NSFW_LIMIT, Checker
from storage import companions, faces, ledger, photos, subjects
from storage.catalog import Catalog
from storage.records import Face, Photo, Purpose, Status
from storage.whole_files import file_hash

LONGEST = 1024  # pixels: at this size faces are sought, as where a catalog is indexed


def start_picture(catalog: Catalog, path: Path, checker: Checker) -> Image.Image:
    """The picture upright in RGB, if it may be drawn from.

    One that the catalog holds shows only people who allow `train-individual` now; any other shows nobody, for nobody
    has said who it is. Kyodaku's own pictures are no exception: their marks are easily forged. Raises Refused,
    BadImage, UnreadablePath.
    """
    picture = image.load(path, image.probe(path).orientation)
    if not _settled(catalog, path):
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


def _settled(catalog: Catalog, path: Path) -> bool:
    """Whether the catalog knows who is in the picture. Raises Refused naming those who do not allow it."""
    content = file_hash(path)
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
