"""What a photograph's metadata says to other programs, as the ledger has it: releases, ages, uses, persons, regions.

Pure. Nothing is said that nobody granted: data mining is never said to be allowed, a release is unlimited only where
everybody allows everything without an end, and a name stands only where its owner granted `catalogue`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core import consent
from core.consent import PhotoRuling
from core.interchange.vocabulary import (
    AGE_14,
    AGE_UNKNOWN,
    LIMITED,
    NO_GENERATIVE_TRAINING,
    NO_RELEASE,
    NOT_APPLICABLE,
    UNLIMITED,
    age_code,
)
from core.terms import Manner
from storage.records import TRAIN_PURPOSES, Area, ClaimField, Event, Face, Photo, Purpose, Status, Subject

Rulings = Mapping[Purpose, PhotoRuling]
_LIMITS = ("territory", "conditions")


@dataclass(frozen=True, slots=True)
class Statement:
    """What is said of one photograph; None and empty where nothing is. Values are those of the standards' lists.

    `regions` are named faces, areas of the upright picture. `unnamed` counts people whose names are kept back.
    """

    release_status: str | None
    release_ids: tuple[str, ...]
    age: str | None
    data_mining: str | None
    persons: tuple[str, ...]
    regions: tuple[tuple[str, Area], ...]
    unnamed: int = 0

    def words(self) -> set[tuple[ClaimField, str]]:
        """What would be read from it again."""
        scalars = (
            (ClaimField.RELEASE_STATUS, self.release_status),
            (ClaimField.MINOR_AGE, self.age),
            (ClaimField.DATA_MINING, self.data_mining),
        )
        return {
            *((field, value) for field, value in scalars if value is not None),
            *((ClaimField.RELEASE_ID, each) for each in self.release_ids),
            *((ClaimField.PERSON, each) for each in self.persons),
            *((ClaimField.REGION, name) for name, _ in self.regions),
        }


def of(
    photo: Photo,
    faces: Sequence[Face],
    people: Mapping[int, Subject],
    rulings: Rulings,
    events: Mapping[str, Event],
    *,
    names: bool = True,
) -> Statement:
    """What is said of a photograph whose rulings, for every purpose, are these; `events`, by hash, are theirs."""
    counted = [face for face in faces if rulings[Purpose.PUBLISH].per_face[face.id] is not None]
    known = [people.get(face.subject_id) if face.subject_id is not None else None for face in counted]
    shown = [(face, who) for face, who in zip(counted, known, strict=True) if who is not None and _named(face, rulings)]
    if not names:
        shown = []
    trains = all(rulings[purpose].status is Status.GRANTED for purpose in TRAIN_PURPOSES)
    return Statement(
        release_status=_release_status(photo, counted, rulings, events),
        release_ids=_release_ids(counted, rulings),
        age=_age(photo, known),
        data_mining=None if trains else NO_GENERATIVE_TRAINING,
        persons=tuple(sorted({who.name for _, who in shown})),
        regions=tuple(sorted((who.name, _area(face, photo)) for face, who in shown)),
        unnamed=len({who.id for who in known if who is not None} - {who.id for _, who in shown}),
    )


def _named(face: Face, rulings: Rulings) -> bool:
    """Whether the person said who they are to be found by, and a person of the house said that this is they."""
    ruling = rulings[Purpose.CATALOGUE].per_face[face.id]
    return face.assigned_by_person and ruling is not None and ruling.status is Status.GRANTED


def _release_status(photo: Photo, counted: Sequence[Face], rulings: Rulings, events: Mapping[str, Event]) -> str | None:
    if photo.faces_space is None:
        return None
    if not counted:
        return NOT_APPLICABLE
    granted = [_granted(face, rulings, (Purpose.PUBLISH,)) for face in counted]
    if not any(granted):
        return NO_RELEASE
    if all(_unlimited(face, rulings, events) for face in counted):
        return UNLIMITED
    return LIMITED


def _granted(face: Face, rulings: Rulings, purposes: Iterable[Purpose]) -> list[str]:
    """The events by which a face's person grants all of these purposes; empty where they don't."""
    own = [rulings[purpose].per_face[face.id] for purpose in purposes]
    hashes = [each.event_hash for each in own if each is not None and each.status is Status.GRANTED]
    return [each for each in hashes if each is not None] if len(hashes) == len(own) else []


def _unlimited(face: Face, rulings: Rulings, events: Mapping[str, Event]) -> bool:
    """Whether a signed release allows every purpose, with no end and no other terms."""
    by = [events[each] for each in _granted(face, rulings, Purpose)]
    return bool(by) and all(
        event.valid_until is None
        and event.details.get("manner") == Manner.SIGNED_RELEASE
        and not any(event.details.get(limit) for limit in _LIMITS)
        for event in by
    )


def _release_ids(counted: Sequence[Face], rulings: Rulings) -> tuple[str, ...]:
    """Hashes of the events that grant publishing: they name the release, and nobody."""
    return tuple(sorted({each for face in counted for each in _granted(face, rulings, (Purpose.PUBLISH,))}))


def _age(photo: Photo, known: Sequence[Subject | None]) -> str | None:
    """The youngest person's age when it was taken; a minor's stands although others' ages are unknown."""
    if not known:
        return None
    when = consent.taken(photo)
    ages = [None if who is None else consent.years_then(who, when) for who in known]
    if any(who is not None and who.minor and years is None for who, years in zip(known, ages, strict=True)):
        return AGE_14  # a minor of no known age: the strictest that the list has
    told = [years for years in ages if years is not None]
    if not told or (None in ages and min(told) >= consent.ADULT_AT):
        return AGE_UNKNOWN
    return age_code(min(told))


def _area(face: Face, photo: Photo) -> Area:
    width, height = photo.width or 1, photo.height or 1
    x0, y0, x1, y1 = face.box
    return (
        min(max(x0 / width, 0.0), 1.0),
        min(max(y0 / height, 0.0), 1.0),
        min(max(x1 / width, 0.0), 1.0),
        min(max(y1 / height, 0.0), 1.0),
    )
