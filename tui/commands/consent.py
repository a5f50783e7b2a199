"""consent and ledger: who allows what, and the record of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from core import consent_actions, withdrawal
from core import controller as controllers
from core.errors import BadValue, CatalogDamaged
from core.interchange import receipt as receipts
from core.interchange import receipt_files
from core.interchange.wording import Language
from storage import ledger
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
Note = Annotated[str | None, typer.Option(help="Free words, kept in the ledger.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    group = typer.Typer(help="Who allows what. Nothing is granted unless somebody grants it.")
    group.command("grant")(grant)
    group.command("refuse")(refuse)
    group.command("withdraw")(withdraw)
    group.command("show")(show)
    group.command("due")(due)
    group.command("receipt")(receipt)
    group.command("controller")(controller)
    app.add_typer(group, name="consent")
    book = typer.Typer(help="The append-only record of every consent event.")
    book.command("verify")(verify)
    book.command("head")(head)
    book.command("rebuild")(rebuild)
    app.add_typer(book, name="ledger")


def grant(
    context: typer.Context,
    subject: Who,
    purpose: Purposes,
    by: By,
    from_time: Annotated[str | None, typer.Option("--from", help="In force from, ISO 8601; default: now.")] = None,
    until: Annotated[str | None, typer.Option(help="In force until (exclusive), ISO 8601; default: open.")] = None,
    evidence: Annotated[Path | None, typer.Option(help="The signed release, recording, …; kept by its hash.")] = None,
    note: Note = None,
    as_json: AsJson = False,
) -> None:
    """A person allows these purposes, and no others."""
    with opened(context) as catalog:
        result = consent_actions.grant(
            catalog,
            [subject],
            consent_actions.parse_purposes(purpose),
            by=by,
            valid_from=_time(from_time, "--from"),
            valid_until=_time(until, "--until"),
            evidence=evidence,
            note=note,
        )
    emit(result[0], result[0].lines(), as_json=as_json)


def refuse(
    context: typer.Context,
    subject: Who,
    purpose: Purposes,
    by: By,
    note: Note = None,
    as_json: AsJson = False,
) -> None:
    """A person says no to these purposes."""
    with opened(context) as catalog:
        result = consent_actions.refuse(catalog, [subject], consent_actions.parse_purposes(purpose), by=by, note=note)
    emit(result[0], result[0].lines(), as_json=as_json)


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


def verify(context: typer.Context, as_json: AsJson = False) -> None:
    """Check the chain of hashes, table against twin. Exit status 3 names the first bad event."""
    with opened(context) as catalog:
        check = ledger.verify(catalog)
    state = "sound" if check.ok else f"BROKEN at event {check.first_bad}"
    emit(check, f"{check.events} events, head {check.head}: {state}", as_json=as_json)
    if not check.ok:
        raise typer.Exit(CatalogDamaged.exit_status)


def head(context: typer.Context, as_json: AsJson = False) -> None:
    """The newest event's hash, which stands for all before it."""
    with opened(context) as catalog:
        newest = ledger.head(catalog)
    emit({"head": newest}, newest, as_json=as_json)


def rebuild(context: typer.Context, as_json: AsJson = False) -> None:
    """Write ledger.jsonl anew from the table, where the table verifies by itself. The old file is kept."""
    with opened(context) as catalog:
        kept = ledger.rebuild_twin(catalog)
    said = "ledger.jsonl written anew" + (f"; the old one is {kept}" if kept else "")
    emit({"kept": kept}, said, as_json=as_json)


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
