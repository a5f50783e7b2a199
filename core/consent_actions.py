"""Recording what people allow and refuse, and telling where they stand. Withdrawing is `core.withdrawal`'s."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core import consent
from core.consent import Ruling
from core.decisions import noting
from core.errors import BadValue, Refused, UnreadablePath
from core.progress import Report, silent
from core.taking_out import take_out_lost
from core.terms import Manner, Terms
from core.terms import of as terms_of
from core.withdrawal import NOTHING, Settled, foreseen, settle_taken
from storage import ledger, subjects, whole_files
from storage.catalog import Catalog
from storage.records import ADULT_ONLY_PURPOSES, Event, EventKind, Purpose, Status, Subject

UNTOLD = Terms()
Who = Subject | int | str
"""A subject's record, id or exact name."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event that was recorded: its number and hash, of whom, and where they stand since, by purpose.

    `settled` is what became of models that they may be in no more.
    """

    event: int
    hash: str
    subject: str
    status: dict[Purpose, Status]
    settled: Settled = NOTHING

    def lines(self) -> list[str]:
        """For a person to read."""
        standing = [f"  {purpose}: {status}" for purpose, status in self.status.items()]
        return [f"event {self.event} ({self.hash[:12]}…), {self.subject}:", *standing, *self.settled.lines()]


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a person stands at an instant: status and ruling by purpose, and the events recorded by then."""

    subject: str
    at: datetime
    status: dict[Purpose, Status]
    rulings: dict[Purpose, Ruling]
    events: list[Event]

    def lines(self) -> list[str]:
        """For a person to read."""
        standing = [f"{purpose}: {ruling.status} — {ruling.why}" for purpose, ruling in self.rulings.items()]
        return standing + [line for event in self.events for line in _told(event)]


@dataclass(frozen=True, slots=True)
class Due:
    """A grant in force that ends, with nothing after it, at `until`. `event` is its hash."""

    subject: str
    purpose: Purpose
    until: datetime
    event: str | None


def grant(
    catalog: Catalog,
    people: Sequence[Who],
    purposes: Sequence[Purpose],
    *,
    by: str,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    terms: Terms = UNTOLD,
    evidence: Path | None = None,
    keep_evidence: bool = False,
    note: str | None = None,
    at: datetime | None = None,
    dry_run: bool = False,
) -> list[Recorded]:
    """Record that each of these people allows these purposes, and no others: one event each, all or none.

    In force from `valid_from` (recording, where None) until just before `valid_until`. `by` is who records it,
    and for a minor the guardian. `evidence` goes in by its hash, and is copied into the catalog where
    `keep_evidence`. With `dry_run` it is only told what would be recorded. Raises Refused (a minor), BadValue,
    NoSuchRecord, UnreadablePath.
    """
    at = at or datetime.now(UTC)
    _check_validity(valid_from or at, valid_until)
    asked = _asked_purposes(purposes)
    proof = None if evidence is None else file_evidence(catalog, evidence, keep=keep_evidence and not dry_run)
    with _written(catalog, dry_run):
        drafts = [
            Event(
                seq=0,
                at=at,
                kind=EventKind.GRANT,
                subject_uid=person.uid,
                purposes=asked,
                valid_from=valid_from,
                valid_until=valid_until,
                by=_said_by(by),
                evidence=proof,
                note=note,
                details=terms.details() | guardian_details(person, asked, by, at, valid_from),
            )
            for person in _found(catalog, people)
        ]
        return _recorded(catalog, drafts, at)


