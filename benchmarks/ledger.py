"""The ledger at length: `python -m benchmarks.ledger [--events 1000000]`.

Appends so many events in batches, verifies table, file and signed checkpoints, and writes each half anew from the
other. The peer of verifying is what the document shows: reading the file line by line and hashing each.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.table import Row, show
from storage import catalog as catalogs
from storage import checkpoints, ledger
from storage.catalog import Catalog
from storage.records import Event, EventKind, Purpose

BATCH = 10_000
PEOPLE = 500
SECONDS = 60  # in which a million events should verify


def measure(events: int, room: Path) -> list[Row]:
    """Seconds of appending, verifying and rebuilding a ledger of so many events."""
    with catalogs.create(room / "ledger-catalog") as catalog:
        append = seconds(lambda: fill(catalog, events))
        checkpoints.sign(catalog)
        verify = seconds(lambda: sound(catalog, events))
        alone = seconds(lambda: hashed(catalog.ledger_path, events))
        twin = seconds(lambda: ledger.rebuild_twin(catalog))
        table = seconds(lambda: ledger.rebuild_table(catalog))
    bound = SECONDS * events / 1_000_000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        Row(f"append {events:,} events, {BATCH:,} a transaction", append, "s"),
        Row("verify", verify, "s", "hashing the file's lines", verify / alone, f"<= {bound:g} s", verify <= bound),
        Row("write the file anew from the table", twin, "s"),
        Row("write the table anew from the file", table, "s"),
        Row("peak memory of the process", peak, "MB"),
    ]


def fill(catalog: Catalog, events: int) -> None:
    """Grants of many people, a second apart."""
    start = datetime(2020, 1, 1, tzinfo=UTC)
    purposes = (Purpose.PRINT, Purpose.TRAIN_COMPOSITE)
    for first in range(0, events, BATCH):
        numbers = range(first, min(first + BATCH, events))
        drafts = [
            Event(0, start + timedelta(seconds=n), EventKind.GRANT, f"{n % PEOPLE:032x}", purposes, by="me", note="n")
            for n in numbers
        ]
        ledger.append_many(catalog, drafts)


def sound(catalog: Catalog, events: int) -> None:
    check = checkpoints.verify(catalog)
    assert (check.ok, check.events, check.checkpoints) == (True, events, 1)


def hashed(path: Path, events: int) -> None:
    previous, number = "0" * 64, 0
    with path.open("rb") as file:
        for line in file:
            body, _, rest = line.rstrip(b"\n").rpartition(b',"hash":"')
            assert b'"previous":"%s"' % previous.encode() in body
            previous = hashlib.sha256(body + b"}").hexdigest()
            assert rest == previous.encode() + b'"}'
            number += 1
    assert number == events


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--events", type=int, default=1_000_000)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="kyodaku-benchmark-") as folder:
        show("the ledger", measure(given.events, Path(folder)))


if __name__ == "__main__":
    main()
