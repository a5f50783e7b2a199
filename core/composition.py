"""Who is in a merge, with what share, and whether the people and rules behind it allow it now.

Asked when a merge is made and again when it is remade, with the same answer for the same inputs: so what a
withdrawal leaves is what would have been made without the person, or nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core import consent
from core.cohort import LEAST_IN_COMPOSITE
from core.consent import LOST
from core.counted import counted
from core.errors import BadValue, CohortTooSmall, ConsentLost, Refused, Tainted, WrongArchitecture
from core.models import require_in_use
from storage import artifacts, ledger, subjects
from storage.catalog import Catalog
from storage.records import CohortRules, Model, ModelKind, ModelState, Purpose, Status, Subject

ROUNDING = 1e-9  # shares are sums of quotients
NO_AGE = frozenset({Status.MINOR, Status.AGE_UNSETTLED})  # what no share of a model is small enough for
ONE_PERSON = 0.5  # a share of a model from which on its pictures are of one person
NAMED = 5  # people named in a message; the rest are counted


@dataclass(frozen=True, slots=True)
class Input:
    """One ingredient: the model, its weight relative to the others', and who is in it."""

    model: Model
    weight: float
    shares: Mapping[int, float]


def named(catalog: Catalog, names: Sequence[str], weights: Sequence[float] | None) -> list[Input]:
    """Usable models by name as ingredients, all alike without `weights`. Raises as `inputs`, NoSuchRecord, Tainted."""
    if not names:
        raise BadValue("no model is named", "name at least one")
    models = [artifacts.get_model(catalog, name) for name in names]
    require_ok(models)
    return inputs(catalog, models, [1.0] * len(models) if weights is None else weights)


def inputs(catalog: Catalog, models: Sequence[Model], weights: Sequence[float]) -> list[Input]:
    """Models with their weights and people. Raises BadValue for weights that don't fit or a model named twice."""
    if len(weights) != len(models):
        raise BadValue(f"{len(weights)} weights for {counted(len(models), 'model')}", "give one for each, or none")
    if len({model.id for model in models}) != len(models):
        raise BadValue("a model is named twice", "give it more weight instead")
    return [
        Input(model, weight, artifacts.shares_of(catalog, model.id))
        for model, weight in zip(models, weights, strict=True)
    ]


def flattened(parts: Sequence[Input]) -> dict[int, float]:
    """Each person's share of the merge through all the merges below it, by subject id; they sum to 1.

    A LoRA baked with a negative weight counts as with a positive one: its people are in the weights all the same.
    """
    total = math.fsum(abs(part.weight) for part in parts)
    people = {person for part in parts for person in part.shares}
    return {
        person: math.fsum(abs(part.weight) / total * part.shares.get(person, 0.0) for part in parts)
        for person in sorted(people)
    }


def purpose_of(catalog: Catalog, model: Model, people: int) -> Purpose:
    """What a model is a use for: a composite where more than one person is in it, else what its cohort says."""
    if people == 1:
        for one in [model, *artifacts.get_models(catalog, artifacts.ancestors(catalog, [model.id]))]:
            if one.cohort_id is not None:
                return artifacts.get_cohort(catalog, one.cohort_id).rules.purpose
        return Purpose.TRAIN_INDIVIDUAL
    return Purpose.TRAIN_COMPOSITE


def require_ok(models: Sequence[Model]) -> None:
    """Raises Tainted, naming it and why, unless every model may be used."""
    for model in models:
        require_in_use(model)


def require_one_base(models: Sequence[Model]) -> None:
    """Raises WrongArchitecture unless all models were made on one base."""
    for other in models[1:]:
        if other.base_hash != models[0].base_hash:
            raise WrongArchitecture(
                f"{models[0].name} and {other.name} were trained on different bases",
                "average LoRAs of one base",
            )


def require_consent(catalog: Catalog, parts: Sequence[Input], at: datetime | None = None) -> None:
    """Raises ConsentLost, naming the people, unless everyone in the merge allows it at `at` (default: now)."""
    unwilling = not_granted(catalog, parts, at)
    if unwilling:
        named = [f"{person.name} ({why})" for person, why in unwilling]
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        raise ConsentLost(
            f"consent is not in force from {', '.join(named[:NAMED])}{more}", "leave their models out, or ask them"
        )


def not_granted(catalog: Catalog, parts: Sequence[Input], at: datetime | None = None) -> list[tuple[Subject, str]]:
    """The people whose consent does not cover this merge at `at` (default: now), with the reason, by name."""
    standing = _standing(catalog, parts, at)
    return [(person, why) for person, status, why in standing if status is not Status.GRANTED]


def _standing(catalog: Catalog, parts: Sequence[Input], at: datetime | None) -> list[tuple[Subject, Status, str]]:
    """Where everyone in a merge stands for what the merge is a use for, and why, by name."""
    at = ledger.instant(catalog, at)
    people = subjects.get_many(catalog, flattened(parts))
    events = ledger.events_of_many(catalog, [person.uid for person in people.values()])
    purposes = {
        key: Purpose.TRAIN_COMPOSITE if len(people) > 1 else purpose_of(catalog, part.model, 1)
        for part in parts
        for key in part.shares
    }
    found = []
    for key, person in people.items():
        ruling = consent.person_ruling(person, events[person.uid], purposes[key], at)
        found.append((person, ruling.status, ruling.why.removeprefix(f"{person.name}: ")))
    return sorted(found, key=lambda one: one[0].name)


