"""A person asks to be forgotten: what is of them goes, from the catalog and from the bytes of its files.

The rows go in one transaction, which also records the erasure and what is left to do; files, models and the
database's free pages follow, and are finished at the next start where that was cut short. In the ledger the person's
events stay, with their pseudonym, kinds and times, and without a word (`ledger.redact`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from core import models, sidecars, withdrawal
from core.counted import counted
from core.curves import BOARD, METRICS
from core.errors import BadValue
from core.progress import Report, silent
from core.taking_out import parted, reached_cohorts, reached_models, take_out
from core.training.latent_cache import CHECKPOINT, erase_subject
from storage import (
    artifacts,
    claims,
    decisions,
    erased,
    faces,
    forgetting,
    generated,
    ledger,
    photos,
    subjects,
    unfinished,
)
from storage.catalog import Catalog
from storage.forgetting import Names
from storage.records import Event, EventKind, Model, ModelState, Purpose, Subject
from storage.whole_files import erase as erase_file
from storage.whole_files import put_in_place

ERASE, COMPACT = "erase", "compact"  # what `storage.unfinished` calls the two parts of the work that follows
WHY = "a person in it was erased"
LATENTS = "latents"  # of the cache, the folder that is kept by person
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What erasing somebody would reach. `names` are sought as words, `deleted` are the models of them alone, `folded`
    other records that turned out to be of the same person, and are not reached."""

    subject: str
    names: Sequence[str]
    faces: int
    photos: Sequence[int]
    events: int
    cohorts: Sequence[str]
    deleted: Sequence[str]
    quarantined: Sequence[str]
    remade: Sequence[str]
    generated: Sequence[str]
    sidecars: int
    named_files: int
    folded: Sequence[str]

    def lines(self) -> list[str]:
        """For a person to read."""
        return [
            f"{self.subject}: {counted(self.faces, 'face')} in {counted(len(self.photos), 'photograph')}",
            "the photographs stay, and rule unknown",
            f"sought, and taken out of other people's words too: {_list(self.names)}",
            f"events whose words go: {self.events:,}",
            f"cohorts: {_list(self.cohorts)}",
            f"models of them alone, deleted: {_list(self.deleted)}",
            f"taken out of use: {_list(self.quarantined)}",
            f"made anew without them: {_list(self.remade)}",
            f"generated pictures that are withdrawn: {_list(self.generated[:SHOWN])}",
            f"sidecars of theirs that Kyodaku wrote, to be written anew: {self.sidecars:,}",
            *_yours(self.named_files),
            *_also(self.folded),
        ]


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did. `finished` is False while something else reads the database: the next start goes on."""

    event: int
    hash: str
    faces: int
    photos: Sequence[int]
    events: int
    cohorts: Sequence[str]
    deleted: Sequence[str]
    quarantined: Sequence[str]
    remade: Sequence[str]
    waiting: dict[str, str]
    retraining: Sequence[int]
    generated: Sequence[str]
    sidecars: Sequence[str]
    sidecars_left: Sequence[str]
    named_files: int
    folded: Sequence[str]
    finished: bool

    def lines(self) -> list[str]:
        """For a person to read."""
        told = [
            f"event {self.event} ({self.hash[:12]}…): erased are "
            f"{counted(self.faces, 'face')} in {counted(len(self.photos), 'photograph')}",
            f"events whose words are gone: {self.events:,}",
            f"models of them alone, deleted: {_list(self.deleted)}",
            f"taken out of use: {_list(self.quarantined)}",
            f"made anew without them: {_list(self.remade)}",
            *(f"{name} waits, out of use: {why}" for name, why in self.waiting.items()),
            *(f"job {number} trains a pooled model again: kyodaku jobs resume {number}" for number in self.retraining),
            f"generated pictures, outside of the catalog, to be deleted: {_list(self.generated[:SHOWN])}",
            f"sidecars written anew: {len(self.sidecars):,}",
            *(f"beside this a sidecar still tells of them: {why}" for why in self.sidecars_left),
            "copies of the catalog (backups, exports, receipts) still hold the person",
            *_yours(self.named_files),
            *_also(self.folded),
        ]
        if not self.finished:
            told.append("something else reads the catalog: the rest of its bytes go at the next start")
        return told


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left to do once the rows are gone. `moves` are models' files, by old and new name."""

    uid: str
    names: Sequence[str]
    thumbs: Sequence[str]
    evidence: Sequence[str]
    gone: Sequence[str]
    moves: Sequence[tuple[str, str]]
    remake: bool
    sidecars: Sequence[int] = ()  # by photograph
    subject_id: int = 0


