"""A thousand photographs tagged through a real pseudo-terminal, one key a decision, each committed before the next.

    python -m benchmarks.tagging [--photographs 1000] [--scale 30000]

A key's time runs from its being written to the terminal to the last byte of the frame that shows the decision, with
its row in the catalog (`synchronous=FULL`) and the cursor on the next photograph.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import big_catalog
from benchmarks.table import Row, show
from benchmarks.terminal import Cost, Terminal, open_app, p95
from core import listing
from storage import decisions, photos
from storage.catalog import open_catalog
from storage.records import Rights

SAID = {"l": Rights.LICENSED, "m": Rights.MINE, ".": None}  # the period: as before


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--photographs", type=int, default=1000, help="that are tagged")
    arguments.add_argument("--scale", type=int, default=30_000, help="photographs in the catalog")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="kyodaku-benchmark-") as room:
        folder = Path(room) / "catalog"
        os.environ["KYODAKU_CONFIG"] = str(Path(room) / "config.toml")
        Path(os.environ["KYODAKU_CONFIG"]).write_text('by = "Chan"', encoding="utf-8")  # who records is asked once
        with big_catalog.build(folder, given.scale) as catalog, catalog.transaction() as db:
            db.execute("DELETE FROM photo_rights")  # some are somebody's: the same again is no decision
        rows = list(measure(folder, given.scale, given.photographs))
    show(f"tagging {given.photographs:,} of {given.scale:,} photographs", rows)
    sys.exit(int(any(row.kept is False for row in rows)))


def measure(folder: Path, scale: int, number: int) -> Iterator[Row]:
    """Tag, hold what the catalog says against what was typed, undo all of it, and hold that too."""
    keys = [("l", "m", ".", "m")[place % 4] for place in range(number)]
    costs: list[Cost] = []
    with open_app(folder) as app, open_catalog(folder, readonly=True) as there:
        app.wait_for(f"{scale:,} photographs")
        app.calm()
        app.press("i")
        app.calm()
        started = time.perf_counter()
        late = 0
        for key in keys:
            costs.append(app.press(key))
            late += there.connection.execute("SELECT count(*) FROM decisions").fetchone()[0] != len(costs)
        took = time.perf_counter() - started
        wrong = _wrong(folder, keys)
        undone = [app.press("u") for _ in keys]
        left = _undone(folder, number)
        _leave(app)
    half = sorted(cost.ms for cost in costs)[number // 2]
    yield Row("a decision, median", half, "ms")
    yield Row("a decision, p95", p95(costs), "ms", goal="<= 30 ms", kept=p95(costs) <= 30)
    yield Row("a decision", sum(cost.bytes for cost in costs) / number, "bytes")
    yield Row("all of them, each waited for", took, "s")
    yield Row("decisions not committed before the next key", late, "decisions", goal="0", kept=not late)
    yield Row("photographs not as typed", wrong, "photographs", goal="0", kept=not wrong)
    yield Row("undo, p95", p95(undone), "ms")
    yield Row("photographs not as before, all undone", left, "photographs", goal="0", kept=not left)


def _wrong(folder: Path, keys: list[str]) -> int:
    """How many photographs are not what their key said, and decisions missing or too many."""
    wanted, last = [], Rights.UNKNOWN
    for key in keys:
        last = SAID[key] or last
        wanted.append(last)
    with open_catalog(folder, readonly=True) as catalog:
        ids = listing.ids(catalog, "", limit=len(keys))
        found = [photos.get(catalog, one).rights for one in ids]
        made = len(decisions.newest(catalog, len(keys) + 1))
    return sum(one is not other for one, other in zip(found, wanted, strict=True)) + abs(made - len(keys))


def _undone(folder: Path, number: int) -> int:
    with open_catalog(folder, readonly=True) as catalog:
        ids = listing.ids(catalog, "", limit=number)
        return sum(photos.get(catalog, one).rights is not Rights.UNKNOWN for one in ids)


def _leave(app: Terminal) -> None:
    app.press("Q")


if __name__ == "__main__":
    main()
