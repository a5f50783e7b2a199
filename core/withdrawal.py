"""A person takes consent back, or may not be in models any more: what that reaches, and the models remade.

The event, the cohorts it taints and the models it takes out of use are one transaction. What follows only
carries that out, and may be interrupted: `settle` erases what may not lie on disk any more and remakes what
is still tainted, and may be run again at any time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from core import composition, consent, models, releases
from core.counted import counted
from core.decisions import noting
from core.errors import BadValue, KyodakuError, Refused, Tainted
from core.progress import Report, Step, silent
from core.taking_out import (
    SETTLE,
    TakenOut,
    lost_purposes,
    parted,
    reached_cohorts,
    reached_models,
    take_out,
    take_out_lost,
)
from core.training.latent_cache import erase_subject
from storage import artifacts, faces, generated, jobs, ledger, subjects, unfinished, whole_files
from storage.catalog import Catalog
from storage.records import EventKind, Job, JobState, Model, ModelKind, ModelState, Purpose, Status, Subject

RETRAIN = "retrain"  # the kind of job that trains a pooled model again
SHOWN = 20  # photographs named in a line; the JSON names them all


@dataclass(frozen=True, slots=True)
class Reach:
    """What a withdrawal would do: photographs by id, cohorts and models by name.

    `quarantined` are the models that can't be had without the person, `remade` those made anew without them,
    `retrained` those of the former that are put down to be trained again, `generated` the files that any of them drew,
    `released` what copies are out that hold the person, in words.
    """

    subject: str
    photos: Sequence[int]
    cohorts: Sequence[str]
    models: Sequence[str]
    quarantined: Sequence[str]
    remade: Sequence[str]
    retrained: Sequence[str]
    generated: Sequence[str]
    released: Sequence[str] = ()

    def lines(self) -> list[str]:
        """For a person to read."""
        return [
            f"{self.subject} is in {_photographs(self.photos)}",
            f"cohorts: {_list(self.cohorts)}",
            f"taken out of use: {_list(self.quarantined)}",
            f"made anew without them: {_list(self.remade)}",
            f"to be trained again without them: {_list(self.retrained)}",
            _pictures(self.generated),
            *self.released,
        ]


@dataclass(frozen=True, slots=True)
class Settled:
    """What carrying out withdrawals came to, by model name; `waiting` says why each is still tainted.

    `retraining` are jobs that wait to train pooled models again, by number.
    """

    remade: Sequence[str]
    quarantined: Sequence[str]
    waiting: dict[str, str]
    retraining: Sequence[int] = ()

    def lines(self) -> list[str]:
        """For a person to read; none where nothing was done."""
        told = [f"taken out of use: {_list(self.quarantined)}"] if self.quarantined else []
        told += [f"made anew without them: {_list(self.remade)}"] if self.remade else []
        return [*told, *_waiting(self.waiting), *_retraining(self.retraining)]


NOTHING = Settled([], [], {})


@dataclass(frozen=True, slots=True)
class Corrected:
    """A subject as it is on record now, and what became of the models it may be in no more."""

    subject: Subject
    settled: Settled


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
    retraining: Sequence[int] = ()
    generated: Sequence[str] = ()
    released: Sequence[str] = ()

    def lines(self) -> list[str]:
        """For a person to read."""
        told = [
            f"event {self.event} ({self.hash[:12]}…), {self.subject}: {_photographs(self.photos)}",
            f"cohorts: {_list(self.cohorts)}",
            f"taken out of use: {_list(self.quarantined)}",
            *self._remade(),
            _pictures(self.generated),
            *self.released,
        ]
        return [*told, *_waiting(self.waiting), *_retraining(self.retraining)]

    def _remade(self) -> list[str]:
        """What was made anew, and in what time; nothing where all that could be waits for it."""
        if self.waiting and not self.remade:
            return []
        return [f"made anew without them: {_list(self.remade)}, in {self.seconds:.1f} s in all"]


def reach(catalog: Catalog, subject: int | str, purposes: Sequence[Purpose]) -> Reach:
    """What withdrawing these purposes would reach; nothing is changed. Raises NoSuchRecord.

    Which merges are too small without the person shows when they are remade.
    """
    person = subjects.get(catalog, subject)
    found = reached_models(catalog, person, purposes)
    lost, remade = parted(catalog, found)
    return Reach(
        subject=person.name,
        photos=faces.photos_of_subject(catalog, person.id),
        cohorts=[cohort.name for cohort in reached_cohorts(catalog, person, purposes)],
        models=[model.name for model in found],
        quarantined=[model.name for model in lost],
        remade=[model.name for model in remade],
        retrained=[model.name for model in lost if _is_pooled(catalog, model)],
        generated=[str(one.path) for one in generated.of_models(catalog, [model.id for model in found])],
        released=_released(catalog, person, purposes),
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
        before = noting.words(catalog, [person], list(purposes), ledger.instant(catalog, at))
        event = ledger.append(
            catalog,
            kind=EventKind.WITHDRAWAL,
            subject_uid=person.uid,
            purposes=sorted(set(purposes), key=list(Purpose).index),
            by=by.strip(),
            note=note,
            at=at,
        )
        noting.note_consent(catalog, before, {person.uid: person}, [event])
        taken = take_out(catalog, person, purposes, f"{person.name} withdrew")
    settled = settle(catalog, remake=remake, report=report)
    names = [model.name for model in taken.models]
    events = ledger.events_of(catalog, person.uid)
    now = ledger.instant(catalog, at)
    return Withdrawal(
        event=event.seq,
        hash=event.hash,
        subject=person.name,
        status={purpose: consent.person_ruling(person, events, purpose, now).status for purpose in Purpose},
        photos=faces.photos_of_subject(catalog, person.id),
        cohorts=[cohort.name for cohort in taken.cohorts],
        models=names,
        quarantined=[*(model.name for model in taken.lost), *(name for name in settled.quarantined if name in names)],
        remade=[name for name in settled.remade if name in names],
        waiting={name: said for name, said in settled.waiting.items() if name in names},
        seconds=time.monotonic() - started,
        retraining=_of_these(catalog, settled.retraining, taken.lost),
        generated=[str(one.path) for one in taken.drawn],
        released=_released(catalog, person, purposes),
    )


def edit_subject(
    catalog: Catalog,
    subject: Subject,
    *,
    by: str | None = None,
    at: datetime | None = None,
    remake: bool = True,
    report: Report = silent,
) -> Corrected:
    """Write a subject's name and facts of age anew, and take out of use what these no longer allow; then settle.

    Who turns out a minor, or of no settled age, now or in a picture that trained, leaves every model, as one
    who withdraws. One transaction; `remake` is as in `withdraw`. Raises NoSuchRecord, NameTaken, BadValue.
    """
    with catalog.transaction():
        before = subjects.get(catalog, subject.id)
        person, taken = put_right(catalog, subject, by, at)
        noting.note_age(catalog, before, person, by)
    if taken.cohorts:
        erase_subject(catalog, person.uid)  # settle does so only where they are lost today
    return Corrected(person, settle_taken(catalog, taken, remake=remake, report=report))


def put_right(catalog: Catalog, subject: Subject, by: str | None, at: datetime | None) -> tuple[Subject, TakenOut]:
    """Write a subject's name and facts of age anew, in the caller's transaction, with what that takes out of use."""
    person = subjects.edit(catalog, subject, by=by, at=at)
    taken = take_out_lost(catalog, person)
    return person, taken


def foreseen(taken: TakenOut) -> Settled:
    """What would become of what was taken out of use, as far as it shows before merges are remade."""
    lost = {model.name for model in taken.lost}
    left = [model.name for model in taken.models if model.name not in lost]
    return Settled(remade=left, quarantined=sorted(lost), waiting={})


def settle_taken(catalog: Catalog, taken: TakenOut, *, remake: bool = True, report: Report = silent) -> Settled:
    """Carry out what was just taken out of use, and tell what became of it; nothing is touched if nothing was."""
    if not taken.cohorts and not taken.models:
        return NOTHING
    settled = settle(catalog, remake=remake, report=report)
    names = {model.name for model in taken.models}
    return Settled(
        remade=[name for name in settled.remade if name in names],
        quarantined=[*(model.name for model in taken.lost), *(one for one in settled.quarantined if one in names)],
        waiting={name: said for name, said in settled.waiting.items() if name in names},
        retraining=_of_these(catalog, settled.retraining, taken.lost),
    )


def settle(catalog: Catalog, *, remake: bool = True, report: Report = silent) -> Settled:
    """Carry out what withdrawals on record ask for; run again after a crash it goes on where that left it.

    Erases the files of models out of use, what was kept of people lost to training, pictures of people who may
    not be drawn alone, and what writers that were killed left half-written; then remakes tainted
    merges, ingredients first. One that may not be any more is quarantined; one that can't be remade now
    (no base, no space) waits, tainted. With `remake`, pooled models get a job that waits to train them again.
    """
    with unfinished.at_work(catalog):
        asked = unfinished.newest(catalog, SETTLE)
        _sweep(catalog)
        out_of_use = artifacts.all_models(catalog, [ModelState.TAINTED, ModelState.QUARANTINED])
        models.erase_files(catalog, out_of_use)
        _erase_kept(catalog)
        _erase_portraits(catalog)
        tainted = [model for model in out_of_use if model.state is ModelState.TAINTED]
        settled = Settled([], [], {model.name: model.why or "" for model in tainted})
        if remake and tainted:
            settled = _remake_all(catalog, tainted, report)
        if remake:
            settled = replace(settled, retraining=queue_retraining(catalog))
        unfinished.done(catalog, SETTLE, asked)
    return settled


def queue_retraining(catalog: Catalog) -> Sequence[int]:
    """Put down a job for each pooled model out of use that has none yet; gives the jobs' numbers.

    They wait until a person starts them (`jobs resume`): to train takes hours, and may need words with those left.
    """
    queued = []
    with catalog.transaction():
        known = {job.args["model"] for job in jobs.of_kind(catalog, RETRAIN)}
        for model in artifacts.all_models(catalog, [ModelState.QUARANTINED]):
            if model.id not in known and _is_pooled(catalog, model):
                args = {"model": model.id}
                queued.append(jobs.add(catalog, RETRAIN, args, datetime.now(UTC), JobState.WAITING).id)
    return tuple(queued)


def _is_pooled(catalog: Catalog, model: Model) -> bool:
    """Whether a model was trained on several people's pictures at once, and can be again without one of them."""
    several = model.kind is ModelKind.FULL and len(artifacts.shares_of(catalog, model.id)) > 1
    return (model.kind is ModelKind.POOLED or several) and model.cohort_id is not None