def plan(catalog: Catalog, subject: int | str) -> Plan:
    """What erasing this person would reach; nothing is changed. Raises NoSuchRecord."""
    person = subjects.get(catalog, subject)
    names = _names(catalog, person)
    found = reached_models(catalog, person, Purpose)
    alone = _alone(catalog, person)
    lost, remade = parted(catalog, found)
    own = {model.id for model in alone}
    return Plan(
        subject=person.name,
        names=names.names,
        faces=faces.count(catalog, "f.subject_id = ?", (person.id,)),
        photos=_photos(catalog, person),
        events=sum(_names_them(event, person, names) for event in ledger.all(catalog)),
        cohorts=[cohort.name for cohort in reached_cohorts(catalog, person, Purpose)],
        deleted=[model.name for model in alone],
        quarantined=[model.name for model in lost if model.id not in own],
        remade=[model.name for model in remade if model.id not in own],
        generated=_drawn(catalog, [*found, *alone]),
        sidecars=len(_told_beside(catalog, person, names)),
        named_files=forgetting.named_files(catalog, names),
        folded=[one.name for one in subjects.folded_into(catalog, person.id)],
    )


def erase(
    catalog: Catalog,
    subject: int | str,
    *,
    by: str,
    remake: bool = True,
    at: datetime | None = None,
    report: Report = silent,
) -> Erased:
    """Erase a person. With `remake` False merges that they were in stay tainted, and off disk, until `settle`.

    Raises NoSuchRecord, BadValue (nobody recorded it, or the person's own name is given), CatalogDamaged where
    the ledger does not verify.
    """
    with unfinished.at_work(catalog):
        with catalog.transaction():
            person = subjects.get(catalog, subject)
            names = _names(catalog, person)
            if not by.strip() or names.found_in(by):
                raise BadValue("who records the erasure is not said", "name whoever does it, not who is erased: --by")
            foreseen = plan(catalog, person.id)
            rest, event = _erase_rows(catalog, person, names, by.strip(), at, remake)
            unfinished.put_down(catalog, ERASE, json.dumps(asdict(rest), ensure_ascii=False))
        settled, beside, finished = _carry_out(catalog, rest, report)
    models_named = set(foreseen.remade) | set(foreseen.quarantined)
    renamed = {names.without(name) for name in models_named}
    return Erased(
        event=event.seq,
        hash=event.hash,
        faces=foreseen.faces,
        photos=foreseen.photos,
        events=foreseen.events,
        cohorts=[names.without(name) for name in foreseen.cohorts],
        deleted=[names.without(name) for name in foreseen.deleted],
        quarantined=[
            *(names.without(name) for name in foreseen.quarantined),
            *(name for name in settled.quarantined if name in renamed),
        ],
        remade=list(settled.remade),
        waiting=settled.waiting,
        retraining=settled.retraining,
        generated=foreseen.generated,
        sidecars=list(beside.written.values()),
        sidecars_left=[f"{photos.get(catalog, key).path_text}: {why}" for key, why in beside.left_out.items()],
        named_files=foreseen.named_files,
        folded=foreseen.folded,
        finished=finished,
    )


def finish(catalog: Catalog) -> bool:
    """Go on with erasures that were cut short, all but remaking models; False while others read the database."""
    for told in unfinished.told(catalog, ERASE):
        fields = json.loads(told)
        _carry_out(catalog, Rest(**{**fields, "remake": False}), silent)
    return _compact(catalog)


