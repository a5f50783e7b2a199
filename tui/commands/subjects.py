"""subject: the people, and what is on record about their age."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from core import erasure, import_people, withdrawal
from core.errors import BadValue
from storage import subjects
from storage.records import Subject
from tui.output import AsJson, Progress, emit, table
from tui.place import opened

Who = Annotated[str, typer.Argument(help="Id or exact name.")]
Born = Annotated[str | None, typer.Option(help="Birth date, YYYY-MM-DD.")]
AttestedBy = Annotated[
    str | None,
    typer.Option("--adult-attested-by", help="Who vouches that the person is an adult in the pictures."),
]
AttestedHow = Annotated[
    str | None, typer.Option("--how", help="How they know: a document seen, knows them personally, …")
]
Minor = Annotated[bool, typer.Option("--minor", help="Declared a minor: never trains, whatever else is on record.")]
Guardian = Annotated[str | None, typer.Option(help="Who decides for a minor about prints and publishing.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    group = typer.Typer(help="People: names, ages, who vouches for them.")
    group.command("add")(add)
    group.command("edit")(edit)
    group.command("show")(show)
    group.command("list")(list_subjects)
    group.command("import")(import_file)
    group.command("erase")(erase)
    app.add_typer(group, name="subject")


def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The person's name; unique in the catalog.")],
    born: Born = None,
    attested_by: AttestedBy = None,
    how: AttestedHow = None,
    minor: Minor = False,
    guardian: Guardian = None,
    as_json: AsJson = False,
) -> None:
    """Put a person on record. Consent is a matter of its own: `kyodaku consent grant`."""
    with opened(context) as catalog:
        subject = subjects.add(
            catalog,
            name,
            born=_date(born),
            adult_attested_by=attested_by,
            adult_attested_how=_attestation(attested_by, how),
            minor=minor,
            guardian=guardian,
        )
    _tell(subject, as_json)


def edit(
    context: typer.Context,
    subject: Who,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    born: Born = None,
    attested_by: AttestedBy = None,
    how: AttestedHow = None,
    minor: Annotated[bool | None, typer.Option("--minor/--not-minor", help="Declare or undeclare a minor.")] = None,
    guardian: Guardian = None,
    as_json: AsJson = False,
) -> None:
    """Change what is on record; what is not given stays. Age changes go to the ledger.

    Who turns out to be under 18, or of no settled age, is taken out of all models, which are made again without them.
    """
    with opened(context) as catalog, Progress() as progress:
        known = subjects.get(catalog, subject)
        changes = {
            "name": name,
            "born": _date(born),
            "adult_attested_by": attested_by,
            "adult_attested_how": _attestation(attested_by, how),
            "minor": minor,
            "guardian": guardian,
        }
        given = {field: value for field, value in changes.items() if value is not None}
        changed = withdrawal.edit_subject(catalog, replace(known, **given), report=progress)  # type: ignore[arg-type]
    if as_json:
        emit({**asdict(changed.subject), "settled": changed.settled}, "", as_json=True)
        return
    emit(changed.subject, [_line(changed.subject), *changed.settled.lines()], as_json=False)


def show(context: typer.Context, subject: Who, as_json: AsJson = False) -> None:
    """One person."""
    with opened(context) as catalog:
        found = subjects.get(catalog, subject)
    _tell(found, as_json)


def list_subjects(context: typer.Context, as_json: AsJson = False) -> None:
    """All people on record."""
    with opened(context) as catalog:
        found = subjects.list_all(catalog)
    rows = [(one.id, one.name, one.born, one.adult_attested_by, "minor" if one.minor else "") for one in found]
    emit(found, table(rows, ("id", "name", "born", "adult attested by", "")), as_json=as_json)


def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A CSV file; its columns are described in docs/consent.md.")],
    by: Annotated[str, typer.Option(help="Who records it.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do, write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """People and what each allows, from a CSV file: all of it or nothing."""
    with opened(context) as catalog:
        result = import_people.import_csv(catalog, file, by=by, dry_run=dry_run)
    emit(result, result.lines(), as_json=as_json)


def erase(
    context: typer.Context,
    subject: Who,
    by: Annotated[str, typer.Option(help="Who does it; never the name of who is erased.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it reaches, change nothing.")] = False,
    remake: Annotated[bool, typer.Option("--remake/--no-remake", help="Average again without the person.")] = True,
    as_json: AsJson = False,
) -> None:
    """Forget a person: name, faces, evidence, their own models, every word about them. It can't be undone.

    Photographs stay and rule unknown where the person is seen; averages are made again without them. The ledger keeps
    that events happened, under a pseudonym that leads nowhere, and still verifies.
    """
    with opened(context) as catalog, Progress() as progress:
        if dry_run:
            planned = erasure.plan(catalog, subject)
            emit(planned, planned.lines(), as_json=as_json)
            return
        done = erasure.erase(catalog, subject, by=by, remake=remake, report=progress)
    emit(done, done.lines(), as_json=as_json)


def _date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadValue(f"--born {text!r} is no date", "write it as YYYY-MM-DD") from error


def _attestation(by: str | None, how: str | None) -> str | None:
    if by is not None and how is None:
        raise BadValue("--adult-attested-by needs --how", "say how they know: a document seen, knows them personally")
    return how


def _tell(subject: Subject, as_json: bool) -> None:
    emit(subject, _line(subject), as_json=as_json)


def _line(subject: Subject) -> str:
    age = f"born {subject.born}" if subject.born else "no birth date"
    vouched = f", adult attested by {subject.adult_attested_by}" if subject.adult_attested_by else ""
    return f"subject {subject.id}: {subject.name}, {age}{vouched}"
