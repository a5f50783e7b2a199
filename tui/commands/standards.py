"""xmp and claims: what photographs' files say to other programs, and what others wrote into them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core import claims, query, sidecars
from core.counted import counted
from core.errors import BadValue
from storage import claims as stored
from storage.catalog import Catalog
from storage.records import ClaimField
from storage.safe_text import display
from tui.commands.archive import photo_of
from tui.output import AsJson, Progress, emit, table
from tui.place import opened

SHOWN = 20  # photographs with a reason, as text


def register(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    group = typer.Typer(help="Metadata by the standards of PLUS, IPTC and MWG: read into claims, written as sidecars.")
    group.command("read")(read)
    group.command("write")(write)
    app.add_typer(group, name="xmp")
    app.command("claims")(list_claims)


def read(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="QUERY|PATH", help="A search, or the path of one photograph.")],
    as_json: AsJson = False,
) -> None:
    """Read anew what photographs' files, and the sidecars beside them, claim of people, releases and ages.

    Indexing does it for files that are new or changed. A claim is kept as what somebody wrote: it never grants,
    names or dates anybody. One that a minor is shown, that training is prohibited or that releases are missing stands
    in the way until somebody settles it: kyodaku claims QUERY --settle --by WHO --why TEXT.
    """
    with opened(context) as catalog, Progress() as progress:
        result = claims.read(catalog, chosen(catalog, what), report=progress)
    lines = [
        f"{counted(result.photos, 'photograph')} read: {result.claiming:,} with {counted(result.claims, 'claim')},"
        f" {result.barring:,} stand in the way",
        *left_out_lines(result.left_out),
    ]
    left_out = [{"photo": photo, "reason": why} for photo, why in result.left_out.items()]
    document = {name: getattr(result, name) for name in ("photos", "claiming", "claims", "barring")}
    emit(document | {"left_out": left_out}, lines, as_json=as_json)


def write(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="QUERY|PATH", help="A search, or the path of one photograph.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which would be written, write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write XMP sidecars beside photographs: releases, ages, data mining, who is shown and where. Never a photograph.

    A sidecar that is there keeps all that others wrote. People are named who granted `catalogue` and whom a person of
    the house has named; generative training is said to be prohibited unless everyone allows both train purposes, and
    is never said to be allowed.
    """
    with opened(context) as catalog, Progress() as progress:
        done = sidecars.write(catalog, chosen(catalog, what), dry_run=dry_run, report=progress)
    written = [{"photo": photo, "path": path} for photo, path in done.written.items()]
    left_out = [{"photo": photo, "reason": why} for photo, why in done.left_out.items()]
    lines = [
        f"{counted(len(written), 'sidecar')} {'would be ' if dry_run else ''}written, {done.unchanged:,} up to date,"
        f" {counted(len(left_out), 'photograph')} left out",
        *left_out_lines(done.left_out),
    ]
    if done.unnamed:
        lines.append(f"{done.unnamed:,} times a person is not named, who has not granted catalogue or is not confirmed")
    document = {"written": written, "unchanged": done.unchanged, "unnamed": done.unnamed, "left_out": left_out}
    emit(document, lines, as_json=as_json)


def list_claims(
    context: typer.Context,
    what: Annotated[str | None, typer.Argument(metavar="[QUERY|PATH]", help="Only of these photographs.")] = None,
    settle: Annotated[
        bool, typer.Option("--settle", help="Record that those that stand in the way do not hold.")
    ] = False,
    by: Annotated[str, typer.Option(help="With --settle: who says so.")] = "",
    why: Annotated[str, typer.Option(help="With --settle: how they know.")] = "",
    field: Annotated[
        ClaimField | None, typer.Option(help=f"Only claims of this: {', '.join(ClaimField)}.", show_choices=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --settle: say which, record nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """What photographs' files claim, from where and since when; with --settle, put aside those that stand in the way.

    Settling goes into the ledger with who and why. It grants nothing: all else is ruled as if nobody had claimed it.
    """
    if settle and what is None:
        raise BadValue("which photographs' claims are settled must be said", "give a query or a path before --settle")
    with opened(context) as catalog:
        ids = stored.claiming(catalog) if what is None else chosen(catalog, what)
        if settle:
            rows = claims.settle(catalog, ids, field=field, by=by, why=why, dry_run=dry_run)
        else:
            rows = [claim for claim in claims.of_photos(catalog, ids) if field in (None, claim.field)]
    cells = [
        (
            *(row.photo_id, row.field, row.value, row.source, row.at and row.at.date()),
            "" if row.bars is None else "settled" if row.settled or (settle and not dry_run) else f"bars: {row.bars}",
        )
        for row in rows
    ]
    text = table(cells, ("photo", "field", "value", "from", "read", ""))
    if settle:
        text.append(f"{counted(len(rows), 'claim')} {'would be ' if dry_run else ''}settled")
    emit(rows, text, as_json=as_json)


def chosen(catalog: Catalog, what: str) -> list[int]:
    """Ids of the photographs that an argument means: a path that is there, else a search. Raises BadQuery, BadValue."""
    if "/" in what and Path(what).exists():
        return [photo_of(catalog, what).id]
    return sorted(query.ids(catalog, what))


def left_out_lines(left_out: dict[int, str]) -> list[str]:
    """A line for each of the first photographs that were left out, and how many more there are."""
    lines = [f"photograph {photo}: {display(why)}" for photo, why in list(left_out.items())[:SHOWN]]
    return lines + ([f"and {len(left_out) - SHOWN:,} more (--json lists all)"] if len(left_out) > SHOWN else [])
