"""The archive at scale: `python -m benchmarks.archive [--scale 30k|300k|1m] [--only PART,…]`.

Indexing, faces, people, look-alikes, searches, statuses and the ledger on generated archives and catalogs, each
beside its peer in the same run, with the bound that it should keep. Exits with 1 where one is missed. Figures of
time want a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from benchmarks.table import show

SCALES = {"30k": 30_000, "300k": 300_000, "1m": 1_000_000}
PARTS: Mapping[str, int | None] = {
    "scan": None,
    "faces": 48,  # of 12 megapixels: the plain loop takes three seconds for each
    "people": None,
    "similar": None,
    "search": None,
    "statuses": None,
    "ledger": None,
}
"""Each part's module, and how many it measures where that is not the scale."""


def main() -> int:
    """Print a table for each part; 1 where a bound was missed."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--scale", choices=SCALES, default="30k")
    arguments.add_argument("--only", help=f"parts by commas: {', '.join(PARTS)}")
    given = arguments.parse_args()
    chosen = given.only.split(",") if given.only else list(PARTS)
    if unknown := [name for name in chosen if name not in PARTS]:
        arguments.error(f"there is no part {unknown[0]!r}: one of {', '.join(PARTS)}")
    missed = 0
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="kyodaku-benchmark-") as folder:
            # imported one by one: what one part loads would count as another's memory
            rows = import_module(f"benchmarks.{name}").measure(PARTS[name] or SCALES[given.scale], Path(folder))
        show(f"{name} at {given.scale}", rows)
        missed += sum(row.kept is False for row in rows)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
