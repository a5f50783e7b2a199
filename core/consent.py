"""The rules: what a person, a face and a photograph may be used for at an instant, and why.

Pure. Nothing permits but `Status.GRANTED`, which only a grant in the ledger gives (or, where nobody is
seen, the photographer's rights). The rules in plain words and their reasons: `docs/consent.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum, auto

from storage.records import (
    ADULT_ONLY_PURPOSES,
    TRAIN_PURPOSES,
    Bar,
    Event,
    EventKind,
    Face,
    FaceMark,
    Photo,
    Purpose,
    Rights,
    Status,
    Subject,
)

WORST_FIRST = (
    Status.MINOR,
    Status.AGE_UNSETTLED,
    Status.WITHDRAWN,
    Status.REFUSED,
    Status.EXPIRED,
    Status.UNKNOWN,
    Status.GRANTED,
)
LOST = frozenset({Status.WITHDRAWN, Status.REFUSED, Status.MINOR, Status.AGE_UNSETTLED})  # a grant that ended is not
ADULT_AT = 18
BY_GUARDIAN = "guardian"  # in a grant's details: True where the guardian of a minor gave it
BY_PLACE = "place"  # a `taken_source`: the zone of the position, not the camera's word
LATEST_ZONE = timedelta(hours=-12)  # where a day begins last on Earth
ZONES = timedelta(hours=26)  # between the zones where a day begins first (UTC+14) and last

CLAIMED = (
    (Bar.MINOR, ADULT_ONLY_PURPOSES, Status.AGE_UNSETTLED, "its file claims that somebody under 18 is shown"),
    (Bar.PROHIBITED, TRAIN_PURPOSES, Status.UNKNOWN, "its file claims that training on it is prohibited"),
    (
        Bar.UNRELEASED,
        ADULT_ONLY_PURPOSES | {Purpose.PUBLISH},
        Status.UNKNOWN,
        "its file claims that releases are missing or incomplete",
    ),
)

_NOES = (EventKind.REFUSAL, EventKind.WITHDRAWAL)


class AgeThen(Enum):
    """How old a person was when a photograph was taken, as far as the rules ask."""

    NOT_KNOWN = auto()
    NOT_BORN = auto()
    UNDER_AGE = auto()
    ADULT = auto()


@dataclass(frozen=True, slots=True)
class Ruling:
    """A status, the hash of the event that settled it, and why, in words for a person.

    Until the instant `until` time alone can't change the ruling; None: time alone never does.
    """

    status: Status
    event_hash: str | None
    until: datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class PhotoRuling:
    """A photograph's status, and each face's by its id; None for a face that a person took out of the rules."""

    status: Status
    per_face: Mapping[int, Ruling | None]
    until: datetime | None
    why: str


def subject_status(events: Sequence[Event], purpose: Purpose, at: datetime) -> Ruling:
    """What one person's events, oldest first, say of a purpose at an instant; nothing of age is asked here.

    The newest event that names the purpose, was recorded by then and (a grant) has begun decides; a grant
    that has ended is `expired`, also where an older one would go on.
    """
    return _by_events(events, purpose, at, None)


def person_ruling(subject: Subject, events: Sequence[Event], purpose: Purpose, at: datetime) -> Ruling:
    """Where a person stands: as for a photograph of them taken at `at`."""
    return _person(subject, events, purpose, at, at)


def deciding(subject: Subject, events: Sequence[Event], purpose: Purpose, at: datetime) -> list[Event]:
    """Those of a person's events, oldest first, that decide on a purpose from `at` on.

    The one in force, where there is one, and after it those that have not begun.
    """
    found: list[Event] = []
    for event in reversed(events):
        if purpose in event.purposes and event.at <= at and _counts(event, purpose, subject):
            found.insert(0, event)
            if event.kind is not EventKind.GRANT or event.valid_from is None or event.valid_from <= at:
                break
    return found


def face_ruling(
    face: Face,
    subject: Subject | None,
    events: Sequence[Event],
    purpose: Purpose,
    taken_at: datetime | None,
    at: datetime,
) -> Ruling | None:
    """What one face permits, or None where a person marked it out of the rules.

    `subject` is the face's and `events` are theirs, oldest first. `taken_at` is as `taken` gives it: aware
    where the camera's offset is known. The age estimate is never asked, and likeness may refuse but never
    permits: a face that only clustering gave to a person stays `unknown` where that person's is granted.
    """
    if face.mark is not None and face.mark is not FaceMark.ERASED:
        return None
    if subject is None or face.subject_id != subject.id:
        return Ruling(Status.UNKNOWN, None, None, "nobody has said who this is")
    ruling = _person(subject, events, purpose, taken_at, at)
    if ruling.status is Status.GRANTED and not face.assigned_by_person:
        why = f"{subject.name}: taken for them by likeness, and nobody has confirmed it"
        return Ruling(Status.UNKNOWN, None, ruling.until, why)
    return ruling


def photo_ruling(
    photo: Photo,
    faces: Sequence[Face],
    subjects: Mapping[int, Subject],
    events: Mapping[str, Sequence[Event]],
    purpose: Purpose,
    at: datetime,
) -> PhotoRuling:
    """What a photograph as a whole permits: the worst of what its faces do.

    `subjects` by id, `events` by the subject's uid. Where no face counts, its rights must be settled.
    """
    when = taken(photo)
    per_face: dict[int, Ruling | None] = {}
    for face in faces:
        subject = subjects.get(face.subject_id) if face.subject_id is not None else None
        known = events.get(subject.uid, ()) if subject is not None else ()
        per_face[face.id] = face_ruling(face, subject, known, purpose, when, at)
    whole = weigh([ruling for ruling in per_face.values() if ruling is not None], photo, purpose)
    return PhotoRuling(whole.status, per_face, whole.until, whole.why)


def weigh(counted: Sequence[Ruling], photo: Photo, purpose: Purpose) -> Ruling:
    """What a photograph permits whose faces that count permit this; it rests on no single event.

    Of the photograph only its rights, its error, what bars it and whether faces were sought are asked.
    """
    said = list(counted)
    until = min((ruling.until for ruling in said if ruling.until is not None), default=None)
    if photo.error is not None:
        said.append(
            Ruling(Status.UNKNOWN, None, None, f"it can't be read, so nobody knows who is in it: {photo.error}")
        )
    elif photo.faces_space is None:
        said.append(Ruling(Status.UNKNOWN, None, None, "faces not looked for yet"))
    elif not said:
        said.append(_by_rights(photo.rights))
    said += claim_rulings(photo, purpose)
    worst = min(said, key=lambda ruling: WORST_FIRST.index(ruling.status))
    reasons = dict.fromkeys(ruling.why for ruling in said if ruling.status is worst.status)
    return Ruling(worst.status, None, until, "; ".join(reasons))


def claim_rulings(photo: Photo, purpose: Purpose) -> list[Ruling]:
    """What stands in the way because a file of the photograph says so and nobody of the house has settled it.

    A claim only ever takes away: none makes anything granted.
    """
    return [
        Ruling(status, None, None, f"{why}, and nobody has settled that")
        for bar, purposes, status, why in CLAIMED
        if bar in photo.barred and purpose in purposes
    ]


def taken(photo: Photo) -> datetime | None:
    """When a photograph was taken: aware where its offset is known, the camera's wall time where not."""
    return local(photo.taken_at, photo.taken_offset, photo.taken_source)


