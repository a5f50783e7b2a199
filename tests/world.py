"""A catalog with people, photographs and faces, as scanning, face search and naming would have left it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import count

import numpy as np

from core import consent_actions
from storage import faces, photos, subjects
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.photos import ScanBatch
from storage.records import TRAIN_PURPOSES, Box, Photo, Purpose, Subject

TAKEN = datetime(2020, 6, 1, 12)
GRANTED = datetime(2024, 1, 1, tzinfo=UTC)
SIZE = (400, 300)
FACE: Box = (150, 100, 200, 160)
SPACE = "dlib-resnet-v1"
_numbers = count(1)


def adult(catalog: Catalog, name: str, *purposes: Purpose, born: date | None = date(1980, 1, 1)) -> Subject:
    """A person who grants these purposes; none named: both train purposes."""
    person = subjects.add(catalog, name, born=born, at=GRANTED)
    consent_actions.grant(catalog, [person], purposes or sorted(TRAIN_PURPOSES), by="me", at=GRANTED)
    return person


def photograph(
    catalog: Catalog,
    people: Sequence[tuple[Subject | None, Box]],
    *,
    content: str | None = None,
    taken_at: datetime | None = TAKEN,
    error: str | None = None,
    faces_sought: bool = True,
) -> int:
    """A photograph of these people at these boxes; gives its id."""
    number = next(_numbers)
    row = Photo(
        id=0,
        path=f"/archive/{number:05}.jpg".encode(),
        path_text=f"/archive/{number:05}.jpg",
        size=number,
        mtime_ns=1,
        ctime_ns=1,
        inode=number,
        content_hash=None if error else content or hashlib.sha256(str(number).encode()).hexdigest(),
        format="jpeg",
        width=SIZE[0],
        height=SIZE[1],
        taken_at=taken_at,
        taken_offset=None if taken_at is None else 0,
        error=error,
    )
    photos.apply_scan(catalog, ScanBatch(new=[row]))
    found = photos.by_path(catalog, row.path)
    assert found is not None
    if faces_sought:
        embedding = np.zeros(4, dtype=np.float32)
        faces.replace_faces(catalog, found.id, [NewFace(box, 0.99, embedding) for _, box in people], SPACE)
        for face in faces.of_photo(catalog, found.id):
            whose = next(person for person, box in people if box == face.box)
            if whose is not None:
                faces.assign(catalog, [face.id], whose.id, by_person=True)
    return found.id


def portraits(catalog: Catalog, person: Subject, number: int) -> list[int]:
    """Photographs of one person alone."""
    return [photograph(catalog, [(person, FACE)]) for _ in range(number)]
