"""Which pictures a cohort would train on at an instant, and for everything left out the reason.

Consent is asked of the ledger for every face, never of a cache. A person's pictures are chosen by the
cohort's rules and that person's photographs alone: who else is in the cohort changes nothing. Of photographs
that look alike (`core.similar`) one counts for each person; that they are alike lends none of them a consent.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core import consent, framing, proofs, query
from core.consent import Ruling
from storage import faces, ledger, photos, similar, subjects
from storage.catalog import Catalog
from storage.records import (
    Box,
    CohortItem,
    CohortRules,
    Event,
    Face,
    GroupRule,
    Photo,
    PhotoState,
    Purpose,
    Status,
    Subject,
)
from storage.similar import Likeness

BATCH = 500  # photographs looked at together
NEVER = frozenset({Status.MINOR, Status.AGE_UNSETTLED})  # keeps the whole picture out, however it is cut


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A picture, or one face of it, that is left out: why, and whose face, by name, where that is known.

    `instead` is the photograph that is in for it, where there is one.
    """

    photo: int
    reason: str
    subject: str | None = None
    instead: int | None = None

    @property
    def general(self) -> str:
        """The reason without the number of a photograph: what many share."""
        return self.reason.replace(f"photograph {self.instead}", "a photograph")


@dataclass(frozen=True, slots=True)
class Selection:
    """What would train, by subject and leaf, and what would not.

    `not_compared` of the photographs in it were not compared with others yet: each of those counts by itself.
    """

    items: Sequence[CohortItem]
    excluded: Sequence[Exclusion]
    not_compared: int = 0


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An item that may train, and how good its picture is: the least of these is the best."""

    item: CohortItem
    rank: tuple[float, int, int]


@dataclass(slots=True)
class People:
    """The people in photographs and their events, read once as they turn up."""

    catalog: Catalog
    by_id: dict[int, Subject] = field(default_factory=dict)
    salts: dict[int, str] = field(default_factory=dict)
    events: dict[str, list[Event]] = field(default_factory=dict)

    def meet(self, found: Iterable[Face]) -> None:
        """Read the people of these faces who are not known yet."""
        new = {face.subject_id for face in found if face.subject_id is not None} - self.by_id.keys()
        if new:
            people = subjects.get_many(self.catalog, new)
            self.by_id.update(people)
            self.salts.update(subjects.salts(self.catalog, people))
            self.events.update(ledger.events_of_many(self.catalog, [one.uid for one in people.values()]))

    def ruling(self, face: Face, photo: Photo, purpose: Purpose, at: datetime) -> Ruling | None:
        """What the face permits (`consent.face_ruling`)."""
        subject = None if face.subject_id is None else self.by_id.get(face.subject_id)
        known = self.events[subject.uid] if subject is not None else ()
        return consent.face_ruling(face, subject, known, purpose, consent.taken(photo), at)

    def name(self, face: Face) -> str | None:
        """Whose face it is."""
        return None if face.subject_id is None else self.by_id[face.subject_id].name

    def why(self, face: Face, ruling: Ruling) -> str:
        """The ruling's reason without the person's name before it, which stands beside it."""
        return ruling.why.removeprefix(f"{self.name(face)}: ")


def select(catalog: Catalog, text: str, rules: CohortRules, at: datetime) -> Selection:
    """Apply a query and rules as things stand at `at`. Raises BadQuery."""
    people = People(catalog)
    candidates: list[_Candidate] = []
    excluded: list[Exclusion] = []
    seen: dict[str, int] = {}
    for photo, found in photographs(catalog, sorted(query.ids(catalog, text)), people):
        unfit = _unfit(photo, seen)
        if unfit is not None:
            excluded.append(Exclusion(photo.id, unfit))
            continue
        items, left_out = _look_at(photo, found, people, rules, at)
        if items:
            seen[items[0].content_hash] = photo.id
        sharpness = {face.id: face.sharpness or 0.0 for face in found}
        size = (photo.width or 0) * (photo.height or 0)
        candidates += [_Candidate(item, (-sharpness[item.face_id], -size, photo.id)) for item in items]
        excluded += left_out
    places = similar.places(catalog, {one.item.photo_id for one in candidates})
    chosen, alike = _counted_once(candidates, {photo: place.group for photo, place in places.items()})
    excluded += [
        Exclusion(item.photo_id, _why_alike(item.photo_id, best, places), people.by_id[item.subject_id].name, best)
        for item, best in alike
    ]
    kept, over = _capped(chosen, rules)
    excluded += [
        Exclusion(item.photo_id, "more than the cohort takes of one person", people.by_id[item.subject_id].name)
        for item in over
    ]
    alone = len({item.photo_id for item in kept} - places.keys())
    return Selection(sorted(kept, key=lambda item: (item.subject_uid, item.leaf)), excluded, alone)


def photographs(catalog: Catalog, ids: Sequence[int], people: People) -> Iterator[tuple[Photo, list[Face]]]:
    """Photographs with their faces, in batches; `people` meets everyone in them."""
    for start in range(0, len(ids), BATCH):
        some = ids[start : start + BATCH]
        found = faces.of_photos(catalog, some)
        people.meet(face for own in found.values() for face in own)
        for photo in photos.get_many(catalog, some):
            yield photo, found[photo.id]


def _unfit(photo: Photo, seen: Mapping[str, int]) -> str | None:
    """Why a photograph can't be used whoever is in it, or None."""
    if photo.state is PhotoState.GONE:
        return "its file is gone"
    if photo.error is not None:
        return f"it can't be read: {photo.error}"
    if photo.content_hash is None or photo.width is None or photo.height is None:
        return "it has not been read yet"
    if photo.faces_space is None:
        return "faces not looked for yet"
    if photo.content_hash in seen:
        return "a copy of a picture that is in already"
    return None


