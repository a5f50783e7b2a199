"""backup, doctor, demo: looking after a catalog, and seeing one work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core import doctor as examination
from core import statuses
from core.errors import CatalogDamaged
from storage import catalog as catalogs
from tui.output import AsJson, Progress, emit
from tui.place import opened


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command()(backup)
    app.command()(doctor)
    app.command()(demo)


def backup(
    context: typer.Context,
    destination: Annotated[Path, typer.Argument(help="A new folder.")],
    as_json: AsJson = False,
) -> None:
    """Copy the catalog, whole and consistent, while it is in use. Caches and thumbnails are left out."""
    with opened(context) as catalog:
        catalogs.back_up(catalog, destination)
    emit({"backup": destination}, f"catalog copied to {destination}", as_json=as_json)


def doctor(
    context: typer.Context,
    mend: Annotated[bool, typer.Option("--mend", help="First rule on every photograph's statuses anew.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the database, the ledger, the rights of files and every model, and recompute all statuses.

    Exit status 3: something is wrong.
    """
    with opened(context) as catalog, Progress() as progress:
        if mend:
            statuses.rule_anew(catalog)
        findings = examination.examine(catalog, report=progress)
    lines = [f"{'ok ' if one.ok else 'BAD'} {one.what}" + (f" — {one.hint}" if one.hint else "") for one in findings]
    emit(findings, lines, as_json=as_json)
    if not all(one.ok for one in findings):
        raise typer.Exit(CatalogDamaged.exit_status)


def demo(
    folder: Annotated[Path, typer.Argument(help="A new folder for everything it makes.")] = Path("demo"),
) -> None:
    """The whole chain on a copy of the sample archive: index to withdrawal, telling what each step did."""
    from tui.demo import run  # only the demo needs it

    raise typer.Exit(run(folder))
