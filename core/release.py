"""May a model leave the catalog, and what goes with it: a composite that was audited, by everybody's word.

Once it is out nobody can take it back, so more is asked of it than of a model that is used here: it is of several
people and mostly of none; an audit of these very bytes, whose pictures a safety checker saw, found nobody; and everyone
in its lineage has granted `release`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from core import consent, controller
from core.audit_verdict import NOBODY_VERDICT
from core.composition import NAMED, ONE_PERSON
from core.errors import BadValue, ConsentLost, Refused, UnreadablePath
from core.interchange.model_card import CardFacts, model_card
from core.merging.space import require_space
from core.models import file_problem, people_in, require_in_use
from storage import artifacts, audits, ledger, whole_files
from storage.audits import Audit
from storage.catalog import Catalog
from storage.records import Model, ModelKind, Purpose, Status, Subject

COMPOSITES = frozenset({ModelKind.POOLED, ModelKind.FULL, ModelKind.AVERAGE, ModelKind.BAKE, ModelKind.SOUP})
CARD = "README.md"  # where other tools look for a model's card


@dataclass(frozen=True, slots=True)
class Released:
    """A model that left, or would: the folder, the files in it, how many people it is of, the hash of its bytes."""

    model: str
    folder: str
    files: list[str]
    people: int
    bytes_hash: str
    dry_run: bool


@dataclass(frozen=True, slots=True)
class _Permit:
    """A model that may leave, with all that the card says of it."""

    model: Model
    people: Sequence[Subject]
    shares: Sequence[float]
    audit: Audit
    bytes_hash: str


def export_model(
    catalog: Catalog, name: str, out: Path, *, licence: str, intended_use: str, dry_run: bool = False
) -> Released:
    """Write a model with its card into the new folder `out`, whole or not at all; a dry run only says if it may.

    Raises NoSuchRecord, Tainted, Refused, ConsentLost, BadValue, UnreadablePath, NotEnoughSpace.
    """
    for told, what in ((licence, "--licence"), (intended_use, "--intended-use")):
        if not told.strip():
            raise BadValue(f"{what} says nothing", "the model card must tell it")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadValue(f"{out} is there already", "name a new folder")
    now = ledger.instant(catalog)
    permit = require_releasable(catalog, name, now)
    source = catalog.models / permit.model.path
    card = model_card(_facts(catalog, permit, licence, intended_use, now))
    if not dry_run:
        _write(catalog, permit, source, out, card)
    return Released(name, str(out), [CARD, *_files(source)], len(permit.people), permit.bytes_hash, dry_run)


def require_releasable(catalog: Catalog, name: str, at: datetime | None = None) -> _Permit:
    """Raises Refused, Tainted or ConsentLost, saying why, unless the model may leave the catalog."""
    at = ledger.instant(catalog, at)
    model = artifacts.get_model(catalog, name)
    require_in_use(model)
    shares = artifacts.shares_of(catalog, model.id)
    if model.kind not in COMPOSITES or len(shares) < 2 or max(shares.values()) >= ONE_PERSON:
        raise Refused(f"{name} is no composite: it is mostly one person's", "average it with others")
    people = people_in(catalog, model)
    _require_granted(catalog, name, people, at)
    problem = file_problem(catalog, model)
    if problem is not None:
        raise Refused(f"{name}: {problem}", "restore it from a backup, or make it again")
    bytes_hash = whole_files.tree_hash(catalog.models / model.path)
    return _Permit(model, people, list(shares.values()), _passed(catalog, model, bytes_hash), bytes_hash)


def _require_granted(catalog: Catalog, name: str, people: Sequence[Subject], at: datetime) -> None:
    events = ledger.events_of_many(catalog, [person.uid for person in people])
    missing = []
    for person in people:
        ruling = consent.person_ruling(person, events.get(person.uid, ()), Purpose.RELEASE, at)
        if ruling.status is not Status.GRANTED:
            missing.append(f"{person.name} ({ruling.status})")
    if missing:
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise ConsentLost(
            f"{name} may not leave: release is not granted by {', '.join(missing[:NAMED])}{more}",
            "ask them, or average without them",
        )


def _passed(catalog: Catalog, model: Model, bytes_hash: str) -> Audit:
    """The last audit, if it was of these bytes, found nobody, and a safety checker saw its pictures."""
    audit = audits.last(catalog, model.id)
    again = f"audit it: kyodaku audit {model.name}"
    if audit is None:
        raise Refused(f"{model.name} was never audited", again)
    if audit.bytes_hash != bytes_hash:
        raise Refused(f"{model.name} is not, byte for byte, what was audited", again)
    if audit.verdict != NOBODY_VERDICT:
        raise Refused(f"{model.name} did not pass its audit: {audit.verdict}", f"see: kyodaku models show {model.name}")
    if audit.checker is None:
        raise Refused(f"no safety checker saw what {model.name} draws", f"{again} --safety-checker PATH")
    return audit


def _facts(catalog: Catalog, permit: _Permit, licence: str, intended_use: str, at: datetime) -> CardFacts:
    ids = [permit.model.id, *artifacts.ancestors(catalog, [permit.model.id])]
    cohorts = [
        artifacts.get_cohort(catalog, key)
        for key in sorted({one.cohort_id for one in artifacts.get_models(catalog, ids) if one.cohort_id is not None})
    ]
    return CardFacts(
        name=permit.model.name,
        kind=permit.model.kind,
        trigger=permit.model.trigger or "",
        base_hash=permit.model.base_hash,
        bytes_hash=permit.bytes_hash,
        people=len(permit.people),
        largest_share=max(permit.shares),
        purposes=sorted({*(cohort.rules.purpose for cohort in cohorts), Purpose.RELEASE}),
        roots=[cohort.merkle_root or "" for cohort in cohorts],
        ledger_head=ledger.head(catalog),
        audit=permit.audit,
        licence=licence.strip(),
        intended_use=intended_use.strip(),
        contact=controller.get(catalog).contact,
        at=at,
    )


def _files(source: Path) -> list[str]:
    """Names of the files that leave, below the new folder."""
    if source.is_file():
        return [source.name]
    return [f"{source.name}/{path.relative_to(source)}" for path in sorted(source.rglob("*")) if path.is_file()]


def _leave(catalog: Catalog, permit: _Permit) -> None:
    """Put on record that the model leaves, if that is still allowed: copying it took a while."""
    with catalog.transaction():
        now = ledger.instant(catalog)
        require_in_use(artifacts.get_models(catalog, [permit.model.id])[0])
        _require_granted(catalog, permit.model.name, permit.people, now)
        audits.release(catalog, permit.model.id, permit.bytes_hash, [person.id for person in permit.people], now)


def _write(catalog: Catalog, permit: _Permit, source: Path, out: Path, card: str) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        require_space(out.parent, sum(path.stat().st_size for path in [source, *source.rglob("*")] if path.is_file()))
        with whole_files.staged(out) as part:
            part.mkdir(mode=0o700)
            if source.is_dir():
                shutil.copytree(source, part / source.name)
            else:
                shutil.copyfile(source, part / source.name)
            if whole_files.tree_hash(part / source.name) != permit.bytes_hash:
                raise Refused(f"{permit.model.name} was changed while it was copied", "try again")
            (part / CARD).write_text(card, encoding="utf-8")
            if out.is_dir():
                out.rmdir()
            _leave(catalog, permit)  # before the copy has its name: none is ever out that is not on record
            whole_files.put_in_place(part, out)
    except OSError as error:
        raise UnreadablePath(f"{out} can't be written: {error.strerror}", "name another folder") from error
