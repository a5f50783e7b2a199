"""similar: photographs that look alike, found, listed, and taken apart."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core.counted import counted
from core.errors import BadValue
from storage import photos, similar
from storage.catalog import Catalog
from storage.similar import Group, Likeness
from tui.commands.archive import photo_of
from tui.output import AsJson, Progress, emit
from tui.place import opened

NAMES = ", ".join(Likeness)


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    group = typer.Typer(help="Copies, near-duplicates and bursts: found, shown as groups, counted once in a cohort.")
    group.command("find")(find)
    group.command("list")(list_groups)
    group.command("split")(split)
    app.add_typer(group, name="similar")


def find(
    context: typer.Context,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes that decode; default: one a core.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the photographs that are new or changed with all others. Can be stopped and goes on where it was.

    A copy has the same bytes. A near-duplicate is the same picture saved again, resized, brightened or cut by a few
    hundredths. A burst was taken by one camera, each picture within three seconds of the one before it, and similar.
    """
    from core.similar.find import find as find_similar  # numpy and the decoders are loaded only where they are used

    with opened(context) as catalog, Progress() as progress:
        result = find_similar(catalog, jobs=jobs, report=progress)
    text = f"{counted(result.compared, 'photograph')} compared in {result.seconds:.1f} s: {result.photos:,} are in"
    text += f" {counted(result.groups, 'group')}"
    if result.errors or result.stale:
        text += f"; {result.errors:,} can't be decoded, {result.stale:,} changed since they were indexed"
    emit(result, text, as_json=as_json)


def list_groups(
    context: typer.Context,
    kind: Annotated[str | None, typer.Option(help=f"Only groups of this kind: {NAMES}.")] = None,
    after: Annotated[int | None, typer.Option(min=0, help="Groups behind this number: the next page.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many groups.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Groups of photographs that look alike. A group is called by its loosest likeness: burst, near-duplicate, copy."""
    if kind is not None and kind not in list(Likeness):
        raise BadValue(f"--kind {kind!r} is unknown", f"one of {NAMES}")
    with opened(context) as catalog:
        found = similar.groups(catalog, kind=None if kind is None else Likeness(kind), after=after, limit=limit)
        rows = _rows(catalog, found)
    lines = []
    for row in rows:
        lines.append(f"group {row['group']}: {row['kind']}, {counted(len(row['photos']), 'photograph')}")
        lines += [
            f"  {one['id']}  {one['width']} x {one['height']}  {one['path']}  {one['kind'] or ''}".rstrip()
            for one in row["photos"]
        ]
    emit(rows, lines or "no photographs that look alike; kyodaku similar find looks for them", as_json=as_json)


def split(
    context: typer.Context,
    photo: Annotated[str, typer.Argument(help="Its id or its path.")],
    undo: Annotated[bool, typer.Option("--undo", help="Let the next `similar find` compare it again.")] = False,
    as_json: AsJson = False,
) -> None:
    """This photograph is no look-alike: take it out of its group. No later run puts it back.

    Of copies byte for byte a cohort still takes one.
    """
    with opened(context) as catalog:
        record = photo_of(catalog, photo)
        if not undo:
            similar.set_apart(catalog, record.id)
        elif not similar.take_back(catalog, record.id):
            raise BadValue(f"photograph {record.id} was not taken out of a group", "there is nothing to undo")
    text = f"photograph {record.id} " + ("is compared again by: kyodaku similar find" if undo else "stands alone")
    emit({"photo": record.id, "apart": not undo}, text, as_json=as_json)


def _rows(catalog: Catalog, found: list[Group]) -> list[dict[str, Any]]:
    """The command line's row for each group."""
    known = {one.id: one for one in photos.get_many(catalog, [each.photo for group in found for each in group.members])}
    return [
        {
            "group": group.id,
            "kind": group.kind,
            "photos": [
                {
                    "id": one.photo,
                    "kind": one.kind,
                    "path": known[one.photo].path_text,
                    "width": known[one.photo].width,
                    "height": known[one.photo].height,
                }
                for one in group.members
            ],
        }
        for group in found
    ]
