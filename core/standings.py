"""Photographs' standings, ruled on in bulk by `core.consent`'s rules, asked once for all that are alike.

Ten thousand photographs of one person differ in what the rules ask only by how old the person was then and by
whom else they show. So a ruling is kept under exactly what it was made from, and thousands of photographs ask few.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core import consent
from core.consent import AgeThen, PhotoRuling, Ruling
from storage import claims, ledger, subjects
from storage.catalog import Catalog
from storage.records import Event, Face, FaceMark, Photo, Purpose, Rights, Subject
from storage.statuses import FaceFacts, PhotoFacts, Standing

PURPOSES = tuple(Purpose)


_FaceKey = tuple[int | None, int, str | None, AgeThen]
"""All that the ruling on a face is made from at one instant and one state of the catalog: its facts, the age then."""

_PhotoKey = tuple[frozenset[int], str, int, int, str | None]
"""All that a standing is made from: classes of faces that are ruled on alike, rights, failed, sought, bars."""


class Ruler:
    """Rules on photographs at one instant, while nothing in the catalog changes: within one transaction."""

    def __init__(self, catalog: Catalog, at: datetime) -> None:
        self._catalog = catalog
        self._at = at
        self._people: dict[int, Subject] = {}
        self._events: dict[str, list[Event]] = {}
        self._class_of: dict[_FaceKey, int] = {}
        self._classes: dict[tuple[Ruling | None, ...], int] = {}
        self._rulings: list[tuple[Ruling | None, ...]] = []  # by class, in the order of purposes
        self._standings: dict[_PhotoKey, Standing] = {}

    def standings(self, photographs: Sequence[PhotoFacts]) -> dict[int, Standing]:
        """The standings of photographs, by id, in their order."""
        self._meet(photographs)
        return {seen.id: self._standing(seen) for seen in photographs}

    def plainly(self, photographs: Sequence[PhotoFacts]) -> dict[int, Standing]:
        """As `standings`, by the rule for one photograph and nothing kept: slower, to hold the other against."""
        self._meet(photographs)
        return {seen.id: _standing_of([self._ruling(seen, purpose) for purpose in PURPOSES]) for seen in photographs}

    def _meet(self, photographs: Sequence[PhotoFacts]) -> None:
        """Read the people shown, and what they said, of whom nothing was read yet."""
        shown = {face.subject_id for seen in photographs for face in seen.faces if face.subject_id is not None}
        people = subjects.get_many(self._catalog, shown - self._people.keys())
        self._people |= people
        self._events |= ledger.events_of_many(self._catalog, [person.uid for person in people.values()])

    def _ruling(self, seen: PhotoFacts, purpose: Purpose) -> PhotoRuling:
        faces = [_face(number, face) for number, face in enumerate(seen.faces)]
        return consent.photo_ruling(_photo(seen), faces, self._people, self._events, purpose, self._at)

    def _standing(self, seen: PhotoFacts) -> Standing:
        key = (frozenset(self._faces(seen)), seen.rights, seen.failed, seen.sought, seen.barred)
        known = self._standings.get(key)
        if known is None:
            counted = [self._rulings[number] for number in key[0]]
            photo = _photo(seen)
            known = self._standings[key] = _standing_of(
                [
                    consent.weigh([ruling for ruling in of_purpose if ruling is not None], photo, purpose)
                    for purpose, of_purpose in zip(
                        PURPOSES, zip(*counted, strict=True) if counted else [()] * len(PURPOSES), strict=True
                    )
                ]
            )
        return known

    def _faces(self, seen: PhotoFacts) -> list[int]:
        """The classes of a photograph's faces."""
        taken_at = _taken(seen) if seen.faces else None
        found = []
        for face in seen.faces:
            person = self._people.get(face.subject_id) if face.subject_id is not None else None
            then = AgeThen.NOT_KNOWN if person is None else consent.age_then(person, taken_at)
            key = (*face, then)
            known = self._class_of.get(key)
            found.append(self._class(key, face, person, taken_at) if known is None else known)
        return found

    def _class(self, key: _FaceKey, face: FaceFacts, person: Subject | None, taken_at: datetime | None) -> int:
        """The class of a face that is like none before: of those of whom the same is said."""
        events = () if person is None else self._events[person.uid]
        rulings = tuple(
            consent.face_ruling(_face(0, face), person, events, purpose, taken_at, self._at) for purpose in PURPOSES
        )
        # for a standing nothing but status and end counts: people of whom these are the same make one class
        alike = tuple(None if one is None else Ruling(one.status, None, one.until, "") for one in rulings)
        number = self._classes.setdefault(alike, len(self._rulings))
        if number == len(self._rulings):
            self._rulings.append(alike)
        self._class_of[key] = number
        return number


def _standing_of(rulings: Sequence[Ruling | PhotoRuling]) -> Standing:
    return tuple((purpose, ruling.status, ruling.until) for purpose, ruling in zip(PURPOSES, rulings, strict=True))


def _taken(seen: PhotoFacts) -> datetime | None:
    wall = None if seen.taken_at is None else datetime.fromisoformat(seen.taken_at)
    return consent.local(wall, seen.taken_offset, seen.taken_source)


def _photo(seen: PhotoFacts) -> Photo:
    """The record that the rules take, with what they ask for and nothing else."""
    return Photo(
        id=seen.id,
        path=b"",
        path_text="",
        size=0,
        mtime_ns=0,
        ctime_ns=0,
        inode=0,
        taken_at=None if seen.taken_at is None else datetime.fromisoformat(seen.taken_at),
        taken_offset=seen.taken_offset,
        taken_source=seen.taken_source,
        rights=Rights(seen.rights),
        error="it failed" if seen.failed else None,
        faces_space="sought" if seen.sought else None,
        barred=claims.barred_of(seen.barred),
    )


def _face(number: int, face: FaceFacts) -> Face:
    return Face(
        id=number,
        photo_id=0,
        box=(0, 0, 0, 0),
        probability=0.0,
        space="",
        subject_id=face.subject_id,
        assigned_by_person=bool(face.by_person),
        mark=None if face.mark is None else FaceMark(face.mark),
    )
