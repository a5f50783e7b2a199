"""How each photograph of a cohort trains: what is cut out of it, whose face that shows, and what becomes of the others.

Boxes are in pixels of the upright photograph; those of other people's faces have the margin (`framing.MARGIN`) that
is kept off or covered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from core import framing
from core.selection import People, photographs
from storage.catalog import Catalog
from storage.records import Box, CohortItem, Face, Photo


class How(StrEnum):
    """What of a photograph trains."""

    WHOLE = "whole"
    CROP = "crop"
    MASK = "mask"  # a crop with other people's faces in it covered: filled, and without weight in the loss


@dataclass(frozen=True, slots=True)
class Other:
    """A face that does not train in a cut: whose, where that is known, and its box with its margin.

    `masked`: it lies in the cut and is covered; else it lies outside.
    """

    face: int
    subject: str | None
    box: Box
    masked: bool


@dataclass(frozen=True, slots=True)
class Cut:
    """One picture that trains: the part `box` of a photograph, which shows the face of `subject`.

    `masks` are the boxes that are covered; `others` all faces of the photograph that count, but the one that trains.
    """

    how: How
    box: Box
    subject: str
    face: int
    face_box: Box
    masks: tuple[Box, ...]
    others: tuple[Other, ...]

    def line(self) -> str:
        """For a person to read."""
        told = f"{self.how} {_told(self.box)}, shows {self.subject} (face {self.face})"
        for masked, word in ((True, "masked"), (False, "outside")):
            faces = [one for one in self.others if one.masked is masked]
            if faces:
                told += f"; {word}: " + ", ".join(f"{one.subject or 'nobody named'} {_told(one.box)}" for one in faces)
        return told


@dataclass(frozen=True, slots=True)
class Picture:
    """A photograph and what of it trains: a cut for each person."""

    photo: int
    cuts: tuple[Cut, ...]

    def lines(self) -> list[str]:
        """For a person to read: a line a cut."""
        return [f"photograph {self.photo}: {cut.line()}" for cut in self.cuts]


def of_items(catalog: Catalog, items: Iterable[CohortItem]) -> list[Picture]:
    """How these pictures train, by photograph."""
    by_photo: dict[int, list[CohortItem]] = defaultdict(list)
    for item in items:
        by_photo[item.photo_id].append(item)
    people = People(catalog)
    return [
        Picture(photo.id, tuple(_cut(photo, found, item, people) for item in by_photo[photo.id]))
        for photo, found in photographs(catalog, sorted(by_photo), people)
    ]


def _cut(photo: Photo, found: Sequence[Face], item: CohortItem, people: People) -> Cut:
    own = next((face for face in found if face.id == item.face_id), None)
    width, height = photo.width or 0, photo.height or 0
    others = []
    for face in found:
        if face.id != item.face_id and face.mark is None:
            box = framing.clipped(framing.around(face.box), width, height)
            others.append(Other(face.id, people.name(face), box, framing.common_area(box, item.crop) > 0))
    person = people.by_id.get(item.subject_id)
    return Cut(
        how=How.MASK if item.masks else How.WHOLE if item.crop == (0, 0, width, height) else How.CROP,
        box=item.crop,
        subject=person.name if person else f"subject {item.subject_id}",
        face=item.face_id,
        face_box=own.box if own else item.crop,
        masks=item.masks,
        others=tuple(others),
    )


def _told(box: Box) -> str:
    return f"{box[0]},{box[1]}-{box[2]},{box[3]}"
