"""photos: what is recorded of photographs themselves."""

from __future__ import annotations

from typing import Annotated

import typer

from core import listing, rights, statuses, tagging
from core.errors import BadValue
from storage.records import Rights
from tui.output import AsJson, emit
from tui.place import opened


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    group = typer.Typer(help="What is recorded of photographs themselves.")
    group.command("rights")(set_rights)
    app.add_typer(group, name="photos")


def set_rights(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="Which photographs, as `find` takes it.")],
    basis: Annotated[str, typer.Option(help="Whose they are: mine, licensed or unknown.")],
    by: Annotated[str, typer.Option(help="Who says so.")],
    note: Annotated[str | None, typer.Option(help="What it rests on: the licence, the contract.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do, record nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Record in the ledger whose photographs are, for those in which nobody is seen. `undo` takes it back.

    Rights settle consent only where no face is seen, or none that counts: people decide for themselves (kyodaku
    consent). The photographs are those that the search finds now; they are named in the ledger by their content.
    """
    if basis not in set(Rights):
        raise BadValue(f"--basis {basis!r} is unknown", f"one of {', '.join(Rights)}")
    with opened(context) as catalog:
        statuses.refresh(catalog)
        ids = list(listing.ids(catalog, query))
        with catalog.transaction() as db:
            db.execute("SAVEPOINT said")
            done = tagging.set_rights(catalog, ids, Rights(basis), by, note)
            db.execute("ROLLBACK TO said" if dry_run else "RELEASE said")
        seen = rights.showing_people(catalog, ids)
    lines = [f"{'would be: ' if dry_run else ''}{line}" for line in done.lines()]
    if seen:
        lines.append(f"in {seen:,} of them people are seen: they decide for themselves")
    document = {"basis": basis, "photos": done.photos, "changed": done.changed, "with_faces": seen, "dry_run": dry_run}
    emit(document, lines, as_json=as_json)
