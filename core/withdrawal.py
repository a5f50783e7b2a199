"""A person takes consent back: what that reaches, what becomes of it, and the models remade without them.

The event, the cohorts it taints and the models it takes out of use are one transaction. What follows only
carries that out, and may be interrupted: `settle` erases what may not lie on disk any more and remakes what
is still tainted, and may be run again at any time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core import composition, consent, models
from core.errors import BadValue, KyodakuError, Refused
from core.progress import Report, Step, silent
from core.training.latent_cache import erase_subject
from storage import artifacts, faces, ledger, subjects
from storage.catalog import Catalog
from storage.records import (
    TRAIN_PURPOSES,
    Cohort,
    EventKind,
    Job,
    Model,
    ModelKind,
    ModelState,
    Purpose,
    Status,
    Subject,
)

SHOWN = 20  # photographs named in a line; the JSON names them all
IN_USE = frozenset({ModelState.OK, ModelState.TAINTED})


@dataclass(frozen=True, slots=True)
class Reach:
    """What a withdrawal would do: photographs by id, cohorts and models by name.

    `quarantined` are the models that can't be had without the person, `remade` those made anew without them.
    """

    subject: str
    photos: Sequence[int]
    cohorts: Sequence[str]
    models: Sequence[str]
    quarantined: Sequence[str]
    remade: Sequence[str]

    def lines(self) -> list[str]:
        """For a person to read."""
        return [
            f"{self.subject} is in {_photographs(self.photos)}",
            f"cohorts: {_list(self.cohorts)}",
            f"taken out of use: {_list(self.quarantined)}",
            f"made anew without them: {_list(self.remade)}",
        ]


@dataclass(frozen=True, slots=True)
class Settled:
    """What carrying out withdrawals came to, by model name; `waiting` says why each is still tainted."""

    remade: Sequence[str]
    quarantined: Sequence[str]
    waiting: dict[str, str]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What a withdrawal did. `event` is its number in the ledger, `status` where the person stands since."""

    event: int
    hash: str
    subject: str
    status: dict[Purpose, Status]
    photos: Sequence[int]
    cohorts: Sequence[str]
    models: Sequence[str]
    quarantined: Sequence[str]
    remade: Sequence[str]
    waiting: dict[str, str]
    seconds: float

    def lines(self) -> list[str]:
        """For a person to read."""
        told = [
            f"event {self.event} ({self.hash[:12]}…), {self.subject}: {_photographs(self.photos)}",
            f"cohorts: {_list(self.cohorts)}",
            f"taken out of use: {_list(self.quarantined)}",
            f"made anew without them: {_list(self.remade)}, in {self.seconds:.1f} s in all",
        ]
        return told + [f"{name} waits, out of use: {why}" for name, why in self.waiting.items()]


def reach(catalog: Catalog, subject: int | str, purposes: Sequence[Purpose]) -> Reach:
    """What withdrawing these purposes would reach; nothing is changed. Raises NoSuchRecord.

    Which merges are too small without the person shows when they are remade.
    """
    person = subjects.get(catalog, subject)
    found = reached_models(catalog, person, purposes)
    lost, remade = _parted(catalog, found)
    return Reach(
        subject=person.name,
        photos=faces.photos_of_subject(catalog, person.id),
        cohorts=[cohort.name for cohort in _cohorts(catalog, person, purposes)],
        models=[model.name for model in found],
        quarantined=[model.name for model in lost],
        remade=[model.name for model in remade],
    )


def withdraw(
    catalog: Catalog,
    subject: int | str,
    purposes: Sequence[Purpose],
    *,
    by: str,
    remake: bool = True,
    note: str | None = None,
    at: datetime | None = None,
    report: Report = silent,
) -> Withdrawal:
    """Record the withdrawal and take everything that it reaches out of use, in one transaction; then settle.

    With `remake` False the merges stay tainted, and off disk, until `settle`. Raises BadValue, NoSuchRecord.
    """
    started = time.monotonic()
    if not purposes:
        raise BadValue("no purpose is named", f"one or more of: {', '.join(Purpose)}")
    if not by.strip():
        raise BadValue("who records the withdrawal is not said", "name them: --by")
    with catalog.transaction():
        person = subjects.get(catalog, subject)
        event = ledger.append(
            catalog,
            kind=EventKind.WITHDRAWAL,
            subject_uid=person.uid,
            purposes=sorted(set(purposes), key=list(Purpose).index),
            by=by.strip(),
            note=note,
            at=at,
        )
        cohorts = _cohorts(catalog, person, purposes)
        artifacts.taint_cohorts(catalog, [cohort.id for cohort in cohorts])
        found = reached_models(catalog, person, purposes)
        lost, _ = _parted(catalog, found)
        why = f"{person.name} withdrew"
        artifacts.set_state(catalog, [model.id for model in found], ModelState.TAINTED, why)
        artifacts.set_state(catalog, [model.id for model in lost], ModelState.QUARANTINED, _why_lost(why))
    settled = settle(catalog, remake=remake, report=report)
    names = [model.name for model in found]
    events = ledger.events_of(catalog, person.uid)
    now = ledger.instant(catalog, at)
    return Withdrawal(
        event=event.seq,
        hash=event.hash,
        subject=person.name,
        status={purpose: consent.person_ruling(person, events, purpose, now).status for purpose in Purpose},
        photos=faces.photos_of_subject(catalog, person.id),
        cohorts=[cohort.name for cohort in cohorts],
        models=names,
        quarantined=[*(model.name for model in lost), *(name for name in settled.quarantined if name in names)],
        remade=[name for name in settled.remade if name in names],
        waiting={name: said for name, said in settled.waiting.items() if name in names},
        seconds=time.monotonic() - started,
    )


