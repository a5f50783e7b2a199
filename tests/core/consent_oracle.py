"""A slow, obvious reading of the consent rules, to hold against `core.consent`. It shares no code with it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache

from storage.records import Event, Face, Photo, Subject

ADULTS_ONLY = ["train-individual", "train-composite", "release"]
ZONES = [timedelta(hours=hours) for hours in range(-12, 15)]
BEST_TO_WORST = ["granted", "unknown", "expired", "refused", "withdrawn", "age-unsettled", "minor"]


def eighteenth_birthday(born: date) -> date:
    try:
        return born.replace(year=born.year + 18)
    except ValueError:
        return date(born.year + 18, 3, 1)


@cache
def adult_everywhere(born: date, instant: datetime) -> bool:
    naive = instant.astimezone(UTC).replace(tzinfo=None)
    return all((naive + zone).date() >= eighteenth_birthday(born) for zone in ZONES)


@cache
def adult_when_taken(born: date, taken_at: datetime, offset: int | None) -> bool:
    if offset is not None:
        return taken_at.date() >= eighteenth_birthday(born)
    days = [(taken_at - clock + place).date() for clock in ZONES for place in ZONES]
    return all(day >= eighteenth_birthday(born) for day in days)


def minor_at(subject: Subject, instant: datetime) -> bool:
    return subject.minor or (subject.born is not None and not adult_everywhere(subject.born, instant))


def ledger_status(subject: Subject, events: list[Event], purpose: str, at: datetime) -> str:
    """Live through the events in the order they were recorded; the last one that has begun is what counts."""
    status = "unknown"
    for event in events:
        if event.subject_uid != subject.uid or purpose not in event.purposes or event.at > at:
            continue
        if event.kind == "refusal":
            status = "refused"
        if event.kind == "withdrawal":
            status = "withdrawn"
        if event.kind == "grant":
            begins = event.valid_from or event.at
            if begins > at:
                continue
            from_guardian = event.details.get("guardian") is True
            if from_guardian and purpose in ADULTS_ONLY:
                continue
            if not from_guardian and (minor_at(subject, event.at) or minor_at(subject, begins)):
                continue
            ended = event.valid_until is not None and at >= event.valid_until
            status = "expired" if ended else "granted"
    return status


def face_status(
    face: Face, people: list[Subject], photo: Photo, events: list[Event], purpose: str, at: datetime
) -> str:
    subject = next((person for person in people if person.id == face.subject_id), None)
    if face.mark is not None and face.mark != "erased":
        return "ignored"
    if subject is None:
        return "unknown"
    if purpose in ADULTS_ONLY:
        if subject.minor:
            return "minor"
        if subject.born is None and not subject.adult_attested_by:
            return "age-unsettled"
        if subject.born is not None:
            if not adult_everywhere(subject.born, at):
                return "minor"
            if photo.taken_at is None and not subject.adult_attested_by:
                return "age-unsettled"
            if photo.taken_at is not None and photo.taken_at.date() < subject.born:
                return "age-unsettled"
            if photo.taken_at is not None and not adult_when_taken(subject.born, photo.taken_at, photo.taken_offset):
                return "minor"
    status = ledger_status(subject, events, purpose, at)
    return "unknown" if status == "granted" and not face.assigned_by_person else status


def photo_status(
    photo: Photo, faces: list[Face], people: list[Subject], events: list[Event], purpose: str, at: datetime
) -> str:
    said = [face_status(face, people, photo, events, purpose, at) for face in faces]
    said = [status for status in said if status != "ignored"]
    if photo.error or photo.faces_space is None:
        said.append("unknown")
    elif not said:
        said.append("granted" if photo.rights in ("mine", "licensed") else "unknown")
    trains = purpose.startswith("train")
    if "minor" in photo.barred and (trains or purpose == "release"):
        said.append("age-unsettled")
    if ("prohibited" in photo.barred and trains) or (
        "unreleased" in photo.barred and (trains or purpose in ("release", "publish"))
    ):
        said.append("unknown")
    return max(said, key=BEST_TO_WORST.index)
