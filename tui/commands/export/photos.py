"""export photos: copies of what may be published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core import query
from core.counted import counted
from core.errors import BadValue
from core.export_photos import export
from storage.errors import REFUSED
from storage.records import Purpose
from storage.safe_text import display
from tui.commands.standards import left_out_lines
from tui.output import AsJson, Progress, emit
from tui.place import opened


def register(group: typer.Typer) -> None:
    """Add the command to its group."""
    group.command("photos")(photos)


def photos(
    context: typer.Context,
    only: Annotated[str, typer.Option("--query", metavar="QUERY", help="Which photographs.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The folder for the copies.")],
    purpose: Annotated[str, typer.Option(help="What they are for: publish.")] = Purpose.PUBLISH,
    gps: Annotated[bool, typer.Option("--gps", help="Leave in where they were taken.")] = False,
    names: Annotated[bool, typer.Option("--names/--no-names", help="Name who granted catalogue.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be copied, write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy photographs that everyone in them allows to be published; the others are left out with the reason.

    In each copy stand release status and ids, the youngest age, data mining, persons and regions, by PLUS, IPTC and
    MWG. Of what was in the file only camera, exposure, time, artist, copyright and colour profile stay: no position
    (unless --gps), maker note, thumbnail or trailing video. JPEG, PNG, WebP and TIFF keep their pixels; HEIF, AVIF and
    RAW are encoded as JPEG. Nothing is overwritten. Exit status 1 when rules leave out all of them.
    """
    if purpose != Purpose.PUBLISH:
        raise BadValue(f"copies can't be for {display(purpose)!r}", "the one purpose is: publish")
    with opened(context) as catalog, Progress() as progress:
        ids = sorted(query.ids(catalog, only))
        done = export(catalog, ids, out, gps=gps, names=names, dry_run=dry_run, report=progress)
    left_out = done.refused | done.left_out
    document = {
        "written": [{"photo": photo, "path": path} for photo, path in done.written.items()],
        "encoded": done.encoded,
        "left_out": [{"photo": photo, "reason": why} for photo, why in sorted(left_out.items())],
    }
    lines = [
        f"{counted(len(done.written), 'copy')} {'would be ' if dry_run else ''}written to {display(str(out))},"
        f" {len(done.encoded):,} of them encoded anew; {len(left_out):,} left out",
        *left_out_lines(dict(sorted(left_out.items()))),
    ]
    emit(document, lines, as_json=as_json)
    if done.refused and not done.written:
        raise typer.Exit(REFUSED)