def settle(catalog: Catalog, *, remake: bool = True, report: Report = silent) -> Settled:
    """Carry out what withdrawals on record ask for; run again after a crash it goes on where that left it.

    Erases the files of models out of use and what was kept of people who withdrew, then remakes tainted
    merges, ingredients first. One that may not be any more is quarantined; one that can't be remade now
    (no base, no space) waits, tainted.
    """
    artifacts.sweep_parts(catalog.models)
    out_of_use = artifacts.all_models(catalog, [ModelState.TAINTED, ModelState.QUARANTINED])
    models.erase_files(catalog, out_of_use)
    _erase_kept(catalog)
    tainted = [model for model in out_of_use if model.state is ModelState.TAINTED]
    if not remake or not tainted:
        return Settled([], [], {model.name: model.why or "" for model in tainted})
    return _remake_all(catalog, tainted, report)


def run_job(catalog: Catalog, _: Job, report: Report) -> dict[str, Any]:
    """Run a `remake` job, for callers that must not load torch themselves; it takes no arguments."""
    settled = settle(catalog, report=report)
    return {
        "remade": list(settled.remade),
        "quarantined": list(settled.quarantined),
        "waiting": settled.waiting,
    }


def _remake_all(catalog: Catalog, tainted: Sequence[Model], report: Report) -> Settled:
    from core.merging import catalogued  # torch is loaded only where it is used

    remade, quarantined, waiting = [], [], dict[str, str]()
    for number, model in enumerate(tainted):
        report(Step("remaking models", number, len(tainted), model.name))
        try:
            catalogued.remake(catalog, model)
        except Refused as error:
            artifacts.set_state(catalog, [model.id], ModelState.QUARANTINED, f"{model.why}; {error.message}")
            quarantined.append(model.name)
        except (KyodakuError, OSError) as error:
            waiting[model.name] = str(error)
        else:
            remade.append(model.name)
    report(Step("remaking models", len(tainted), len(tainted)))
    return Settled(remade, quarantined, waiting)


def reached_models(catalog: Catalog, person: Subject, purposes: Iterable[Purpose]) -> list[Model]:
    """Every model in use that holds anything of the person for one of these purposes; ingredients first.

    Those trained for it, those of several people (for `train-composite`), and whatever was made from either.
    """
    asked = set(purposes)
    first = []
    for model in artifacts.models_of_subject(catalog, person.id):
        several = len(artifacts.shares_of(catalog, model.id)) > 1
        meant = composition.purpose_of(catalog, model, 2 if several else 1)
        trained_for = _trained_for(catalog, model)
        if meant in asked or (trained_for is not None and trained_for in asked):
            first.append(model.id)
    ids = sorted({*first, *artifacts.descendants(catalog, first)})
    return [model for model in artifacts.get_models(catalog, ids) if model.state in IN_USE]


def _trained_for(catalog: Catalog, model: Model) -> Purpose | None:
    return None if model.cohort_id is None else artifacts.get_cohort(catalog, model.cohort_id).rules.purpose


def _parted(catalog: Catalog, found: Sequence[Model]) -> tuple[list[Model], list[Model]]:
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


def _why_lost(why: str) -> str:
    return f"{why}; it can't be had without them, and must be trained again"


def _cohorts(catalog: Catalog, person: Subject, purposes: Iterable[Purpose]) -> list[Cohort]:
    asked = set(purposes)
    return [one for one in artifacts.cohorts_of_subject(catalog, person.id) if one.rules.purpose in asked]


def _erase_kept(catalog: Catalog) -> None:
    """Erase what training kept of people who withdrew from it: encoded pictures, and checkpoints that saw them."""
    everyone = subjects.list_all(catalog)
    events = ledger.events_of_many(catalog, [person.uid for person in everyone])
    now = ledger.instant(catalog)
    for person in everyone:
        rulings = [consent.subject_status(events[person.uid], purpose, now) for purpose in TRAIN_PURPOSES]
        if any(ruling.status is Status.WITHDRAWN for ruling in rulings):
            erase_subject(catalog, person.uid)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


def _photographs(ids: Sequence[int]) -> str:
    more = f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
    return f"{len(ids):,} photographs: {_list([str(number) for number in ids[:SHOWN]])}{more}"
