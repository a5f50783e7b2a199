"""recipe new, check, show: what a training run does, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from core.counted import counted
from core.errors import BadValue
from storage.safe_text import display
from tui.output import AsJson, emit, table

Given = Annotated[Path, typer.Argument(help="A recipe, TOML.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    group = typer.Typer(help="Recipes: how LoRAs are trained, as TOML with every field explained.")
    group.command()(new)
    group.command()(check)
    group.command()(show)
    app.add_typer(group, name="recipe")


def new(
    path: Annotated[Path | None, typer.Argument(help="Where to write it; without it, it is printed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a recipe with every field at its default, its unit, its range and a line of why. Nothing is overwritten."""
    from core.training.recipe import Recipe
    from core.training.recipe_text import toml_of

    text = toml_of(Recipe())
    if path is None:
        emit({"recipe": text}, text.rstrip("\n"), as_json=as_json)
        return
    _write(path, text)
    emit({"path": path}, f"{display(str(path))}: change what you like, then kyodaku train --recipe", as_json=as_json)


def check(path: Given, as_json: AsJson = False) -> None:
    """Say whether a recipe can be used here: its fields, their ranges, its captions, and its optimiser's library."""
    from core.training import captions as captions_file
    from core.training import recipe as recipes

    found = recipes.load(path)
    recipes.require_optimiser(found)
    told = 0 if found.captions is None else len(captions_file.read(Path(found.captions)))
    changed = _changed(found)
    text = f"{display(str(path))} is fine: {len(changed)} fields other than the default" + (
        f", {counted(told, 'caption')}" if told else ""
    )
    emit({"ok": True, "changed": changed, "captions": told}, text, as_json=as_json)


def show(
    path: Annotated[Path | None, typer.Argument(help="A recipe, TOML; without it, the default one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Every field: its value, its default where that is another, its unit, its range, and why."""
    from core.training import recipe as recipes
    from core.training.recipe_text import table_of

    fields = table_of(recipes.load(path))
    rows = [
        (
            field["name"],
            _said(field["value"]),
            "" if field["value"] == field["default"] else _said(field["default"]),
            field["unit"],
            field["range"],
            field["why"],
        )
        for field in fields
    ]
    emit(fields, table(rows, ("field", "value", "default", "unit", "range", "why")), as_json=as_json)


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise BadValue(f"{path} is there already", "name another file, or remove it") from error


def _changed(found: Any) -> dict[str, Any]:
    """Fields that are not at their default."""
    fields = type(found).model_fields
    return {name: value for name, value in found.model_dump().items() if value != fields[name].get_default()}


def _said(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