def _look_at(
    photo: Photo, found: Sequence[Face], people: People, rules: CohortRules, at: datetime
) -> tuple[list[CohortItem], list[Exclusion]]:
    """The items that one photograph gives, and why its other faces give none."""
    counted = [
        (face, ruling) for face in found if (ruling := people.ruling(face, photo, rules.purpose, at)) is not None
    ]
    if not counted:
        return [], [Exclusion(photo.id, "nobody's face is in it")]
    claimed = consent.claim_rulings(photo, rules.purpose)
    if claimed:
        return [], [Exclusion(photo.id, ruling.why) for ruling in claimed]
    barred = [(face, ruling) for face, ruling in counted if ruling.status in NEVER]
    if barred:
        return [], [Exclusion(photo.id, people.why(*one), people.name(one[0])) for one in barred]
    if rules.group is GroupRule.EXCLUDE and len(counted) > 1:
        return [], [Exclusion(photo.id, "others are in it, and the cohort leaves such pictures out")]
    items, left_out = [], []
    for face, ruling in counted:
        others = [other.box for other, _ in counted if other.id != face.id]
        if ruling.status is not Status.GRANTED or ruling.event_hash is None:
            left_out.append(Exclusion(photo.id, people.why(face, ruling), people.name(face)))
            continue
        framed = _framed(photo, face.box, others, rules.group)
        if isinstance(framed, str):
            left_out.append(Exclusion(photo.id, framed, people.name(face)))
        else:
            items.append(_item(photo, face, people, framed, ruling.event_hash))
    return items, left_out


def _framed(photo: Photo, face: Box, others: Sequence[Box], group: GroupRule) -> tuple[Box, tuple[Box, ...]] | str:
    """Crop and masks for one face, or why there is no picture of it."""
    width, height = photo.width or 0, photo.height or 0
    crop: Box | None
    masks: tuple[Box, ...] | None
    if group is GroupRule.MASK:
        crop = framing.whole_crop(face, width, height)
        masks = framing.masks(face, others, crop)
    else:
        crop, masks = framing.crop_alone(face, others, width, height), ()
    if crop is None or masks is None:
        return "another face is too near to leave it out"
    if crop[2] - crop[0] < framing.SMALLEST:
        return f"the face is smaller than {framing.SMALLEST} pixels with what is around it"
    return crop, masks


def _item(photo: Photo, face: Face, people: People, framed: tuple[Box, tuple[Box, ...]], grant: str) -> CohortItem:
    assert face.subject_id is not None
    assert photo.content_hash is not None
    crop, masks = framed
    secret = proofs.secret_of(people.salts[face.subject_id], photo.content_hash, crop, masks, grant)
    return CohortItem(
        photo_id=photo.id,
        face_id=face.id,
        subject_id=face.subject_id,
        subject_uid=people.by_id[face.subject_id].uid,
        content_hash=photo.content_hash,
        crop=crop,
        masks=masks,
        grant=grant,
        leaf=proofs.leaf(photo.content_hash, crop, masks, grant, secret),
        secret=secret,
    )


def _counted_once(
    candidates: Sequence[_Candidate], groups: Mapping[int, int | None]
) -> tuple[list[CohortItem], list[tuple[CohortItem, int]]]:
    """The items that train when of photographs in one group each person has one, and the others with the one kept.

    The best is the one with the sharpest face, then of the largest picture, then the first.
    """
    best: dict[tuple[int, int], CohortItem] = {}
    kept, alike = [], []
    for one in sorted(candidates, key=lambda one: one.rank):
        group = groups.get(one.item.photo_id)
        if group is None:
            kept.append(one.item)
            continue
        first = best.setdefault((one.item.subject_id, group), one.item)
        if first.photo_id == one.item.photo_id:
            kept.append(one.item)
        else:
            alike.append((one.item, first.photo_id))
    return kept, sorted(alike, key=lambda pair: pair[0].photo_id)


def _why_alike(photo: int, best: int, places: Mapping[int, similar.Place]) -> str:
    """The reason to leave a photograph out, in the loosest of the words that tie the two to their group."""
    if Likeness.BURST in (places[photo].kind, places[best].kind):
        return f"of one burst with photograph {best}, which is in"
    return f"a near-duplicate of photograph {best} is in"


def _capped(items: Sequence[CohortItem], rules: CohortRules) -> tuple[list[CohortItem], list[CohortItem]]:
    """At most `per_subject` pictures of each person, by a lot drawn from the seed and the picture's content."""
    if rules.per_subject is None:
        return list(items), []
    by_person: dict[int, list[CohortItem]] = defaultdict(list)
    for item in items:
        by_person[item.subject_id].append(item)

    def lot(item: CohortItem) -> tuple[bytes, Box]:
        return hashlib.sha256(f"{rules.seed}:{item.content_hash}".encode()).digest(), item.crop

    kept, over = [], []
    for own in by_person.values():
        drawn = sorted(own, key=lot)
        kept += drawn[: rules.per_subject]
        over += drawn[rules.per_subject :]
    return kept, over
