"""Cohorts: a saved query with rules, frozen into exact pictures under a Merkle root, and checked again each use."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from core import consent, cuts, framing, proofs, query
from core.counted import counted
from core.cuts import Picture
from core.errors import BadValue, CohortTooSmall, ConsentLost
from core.selection import NEVER, Exclusion, People, Selection, photographs, select
from storage import artifacts, checkpoints, columns, decisions, ledger, similar, subjects
from storage.catalog import Catalog
from storage.records import TRAIN_PURPOSES, Cohort, CohortItem, CohortRules, Face, Photo, Purpose, Status

LEAST_IN_COMPOSITE = 10  # people in a composite, unless the user says otherwise
NAMED = 5  # people named in a message; the rest are counted


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a cohort would hold now. `subjects` counts pictures by name.

    `effective_subjects` is the number of people that, all alike, would be as balanced (inverse Simpson index).
    `not_compared` of the photographs in it were not compared with others yet (`kyodaku similar find`). `pictures` tells
    of each photograph that is in how it trains.
    """

    included: Sequence[int]
    excluded: Sequence[Exclusion]
    subjects: Mapping[str, int]
    effective_subjects: float
    not_compared: int = 0
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True, slots=True)
class Frozen:
    """A cohort that was just frozen: how many photographs of how many people, and what pins them down.

    `not_compared` of them may look like others of the same person: nobody has compared them.
    """

    name: str
    merkle_root: str
    photos: int
    subjects: int
    ledger_head: str
    not_compared: int = 0


def least_subjects(purpose: Purpose, given: int | None) -> int:
    """How many people a cohort needs: what the user says, else 10 for a composite and 1 otherwise."""
    if given is not None:
        return given
    return LEAST_IN_COMPOSITE if purpose is Purpose.TRAIN_COMPOSITE else 1


def create(catalog: Catalog, name: str, text: str, rules: CohortRules) -> Cohort:
    """Save a query and its rules under a name. Raises BadQuery, BadValue, NameTaken."""
    if not name.strip():
        raise BadValue("a cohort needs a name", "give one")
    if rules.purpose not in TRAIN_PURPOSES:
        raise BadValue(f"a cohort can't be for {rules.purpose}", f"one of: {', '.join(sorted(TRAIN_PURPOSES))}")
    if not 0 < rules.max_share <= 1:
        raise BadValue(f"a share of {rules.max_share} can't be", "give a part of one, above 0")
    if rules.min_subjects < 1 or (rules.per_subject is not None and rules.per_subject < 1):
        raise BadValue("least people and pictures of a person are counted from 1", "give a number of one or more")
    query.parse(text)
    return artifacts.add_cohort(catalog, name, text, rules, datetime.now(UTC))


def list_all(catalog: Catalog) -> list[Cohort]:
    """All cohorts, oldest first."""
    return artifacts.all_cohorts(catalog)


def selection(catalog: Catalog, cohort: Cohort, at: datetime | None = None) -> Selection:
    """What the cohort's query and rules choose at `at` (default: now), every ruling asked of the ledger."""
    return select(catalog, cohort.query, cohort.rules, ledger.instant(catalog, at))


def explain(catalog: Catalog, name: str, at: datetime | None = None, *, pictures: bool = True) -> Explanation:
    """What freezing would take now, and everything that it would leave out, with the reason.

    How each photograph trains is told where `pictures` is asked for.
    """
    chosen = selection(catalog, artifacts.get_cohort(catalog, name), at)
    counts = Counter(item.subject_id for item in chosen.items)
    names = _names(catalog, counts)
    total = sum(counts.values())
    return Explanation(
        included=sorted({item.photo_id for item in chosen.items}),
        excluded=chosen.excluded,
        subjects={names[key]: count for key, count in sorted(counts.items(), key=lambda pair: names[pair[0]])},
        effective_subjects=total**2 / sum(count**2 for count in counts.values()) if total else 0.0,
        not_compared=chosen.not_compared,
        pictures=cuts.of_items(catalog, chosen.items) if pictures else (),
    )


def grounds(catalog: Catalog) -> Hashable:
    """What explanations rest on: while it stays the same, only time (an expiry, a birthday) can change one.

    Photographs, faces and who they are, what people said and decided, and what looks alike; not what jobs write.
    """
    return columns.versions(catalog), ledger.head(catalog), decisions.mark(catalog), similar.state(catalog)


def training(catalog: Catalog, name: str) -> list[CohortItem]:
    """What a cohort trains on: what is frozen, if consent for all of it is in force; else what freezing would take now.

    Raises NoSuchRecord, ConsentLost.
    """
    cohort = artifacts.get_cohort(catalog, name)
    if cohort.merkle_root is None:
        return list(selection(catalog, cohort).items)
    recheck(catalog, cohort)
    return list(artifacts.cohort_items(catalog, cohort.id))


