"""People and what each allows, read from a CSV file: all of it, or nothing where a line is wrong.

Columns, of which only `name` is a must (UTF-8, `;` between purposes, yes/no, dates YYYY-MM-DD or instants
with offset; a date means its first moment in UTC):

    name, born, attested_by, attested_how, minor, guardian   as in the subject's record
    grants, from, until    purposes allowed, from (recording, where empty) until just before (open, where empty)
    refuses                purposes refused
    withdrawn              the day on which all that is granted was taken back; recorded after the grant
    manner, witness, language, territory, conditions   how the grant was given and on what terms: `core.terms`
    note                   goes to the ledger with each event of the line: write no names there

A person who has consent on record already is an error: an old file must not grant anew what was withdrawn.
What a minor's line grants that nobody can for a minor is not recorded, and told in `left_out`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from pathlib import Path

from core import consent, terms
from core.consent_actions import parse_purposes
from core.counted import counted
from core.errors import BadValue, KyodakuError, UnreadablePath
from core.terms import Terms
from storage import ledger, subjects
from storage.catalog import Catalog
from storage.records import ADULT_ONLY_PURPOSES, Event, EventKind, Purpose, Subject

_TERMS = tuple(field.name for field in fields(Terms))
COLUMNS = (
    "name",
    "born",
    "attested_by",
    "attested_how",
    "minor",
    "guardian",
    "grants",
    "from",
    "until",
    "refuses",
    "withdrawn",
    "note",
    *_TERMS,
)

MOST_TOLD = 10
_CONSENT = (EventKind.GRANT, EventKind.REFUSAL, EventKind.WITHDRAWAL)
_NO_FACTS = Subject(0, "", "")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import recorded, or would: people (of them new), consent events, and what it left out and why."""

    dry_run: bool
    subjects: int
    new: int
    events: int
    left_out: list[str]
    plan: list[str]

    def lines(self) -> list[str]:
        """For a person to read."""
        did = "would record" if self.dry_run else "recorded"
        left_out = [f"left out: {line}" for line in self.left_out]
        return [
            *self.plan,
            *left_out,
            f"{did} {counted(self.subjects, 'person')}, {self.new} of them new, {counted(self.events, 'event')}",
        ]


@dataclass(slots=True)
class _Line:
    """One line of the file, read: `subject` has no id or uid yet, `drafts` no pseudonym."""

    number: int
    subject: Subject
    drafts: list[Event]
    left_out: list[str] = field(default_factory=list)


class _LineError(Exception):
    """Why a line can't be taken, naming the field."""


