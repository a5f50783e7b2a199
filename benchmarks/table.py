"""What a benchmark prints: rows of a figure, what it is held against, and the ratio to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, None where none was had. `peer` and `ratio` (ours to the peer's) where there is one.

    `goal` is the bound it should keep; `note` says what a reader has to know of this figure.
    """

    what: str
    figure: float | None
    unit: str
    peer: str = ""
    ratio: float | None = None
    goal: str = ""
    kept: bool | None = None
    note: str = ""


def show(title: str, rows: Iterable[Row]) -> None:
    """Print the rows as a table."""
    table = Table(title=title, box=box.SIMPLE, title_justify="left")
    table.add_column("what")
    for heading in ("figure", "ratio"):
        table.add_column(heading, justify="right")
    for heading in ("beside", "goal", ""):
        table.add_column(heading)
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        verdict = {None: row.note, True: "kept", False: "MISSED"}[row.kept]
        figure = "none" if row.figure is None else f"{row.figure:,.4g} {row.unit}"
        table.add_row(row.what, figure, ratio, row.peer, row.goal, verdict)
    Console(width=150).print(table)
