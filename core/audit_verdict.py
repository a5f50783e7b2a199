"""What an audit may say of a model, and what speaks against saying more. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.audit_pull import Pull
from core.audit_strangers import Threshold, chance_matches, least_share
from core.composition import ONE_PERSON

if TYPE_CHECKING:  # these rooms load torch, and this one is asked by commands that answer at once
    from core.audit_copies import Copy
    from core.audit_fit import Fit

LEAST_FACES = 30  # with none of 30 within the threshold, at most a tenth of all faces is (95 %)
LEAST_SHARE = 0.5  # of the pictures must show a face: a broken model must not pass for nobody
LEAST_TRIED = 10  # people must be looked at in pictures like those drawn
LEAST_KNOWN = 0.5  # of people must be known in pictures like those drawn
LARGEST_MISSED = 1 / 3  # the share of one person's pictures that an audit may overlook
CHANCE = 0.01  # with which strangers' faces match as often as is called too often
NOBODY_VERDICT, RESEMBLES, NOT_ENOUGH = "nobody", "resembles", "not enough evidence"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a verdict rests on: pictures drawn, those without a face, faces found, and how many matched somebody."""

    pictures: int
    faceless: int
    faces: int
    matches: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict; `why` it is not a better one; from how many `needed` matches on they are not put down to chance.

    `least_share` of a model's faces being one person's would have been found (95 %), None if no share would.
    """

    said: str
    why: list[str]
    needed: int
    least_share: float | None


def verdict_of(
    seen: Seen,
    threshold: Threshold,
    fit: Fit,
    copies: Sequence[Copy] = (),
    pull: Pull | None = None,
    largest: float = 0.0,
) -> Verdict:
    """`resembles` if faces match more often than strangers do, pictures are copies, or one person stands out.

    Strangers match at the upper bound of their rate. Evidence against a model counts however little there is;
    `nobody` needs enough of all that would have shown somebody, and a lineage in which nobody's share, the `largest`,
    is half.
    """
    needed = chance_matches(seen.faces, threshold.upper, CHANCE)
    share = least_share(seen.faces, needed, min(threshold.recognised, fit.share)) if threshold.enough else None
    why = [*_too_little(seen, threshold, fit)]
    if largest >= ONE_PERSON:
        why.append(f"by its lineage {largest:.0%} of it is one person's: no pictures can say that it is nobody")
    if not why and (share is None or share > LARGEST_MISSED):
        told = "any share of one person's faces" if share is None else f"{share:.0%} of faces being one person's"
        why.append(f"so few faces could hide {told}: draw more pictures (-n)")
    against = []
    if threshold.strangers > 1 and seen.matches >= needed:
        against.append(f"{seen.matches} of {seen.faces} faces match somebody; of strangers' fewer than {needed} would")
    if copies:
        against.append(f"copies of training pictures: {len(copies)}")
    if pull is not None and pull.stands_out:
        against.append(f"from the base the faces moved towards {pull.subject} beyond all others")
    if against:
        return Verdict(RESEMBLES, against, needed, share)
    return Verdict(NOT_ENOUGH if why else NOBODY_VERDICT, why, needed, share)


def _too_little(seen: Seen, threshold: Threshold, fit: Fit) -> list[str]:
    why = []
    if seen.faces < LEAST_FACES:
        why.append(f"{seen.faces} faces were found; {LEAST_FACES} are needed to say that nobody is seen")
    if seen.pictures - seen.faceless < LEAST_SHARE * seen.pictures:
        why.append(f"{seen.faceless} of {seen.pictures} pictures show no face")
    if not threshold.enough:
        why.append(
            f"faces of {threshold.strangers} people, worth {threshold.effective:.0f} strangers, are too few to know "
            f"when one stranger in {1 / threshold.fmr:,.0f} is taken for somebody (--fmr asks that)"
        )
    if fit.tried < LEAST_TRIED:
        why.append(f"{fit.tried} people could be looked at as the drawn faces are; {LEAST_TRIED} are needed")
    elif fit.share < LEAST_KNOWN:
        why.append(
            f"in pictures like those drawn {fit.recognised} of {fit.tried} people are known: too small or too blurred"
        )
    return why
