"""ledger: the record of who allowed what, checked, signed and written anew."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from core import statuses
from core.counted import counted
from core.errors import CatalogDamaged
from storage import checkpoints, ledger
from tui.output import AsJson, Progress, emit
from tui.place import opened


class Source(StrEnum):
    """The half of the ledger that the other is written from."""

    TABLE = "table"
    TWIN = "twin"


KeyFile = Annotated[
    Path | None, typer.Option("--key", help="The secret key's file; default: the catalog's own, made at need.")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    book = typer.Typer(help="The append-only record of every consent event.")
    book.command("verify")(verify)
    book.command("head")(head)
    book.command("rebuild")(rebuild)
    book.command("checkpoint")(checkpoint)
    book.command("key")(new_key)
    book.command("change-key")(change_key)
    app.add_typer(book, name="ledger")


def verify(
    context: typer.Context,
    public_key: Annotated[
        str | None, typer.Option(help="The public key, hex, that signed the first checkpoint.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check hashes, table against file, and signed checkpoints. Exit status 3 names the first bad event."""
    with opened(context) as catalog:
        check = checkpoints.verify(catalog, public_key)
    state = "sound" if check.ok else f"BROKEN at event {check.first_bad}: {check.problem}"
    vouched = (
        f"{counted(check.checkpoints, 'checkpoint')} signed, the first by {check.key}"
        if check.key
        else "no signed checkpoint"
    )
    emit(check, [f"{counted(check.events, 'event')}, head {check.head}: {state}", vouched], as_json=as_json)
    if not check.ok:
        raise typer.Exit(CatalogDamaged.exit_status)


def head(context: typer.Context, as_json: AsJson = False) -> None:
    """The newest event's hash, which stands for all before it."""
    with opened(context) as catalog:
        newest = ledger.head(catalog)
    emit({"head": newest}, newest, as_json=as_json)


def checkpoint(context: typer.Context, key: KeyFile = None, as_json: AsJson = False) -> None:
    """Sign the ledger as it stands, so that a ledger written anew is found out; freezing a cohort does it too."""
    with opened(context) as catalog:
        point = checkpoints.sign(catalog, key)
    emit(point, f"event {point.seq}, head {point.head}: signed by {point.key}", as_json=as_json)


def new_key(
    file: Annotated[Path, typer.Argument(help="Where the secret key goes; keep it where the catalog is not.")],
    as_json: AsJson = False,
) -> None:
    """Make a key for checkpoints, and tell its public half, which checks them."""
    public = checkpoints.make_key(file)
    emit({"key": public, "file": file}, f"public key {public}", as_json=as_json)


def change_key(
    context: typer.Context,
    new: Annotated[Path, typer.Argument(help="The file of the secret key that signs from now on.")],
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """The key that signs now says which one signs from now on."""
    with opened(context) as catalog:
        point = checkpoints.change_key(catalog, new, key)
    emit(point, f"{point.key} says: {point.next_key} signs from now on", as_json=as_json)


def rebuild(
    context: typer.Context,
    source: Annotated[Source, typer.Option("--from", help="Which of the two is sound.")] = Source.TABLE,
    as_json: AsJson = False,
) -> None:
    """Write one half of the ledger anew from the other, where that one verifies by itself.

    From the table: ledger.jsonl, whose old file is kept. From the twin: the table; what only the table had is lost, and
    every photograph's statuses are ruled on anew.
    """
    with opened(context) as catalog, Progress() as progress:
        if source is Source.TABLE:
            kept = ledger.rebuild_twin(catalog)
            said = "ledger.jsonl written anew" + (f"; the old one is {kept}" if kept else "")
            emit({"kept": kept}, said, as_json=as_json)
            return
        events = ledger.rebuild_table(catalog)
        statuses.refresh(catalog, report=progress)
    emit({"events": events}, f"the table written anew from ledger.jsonl: {counted(events, 'event')}", as_json=as_json)
