"""What a person who may not be in models any more takes out of use with them: cohorts, models, what was made of those.

A withdrawal is one reason. The others are a refusal after a grant, and an age that turns out to be under 18,
or not to be known, now or when a picture was taken. A face that was trained from as one person's and turns
out to be another's takes the same with it, and so does one that turns out to be seen beside it. Nothing here
erases or remakes: the caller's transaction holds the reason and what it takes out of use, and
`core.withdrawal.settle` carries that out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core import composition, consent, framing, models
from core.consent import LOST
from core.selection import People, photographs
from storage import artifacts, frozen_faces, generated, ledger, subjects, unfinished
from storage.catalog import Catalog
from storage.frozen_faces import Beside, Held
from storage.generated import Generated
from storage.records import TRAIN_PURPOSES, Cohort, FaceMark, Model, ModelKind, ModelState, Purpose, Status, Subject

IN_USE = frozenset({ModelState.OK, ModelState.TAINTED})
SETTLE = "settle"  # what `storage.unfinished` calls the work that follows a taking out
BECAUSE = {
    Status.MINOR: "is a minor, or was one in a picture",
    Status.AGE_UNSETTLED: "is not on record as an adult in every picture",
    Status.REFUSED: "refused",
    Status.WITHDRAWN: "withdrew",
}


@dataclass(frozen=True, slots=True)
class TakenOut:
    """Cohorts that were tainted, and models taken out of use: all, and of them those that can't be remade."""

    cohorts: Sequence[Cohort] = ()
    models: Sequence[Model] = ()
    lost: Sequence[Model] = ()
    drawn: Sequence[Generated] = ()  # pictures, wherever they lie, that these models drew


def take_out(catalog: Catalog, person: Subject, purposes: Iterable[Purpose], why: str) -> TakenOut:
    """Taint every cohort and model that holds the person for these purposes, in the caller's transaction.

    What can't be had without them is quarantined; merges of others too are tainted, to be remade.
    """
    asked = set(purposes)
    with catalog.transaction():
        found = reached_models(catalog, person, asked)
        return _take_out(catalog, reached_cohorts(catalog, person, asked), found, why)


def take_out_lost(catalog: Catalog, person: Subject) -> TakenOut:
    """Take the person out wherever they may not be trained from as things stand, in the caller's transaction.

    That is for each train purpose that is lost to them, and for each cohort with a picture in which they were
    a minor, or may have been, whatever they are today.
    """
    with catalog.transaction():
        lost = lost_purposes(catalog, person)
        parts = [
            take_out(catalog, person, [purpose for purpose in lost if lost[purpose] is status], _why(person, status))
            for status in sorted(set(lost.values()))
        ]
        for cohort, status in _cohorts_lost(catalog, person):
            first = _of_cohort(catalog, cohort.id, person.id)
            parts.append(_take_out(catalog, [cohort], _with_made_of(catalog, first), _why(person, status)))
    return together(parts)


def take_out_faces(catalog: Catalog, face_ids: Iterable[int], mark: FaceMark | None = None) -> TakenOut:
    """Take out what was trained on these faces as on those of people whose they are not, in the caller's transaction.

    Or, where they were given this `mark`, as on anybody's; else also pictures of others that show them, ignored or
    not found until now. In copies of their photographs the same faces count too.
    The cohort that holds such a face is tainted, the models trained on it as its old owner's are quarantined,
    and merges of these remade without them: so that no withdrawal of the real owner's has to reach them.
    """
    asked = list(face_ids)

    def out(held: Held, what: str) -> TakenOut:
        found = _with_made_of(catalog, _of_cohort(catalog, held.cohort_id, held.subject_id))
        name = subjects.get(catalog, held.subject_id).name
        return _take_out(
            catalog, [artifacts.get_cohort(catalog, held.cohort_id)], found, f"trained on {what.format(name)}"
        )

    own = "a face that is not {}'s" if mark is None else f"a face that is marked {mark}, not {{}}'s to train on"
    with catalog.transaction():
        taken = [out(held, own) for held in frozen_faces.now_others(catalog, face_ids=asked)]
        if mark is None:
            shown = _shown_beside(frozen_faces.beside(catalog, face_ids=asked))
            taken += [out(held, "a picture of {} that shows another face") for held in shown]
    return together(taken)


def lost_purposes(catalog: Catalog, person: Subject) -> dict[Purpose, Status]:
    """The train purposes for which the person may be in no model, and why."""
    events = ledger.events_of(catalog, person.uid)
    now = ledger.instant(catalog)
    rulings = {one: consent.person_ruling(person, events, one, now).status for one in Purpose if one in TRAIN_PURPOSES}
    return {purpose: status for purpose, status in rulings.items() if status in LOST}


def reached_models(catalog: Catalog, person: Subject, purposes: Iterable[Purpose]) -> list[Model]:
    """Every model in use that holds anything of the person for one of these purposes; ingredients first.

    Those trained for it, those of several people (for `train-composite`), and whatever was made from either;
    also those trained on a face of theirs that was taken for somebody else's, or that shows beside somebody's own.
    """
    asked = set(purposes)
    first = []
    for model in artifacts.models_of_subject(catalog, person.id):
        several = len(artifacts.shares_of(catalog, model.id)) > 1
        meant = composition.purpose_of(catalog, model, 2 if several else 1)
        trained_for = _trained_for(catalog, model)
        if meant in asked or (trained_for is not None and trained_for in asked):
            first.append(model.id)
    for cohort_id, other in _held_as_others(catalog, person):
        if artifacts.get_cohort(catalog, cohort_id).rules.purpose in asked:
            first += _of_cohort(catalog, cohort_id, other)
    return _with_made_of(catalog, first)