def renew(
    catalog: Catalog,
    people: Sequence[Who],
    *,
    by: str,
    valid_until: datetime,
    manner: Terms,
    purposes: Sequence[Purpose] = (),
    evidence: Path | None = None,
    keep_evidence: bool = False,
    note: str | None = None,
    at: datetime | None = None,
    dry_run: bool = False,
) -> list[Recorded]:
    """Record that each of these people grants anew, until another end, what they granted last: all or none.

    A renewal is an act of its own: `manner` says how it was given this time; territory and conditions are those
    of the grant that it renews, unless `manner` tells others. `purposes` are all that a person's newest word
    grants, or did until it ended, unless named. One event for each grant renewed. Raises Refused where somebody
    has refused or withdrawn since, or never granted; BadValue, NoSuchRecord, UnreadablePath.
    """
    at = at or datetime.now(UTC)
    if manner.manner is None:
        raise BadValue("how it was given anew is not said", f"one of: {', '.join(Manner)}")
    _check_validity(at, valid_until)
    proof = None if evidence is None else file_evidence(catalog, evidence, keep=keep_evidence and not dry_run)
    with _written(catalog, dry_run):
        drafts = []
        for person in _found(catalog, people):
            for renewed, asked in _renewable(catalog, person, purposes, at):
                old = {"territory": renewed.details.get("territory"), "conditions": renewed.details.get("conditions")}
                details = {
                    **{name: value for name, value in old.items() if value is not None},
                    **manner.details(),
                    "renews": renewed.hash,
                    **guardian_details(person, asked, by, at, None),
                }
                kind, uid = EventKind.GRANT, person.uid
                drafts.append(Event(0, at, kind, uid, asked, None, valid_until, _said_by(by), proof, note, details))
        return _recorded(catalog, drafts, at)


def refuse(
    catalog: Catalog,
    people: Sequence[Who],
    purposes: Sequence[Purpose],
    *,
    by: str,
    evidence: Path | None = None,
    note: str | None = None,
    at: datetime | None = None,
    remake: bool = True,
    report: Report = silent,
    dry_run: bool = False,
) -> list[Recorded]:
    """Record that each of these people does not allow these purposes: one event each, all or none.

    What was trained under an earlier grant is taken out of use in the same transaction, and settled after it;
    with `remake` False merges wait for `withdrawal.settle`. With `dry_run` it is only told what would be recorded
    and taken out. Raises BadValue, NoSuchRecord, UnreadablePath.
    """
    at = at or datetime.now(UTC)
    asked = _asked_purposes(purposes)
    proof = file_evidence(catalog, evidence) if evidence is not None else None
    with _written(catalog, dry_run):
        drafts = [
            Event(0, at, EventKind.REFUSAL, person.uid, asked, by=_said_by(by), evidence=proof, note=note)
            for person in _found(catalog, people)
        ]
        recorded = _recorded(catalog, drafts, at)
        taken = [take_out_lost(catalog, subjects.get(catalog, one.subject)) for one in recorded]
    if dry_run:
        return [replace(one, settled=foreseen(out)) for one, out in zip(recorded, taken, strict=True)]
    return [
        replace(one, settled=settle_taken(catalog, out, remake=remake, report=report))
        for one, out in zip(recorded, taken, strict=True)
    ]


def show(catalog: Catalog, who: Who, at: datetime | None = None) -> Shown:
    """Where a person stands for each purpose at an instant, now unless told. Raises NoSuchRecord."""
    at = at or ledger.instant(catalog)
    [person] = subjects.find(catalog, [who])
    events = ledger.events_of(catalog, person.uid)
    rulings = {purpose: consent.person_ruling(person, events, purpose, at) for purpose in Purpose}
    status = {purpose: ruling.status for purpose, ruling in rulings.items()}
    return Shown(person.name, at, status, rulings, [event for event in events if event.at <= at])


def due(catalog: Catalog, within: timedelta, at: datetime | None = None) -> list[Due]:
    """Grants in force that end within this time, soonest first, where nothing goes on from there."""
    at = at or ledger.instant(catalog)
    everyone = subjects.list_all(catalog)
    events = ledger.events_of_many(catalog, [person.uid for person in everyone])
    ending = []
    for person in everyone:
        for purpose in Purpose:
            ruling, until = _last_in_force(person, events[person.uid], purpose, at)
            if ruling is not None and until is not None and until <= at + within:
                ending.append(Due(person.name, purpose, until, ruling.event_hash))
    return sorted(ending, key=lambda one: (one.until, one.subject, one.purpose))


