"""consent: who allows what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, cast

import typer

from core import consent_actions, terms, withdrawal
from core import controller as controllers
from core.consent_actions import Recorded
from core.errors import BadValue
from core.interchange import receipt as receipts
from core.interchange import receipt_files
from core.interchange.wording import Language
from core.terms import Manner
from storage.records import Purpose
from storage.safe_text import display
from tui.output import AsJson, Progress, complain, emit
from tui.place import opened

MOST_DIGITS = 5  # of a number of days: centuries
Who = Annotated[str, typer.Argument(metavar="SUBJECT", help="Id or exact name.")]
Purposes = Annotated[
    str,
    typer.Option("--purpose", help="One or more, by commas: " + ", ".join(purpose.value for purpose in Purpose)),
]
By = Annotated[str, typer.Option(help="Who records it; for a minor, the guardian who decides.")]
Several = Annotated[
    Path | None,
    typer.Option(
        "--subjects-from", help="People, one a line by id or exact name: all of them or none. # begins a remark."
    ),
]
Whom = Annotated[str | None, typer.Argument(metavar="SUBJECT", help="Id or exact name; or --subjects-from.")]
HowGiven = Annotated[str | None, typer.Option(help="How it was given: " + ", ".join(Manner) + ".")]
Witness = Annotated[str | None, typer.Option(help="Who was there; needed for in-person.")]
InLanguage = Annotated[str | None, typer.Option(help="In which it was asked and given: en, ja, lo, th, …")]
Territory = Annotated[str | None, typer.Option(help="Where it holds; shown with it, never interpreted.")]
Conditions = Annotated[str | None, typer.Option(help="What it is bound to; shown with it, never interpreted.")]
Evidence = Annotated[Path | None, typer.Option(help="The signed release, recording, …; kept by its hash.")]
KeepEvidence = Annotated[bool, typer.Option("--keep-evidence", help="Copy the evidence into the catalog too.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would record, write nothing.")]
Note = Annotated[str | None, typer.Option(help="Free words, kept in the ledger.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    group = typer.Typer(help="Who allows what. Nothing is granted unless somebody grants it.")
    group.command("grant")(grant)
    group.command("renew")(renew)
    group.command("refuse")(refuse)
    group.command("withdraw")(withdraw)
    group.command("show")(show)
    group.command("due")(due)
    group.command("receipt")(receipt)
    group.command("controller")(controller)
    app.add_typer(group, name="consent")


def grant(
    context: typer.Context,
    purpose: Purposes,
    by: By,
    subject: Whom = None,
    subjects_from: Several = None,
    from_time: Annotated[str | None, typer.Option("--from", help="In force from, ISO 8601; default: now.")] = None,
    until: Annotated[str | None, typer.Option(help="In force until (exclusive), ISO 8601; default: open.")] = None,
    manner: HowGiven = None,
    witness: Witness = None,
    language: InLanguage = None,
    territory: Territory = None,
    conditions: Conditions = None,
    evidence: Evidence = None,
    keep_evidence: KeepEvidence = False,
    note: Note = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """A person allows these purposes, and no others."""
    with opened(context) as catalog:
        result = consent_actions.grant(
            catalog,
            _people(subject, subjects_from),
            consent_actions.parse_purposes(purpose),
            by=by,
            valid_from=_time(from_time, "--from"),
            valid_until=_time(until, "--until"),
            terms=terms.checked(
                manner=manner, witness=witness, language=language, territory=territory, conditions=conditions
            ),
            evidence=evidence,
            keep_evidence=keep_evidence,
            note=note,
            dry_run=dry_run,
        )
    _tell(result, subject, dry_run, as_json)


def renew(
    context: typer.Context,
    by: By,
    until: Annotated[str, typer.Option(help="In force until (exclusive), ISO 8601.")],
    manner: Annotated[str, typer.Option(help="How it was given this time: " + ", ".join(Manner) + ".")],
    subject: Whom = None,
    subjects_from: Several = None,
    purpose: Annotated[
        str | None, typer.Option("--purpose", help="Which; default: all that they granted last.")
    ] = None,
    witness: Witness = None,
    language: InLanguage = None,
    territory: Territory = None,
    conditions: Conditions = None,
    evidence: Evidence = None,
    keep_evidence: KeepEvidence = False,
    note: Note = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """A person grants anew, until another day, what they granted last; refused where they said no since."""
    end = _time(until, "--until")
    assert end is not None
    with opened(context) as catalog:
        result = consent_actions.renew(
            catalog,
            _people(subject, subjects_from),
            by=by,
            valid_until=end,
            manner=terms.checked(
                manner=manner, witness=witness, language=language, territory=territory, conditions=conditions
            ),
            purposes=() if purpose is None else consent_actions.parse_purposes(purpose),
            evidence=evidence,
            keep_evidence=keep_evidence,
            note=note,
            dry_run=dry_run,
        )
    _tell(result, subject, dry_run, as_json, several=True)


def refuse(
    context: typer.Context,
    purpose: Purposes,
    by: By,
    subject: Whom = None,
    subjects_from: Several = None,
    evidence: Evidence = None,
    note: Note = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """A person says no to these purposes."""
    with opened(context) as catalog, Progress() as progress:
        result = consent_actions.refuse(
            catalog,
            _people(subject, subjects_from),
            consent_actions.parse_purposes(purpose),
            by=by,
            evidence=evidence,
            note=note,
            report=progress,
            dry_run=dry_run,
        )
    _tell(result, subject, dry_run, as_json)


def _people(subject: str | None, file: Path | None) -> list[str]:
    if (subject is None) == (file is None):
        raise BadValue("name one subject, or a file of them", "kyodaku consent grant NAME …, or --subjects-from FILE")
    return [subject] if subject is not None else consent_actions.subjects_from(cast(Path, file))


def _tell(
    recorded: list[Recorded], subject: str | None, dry_run: bool, as_json: bool, *, several: bool = False
) -> None:
    """One record for one subject, as scripts have it, and a list for several or for what may take several events."""
    lines = [line for one in recorded for line in one.lines()]
    if dry_run:
        lines = ["this would be recorded; nothing was written:", *lines]
    emit(recorded if several or subject is None else recorded[0], lines, as_json=as_json)


def withdraw(
    context: typer.Context,
    subject: Who,
    by: By,
    purpose: Annotated[str | None, typer.Option("--purpose", help="Which; default: all.")] = None,
    remake: Annotated[bool, typer.Option("--remake/--no-remake", help="Average again without the person.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it reaches, change nothing.")] = False,
    note: Note = None,
    as_json: AsJson = False,
) -> None:
    """A person takes consent back: out of photographs, cohorts and models, and averages are made again without them."""
    purposes = list(Purpose) if purpose is None else consent_actions.parse_purposes(purpose)
    with opened(context) as catalog, Progress() as progress:
        who = subject
        if dry_run:
            reach = withdrawal.reach(catalog, who, purposes)
            emit(reach, reach.lines(), as_json=as_json)
            return
        result = withdrawal.withdraw(catalog, who, purposes, by=by, remake=remake, note=note, report=progress)
    emit(result, result.lines(), as_json=as_json)


def show(
    context: typer.Context,
    subject: Who,
    at: Annotated[str | None, typer.Option(help="At this time, ISO 8601; default: now.")] = None,
    as_json: AsJson = False,
) -> None:
    """Where a person stands for each purpose, and the events behind it."""
    with opened(context) as catalog:
        told = consent_actions.show(catalog, subject, _time(at, "--at"))
    emit(told, told.lines(), as_json=as_json)


def due(
    context: typer.Context,
    within: Annotated[str, typer.Option(help="Days ahead, as in 30d.")] = "30d",
    as_json: AsJson = False,
) -> None:
    """Grants that end soon."""
    with opened(context) as catalog:
        ending = consent_actions.due(catalog, _days(within))
    emit(ending, [f"{one.until:%Y-%m-%d} {one.subject}: {one.purpose}" for one in ending], as_json=as_json)


def receipt(
    context: typer.Context,
    subject: Who,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write it here: .pdf, .json or .txt; no suffix: .pdf and .json.")
    ] = None,
    language: Annotated[
        str, typer.Option(help="Of the words: " + ", ".join(f"{one.value} ({one.name.title()})" for one in Language))
    ] = Language.ENGLISH,
    as_json: AsJson = False,
) -> None:
    """What a person is given: what they allowed, how to take it back, their photographs, and what holds them.

    The page shows the person's own face only. For a minor it is addressed to their guardian.
    """
    with opened(context) as catalog:
        made = receipts.receipt(catalog, subject, language=_language(language))
        files, replaced = receipt_files.write(catalog, made, out) if out is not None else ([], [])
    if replaced:
        complain(f"no font for {', '.join(f'U+{ord(one):04X}' for one in replaced)}", "the page says so; JSON has them")
    emit(made, [str(file) for file in files] or map(display, receipts.lines(made)), as_json=as_json)


def controller(
    context: typer.Context,
    name: Annotated[str | None, typer.Option(help="Who is responsible for the photographs.")] = None,
    contact: Annotated[str | None, typer.Option(help="Where a person writes to withdraw.")] = None,
    retention: Annotated[str | None, typer.Option(help="How long photographs are kept.")] = None,
    jurisdiction: Annotated[str | None, typer.Option(help="Whose law applies.")] = None,
    as_json: AsJson = False,
) -> None:
    """What receipts say of the photographer. An empty text takes a statement back; what is not stated, they say so."""
    with opened(context) as catalog:
        given = {"name": name, "contact": contact, "retention": retention, "jurisdiction": jurisdiction}
        told = controllers.state(catalog, **given)
    emit(told, map(display, told.lines()), as_json=as_json)


def _language(text: str) -> Language:
    try:
        return Language(text.lower())
    except ValueError as error:
        raise BadValue(f"receipts are not written in {text!r}", f"one of {', '.join(Language)}") from error


def _days(text: str) -> timedelta:
    number = text.removesuffix("d")
    if text == number or not (number.isascii() and number.isdigit()) or len(number) > MOST_DIGITS:
        raise BadValue(f"--within {text!r} is no number of days", "as in 30d")
    return timedelta(days=int(number))


def _time(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadValue(f"{option} {text!r} is no time", "write it as 2026-01-31 or 2026-01-31T12:00+09:00") from error