def reached_cohorts(catalog: Catalog, person: Subject, purposes: Iterable[Purpose]) -> list[Cohort]:
    """The frozen cohorts for one of these purposes that hold a picture of the person, under whatever name."""
    asked = set(purposes)
    others = {held.cohort_id for held in _held_as_others(catalog, person)}
    held = {one.id for one in artifacts.cohorts_of_subject(catalog, person.id)}
    found = [artifacts.get_cohort(catalog, key) for key in sorted(held | others)]
    return [one for one in found if one.rules.purpose in asked]


def parted(catalog: Catalog, found: Sequence[Model]) -> tuple[list[Model], list[Model]]:
    """Models reached, parted into those that can't be had without the person and those to remake.

    What was trained can't; a merge can while an ingredient is left that isn't lost, a bake while its only one is.
    """
    lost: dict[int, Model] = {}
    remade = []
    for model in found:
        arrows = artifacts.inputs_of(catalog, model.id)
        gone = [arrow.input_id in lost for arrow in arrows]
        needs_all = model.kind is ModelKind.BAKE
        if model.kind not in models.MERGES or (any(gone) if needs_all else all(gone)):
            lost[model.id] = model
        else:
            remade.append(model)
    return list(lost.values()), remade


def together(parts: Sequence[TakenOut]) -> TakenOut:
    """All that several have taken out, each once."""
    cohorts = {one.id: one for part in parts for one in part.cohorts}
    found = {one.id: one for part in parts for one in part.models}
    lost = {one.id: one for part in parts for one in part.lost}
    drawn = [one for part in parts for one in part.drawn]
    return TakenOut(list(cohorts.values()), [found[key] for key in sorted(found)], list(lost.values()), drawn)


def _take_out(catalog: Catalog, cohorts: Sequence[Cohort], found: Sequence[Model], why: str) -> TakenOut:
    artifacts.taint_cohorts(catalog, [cohort.id for cohort in cohorts])
    lost, _ = parted(catalog, found)
    artifacts.set_state(catalog, [model.id for model in found], ModelState.TAINTED, why)
    told = f"{why}; it can't be had without them, and must be trained again"
    artifacts.set_state(catalog, [model.id for model in lost], ModelState.QUARANTINED, told)
    drawn = generated.withdraw(catalog, [model.id for model in found])
    if cohorts or found:
        unfinished.put_down(catalog, SETTLE)
    return TakenOut(cohorts, found, lost, drawn)


def _with_made_of(catalog: Catalog, first: Sequence[int]) -> list[Model]:
    """The models of these ids and all that was made of them, those in use, ingredients first."""
    ids = sorted({*first, *artifacts.descendants(catalog, first)})
    return [model for model in artifacts.get_models(catalog, ids) if model.state in IN_USE]


def _held_as_others(catalog: Catalog, person: Subject) -> list[Held]:
    """What cohorts hold as other people's that shows a face of this person."""
    shown = _shown_beside(frozen_faces.beside(catalog, subject_id=person.id))
    return sorted({*frozen_faces.now_others(catalog, subject_id=person.id), *shown})


def _shown_beside(found: Iterable[Beside]) -> list[Held]:
    """Of frozen pictures with a face beside their own, those in which it is seen."""
    return sorted({one.held for one in found if framing.shows(one.face, one.crop, one.masks)})


def _trained_for(catalog: Catalog, model: Model) -> Purpose | None:
    return None if model.cohort_id is None else artifacts.get_cohort(catalog, model.cohort_id).rules.purpose


def _of_cohort(catalog: Catalog, cohort_id: int, subject_id: int) -> list[int]:
    """Ids of the models that were trained on a cohort's pictures of a person."""
    return [one.id for one in artifacts.models_of_subject(catalog, subject_id) if one.cohort_id == cohort_id]


def _cohorts_lost(catalog: Catalog, person: Subject) -> list[tuple[Cohort, Status]]:
    """The cohorts that hold a picture of the person from which they may not be trained, and why."""
    now = ledger.instant(catalog)
    people = People(catalog)
    found = []
    for cohort in artifacts.cohorts_of_subject(catalog, person.id):
        own = {item.photo_id: item.face_id for item in artifacts.cohort_items(catalog, cohort.id, person.id)}
        rulings = [
            people.ruling(face, photo, cohort.rules.purpose, now)
            for photo, shown in photographs(catalog, sorted(own), people)
            for face in shown
            if face.id == own[photo.id] and face.subject_id == person.id
        ]
        statuses = {ruling.status for ruling in rulings if ruling is not None} & LOST
        if statuses:
            found.append((cohort, min(statuses, key=list(BECAUSE).index)))
    return found


def _why(person: Subject, status: Status) -> str:
    return f"{person.name} {BECAUSE[status]}"
