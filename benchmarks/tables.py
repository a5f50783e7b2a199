"""The archive's table beside what a user would pick instead, on the same rows: opening, memory, what keys cost.

    python -m benchmarks.tables [--rows 300000] [--catalog FOLDER] [--keys 40] [--seconds 120]

The peers are Textual's own DataTable and, where it is installed (`pip install 'kyodaku[peers]'`),
textual-fastdatatable. None is waited for longer than `--seconds`: of what it had not done by then, the row says so,
and keys that take long are pressed less often. A table stands once it has answered a key.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import big_catalog
from benchmarks.table import Row, show
from benchmarks.terminal import Cost, NotDrawn, Terminal, open_app, p95
from core import query

QUIET_S = 0.1  # shorter than what our room waits before it shows more of the row that the cursor rests on
DOWN, PAGE_DOWN, END, HOME = "\x1b[B", "\x1b[6~", "\x1b[F", "\x1b[H"
KINDS = {"cursor down": (DOWN,), "page down": (PAGE_DOWN,), "to the end, and back": (END, HOME)}
READ = re.compile(rb"rows read in ([0-9.]+) s")
FIGURES = {"opening until a key is answered": "s", "its rows read from the catalog": "s", "memory": "MB"} | {
    f"{kind}{what}": unit for kind in KINDS for what, unit in ((", p95", "ms"), ("", "bytes a key"))
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of one table, None where it was not had, with why or of how few keys."""

    figure: float | None
    note: str = ""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--rows", type=int, default=300_000, help="photographs in the catalog, and in each table")
    arguments.add_argument("--catalog", type=Path, help="made before by benchmarks.big_catalog; the app opens it")
    arguments.add_argument("--keys", type=int, default=40, help="of each kind, at most")
    arguments.add_argument("--seconds", type=float, default=120, help="a table is waited for, in all")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="kyodaku-benchmark-") as room:
        folder = given.catalog or Path(room) / "catalog"
        if not given.catalog:
            with big_catalog.build(folder, given.rows) as catalog:
                query.prepare(catalog)  # as `kyodaku index` does at its end
        rows = beside(folder, given.rows, given.keys, given.seconds)
        show(f"tables, {given.rows:,} rows", rows)


def beside(folder: Path, rows: int, keys: int = 40, seconds: float = 120) -> Iterator[Row]:
    """Each figure of ours, then of each peer with its ratio to ours."""
    opened: dict[str, tuple[Callable[[], Terminal], str]] = {
        "ours": (lambda: open_app(folder), f"{rows:,} photographs"),
        "stock DataTable": (lambda: _peer("stock", folder, rows), "rows read"),
    }
    if importlib.util.find_spec("textual_fastdatatable") is not None:
        opened["textual-fastdatatable"] = (lambda: _peer("fast", folder, rows), "rows read")
    found = {name: measure(*how, keys, seconds, alone=name == "ours") for name, how in opened.items()}
    for what, unit in FIGURES.items():
        ours = found["ours"].get(what)
        for name, figures in found.items():
            one = figures.get(what)
            if one is None:
                continue
            both = ours is not None and ours.figure is not None and one.figure and name != "ours"
            yield Row(
                f"{what}: {name}", one.figure, unit, note=one.note,
                peer="ours to it" if both else "", ratio=ours.figure / one.figure if both else None,
            )  # fmt: skip


def measure(
    open_it: Callable[[], Terminal], ready: str, keys: int, seconds: float, *, alone: bool
) -> dict[str, Figure]:
    """The figures of one table, by what they are of; with `alone`, what else the app shows is put away first."""
    end = time.monotonic() + seconds
    with open_it() as app:
        app.patience_s = seconds
        try:
            app.wait_for(ready)
        except NotDrawn:
            return {next(iter(FIGURES)): Figure(None, f"not there after {seconds:g} s")}
        first = app.press(DOWN, QUIET_S, patience=max(0.0, end - time.monotonic()))
        if not first.bytes:
            return {next(iter(FIGURES)): Figure(None, f"answered no key within {seconds:g} s")}
        found = {"opening until a key is answered": Figure(app.last_byte_s)}
        if read := READ.search(app.seen):
            found["its rows read from the catalog"] = Figure(float(read[1]))
        if alone:
            app.press("i", QUIET_S)
        for left, (kind, pressed) in zip(range(len(KINDS), 0, -1), KINDS.items(), strict=True):
            costs, note = _keys(app, pressed, keys, (end - time.monotonic()) / left)
            found[f"{kind}, p95"] = Figure(p95(costs) if costs else None, note)
            found[kind] = Figure(sum(cost.bytes for cost in costs) / len(costs) if costs else None, note)
        return found | {"memory": Figure(app.memory_mb)}


def _keys(app: Terminal, pressed: tuple[str, ...], most: int, seconds: float) -> tuple[list[Cost], str]:
    """What keys cost, the `pressed` in turn, as many as there is time for; and how few, or that none was answered."""
    began, costs = time.monotonic(), list[Cost]()
    while len(costs) < most and (left := seconds - (time.monotonic() - began)) > 0:
        cost = app.press(pressed[len(costs) % len(pressed)], QUIET_S, patience=left)
        if not cost.bytes:
            return costs, f"of {len(costs)} keys; the next not answered within {left:.0f} s"
        costs.append(cost)
    return costs, "" if len(costs) == most else f"of {len(costs)} keys, which took {seconds:.0f} s"


def _peer(kind: str, folder: Path, rows: int) -> Terminal:
    return Terminal([sys.executable, "-m", "benchmarks.peer_tables", kind, str(folder), str(rows)])


if __name__ == "__main__":
    main()
