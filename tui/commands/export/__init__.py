"""export: what leaves the catalog; a file for each thing that does."""

from __future__ import annotations

import typer

from tui.commands.export import model, photos, prints

SUBCOMMANDS = (model, photos, prints)


def register(app: typer.Typer) -> None:
    """Add this group's commands to the command line."""
    group = typer.Typer(help="What leaves the catalog: only what everyone concerned allows.")
    for each in SUBCOMMANDS:
        each.register(group)
    app.add_typer(group, name="export")
