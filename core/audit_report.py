"""What an audit found, as a record, as lines for people and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from core.audit_stats import Spread, Threshold


@dataclass(frozen=True, slots=True)
class Near:
    """How near a model comes to one person: the least distance, and the picture it was found in (from 0)."""

    subject: str
    distance: float
    image: int
    matches: int


@dataclass(frozen=True, slots=True)
class Likeness:
    """Of a model of one person, drawn by their word: mean distance to their faces, its spread, and their place.

    The base drew from the same seeds, without the word. Place 1 of `people` is the nearest.
    """

    subject: str
    model: Spread
    base: Spread | None
    median_rank: float
    base_median_rank: float | None
    first: float  # share of faces to which no other person is nearer
    people: int


@dataclass(frozen=True, slots=True)
class Shift:
    """How mean distances to people moved from the base to the model, and whether members are nearer than others.

    `members_nearer` is the chance that a face is nearer to a member than to another person: 0.5 says no difference.
    """

    members: Spread
    others: Spread
    members_nearer: float
    base_members_nearer: float


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was seen, and the verdict: `nobody`, `resembles` or `not enough evidence` (then `why` says of what).

    `rate` of the faces lie within `threshold` of somebody; with 95 % confidence no more than `upper_bound95` would.
    `strangers_matched` is the same rate for the catalog's own people searched among the others. `memorised` is None:
    copies of training pictures are not looked for.
    """

    model: str
    model_hash: str
    verdict: str
    resembles: list[str]
    why: list[str]
    images: int
    faces: int
    images_without_face: int
    images_withheld: int
    embedder: str
    threshold: float
    fmr: float
    calibration: Threshold
    strangers_matched: float | None
    nearest: list[Near]
    rate: float
    upper_bound95: float
    likeness: Likeness | None
    shift: Shift | None
    base_nearest: list[Near]
    seed: int
    prompts: list[str]
    folder: str
    memorised: list[str] | None = None

    def lines(self) -> Iterator[str]:
        """The report for people."""
        named = f": {', '.join(self.resembles)}" if self.resembles else ""
        yield f"{self.model}: {self.verdict}{named}"
        yield from (f"  {reason}" for reason in self.why)
        yield f"  {self.faces} faces in {self.images} pictures; {self.images_without_face} pictures show none"
        c = self.calibration
        yield (
            f"  threshold {self.threshold:.3f} ({self.embedder}): {c.matches} of {c.pairs:,} pairs of different people "
            f"lie within it, a rate of {c.lower:.2g} to {c.upper:.2g}{'' if c.enough else ', too few pairs to tell'}"
        )
        if self.strangers_matched is not None:
            yield f"  the same search takes {self.strangers_matched:.1%} of the catalog's own faces for another person"
        yield f"  {self.rate:.1%} of the faces match someone; no more than {self.upper_bound95:.1%} would (95 %)"
        for near in self.nearest[:3]:
            yield f"  nearest: {near.subject} at {near.distance:.3f} (picture {near.image}), {near.matches} matches"
        yield from _likeness_lines(self.likeness)
        yield from _shift_lines(self.shift)
        yield f"  {self.folder}"


def plain(report: AuditReport) -> dict[str, Any]:
    """The report as JSON values: what is not a number becomes null."""
    found: dict[str, Any] = json.loads(json.dumps(asdict(report)), parse_constant=lambda _: None)
    return found


def _likeness_lines(likeness: Likeness | None) -> Iterator[str]:
    if likeness is None:
        return
    base, place = likeness.base, likeness.base_median_rank
    told = "" if base is None else f" (the base: {base.mean:.3f} ± {base.sd:.3f})"
    yield f"  mean distance to {likeness.subject}: {likeness.model.mean:.3f} ± {likeness.model.sd:.3f}{told}"
    told = "" if place is None else f" (the base: {place:g})"
    yield (
        f"  median place among {likeness.people} people: {likeness.median_rank:g}{told}; "
        f"the nearest of all for {likeness.first:.0%} of the faces"
    )


def _shift_lines(shift: Shift | None) -> Iterator[str]:
    if shift is None or math.isnan(shift.members_nearer):
        return
    yield (
        f"  from the base, distances moved by {shift.members.mean:+.3f} to members and {shift.others.mean:+.3f} to "
        f"others; a face is nearer to a member than to another with probability {shift.members_nearer:.2f} "
        f"(the base: {shift.base_members_nearer:.2f})"
    )