def parse_purposes(text: str, field: str = "--purpose") -> tuple[Purpose, ...]:
    """Purposes parted by `,` or `;`, each once. Raises BadValue, naming the field, for none or an unknown one."""
    parts = [part.strip() for part in text.replace(";", ",").split(",")]
    unknown = [part for part in parts if part not in set(Purpose)]
    if unknown:
        said = repr(unknown[0]) if unknown[0] else "an empty purpose"
        raise BadValue(f"{field}: {said} is no purpose", f"one or more of {', '.join(Purpose)}, parted by commas")
    return _asked_purposes([Purpose(part) for part in parts])


def subjects_from(file: Path) -> list[str]:
    """Ids or names of people, one a line; blank lines and what follows a # are passed over.

    Raises UnreadablePath, and BadValue for a file that is no text, names nobody or somebody twice.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UnreadablePath(f"{file} can't be read: {error.strerror}", "name a text file") from error
    except UnicodeDecodeError as error:
        raise BadValue(f"{file.name} is not UTF-8 text: byte {error.start}", "save it as UTF-8") from error
    named = [name for line in lines if (name := line.partition("#")[0].strip())]
    if not named:
        raise BadValue(f"{file.name} names nobody", "write one id or name a line")
    twice = [name for name, times in Counter(named).items() if times > 1]
    if twice:
        raise BadValue(f"{file.name}: {twice[0]!r} is there twice", "name each person once")
    return named


def file_evidence(catalog: Catalog, path: Path, *, keep: bool = False) -> str:
    """SHA-256, hex, of an evidence file; `keep` copies it to `evidence/HASH.suffix`. Raises UnreadablePath."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if keep:
                file.seek(0)
                with whole_files.whole_file(catalog.evidence / f"{digest}{path.suffix.lower()}") as copy:
                    shutil.copyfileobj(file, copy)
    except OSError as error:
        raise UnreadablePath(
            f"{path} can't be read: {error.strerror}", "name the signed release or recording"
        ) from error
    return digest


def _found(catalog: Catalog, people: Sequence[Who]) -> list[Subject]:
    found = subjects.find(catalog, people)
    if not found:
        raise BadValue("no subject is named", "name at least one person")
    return found


@contextmanager
def _written(catalog: Catalog, dry_run: bool) -> Iterator[None]:
    """A transaction whose writes are undone at its end where it is only told what they would be."""
    with catalog.transaction() as db:
        db.execute("SAVEPOINT said")
        yield
        db.execute("ROLLBACK TO said" if dry_run else "RELEASE said")


def _renewable(
    catalog: Catalog, person: Subject, purposes: Sequence[Purpose], at: datetime
) -> list[tuple[Event, tuple[Purpose, ...]]]:
    """The grants that a person's newest word rests on, each with the purposes that it is renewed for.

    Raises Refused where a purpose named, or every one, has no grant for its newest word.
    """
    events = ledger.events_of(catalog, person.uid)
    by_hash = {event.hash: event for event in events}
    found: dict[str, list[Purpose]] = {}
    for purpose in purposes or list(Purpose):
        ruling = consent.person_ruling(person, events, purpose, at)
        if ruling.status in (Status.GRANTED, Status.EXPIRED) and ruling.event_hash is not None:
            found.setdefault(ruling.event_hash, []).append(purpose)
        elif purposes:
            raise Refused(f"{ruling.why}: there is no grant of {purpose} to renew", "record what they say: grant")
    if not found:
        raise Refused(f"{person.name} has no grant to renew", "record what they say: kyodaku consent grant")
    return [(by_hash[key], _asked_purposes(asked)) for key, asked in found.items()]


