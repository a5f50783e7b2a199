"""What a benchmark prints: rows of a figure, what it is held against, and the ratio to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `peer` and `ratio` (ours to the peer's) where there is one; `goal` is the bound it should keep."""

    what: str
    figure: float
    unit: str
    peer: str = ""
    ratio: float | None = None
    goal: str = ""
    kept: bool | None = None


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
        verdict = {None: "", True: "kept", False: "MISSED"}[row.kept]
        table.add_row(row.what, f"{row.figure:,.4g} {row.unit}", ratio, row.peer, row.goal, verdict)
    Console(width=150).print(table)
