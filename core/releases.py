"""Models that left the catalog: whose copies are out there, and by whose word no more.

Copies can't be taken back. What can be done is to tell those who have them, so it is told which these are, by the
ledger as it stands: a grant that merely ended stands behind what was released while it ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from core import consent
from core.consent import LOST
from core.counted import counted
from storage import artifacts, audits, ledger, subjects
from storage.audits import Release
from storage.catalog import Catalog
from storage.records import Purpose

FOR_IT = (Purpose.RELEASE, Purpose.TRAIN_COMPOSITE)
ERASED = "somebody who was erased"


@dataclass(frozen=True, slots=True)
class Outside:
    """A model as it left: `people` were in it, of whom those in `lost` have taken their word back, or may not be in it.

    `bytes_hash` is the blake3 of the copies, which need not be the model's as it is now.
    """

    model: str
    bytes_hash: str
    at: datetime
    people: int
    lost: Sequence[str]

    def lines(self) -> Iterator[str]:
        """For a person to read."""
        yield f"{self.model} left on {self.at:%Y-%m-%d}, blake3 {self.bytes_hash}, of {counted(self.people, 'person')}"
        if self.lost:
            yield f"  its copies are out without the word of {'; '.join(self.lost)}: tell those who have them"


def outside(catalog: Catalog, model_id: int | None = None) -> list[Outside]:
    """What left of a model, or of all, oldest first."""
    return [_outside(catalog, one) for one in audits.releases(catalog, model_id)]


def with_person(catalog: Catalog, subject_id: int) -> list[Release]:
    """What left with a person in it, oldest first."""
    return [one for one in audits.releases(catalog) if subject_id in one.people]


def told(catalog: Catalog, found: Sequence[Release]) -> list[str]:
    """What copies are out, a line each, for who must tell those who have them."""
    return [
        f"copies of {artifacts.get_model(catalog, one.model_id).name} are out, left on {one.at:%Y-%m-%d},"
        f" blake3 {one.bytes_hash}"
        for one in found
    ]


def _outside(catalog: Catalog, release: Release) -> Outside:
    people = subjects.get_many(catalog, release.people)
    events = ledger.events_of_many(catalog, [person.uid for person in people.values()])
    now = ledger.instant(catalog)
    lost = []
    for person in sorted(people.values(), key=lambda one: one.name):
        rulings = [consent.person_ruling(person, events[person.uid], purpose, now) for purpose in FOR_IT]
        reasons = [ruling.why for ruling in rulings if ruling.status in LOST]
        lost += reasons[:1]
    lost += [ERASED] * (len(release.people) - len(people))
    name = artifacts.get_model(catalog, release.model_id).name
    return Outside(name, release.bytes_hash, release.at, len(release.people), lost)