def _told(event: Event) -> list[str]:
    """One event in lines: what it says, when it runs, how it was given and on what terms."""
    runs = [f"from {event.valid_from:%Y-%m-%d}"] if event.valid_from else []
    runs += [f"until {event.valid_until:%Y-%m-%d}"] if event.valid_until else []
    what = ", ".join([*event.purposes, *runs])
    head = f"event {event.seq}, {event.at:%Y-%m-%d %H:%M} UTC: {event.kind}" + (f" {what}" if what else "")
    proof = [f"evidence: sha256 {event.evidence}"] if event.evidence else []
    return [head, *(f"  {line}" for line in [*terms_of(event.details).lines(), *proof])]


def _asked_purposes(purposes: Sequence[Purpose]) -> tuple[Purpose, ...]:
    if not purposes:
        raise BadValue("no purpose is named", f"one or more of {', '.join(Purpose)}")
    return tuple(purpose for purpose in Purpose if purpose in purposes)


def _said_by(by: str) -> str:
    if not by.strip():
        raise BadValue("nobody is named who says so", "name who records it with --by")
    return by.strip()


def _check_validity(begins: datetime, ends: datetime | None) -> None:
    for instant in (begins, ends):
        if instant is not None and instant.utcoffset() is None:
            raise BadValue(f"{instant.isoformat()} has no offset from UTC", "write it as 2026-01-31T00:00:00+00:00")
    if ends is not None and ends <= begins:
        raise BadValue(f"a grant from {begins.isoformat()} can't end on {ends.isoformat()}", "end it after it begins")


def guardian_details(
    person: Subject, purposes: Sequence[Purpose], by: str, at: datetime, valid_from: datetime | None
) -> dict[str, bool]:
    """Details that a grant has: whether the guardian gave it. Raises Refused for what a minor can't be granted."""
    minor = consent.given_as_minor(person, at, valid_from)
    by_guardian = person.guardian is not None and by.strip() == person.guardian
    adults_only = [purpose for purpose in purposes if purpose in ADULT_ONLY_PURPOSES]
    if (minor or by_guardian) and adults_only:
        raise Refused(
            f"{person.name} can't be granted {', '.join(adults_only)}: "
            + ("they are, or were then, a minor" if minor else "a guardian can't allow it"),
            "nobody can allow this for a minor; it takes the adult's own word",
        )
    if minor and not by_guardian:
        whose = (
            f"--by {person.guardian!r}" if person.guardian else "record the guardian: kyodaku subject edit --guardian"
        )
        raise Refused(f"{person.name} is, or was then, a minor, so only a guardian may allow it", whose)
    return {consent.BY_GUARDIAN: True} if by_guardian else {}


def _recorded(catalog: Catalog, drafts: Sequence[Event], at: datetime) -> list[Recorded]:
    """Append events, in the caller's transaction, as one decision, and tell where each person stands since."""
    uids = [event.subject_uid for event in drafts if event.subject_uid is not None]
    people = subjects.by_uids(catalog, uids)
    before = noting.words(catalog, list(people.values()), list(Purpose), ledger.instant(catalog, at))
    events = ledger.append_many(catalog, drafts)
    noting.note_consent(catalog, before, people, events)
    known = ledger.events_of_many(catalog, uids)
    return [
        Recorded(
            event=event.seq,
            hash=event.hash,
            subject=people[uid].name,
            status={p: consent.person_ruling(people[uid], known[uid], p, at).status for p in Purpose},
        )
        for event, uid in zip(events, uids, strict=True)
    ]


def _last_in_force(
    person: Subject, events: Sequence[Event], purpose: Purpose, at: datetime
) -> tuple[Ruling | None, datetime | None]:
    """The last ruling of an unbroken stretch of grants from `at` on, and when it ends; None where none is in force."""
    last: Ruling | None = None
    while True:
        ruling = consent.person_ruling(person, events, purpose, at)
        if ruling.status is not Status.GRANTED:
            return last, at
        last = ruling
        if ruling.until is None:
            return last, None
        at = ruling.until
