"""An archive of a few people with pictures, faces and consent on record: what training starts from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from core import cohort as cohorts
from core import scan
from storage import artifacts, faces, ledger, photos, subjects
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.records import Cohort, CohortRules, EventKind, GroupRule, Purpose, Subject

SPACE = "dlib-resnet-v1"
SIDE = 64
FACE = (16, 12, 48, 52)
GRANTED = datetime(2025, 1, 1, tzinfo=UTC)
BOTH = (Purpose.TRAIN_COMPOSITE, Purpose.TRAIN_INDIVIDUAL)


@dataclass(frozen=True, slots=True)
class SmallArchive:
    """A catalog with `people` who allow training, `pictures` of each."""

    catalog: Catalog
    folder: Path
    people: list[Subject]

    def freeze(self, name: str = "all", *, of: int | None = None, purpose: Purpose = Purpose.TRAIN_COMPOSITE) -> Cohort:
        """A frozen cohort of the first `of` people, or of all."""
        chosen = self.people[:of]
        query = " or ".join(f'subject:"{person.name}"' for person in chosen)
        rules = CohortRules(purpose=purpose, min_subjects=1, group=GroupRule.CROP)
        cohorts.create(self.catalog, name, query, rules)
        cohorts.freeze(self.catalog, name)
        return artifacts.get_cohort(self.catalog, name)

    def withdraw(self, person: Subject, purpose: Purpose = Purpose.TRAIN_COMPOSITE) -> None:
        """Put a withdrawal into the ledger; what it reaches is left for the code under test."""
        ledger.append(
            self.catalog, kind=EventKind.WITHDRAWAL, subject_uid=person.uid, purposes=(purpose,), by=person.name
        )


def build(
    catalog: Catalog,
    folder: Path,
    *,
    people: int = 3,
    pictures: int = 3,
    purposes: tuple[Purpose, ...] = BOTH,
    uids: bool = True,
) -> SmallArchive:
    """Draw the pictures, index them and put the people on record; the same bytes every time."""
    draws = np.random.default_rng(5)
    folder.mkdir(parents=True)
    for number in range(people):
        for picture in range(pictures):
            _draw(folder / f"{number}-{picture}.png", number, picture)
    scan.index(catalog, [folder])
    known = subjects.add_many(
        catalog,
        [
            Subject(
                id=0,
                uid=f"{number:x}" * 32 if uids else "",
                name=f"Person {number - 1}",
                adult_attested_by="the photographer",
                adult_attested_how="identity card",
            )
            for number in range(1, people + 1)
        ],
        at=GRANTED,
    )
    for number, person in enumerate(known):
        centre = draws.normal(size=128) / 8
        for picture in range(pictures):
            photo = photos.by_path(catalog, str(folder / f"{number}-{picture}.png").encode())
            assert photo is not None
            vector = (centre + draws.normal(size=128) / 60).astype(np.float32)
            faces.replace_faces(catalog, photo.id, [NewFace(FACE, 0.999, vector)], SPACE)
            found = [face.id for face in faces.of_photo(catalog, photo.id)]
            faces.assign(catalog, found, person.id, by_person=True)
        ledger.append(
            catalog, kind=EventKind.GRANT, subject_uid=person.uid, purposes=purposes, by=person.name, at=GRANTED
        )
    return SmallArchive(catalog, folder, known)


def _draw(path: Path, person: int, picture: int) -> None:
    image = Image.new("RGB", (SIDE, SIDE), (40 + 30 * picture, 90, 130))
    pen = ImageDraw.Draw(image)
    pen.ellipse(FACE, fill=(200 - 20 * person, 150, 120 + 10 * person))
    pen.ellipse((24, 24 + person, 29, 29 + person), fill=(20, 20, 60))
    pen.ellipse((36, 24 + person, 41, 29 + person), fill=(20, 20, 60))
    pen.line((26, 42, 40, 42 - person), fill=(150, 40, 40), width=2)
    image.save(path)
