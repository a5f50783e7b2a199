"""The terminal app through a real pseudo-terminal: how soon it stands there, what a key costs, and beside what.

    python -m benchmarks.tui [--scale 300000 1000000] [--keys 200] [--catalog FOLDER …] [--peer-rows 300000]

A key's time runs from its being written to the terminal to the last byte of the frame that it draws. `--catalog`
names catalogs that `benchmarks.big_catalog` made before, one for each scale; they are copied, never written to.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import big_catalog, tables
from benchmarks.table import Row, show
from benchmarks.terminal import Cost, Terminal, open_app, p95
from core import query

KEYS = 200
PAGE_DOWN, END, HOME, ESC = "\x1b[6~", "\x1b[F", "\x1b[H", "\x1b"
IDLE_S = 10
HELD_EVERY_S = 1 / 30  # a keyboard's repeat
FOUND_S = 0.25  # a letter is drawn at once, what it finds when that is known: nothing comes for so long after that
SEARCHES = ("camera:nikon", "taken:2019", "-faces:0")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--scale", type=int, nargs="+", default=[300_000, 1_000_000], help="photographs")
    arguments.add_argument("--catalog", type=Path, nargs="+", default=[], help="made before, one for each scale")
    arguments.add_argument("--keys", type=int, default=KEYS, help="of each kind")
    arguments.add_argument("--peer-rows", type=int, default=300_000, help="0: no peers")
    given = arguments.parse_args()
    missed = False
    with tempfile.TemporaryDirectory(prefix="kyodaku-benchmark-") as room:
        folders = []
        for number, scale in enumerate(given.scale):
            folder = Path(room) / f"catalog-{scale}"
            if number < len(given.catalog):
                shutil.copytree(given.catalog[number], folder)
            else:
                with big_catalog.build(folder, scale) as catalog:
                    query.prepare(catalog)  # as `kyodaku index` does at its end
            os.sync()  # no key waits for the disk to take the copy
            folders.append(folder)
            rows = list(measure(folder, scale, given.keys))
            show(f"the app, {scale:,} photographs", rows)
            missed |= any(row.kept is False for row in rows)
        if given.peer_rows:
            show(f"tables, {given.peer_rows:,} rows", tables.beside(folders[-1], given.peer_rows))
    sys.exit(int(missed))


def measure(folder: Path, scale: int, keys: int) -> Iterator[Row]:
    """All figures of one catalog."""
    yield from _start(folder, scale)
    with open_app(folder) as app:
        app.wait_for(f"{scale:,} photographs")
        app.calm()
        app.press("i")  # the table alone: the pane is drawn when the cursor rests, and is not a key's frame
        app.calm()
        yield _bound("memory, all rows there", app.memory_mb, "MB", 100)
        yield Row(
            "torch is loaded", float(app.has_loaded("libtorch")), "", goal="0", kept=not app.has_loaded("libtorch")
        )
        yield from _moves(app, keys)
        yield from _decisions(app, keys)
        yield from _search(app)
        app.press(ESC)
        app.calm(2.0)
        before = app.cpu_s
        time.sleep(IDLE_S)
        used = (app.cpu_s - before) / IDLE_S * 100
        yield _bound("idle: processor", used, "%", 1)
        yield from _names(app, keys // 8)
        yield Row("memory at the end", app.memory_mb, "MB")


def _start(folder: Path, scale: int) -> Iterator[Row]:
    first, whole = [], []
    for _ in range(5):
        with open_app(folder) as app:
            first.append(app.wait_for("Archive"))
            whole.append(app.wait_for(f"{scale:,} photographs"))
    yield _bound("first frame from the shell, median of 5", sorted(first)[2], "s", 0.6)
    yield _bound("all photographs counted, median of 5", sorted(whole)[2], "s", 1.5)


def _moves(app: Terminal, keys: int) -> Iterator[Row]:
    for what, key, back in (
        ("cursor down", "j", "g"),
        ("page down", PAGE_DOWN, HOME),
        ("jump to end, and back", END, ""),
    ):
        costs = []
        for number in range(keys):
            costs.append(app.press(HOME if key == END and number % 2 else key))
        app.press(back or HOME)
        app.calm(0.3)
        yield _bound(f"{what}, p95", p95(costs), "ms", 20)
    yield _bound("a held cursor key", app.held("j", keys, HELD_EVERY_S), "bytes a key", 1500)
    yield _bound("a held page key", app.held(PAGE_DOWN, keys // 4, HELD_EVERY_S * 3), "bytes a key", 30_000)
    app.press(HOME)
    app.calm(0.3)


def _decisions(app: Terminal, keys: int) -> Iterator[Row]:
    costs = [app.press("ml"[number % 2]) for number in range(keys)]
    yield _bound("a decision (m, l), committed, p95", p95(costs), "ms", 30)
    yield Row("a decision", sum(cost.bytes for cost in costs) / keys, "bytes a key")
    costs = [app.press("u") for _ in range(keys // 2)]
    yield Row("undo, p95", p95(costs), "ms")
    app.press("3\x1b")
    app.press("\x1bOR")  # F3: Consent
    app.calm()
    app.press("y")
    app.calm(0.3)
    app.press("me\r")  # who records it, once
    app.calm()
    costs = [app.press("ny"[number % 2]) for number in range(keys // 2)]
    # no bound of a key's: the same commit rules anew on all photographs of the person, who may be in thousands
    yield Row("consent of one person (y, n), committed with their photographs' statuses, p95", p95(costs), "ms")
    app.press("\x1bOP")  # F1
    app.calm()


def _names(app: Terminal, keys: int) -> Iterator[Row]:
    app.press("\x1bOQ")  # F2: People
    app.calm(2.0)
    app.press("w")  # those without a name, the largest first
    app.calm(2.0)
    asked, named = [], []
    for number in range(keys):
        asked.append(app.press("n"))
        app.press(f"Somebody {number}")
        named.append(app.press("\r"))
        app.calm(1.5)  # the list is read again, and the next entry's faces are looked at, before its name is asked
    yield _bound("the line for a name, p95", p95(asked), "ms", 20)
    # no bound: the same commit gives a whole cluster its name, of hundreds of faces
    yield Row("a cluster of faces named, committed, p95", p95(named), "ms")


def _search(app: Terminal) -> Iterator[Row]:
    costs: list[Cost] = []
    for text in SEARCHES:
        app.press("/")
        app.calm(0.2)
        costs += [app.press(letter, FOUND_S) for letter in text]
        app.press(ESC)
        app.calm(0.4)
    yield _bound("a keystroke in the search, p95", p95(costs), "ms", 60)
    yield Row("a keystroke in the search, median", sorted(cost.ms for cost in costs)[len(costs) // 2], "ms")


def _bound(what: str, figure: float, unit: str, most: float) -> Row:
    return Row(what, figure, unit, goal=f"<= {most:,g} {unit}", kept=figure <= most)


if __name__ == "__main__":
    main()
