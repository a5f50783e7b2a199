"""export model: a composite, with its card, for others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.counted import counted
from tui.output import AsJson, emit
from tui.place import opened


def register(group: typer.Typer) -> None:
    """Add this module's commands to `export`."""
    group.command("model")(export_model)


def export_model(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The model's name.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A new folder for the model and its card.")],
    licence: Annotated[str, typer.Option("--licence", "--license", help="Under which others may use it.")],
    intended_use: Annotated[str, typer.Option(help="What it is meant for, in a sentence or two.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say whether it may leave; write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """A composite leaves only if everyone in it has granted `release` and an audit of its exact bytes found nobody.

    The audit's pictures must have been seen by a safety checker: kyodaku audit NAME --safety-checker PATH.
    """
    from core.release import export_model as release

    with opened(context) as catalog:
        done = release(catalog, name, out, licence=licence, intended_use=intended_use, dry_run=dry_run)
    verb = "could leave" if dry_run else "left"
    told = [
        f"{done.model} {verb}: {counted(done.people, 'person')}, blake3 {done.bytes_hash}",
        *(f"  {one}" for one in done.files),
    ]
    emit(done, told, as_json=as_json)
