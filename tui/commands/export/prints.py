"""export prints: a person's pictures on paper, for giving to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.counted import counted
from core.interchange.wording import Language
from storage.errors import REFUSED
from storage.safe_text import display
from tui.output import AsJson, Progress, emit
from tui.place import opened

if TYPE_CHECKING:
    from core.interchange.prints import Printed

SHOWN = 20
DPI = 300


def register(group: typer.Typer) -> None:
    """Add the command to its group."""
    group.command("prints")(prints)


def prints(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(help="Id or exact name.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE.pdf", help="A new file.")],
    paper: Annotated[str, typer.Option(help="a4, letter, or 10x15 (4 x 6 inches).")] = "a4",
    across: Annotated[int | None, typer.Option(help="Pictures side by side; default: 2, on 10x15 one.")] = None,
    only: Annotated[str, typer.Option("--query", metavar="QUERY", help="Which of their photographs.")] = "",
    language: Annotated[Language, typer.Option(help="Of what stands below drawn pictures.", case_sensitive=False)] = (
        Language.ENGLISH
    ),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be printed, write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lay out a person's pictures to print at 300 dots an inch: photographs of them, and what their own LoRA drew.

    A photograph is printed if everyone who can be recognised in it has granted print, a drawn picture if everyone in
    its model has granted print and train-individual, and so have all in the picture that it began as. What is left out
    is listed with the reason. Nothing is overwritten. Exit status 1 when nothing may be printed.
    """
    from core.interchange import prints as room  # fpdf is loaded only where it is used

    with opened(context) as catalog, Progress() as progress:
        done = room.prints(
            catalog,
            subject,
            out,
            paper=paper,
            across=across,
            only=only,
            language=language,
            dry_run=dry_run,
            report=progress,
        )
    document = {
        "subject": done.subject,
        "file": done.file,
        "pages": done.pages,
        "prints": [
            {
                "photo": source.photo,
                "drawn": source.drawn,
                "page": placed.page,
                "size_mm": [round(placed.width_mm, 1), round(placed.height_mm, 1)],
                "own_dpi": round(placed.own_dpi),
            }
            for source, placed in done.prints
        ],
        "left_out": [
            {"photo": one.source.photo, "drawn": one.source.drawn, "reason": one.reason} for one in done.left_out
        ],
    }
    emit(document, _lines(done, out, dry_run), as_json=as_json)
    if not done.prints:
        raise typer.Exit(REFUSED)


def _lines(done: Printed, out: Path, dry_run: bool) -> Iterator[str]:
    """For a person to read."""
    sheets = counted(done.pages, "sheet")
    where = f"{'would be ' if dry_run else ''}laid out on {sheets} in {display(str(out))}" if done.prints else "printed"
    yield f"{counted(len(done.prints), 'picture')} of {display(done.subject)} {where}; {len(done.left_out):,} left out"
    coarse = sum(placed.own_dpi < DPI for _, placed in done.prints)
    if coarse:
        yield f"{coarse:,} have fewer than {DPI} pixels an inch of their own: --across prints them smaller"
    for one in done.left_out[:SHOWN]:
        name = f"photograph {one.source.photo}" if one.source.drawn is None else display(str(one.source.drawn))
        yield f"  {name}: {display(one.reason)}"
    if len(done.left_out) > SHOWN:
        yield f"  and {len(done.left_out) - SHOWN:,} more (--json lists all)"