def import_csv(catalog: Catalog, path: Path, *, by: str, dry_run: bool = False, at: datetime | None = None) -> Imported:
    """Record what a CSV file says of people, in one transaction; `dry_run` only checks and tells.

    `by` is who records it. Raises UnreadablePath, and BadValue with every wrong line, field and reason.
    """
    at = at or datetime.now(UTC)
    if not by.strip():
        raise BadValue("nobody is named who says so", "name who records it with --by")
    problems: list[str] = []
    lines: list[_Line] = []
    for number, row in _rows(path):
        try:
            lines.append(_read(number, row, by.strip(), at))
        except _LineError as error:
            problems.append(f"{path.name}:{number}: {error}")
    with catalog.transaction():
        known = {person.name: person for person in subjects.list_all(catalog)}
        events = ledger.events_of_many(catalog, [person.uid for person in known.values()])
        problems += [f"{path.name}:{line.number}: {why}" for line, why in _clashes(lines, known, events)]
        if problems:
            told = problems[:MOST_TOLD] + (
                [f"and {len(problems) - MOST_TOLD} more"] if len(problems) > MOST_TOLD else []
            )
            raise BadValue("; ".join(told), "nothing was recorded; mend the file and import it again")
        if not dry_run:
            _record(catalog, lines, known, by.strip(), at)
    return Imported(
        dry_run=dry_run,
        subjects=len(lines),
        new=sum(line.subject.name not in known for line in lines),
        events=sum(len(line.drafts) for line in lines),
        left_out=[f"{path.name}:{line.number}: {why}" for line in lines for why in line.left_out],
        plan=[_plan(line) for line in lines],
    )


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each record with the number of the line it begins on. Raises UnreadablePath, BadValue for no such table."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UnreadablePath(f"{path} can't be read: {error.strerror}", "name a CSV file") from error
    except UnicodeDecodeError as error:
        raise BadValue(
            f"{path.name} is not UTF-8 text: {error.reason} at byte {error.start}", "save it as UTF-8"
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        wrong = [name for name in header if name not in COLUMNS or header.count(name) > 1]
        if wrong or "name" not in header:
            said = f"column {wrong[0]!r} is unknown or there twice" if wrong else "there is no column 'name'"
            raise BadValue(f"{path.name}:1: {said}", f"columns: {', '.join(COLUMNS)}")
        number = reader.line_num + 1
        for values in reader:
            if any(value.strip() for value in values):
                if len(values) != len(header):
                    raise BadValue(
                        f"{path.name}:{number}: {len(values)} fields where the first line names {len(header)}",
                        "put a field that holds a comma between double quotes",
                    )
                yield (
                    number,
                    dict.fromkeys(COLUMNS, "")
                    | {name: value.strip() for name, value in zip(header, values, strict=True)},
                )
            number = reader.line_num + 1
    except csv.Error as error:
        raise BadValue(f"{path.name}:{reader.line_num}: {error}", "save it as a CSV file") from error


def _read(number: int, row: dict[str, str], by: str, at: datetime) -> _Line:
    """One record checked field by field. Raises _LineError."""
    attested_by, attested_how, minor = row["attested_by"] or None, row["attested_how"] or None, _yes(row, "minor")
    if bool(attested_by) != bool(attested_how):
        raise _LineError("attested_by, attested_how: one without the other")
    if minor and attested_by:
        raise _LineError("minor: the same line attests an adult")
    born = _date(row, "born")
    try:
        subject = subjects.sound(
            Subject(0, "", row["name"], born, attested_by, attested_how, minor, row["guardian"] or None)
        )
    except KyodakuError as error:
        raise _LineError(f"name: {error}") from error
    if subject.born is not None and subject.born > at.date():
        raise _LineError(f"born: {subject.born} is yet to come")
    line = _Line(number, subject, [])
    granted = _granted(row, line, by, at)
    refused = _purposes(row, "refuses")
    both = [purpose for purpose in _purposes(row, "grants") if purpose in refused]
    if both:
        raise _LineError(f"refuses: {both[0]} is granted in the same line")
    note = row["note"] or None
    told = _terms(row)
    if granted is not None:
        line.drafts.append(replace(granted, note=note, details=told.details() | dict(granted.details)))
    elif told:
        raise _LineError("manner, witness, language, territory, conditions: the line grants nothing that they are of")
    if refused:
        line.drafts.append(Event(0, at, EventKind.REFUSAL, None, refused, by=by, note=note))
    withdrawn = _instant(row, "withdrawn")
    if withdrawn is not None:
        if granted is None or withdrawn > at or (granted.valid_from is not None and withdrawn < granted.valid_from):
            raise _LineError("withdrawn: it must lie between `from` and now, in a line that grants something")
        day = {"withdrawn": row["withdrawn"]}
        line.drafts.append(Event(0, at, EventKind.WITHDRAWAL, None, granted.purposes, by=by, note=note, details=day))
    return line


def _granted(row: dict[str, str], line: _Line, by: str, at: datetime) -> Event | None:
    """The grant of a line, with its pseudonym to be filled in; None where it grants nothing."""
    purposes = _purposes(row, "grants")
    begins, ends = _instant(row, "from"), _instant(row, "until")
    if not purposes:
        return None
    if ends is not None and ends <= (begins or at):
        raise _LineError(f"until: {row['until']} is not after the beginning, {row['from'] or 'now'}")
    if not consent.given_as_minor(line.subject, at, begins):
        return Event(0, at, EventKind.GRANT, None, purposes, begins, ends, by)
    if line.subject.guardian is None:
        raise _LineError("guardian: is empty, and nobody else can grant for a minor")
    allowed = tuple(purpose for purpose in purposes if purpose not in ADULT_ONLY_PURPOSES)
    for purpose in purposes:
        if purpose not in allowed:
            line.left_out.append(f"grants: {purpose} for {line.subject.name}, which nobody can grant for a minor")
    details = {consent.BY_GUARDIAN: True}
    if not allowed:
        return None
    return Event(0, at, EventKind.GRANT, None, allowed, begins, ends, line.subject.guardian, details=details)


def _clashes(
    lines: list[_Line], known: dict[str, Subject], events: dict[str, list[Event]]
) -> Iterator[tuple[_Line, str]]:
    """Lines that fit neither each other nor what is on record."""
    seen: dict[str, int] = {}
    for line in lines:
        name = line.subject.name
        if name in seen:
            yield line, f"name: {name!r} is in line {seen[name]} too"
        seen.setdefault(name, line.number)
        person = known.get(name)
        if person is None:
            continue
        if any(event.kind in _CONSENT for event in events[person.uid]):
            yield line, f"name: {name!r} has consent on record already; change it by `kyodaku consent`"
        on_record = replace(person, id=0, uid="")
        if on_record not in (line.subject, replace(_NO_FACTS, name=name)):
            yield line, f"name: {name!r} is on record with other facts of age; change them by `kyodaku subject edit`"


def _record(catalog: Catalog, lines: list[_Line], known: dict[str, Subject], by: str, at: datetime) -> None:
    """Write people and events, in the caller's transaction."""
    uids = {name: person.uid for name, person in known.items()}
    for line in lines:
        person = known.get(line.subject.name)
        if person is not None:
            subjects.edit(catalog, replace(line.subject, id=person.id), by=by, at=at)
    new = [line.subject for line in lines if line.subject.name not in known]
    uids |= {person.name: person.uid for person in subjects.add_many(catalog, new, by=by, at=at)}
    drafts = [replace(draft, subject_uid=uids[line.subject.name]) for line in lines for draft in line.drafts]
    ledger.append_many(catalog, drafts)


def _plan(line: _Line) -> str:
    told = [f"{draft.kind} {', '.join(draft.purposes)}" for draft in line.drafts]
    return f"{line.subject.name}: {'; '.join(told) or 'no event'}"


def _purposes(row: dict[str, str], name: str) -> tuple[Purpose, ...]:
    if not row[name]:
        return ()
    try:
        return parse_purposes(row[name].strip(";, "), name)
    except BadValue as error:
        raise _LineError(str(error)) from error


def _terms(row: dict[str, str]) -> Terms:
    try:
        return terms.checked(**{name: row[name] for name in _TERMS})
    except BadValue as error:
        raise _LineError(error.message) from error


def _yes(row: dict[str, str], name: str) -> bool:
    said = row[name].lower()
    if said not in ("", "no", "yes"):
        raise _LineError(f"{name}: {row[name]!r} is neither yes nor no")
    return said == "yes"


def _date(row: dict[str, str], name: str) -> date | None:
    try:
        return date.fromisoformat(row[name]) if row[name] else None
    except ValueError as error:
        raise _LineError(f"{name}: {row[name]!r} is no date; write it as YYYY-MM-DD") from error


def _instant(row: dict[str, str], name: str) -> datetime | None:
    """An instant with its offset, or the first moment of a date, in UTC."""
    if not row[name]:
        return None
    try:
        instant = datetime.fromisoformat(row[name])
    except ValueError as error:
        raise _LineError(f"{name}: {row[name]!r} is no date or time; write it as YYYY-MM-DD") from error
    if instant.tzinfo is None:
        if len(row[name]) > len("2026-01-31"):
            raise _LineError(f"{name}: {row[name]!r} has no offset from UTC; write it as 2026-01-31T09:00:00+00:00")
        instant = instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC)
