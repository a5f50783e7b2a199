"""Whom a model's faces come near to: everybody by least distance, its one person, its members beside others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.audit_faces import Drawn, Known
from core.audit_prompts import names_person
from core.audit_stats import Floats, Spread, nearer_share, ranks, spread
from core.audit_strangers import scores
from core.composition import ONE_PERSON


@dataclass(frozen=True, slots=True)
class Near:
    """How near a model comes to one person: where they stand out most, the picture (from 0), the distance and the score
    there; and how many faces match them.
    """

    subject: str
    distance: float
    score: float
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


def nearest_people(drawn: Drawn, known: Known, names: Mapping[int, str], threshold: float) -> tuple[list[Near], int]:
    """People by how much they stand out, and how many of the drawn faces are somebody's by the threshold."""
    if not drawn.faces:
        return [], 0
    least = known.everybody.least(drawn.vectors)
    told = scores(least)
    rows = told.argmax(axis=0)
    matches = np.count_nonzero(told >= threshold, axis=0)
    near = [
        Near(label, float(least[row, at]), float(told[row, at]), drawn.faces[row].picture, int(matches[at]))
        for at, (label, row) in enumerate(zip(known.labels(names), rows, strict=True))
    ]
    matched = int(np.count_nonzero(told.max(axis=1) >= threshold))
    return sorted(near, key=lambda one: (-one.score, one.subject)), matched


def likeness_of(
    drawn: Drawn, of_base: Drawn | None, known: Known, shares: Mapping[int, float], names: Mapping[int, str]
) -> Likeness | None:
    """How near a model of one person comes to that person; None for other models, and where nothing was drawn."""
    order = known.subjects
    person = next((key for key, share in shares.items() if share >= ONE_PERSON and key in order), None)
    named = _with_trigger(drawn)
    if person is None or not named.faces:
        return None
    column = order.index(person)
    by_person = known.by_subject.mean(named.vectors)
    place = ranks(by_person, column)
    plain = None if of_base is None else _with_trigger(of_base)  # the same seeds, without the word
    base = None if plain is None or not plain.faces else known.by_subject.mean(plain.vectors)
    return Likeness(
        names[person],
        spread(by_person[:, column]),
        None if base is None else spread(base[:, column]),
        float(np.median(place)),
        None if base is None else float(np.median(ranks(base, column))),
        float(np.mean(place == 1)),
        len(order),
    )


def _with_trigger(drawn: Drawn) -> Drawn:
    """The faces of those pictures whose prompt named the person."""
    return replace(drawn, faces=[face for face in drawn.faces if names_person(face.picture)])


def shift_of(now: Floats, before: Floats, order: Sequence[int], shares: Mapping[int, float]) -> Shift:
    """From the base's mean distances [m, people] to the model's [n, people]; people as in `order`."""
    moved = now.mean(axis=0) - before.mean(axis=0)
    member = np.array([person in shares for person in order], dtype=bool)
    return Shift(
        spread(moved[member]),
        spread(moved[~member]),
        nearer_share(now[:, member], now[:, ~member]),
        nearer_share(before[:, member], before[:, ~member]),
    )