def run_job(catalog: Catalog, _: Job, report: Report) -> dict[str, Any]:
    """Run a `remake` job, for callers that must not load torch themselves; it takes no arguments."""
    settled = settle(catalog, report=report)
    return {
        "remade": list(settled.remade),
        "quarantined": list(settled.quarantined),
        "waiting": settled.waiting,
        "retraining": list(settled.retraining),
    }


def _remake_all(catalog: Catalog, tainted: Sequence[Model], report: Report) -> Settled:
    from core.merging import catalogued  # torch is loaded only where it is used

    remade, quarantined, waiting = [], [], dict[str, str]()
    for number, model in enumerate(tainted):
        report(Step("remaking models", number, len(tainted), model.name))
        try:
            catalogued.remake(catalog, model)
        except Tainted as error:  # an ingredient waits, or a withdrawal came in between: the next run sees it
            waiting[model.name] = error.message
        except Refused as error:
            artifacts.set_state(catalog, [model.id], ModelState.QUARANTINED, f"{model.why}; {error.message}")
            quarantined.append(model.name)
        except (KyodakuError, OSError) as error:
            waiting[model.name] = str(error)
        else:
            remade.append(model.name)
    report(Step("remaking models", len(tainted), len(tainted)))
    return Settled(remade, quarantined, waiting)