def permit(catalog: Catalog, model: Model) -> None:
    """Raises unless pictures may be drawn with the model now.

    Tainted: it is not `ok`. Refused: somebody in it is a minor or of unsettled age, or half of it or more is one person
    who has not allowed `train-individual`; a grant for composites is none for pictures of oneself.
    """
    require_in_use(model)
    now = ledger.instant(catalog)
    shares = artifacts.shares_of(catalog, model.id)
    people = subjects.get_many(catalog, shares)
    events = ledger.events_of_many(catalog, [person.uid for person in people.values()])
    for subject_id, share in shares.items():
        subject = people[subject_id]
        ruling = consent.person_ruling(subject, events.get(subject.uid, ()), Purpose.TRAIN_INDIVIDUAL, now)
        if ruling.status in NO_AGE:
            raise Refused(
                f"{subject.name} is in model {model.name!r}: {ruling.status} ({ruling.why})",
                "settle their age, or withdraw them: the model is then made anew without them",
            )
        if share >= ONE_PERSON and ruling.status is not Status.GRANTED:
            raise Refused(
                f"model {model.name!r} draws {subject.name} alone: train-individual is {ruling.status} ({ruling.why})",
                "average it with others, or ask them",
            )


def without_lost(catalog: Catalog, parts: Sequence[Input], at: datetime | None = None) -> list[Input]:
    """The ingredients of a merge that is remade: all but those whose people are lost to it.

    Lost is who withdrew, refused, or may not be in any model; a grant that has merely ended stands behind
    what was made while it ran, and a remake only takes away. Raises Tainted where an ingredient waits to be
    remade itself, Refused where one of several people is gone for good or nobody is left.
    """
    lost = {person.id for person, status, _ in _standing(catalog, parts, at) if status in LOST}
    left = []
    for part in parts:
        usable = part.model.state is ModelState.OK
        gone = part.shares.keys() <= lost  # also where nobody is in it any more: they were erased
        if gone or (_is_trained_on_one(part) and not usable):
            continue
        if part.model.state is ModelState.TAINTED:
            raise Tainted(f"its ingredient {part.model.name} waits to be made anew itself", "make that anew first")
        if not usable or part.shares.keys() & lost:
            raise Refused(
                f"its ingredient {part.model.name} can't be had without them: {part.model.why or part.model.state}",
                "make another one",
            )
        left.append(part)
    if not left:
        raise Refused("nobody is left in it", "make another one")
    return left


def _is_trained_on_one(part: Input) -> bool:
    return part.model.kind in (ModelKind.LORA, ModelKind.FULL) and len(part.shares) == 1


def require_balance(catalog: Catalog, parts: Sequence[Input], *, most: float | None = None) -> None:
    """Raises CohortTooSmall, or Refused for a share above what is allowed, by the rules of the cohorts below.

    A mean of several people that no composite cohort stands behind needs as many as a composite does by default.
    `most` is the largest share that is asked for this merge, beside those rules.
    """
    shares = flattened(parts)
    if most is not None:
        _require_share(catalog, shares, most, "the merge's max-share asks so")
    rules = _rules_below(catalog, parts)
    composite = [rule for rule in rules if rule.purpose is Purpose.TRAIN_COMPOSITE]
    if len(shares) < 2 and not composite:
        return
    needed = max((rule.min_subjects for rule in composite), default=LEAST_IN_COMPOSITE)
    if len(shares) < needed:
        raise CohortTooSmall(
            f"it would be of {counted(len(shares), 'person')} where {needed} are needed",
            "the cohort's min-subjects asks for them",
        )
    allowed = min((rule.max_share for rule in composite), default=1.0)
    _require_share(catalog, shares, allowed, "the cohort's max-share asks so")


def _require_share(catalog: Catalog, shares: Mapping[int, float], most: float, why: str) -> None:
    person, share = max(shares.items(), key=lambda pair: pair[1])
    if share > most + ROUNDING:
        name = subjects.get(catalog, person).name
        raise Refused(f"{name} would be {share:.1%} of it where {most:.1%} is the most", why)


def _rules_below(catalog: Catalog, parts: Sequence[Input]) -> list[CohortRules]:
    """The rules of every cohort that a LoRA below was trained on."""
    ids = [part.model.id for part in parts]
    models = artifacts.get_models(catalog, sorted({*ids, *artifacts.ancestors(catalog, ids)}))
    cohorts = {model.cohort_id for model in models if model.cohort_id is not None}
    return [artifacts.get_cohort(catalog, key).rules for key in sorted(cohorts)]


LORAS = frozenset({ModelKind.LORA, ModelKind.POOLED, ModelKind.AVERAGE})
CHECKPOINTS = frozenset({ModelKind.FULL, ModelKind.BAKE, ModelKind.SOUP})


def require_kind(models: Sequence[Model], kinds: frozenset[ModelKind]) -> None:
    """Raises BadValue unless every model is a LoRA file, or a checkpoint, as `kinds` asks."""
    for model in models:
        if model.kind not in kinds:
            raise BadValue(f"{model.name} is a {model.kind}", f"take one of: {', '.join(sorted(kinds))}")