def freeze(catalog: Catalog, name: str, at: datetime | None = None) -> Frozen:
    """Fix the pictures that train, with the grant behind each, in one transaction.

    A frozen cohort stays as it is as long as it may train. Raises BadValue, CohortTooSmall.
    """
    with catalog.transaction():
        cohort = artifacts.get_cohort(catalog, name)
        if cohort.merkle_root is not None and _may_train(catalog, cohort, at):
            raise BadValue(f"cohort {name!r} is frozen already", "create another one for another choice")
        now = ledger.instant(catalog, at)
        chosen = selection(catalog, cohort, now)
        items = chosen.items
        people = len({item.subject_id for item in items})
        _require_enough(cohort, people)
        root, head = root_of(items), ledger.head(catalog)
        artifacts.freeze_cohort(catalog, cohort.id, items, merkle_root=root, ledger_head=head, frozen_at=now)
    checkpoints.sign_with_own_key(catalog)  # the head that the cohort rests on is vouched for from here on
    return Frozen(name, root, len({item.photo_id for item in items}), people, head, chosen.not_compared)


def _may_train(catalog: Catalog, cohort: Cohort, at: datetime | None) -> bool:
    """Whether nothing stands in the way of training a frozen cohort whole."""
    try:
        recheck(catalog, cohort, None, at)
    except ConsentLost:
        return False
    return not cohort.tainted


def _require_enough(cohort: Cohort, people: int) -> None:
    """Raises CohortTooSmall where the rules ask for more people; each has the same share, one in `people`."""
    rules = cohort.rules
    if people < max(rules.min_subjects, 1):
        raise CohortTooSmall(
            f"cohort {cohort.name!r} has pictures of {counted(people, 'person')} and needs {rules.min_subjects}",
            f"see why others are left out: kyodaku cohort explain {cohort.name}",
        )
    needed = math.ceil(1 / rules.max_share - 1e-9)
    if people < needed:
        raise CohortTooSmall(
            f"of the {counted(people, 'person')} of cohort {cohort.name!r} each has more than {rules.max_share:.0%}",
            f"it needs {counted(needed, 'person')}",
        )


def frozen_items(catalog: Catalog, name: str) -> list[CohortItem]:
    """A frozen cohort's pictures, by pseudonym and leaf. Raises NoSuchRecord, BadValue where it is not frozen."""
    cohort = artifacts.get_cohort(catalog, name)
    if cohort.merkle_root is None:
        raise BadValue(f"cohort {name!r} is not frozen", f"freeze it: kyodaku cohort freeze {name}")
    return list(artifacts.cohort_items(catalog, cohort.id))


def root_of(items: Iterable[CohortItem]) -> str:
    """The Merkle root over these pictures, hex; over one person's it depends on that person alone."""
    return proofs.tree(items).root


def recheck(catalog: Catalog, cohort: Cohort, subject_id: int | None = None, at: datetime | None = None) -> None:
    """Is consent still in force for every picture of a frozen cohort, or of one person's part of it?

    Asks the ledger and the faces as they stand at `at` (default: now): the person's own ruling, their age,
    and that nobody else has turned up in the pixels used. Raises ConsentLost, which names who and why.
    """
    at = ledger.instant(catalog, at)
    people = People(catalog)
    items: dict[int, list[CohortItem]] = {}
    for item in artifacts.cohort_items(catalog, cohort.id, subject_id):
        items.setdefault(item.photo_id, []).append(item)
    lost: dict[str, str] = {}
    for photo, found in photographs(catalog, sorted(items), people):
        for item in items[photo.id]:
            why = _lost(photo, found, item, people, cohort.rules.purpose, at)
            if why is not None:
                who = people.by_id.get(item.subject_id)
                lost.setdefault(who.name if who else f"subject {item.subject_id}", why)
    if lost:
        named = [f"{name}: {why}" for name, why in sorted(lost.items())]
        more = f"; and {counted(len(named) - NAMED, 'other')}" if len(named) > NAMED else ""
        raise ConsentLost(
            f"consent for cohort {cohort.name!r} is not in force: {'; '.join(named[:NAMED])}{more}",
            "freeze it again once that is settled",
        )


def _lost(
    photo: Photo, found: Sequence[Face], item: CohortItem, people: People, purpose: Purpose, at: datetime
) -> str | None:
    """Why a frozen picture may not be used any more, or None."""
    own = next((face for face in found if face.id == item.face_id), None)
    if own is None or own.subject_id != item.subject_id or own.mark is not None:
        return f"their face in photograph {photo.id} is not what it was"
    if photo.content_hash != item.content_hash:
        return f"photograph {photo.id} is not what it was"
    for claimed in consent.claim_rulings(photo, purpose):
        return f"photograph {photo.id}: {claimed.why}"
    for face in found:
        ruling = people.ruling(face, photo, purpose, at)
        if ruling is None:
            continue
        if face.id == own.id:
            if ruling.status is not Status.GRANTED:
                return people.why(face, ruling)
        elif ruling.status in NEVER:
            return f"photograph {photo.id} also shows somebody else: {people.why(face, ruling)}"
        elif framing.shows(face.box, item.crop, item.masks):
            return f"photograph {photo.id} shows another face, which was not known"
    return None


def _names(catalog: Catalog, ids: Iterable[int]) -> dict[int, str]:
    return {key: person.name for key, person in subjects.get_many(catalog, ids).items()}