def _erase_rows(
    catalog: Catalog, person: Subject, names: Names, by: str, at: datetime | None, remake: bool
) -> tuple[Rest, Event]:
    """All that the database holds of a person goes, in the caller's transaction; what is left to do, and the event."""
    content = [photo.content_hash for photo in photos.get_many(catalog, _photos(catalog, person)) if photo.content_hash]
    evidence = _evidence(catalog, person)
    beside = _told_beside(catalog, person, names)
    take_out(catalog, person, Purpose, WHY)
    alone = _alone(catalog, person)
    artifacts.set_state(catalog, [model.id for model in alone], ModelState.DELETED, WHY)
    generated.forget(catalog, [model.id for model in alone])
    redacted = ledger.redact(catalog, lambda event: _names_them(event, person, names))
    decisions.forget_subjects(catalog, [person.id])
    erased.faces_of(catalog, person.id)
    erased.rows_of(catalog, person.id)
    erased.word_of_others(catalog, names, forgetting.INSTEAD)
    erased.rename(catalog, "cohorts", names)
    erased.rename(catalog, "models", names)
    moved = [(model, names.without(model.path)) for model in artifacts.all_models(catalog)]
    moved = [(model, _free(path, model, moved)) for model, path in moved if path != model.path]
    erased.move_models(catalog, [(model.id, path) for model, path in moved])
    forgetting.scrub(catalog, names)
    event = ledger.append(
        catalog,
        kind=EventKind.ERASURE,
        subject_uid=person.uid,
        by=by,
        details={"redacted": {str(seq): digest for seq, digest in redacted.items()}},
        at=at,
    )
    rest = Rest(
        uid=person.uid,
        names=names.names,
        thumbs=content,
        evidence=evidence,
        gone=[model.path for model in alone],
        moves=[(model.path, path) for model, path in moved],
        remake=remake,
        sidecars=beside,
        subject_id=person.id,
    )
    return rest, event


def _carry_out(catalog: Catalog, rest: Rest, report: Report) -> tuple[withdrawal.Settled, sidecars.Written, bool]:
    """Erase the files of somebody whose rows are gone, remake what they were in, and write the database anew."""
    asked = unfinished.newest(catalog, ERASE)
    for gone in rest.gone:
        for one in models.files_at(catalog, gone):
            erase_file(one)
    for old, new in rest.moves:
        for before, after in zip(models.files_at(catalog, old), models.files_at(catalog, new), strict=True):
            if before.exists() and before.name.endswith(models.TRACES):
                erase_file(before)  # a picture says in its text which model drew it
            elif before.exists():
                put_in_place(before, after)
    erase_subject(catalog, rest.uid)
    for path in _kept_files(catalog, rest):
        erase_file(path)
    names = Names(tuple(rest.names))
    _scrub_jobs(catalog, names, rest.subject_id)
    beside = sidecars.write(catalog, rest.sidecars, report=report)
    forgetting.drop_own_words(catalog, names)
    settled = withdrawal.settle(catalog, remake=rest.remake, report=report)
    with catalog.transaction():
        unfinished.put_down(catalog, COMPACT)
        unfinished.done(catalog, ERASE, asked)
    return settled, beside, _compact(catalog)


def _compact(catalog: Catalog) -> bool:
    asked = unfinished.newest(catalog, COMPACT)
    if not asked:
        return True
    if not forgetting.compact(catalog):
        return False
    unfinished.done(catalog, COMPACT, asked)
    return True