def local(wall: datetime | None, offset: int | None, source: str | None) -> datetime | None:
    """A camera's wall time, aware where its offset, in minutes east of UTC, is known and can be.

    An offset that only the place tells is none here: a traveller's camera may still show the time at home.
    """
    if wall is None or offset is None or source == BY_PLACE or not -12 * 60 <= offset <= 14 * 60:
        return wall
    return wall.replace(tzinfo=timezone(timedelta(minutes=offset)))


def age_then(subject: Subject, taken_at: datetime | None) -> AgeThen:
    """All that the rules ask of the time at which a photograph of a person was taken."""
    if taken_at is None or subject.born is None:
        return AgeThen.NOT_KNOWN
    if taken_at.date() < subject.born:
        return AgeThen.NOT_BORN
    return AgeThen.ADULT if _is_adult(subject.born, _day_taken(taken_at)) else AgeThen.UNDER_AGE


def turns_of_age(subject: Subject) -> list[datetime]:
    """The wall times, zoned or not, between two of which `age_then` says the same whenever a photograph was taken."""
    if subject.born is None:
        return []
    days = [subject.born, *([] if (grown := _eighteenth(subject.born)) is None else [grown])]
    born, *adult = (datetime(day.year, day.month, day.day) for day in days)
    return [born, *adult, *(turn + ZONES for turn in adult if turn < datetime.max - ZONES)]


def years_then(subject: Subject, taken_at: datetime | None) -> int | None:
    """A person's age in whole years when a photograph was taken, the least that it can be; None where nobody knows."""
    if subject.born is None or age_then(subject, taken_at) in (AgeThen.NOT_KNOWN, AgeThen.NOT_BORN):
        return None
    day = _day_taken(taken_at or datetime.min)
    return max(0, day.year - subject.born.year - ((day.month, day.day) < (subject.born.month, subject.born.day)))


def is_minor(subject: Subject, at: datetime) -> bool:
    """Whether the record says that a person is a minor at an instant: declared, or not 18 everywhere on Earth."""
    return subject.minor or (subject.born is not None and not _is_adult(subject.born, _day_at(at)))


def comes_of_age(born: date) -> datetime | None:
    """The instant from which a person is 18 everywhere on Earth; None past the calendar's end."""
    day = _eighteenth(born)
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC) - LATEST_ZONE


def given_as_minor(subject: Subject, recorded_at: datetime, valid_from: datetime | None) -> bool:
    """Whether a grant of these times was given by a minor, as far as they tell: by the earlier of the two."""
    return is_minor(subject, recorded_at if valid_from is None else min(recorded_at, valid_from))