def _erase_kept(catalog: Catalog) -> None:
    """Erase what training kept of people lost to it: encoded pictures, and checkpoints that saw them."""
    for person in subjects.get_many(catalog, artifacts.subjects_of_cohorts(catalog)).values():
        if lost_purposes(catalog, person):
            erase_subject(catalog, person.uid)


def _erase_portraits(catalog: Catalog) -> None:
    """Erase pictures drawn by models of one person alone who does not allow, or no longer, to be drawn alone.

    The weights stay: they may be an ingredient of a composite that the person allows. A grant that merely
    ended stands behind what was drawn while it ran.
    """
    for model in artifacts.all_models(catalog, [ModelState.OK]):
        shares = artifacts.shares_of(catalog, model.id)
        alone = subjects.get_many(catalog, [key for key, share in shares.items() if share >= composition.ONE_PERSON])
        for person in alone.values():
            events = ledger.events_of(catalog, person.uid)
            ruling = consent.person_ruling(person, events, Purpose.TRAIN_INDIVIDUAL, ledger.instant(catalog))
            if ruling.status not in (Status.GRANTED, Status.EXPIRED):
                models.erase_traces(catalog, model)


def _released(catalog: Catalog, person: Subject, purposes: Sequence[Purpose]) -> list[str]:
    """What copies are out that hold the person, where one of these purposes is asked of what is released."""
    return releases.told(catalog, releases.with_person(catalog, person.id)) if {*purposes} & {*releases.FOR_IT} else []


def _sweep(catalog: Catalog) -> None:
    """Remove what writers that no longer run left half-written among the models and in the jobs' folders."""
    for folder in (catalog.models, *(path for path in catalog.jobs.glob("*") if path.is_dir())):
        whole_files.sweep_parts(folder)


def _of_these(catalog: Catalog, queued: Sequence[int], lost: Sequence[Model]) -> Sequence[int]:
    """Those of the jobs that train one of these models again."""
    ids = {model.id for model in lost}
    return tuple(number for number in queued if jobs.get(catalog, number).args["model"] in ids)


def _waiting(waiting: Mapping[str, str]) -> list[str]:
    return [f"{name} waits, out of use: {why}" for name, why in waiting.items()]


def _retraining(numbers: Sequence[int]) -> list[str]:
    return [f"job {number} trains a pooled model again: kyodaku jobs resume {number}" for number in numbers]


def _pictures(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - SHOWN:,} more" if len(paths) > SHOWN else ""
    return f"generated pictures that are withdrawn: {_list(paths[:SHOWN])}{more}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


def _photographs(ids: Sequence[int]) -> str:
    more = f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
    return f"{counted(len(ids), 'photograph')}: {_list([str(number) for number in ids[:SHOWN]])}{more}"