def _kept_files(catalog: Catalog, rest: Rest) -> list[Path]:
    """What was kept beside the database: thumbnails, evidence, audits (which compare with everybody), caches."""
    return [
        *(path for digest in rest.thumbs for path in catalog.thumbs.glob(f"{digest[:2]}/{digest}-*")),
        *(path for digest in rest.evidence for path in catalog.evidence.glob(f"{digest}*")),
        *catalog.models.glob("*.audit"),
        *catalog.jobs.glob("*/previews"),  # a pooled LoRA's too
        *catalog.jobs.glob(f"*/{BOARD}"),  # which says no more than the metrics do
        *(path for path in catalog.cache.iterdir() if path.name != LATENTS),
    ]


def _scrub_jobs(catalog: Catalog, names: Names, subject_id: int) -> None:
    """Take names out of what jobs told, and out of the names of checkpoints, as they go out of the jobs' own rows.

    What a run calls their pictures goes as a whole.
    """
    from core.training import captions  # loads pydantic, for which no start of the app need wait

    for kept in catalog.jobs.glob(f"*/{captions.KEPT}"):
        captions.forget(kept, subject_id, names)
    for told in (*catalog.jobs.glob("*/*.txt"), *catalog.jobs.glob(f"*/{METRICS}")):
        _cover(told, names)
    for kept in catalog.jobs.glob(f"*/*{CHECKPOINT}"):
        if names.found_in(kept.name):
            put_in_place(kept, kept.with_name(names.without(kept.name)))


def _cover(path: Path, names: Names) -> None:
    """Cover names in a file in its place, byte for byte as long: whoever writes to it goes on."""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    covered = names.covered(text).encode("utf-8", "surrogateescape")
    if covered != text.encode("utf-8", "surrogateescape"):
        with path.open("r+b") as file:
            file.write(covered)


def _names(catalog: Catalog, person: Subject) -> Names:
    """What the person is and was called."""
    return Names((person.name, *subjects.earlier_names(catalog, person.id)))


def _photos(catalog: Catalog, person: Subject) -> list[int]:
    return sorted({face.photo_id for face in faces.of_subject(catalog, person.id)})


def _told_beside(catalog: Catalog, person: Subject, names: Names) -> list[int]:
    """Photographs beside which the catalog wrote of the person."""
    shown = set(_photos(catalog, person))
    words = claims.all_own_words(catalog)
    return sorted({photo for photo, word in words if photo in shown or names.found_in(word)})


def _alone(catalog: Catalog, person: Subject) -> list[Model]:
    """Models of nobody else that are not deleted."""
    return [
        model
        for model in artifacts.models_of_subject(catalog, person.id)
        if model.state is not ModelState.DELETED and set(artifacts.shares_of(catalog, model.id)) == {person.id}
    ]


def _drawn(catalog: Catalog, found: Sequence[Model]) -> list[str]:
    return [str(one.path) for one in generated.of_models(catalog, {model.id for model in found}, None)]


def _evidence(catalog: Catalog, person: Subject) -> list[str]:
    """Hashes of evidence that stands behind events of this person and nobody else's."""
    own, others = set[str](), set[str]()
    for event in ledger.all(catalog):
        if event.evidence is not None:
            (own if event.subject_uid == person.uid else others).add(event.evidence)
    return sorted(own - others)


def _names_them(event: Event, person: Subject, names: Names) -> bool:
    """Whether an event is the person's, or somebody's words in it name them."""
    if event.subject_uid == person.uid:
        return True
    words = json.dumps([event.by, event.note, dict(event.details)], ensure_ascii=False)
    return names.found_in(words)


def _free(path: str, model: Model, others: Sequence[tuple[Model, str]]) -> str:
    """The new path of a model's file, with its number where two would be the same."""
    if sum(new == path for _, new in others) == 1:
        return path
    stem, ending = re.fullmatch(r"(.*?)(\.safetensors)?", path).groups()  # type: ignore[union-attr]
    return f"{stem} {model.id}{ending or ''}"


def _yours(number: int) -> list[str]:
    return [f"{counted(number, 'photograph')} with the name in the path: rename, then index again"] if number else []


def _also(folded: Sequence[str]) -> list[str]:
    return [f"{name} was merged into them, and is on record still: erase that record too" for name in folded]


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"
