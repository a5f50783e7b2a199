"""How old a face looks, and how old the person was: told side by side. The estimate never allows anything."""

from __future__ import annotations

from core import consent
from core.consent import AgeThen
from storage.records import Face, Photo, Subject

NEVER_ALLOWS = "never used to allow"
UNSETTLED = "not settled"


def estimated(face: Face) -> str | None:
    """What the age model makes of a face, or None where it was not asked."""
    return None if face.age_estimate is None else f"estimated {face.age_estimate:.0f}; {NEVER_ALLOWS}"


def years_then(subject: Subject | None, photo: Photo) -> int | None:
    """The person's age in whole years when a photograph was taken, the least that it can be; None where not settled."""
    return None if subject is None else consent.years_then(subject, consent.taken(photo))


def age_then(subject: Subject | None, photo: Photo) -> str:
    """The person's age when a photograph was taken, or that it is not settled, and why."""
    if subject is None:
        return f"age {UNSETTLED}: nobody has said who this is"
    if subject.minor:
        return "declared a minor"
    taken = consent.taken(photo)
    years = years_then(subject, photo)
    if years is not None:
        return f"aged {years} then" if taken is not None and taken.tzinfo is not None else f"aged {years} or more then"
    if subject.born is not None and consent.age_then(subject, taken) is AgeThen.NOT_BORN:
        return f"age {UNSETTLED}: it says that it was taken before they were born"
    if subject.adult_attested_by:
        return f"an adult, says {subject.adult_attested_by}"
    if subject.born is None:
        return f"age {UNSETTLED}: neither a birth date nor an adult's attestation is on record"
    return f"age {UNSETTLED}: when it was taken is unknown"


def told(face: Face, subject: Subject | None, photo: Photo) -> str:
    """Both in a line, for a person to read."""
    return ", ".join(part for part in (age_then(subject, photo), estimated(face)) if part)