def _person(
    subject: Subject, events: Sequence[Event], purpose: Purpose, taken_at: datetime | None, at: datetime
) -> Ruling:
    ruling = _age_ruling(subject, taken_at, at) if purpose in ADULT_ONLY_PURPOSES else None
    if ruling is None:
        ruling = _by_events(events, purpose, at, subject)
    return Ruling(ruling.status, ruling.event_hash, ruling.until, f"{subject.name}: {ruling.why}")


def _by_events(events: Sequence[Event], purpose: Purpose, at: datetime, subject: Subject | None) -> Ruling:
    """`subject_status`, by the events that count for `subject` where one is given."""
    next_begins = None
    for event in reversed(events):
        if purpose not in event.purposes or not _counts(event, purpose, subject):
            continue
        begins = event.at
        if event.kind is EventKind.GRANT and event.valid_from is not None:
            begins = max(begins, event.valid_from)
        if begins <= at:
            ruling = _decided(event, purpose, at)
            return ruling if next_begins is None else replace(ruling, until=_earliest(next_begins, ruling.until))
        next_begins = _earliest(next_begins, begins)
    return Ruling(Status.UNKNOWN, None, next_begins, f"nothing is recorded about {purpose}")


def _age_ruling(subject: Subject, taken_at: datetime | None, at: datetime) -> Ruling | None:
    """What stands in the way of purposes that are for adults only, or None."""
    attested = bool(subject.adult_attested_by)
    if subject.minor:
        return Ruling(Status.MINOR, None, None, "declared a minor")
    if subject.born is None:
        return None if attested else _unsettled("neither a birth date nor an adult's attestation is on record")
    if not _is_adult(subject.born, _day_at(at)):
        return Ruling(Status.MINOR, None, comes_of_age(subject.born), "under 18")
    then = age_then(subject, taken_at)
    if then is AgeThen.NOT_KNOWN:
        return None if attested else _unsettled("when it was taken is unknown, and no adult's attestation is on record")
    if then is AgeThen.NOT_BORN:
        return _unsettled("it says that it was taken before they were born")
    if then is AgeThen.UNDER_AGE:
        return Ruling(Status.MINOR, None, None, "under 18 when it was taken, as far as its time tells")
    return None


def _unsettled(why: str) -> Ruling:
    return Ruling(Status.AGE_UNSETTLED, None, None, why)


def _day_at(instant: datetime) -> date:
    """The day that it is at an instant where the day begins last: who is 18 there is so everywhere."""
    return (instant.astimezone(UTC) + LATEST_ZONE).date()


def _day_taken(taken_at: datetime) -> date:
    """The day of a photograph; where its offset is unknown, the earliest that it can have been at the place."""
    if taken_at.tzinfo is not None:
        return taken_at.date()
    return (max(taken_at, datetime.min + ZONES) - ZONES).date()


def _eighteenth(born: date) -> date | None:
    """The first day on which `_is_adult`; None past the calendar's end."""
    if born.year + ADULT_AT > date.max.year:
        return None
    leap_day = (born.month, born.day) == (2, 29)
    return date(born.year + ADULT_AT, 3, 1) if leap_day else born.replace(year=born.year + ADULT_AT)


def _is_adult(born: date, day: date) -> bool:
    """Whether somebody is 18 on a day. Born on 29 February: from 1 March on, for 18 years later is no leap year."""
    return (day.year - ADULT_AT, day.month, day.day) >= (born.year, born.month, born.day)


def _counts(event: Event, purpose: Purpose, subject: Subject | None) -> bool:
    """Whether an event that names the purpose is one to rule by, for this person where one is given.

    A guardian's grant is none of what only adults may allow; a minor's own is none of anything.
    """
    if subject is not None and event.subject_uid != subject.uid:
        return False
    if event.kind is not EventKind.GRANT:
        return event.kind in _NOES
    if event.details.get(BY_GUARDIAN) is True:
        return purpose not in ADULT_ONLY_PURPOSES
    return subject is None or not given_as_minor(subject, event.at, event.valid_from)


def _decided(event: Event, purpose: Purpose, at: datetime) -> Ruling:
    """What an event that has begun says of a purpose, with when a grant in force ends."""
    day = f"{event.at:%Y-%m-%d}"
    if event.kind is EventKind.REFUSAL:
        return Ruling(Status.REFUSED, event.hash, None, f"refused {purpose} on {day}")
    if event.kind is EventKind.WITHDRAWAL:
        return Ruling(Status.WITHDRAWN, event.hash, None, f"withdrew {purpose} on {day}")
    if event.valid_until is not None and event.valid_until <= at:
        return Ruling(Status.EXPIRED, event.hash, None, f"the grant of {purpose} ended on {event.valid_until:%Y-%m-%d}")
    return Ruling(Status.GRANTED, event.hash, event.valid_until, f"granted {purpose} on {day}")


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((instant for instant in (one, other) if instant is not None), default=None)


def _by_rights(rights: Rights) -> Ruling:
    """What a photograph in which nobody is seen permits."""
    if rights in (Rights.MINE, Rights.LICENSED):
        return Ruling(Status.GRANTED, None, None, f"nobody is seen, and its rights are {rights}")
    return Ruling(Status.UNKNOWN, None, None, "nobody is seen, and nobody has said whose photograph it is")
