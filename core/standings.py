"""Photographs' standings, ruled on by the set by `core.consent`'s rules, asked once for all that are alike.

Ten thousand photographs of one person differ in what the rules ask only by how old the person was then and by
whom else they show. So photographs are first put together that show the same people, taken between the same turns
of their ages; one of each such set is ruled on, and that ruling too is kept under exactly what it was made from.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from core import consent
from core.consent import AgeThen, PhotoRuling, Ruling
from storage import claims, ledger, subjects
from storage.catalog import Catalog
from storage.records import Event, Face, FaceMark, Photo, Purpose, Rights, Status, Subject
from storage.statuses import FaceFacts, PhotoFacts, Standing, faces_of

PURPOSES = tuple(Purpose)


_FaceKey = tuple[int | None, int, str | None, AgeThen]
"""All that the ruling on a face is made from at one instant and one state of the catalog: its facts, the age then."""

_PhotoKey = tuple[frozenset[int], str, int, int, str | None]
"""All that a standing is made from: classes of faces that are ruled on alike, rights, failed, sought, bars."""

_Said = tuple[Status, datetime | None]
"""Of a ruling all that a standing holds: the status, and until when time alone can't change it."""

_WeighKey = tuple[Purpose, frozenset[_Said | None], str, int, int, str | None]

_SetKey = tuple[str, int, bool, str, int, int, str | None]
"""What photographs have in common that are ruled on as one: the people, and between which turns of their ages."""

_NO_TIME = -1


class Ruler:
    """Rules on photographs at one instant, while nothing in the catalog changes: within one transaction."""

    def __init__(self, catalog: Catalog, at: datetime) -> None:
        self._catalog = catalog
        self._at = at
        self._people: dict[int, Subject] = {}
        self._events: dict[str, list[Event]] = {}
        self._class_of: dict[_FaceKey, int] = {}
        self._classes: dict[tuple[_Said | None, ...], int] = {}
        self._said: list[tuple[_Said | None, ...]] = []  # by class, in the order of purposes
        self._standings: dict[_PhotoKey, Standing] = {}
        self._weighed: dict[_WeighKey, Ruling] = {}
        self._shown: dict[str, tuple[FaceFacts, ...]] = {}
        self._turns: dict[str, list[datetime]] = {}
        self._zoned: dict[tuple[int | None, str | None], bool] = {}

    def standings(self, photographs: Sequence[PhotoFacts]) -> dict[Standing, list[PhotoFacts]]:
        """The standings of photographs, each with those that have it, in their order."""
        self._meet(photographs)
        alike: dict[_SetKey, list[PhotoFacts]] = defaultdict(list)
        for seen in photographs:
            alike[self._set_of(seen)].append(seen)
        found: dict[Standing, list[PhotoFacts]] = defaultdict(list)
        for several in alike.values():
            found[self._standing(several[0])] += several
        return found

    def plainly(self, photographs: Sequence[PhotoFacts]) -> dict[int, Standing]:
        """As `standings`, by the rule for one photograph and nothing kept: slower, to hold the other against."""
        self._meet(photographs)
        return {seen.id: _standing_of([self._ruling(seen, purpose) for purpose in PURPOSES]) for seen in photographs}

    def _meet(self, photographs: Sequence[PhotoFacts]) -> None:
        """Read the people shown, and what they said, of whom nothing was read yet."""
        new = {seen.shown for seen in photographs} - self._shown.keys()
        self._shown |= {told: faces_of(told) for told in new}
        shown = {face.subject_id for told in new for face in self._shown[told] if face.subject_id is not None}
        people = subjects.get_many(self._catalog, shown - self._people.keys())
        self._people |= people
        self._events |= ledger.events_of_many(self._catalog, [person.uid for person in people.values()])
        for told in new:
            there = [self._people.get(face.subject_id) for face in self._shown[told] if face.subject_id is not None]
            self._turns[told] = sorted({turn for one in there if one is not None for turn in consent.turns_of_age(one)})

    def _set_of(self, seen: PhotoFacts) -> _SetKey:
        """The set that a photograph is ruled on with."""
        turns, age, zoned = self._turns[seen.shown], _NO_TIME, False
        if turns and seen.taken_at is not None:
            age = bisect_right(turns, datetime.fromisoformat(seen.taken_at))
            zone = (seen.taken_offset, seen.taken_source)
            known = self._zoned.get(zone)
            zoned = self._zoned.setdefault(zone, _is_zoned(*zone)) if known is None else known
        return seen.shown, age, zoned, seen.rights, seen.failed, seen.sought, seen.barred

    def _ruling(self, seen: PhotoFacts, purpose: Purpose) -> PhotoRuling:
        faces = [_face(number, face) for number, face in enumerate(self._shown[seen.shown])]
        return consent.photo_ruling(_photo(seen), faces, self._people, self._events, purpose, self._at)

    def _standing(self, seen: PhotoFacts) -> Standing:
        key = (frozenset(self._faces(seen)), seen.rights, seen.failed, seen.sought, seen.barred)
        known = self._standings.get(key)
        if known is None:
            counted = [self._said[number] for number in key[0]]
            known = self._standings[key] = _standing_of(
                [
                    self._weigh(purpose, frozenset(of_purpose), seen)
                    for purpose, of_purpose in zip(
                        PURPOSES, zip(*counted, strict=True) if counted else [()] * len(PURPOSES), strict=True
                    )
                ]
            )
        return known

    def _weigh(self, purpose: Purpose, said: frozenset[_Said | None], seen: PhotoFacts) -> Ruling:
        """What a photograph permits of whose faces this is said, as often as it may be."""
        key = (purpose, said, seen.rights, seen.failed, seen.sought, seen.barred)
        known = self._weighed.get(key)
        if known is None:
            rulings = [Ruling(one[0], None, one[1], "") for one in said if one is not None]
            known = self._weighed[key] = consent.weigh(rulings, _photo(seen), purpose)
        return known

    def _faces(self, seen: PhotoFacts) -> list[int]:
        """The classes of a photograph's faces."""
        shown = self._shown[seen.shown]
        taken_at = _taken(seen) if shown else None
        found = []
        for face in shown:
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
        alike = tuple(None if one is None else (one.status, one.until) for one in rulings)
        number = self._classes.setdefault(alike, len(self._said))
        if number == len(self._said):
            self._said.append(alike)
        self._class_of[key] = number
        return number


def _standing_of(rulings: Sequence[Ruling | PhotoRuling]) -> Standing:
    return tuple((purpose, ruling.status, ruling.until) for purpose, ruling in zip(PURPOSES, rulings, strict=True))


def _is_zoned(offset: int | None, source: str | None) -> bool:
    """Whether a wall time with this offset is an instant."""
    wall = consent.local(datetime(2000, 1, 1), offset, source)
    return wall is not None and wall.tzinfo is not None


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
