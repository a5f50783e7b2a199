"""What an audit found, as a record, as lines for people and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from core.audit_copies import Copy
from core.audit_fit import Fit
from core.audit_likeness import Likeness, Near, Shift
from core.audit_pull import Pull
from core.audit_strangers import MeanFaces, Threshold
from core.counted import counted


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was seen, and the verdict: `nobody`, `resembles` or `not enough evidence` (then `why` says of what).

    `matches` of the faces, the share `rate`, are somebody's by the `threshold`, where `needed` are not put down to
    chance; with 95 % confidence no more than `upper_bound95` would. `least_share` of the faces being one person's would
    have been found. `means` says how much anyone stands out for honest averages, `drawn_score` (median) for these.
    `memorised` are the pictures that are copies of training pictures, `closest` the nearest where none is. `unchecked`
    is why nobody can say that the pictures are decent, None where a checker looked. `limits`: what all this can't say.
    Where several embedders looked, `by_embedder` are their verdicts and `by_others` what those beside `embedder`
    saw; verdict, `resembles`, `why`, `rate` and `upper_bound95` are then all's together (`core.audit_agreement`).
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
    fit: Fit
    nearest: list[Near]
    matches: int
    needed: int
    rate: float
    upper_bound95: float
    least_share: float | None
    drawn_score: float | None
    means: MeanFaces | None
    likeness: Likeness | None
    shift: Shift | None
    pull: Pull | None
    base_nearest: list[Near]
    memorised: list[Copy]
    closest: Copy | None
    not_compared: int
    unchecked: str | None
    limits: list[str]
    seed: int
    prompts: list[str]
    folder: str
    by_embedder: dict[str, str] = field(default_factory=dict)
    by_others: list[AuditReport] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The report for people."""
        named = f": {', '.join(self.resembles)}" if self.resembles else ""
        yield f"{self.model}: {self.verdict}{named}"
        yield from (f"  {reason}" for reason in self.why)
        faces, pictures = counted(self.faces, "face"), counted(self.images, "picture")
        yield f"  {faces} in {pictures}; without one: {self.images_without_face}"
        yield from _threshold_lines(self.calibration, self.embedder, self.fit)
        yield (
            f"  {counted(self.matches, 'face')} ({self.rate:.1%}) match someone, {self.needed} would be too many for "
            f"chance; no more than {self.upper_bound95:.1%} of all faces would match (95 %)"
        )
        if self.means is not None and self.drawn_score is not None:
            yield (
                f"  the one who stands out most does so by {self.drawn_score:.2f} (median); from mean faces of "
                f"{self.means.people} people taken at random, by {self.means.score:.2f}; "
                f"{self.means.matched:.0%} of these would match"
            )
        for near in self.nearest[:3]:
            yield (
                f"  nearest: {near.subject} at {near.score:.2f} (distance {near.distance:.3f}, picture {near.image}), "
                f"{near.matches} matches"
            )
        yield from _likeness_lines(self.likeness)
        yield from _shift_lines(self.shift)
        yield from self.pull.lines() if self.pull is not None else ()
        yield from _copy_lines(self.memorised, self.closest, self.not_compared)
        if self.unchecked is not None:
            yield f"  unchecked: {self.unchecked}"
        yield from (f"  it can't say: {limit}" for limit in self.limits)
        yield from (f"  {embedder} says: {said}" for embedder, said in self.by_embedder.items())
        yield f"  {self.folder}"
        for other in self.by_others:
            yield from other.lines()


def plain(report: AuditReport) -> dict[str, Any]:
    """The report as JSON values: what is not a number becomes null."""
    found: dict[str, Any] = json.loads(json.dumps(asdict(report)), parse_constant=lambda _: None)
    return found


def _threshold_lines(c: Threshold, embedder: str, fit: Fit) -> Iterator[str]:
    yield (
        f"  threshold {c.value:.2f} ({embedder}): {c.matches} of {c.searches:,} searches with faces of {c.strangers} "
        f"people take a stranger for somebody, a rate of {c.lower:.2g} to {c.upper:.2g} among {c.searched:,} people"
        f"{'' if c.enough else ', too few to tell'}"
    )
    yield (
        f"  the same search finds {c.recognised:.0%} of people's own faces, and {fit.recognised} of {fit.tried} people "
        f"in photographs made as small and dull as these pictures"
    )


def _copy_lines(found: list[Copy], closest: Copy | None, not_compared: int) -> Iterator[str]:
    for copy in found[:3]:
        yield f"  picture {copy.image} is a copy of photograph {copy.photo}, by {' and by '.join(copy.by)}"
    if not found and closest is not None:
        yield (
            f"  no picture is a copy: the nearest, {closest.image}, is {closest.ratio:.2f} of the usual distance from "
            f"photograph {closest.photo}, its hash differs in {closest.bits} of 64 bits"
        )
    if not_compared:
        yield f"  {counted(not_compared, 'training picture')} could not be read, and so not compared"


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
