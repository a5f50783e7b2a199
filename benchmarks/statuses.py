"""How soon photographs' statuses follow what is recorded, and how long the doctor takes to hold them all.

    python -m benchmarks.statuses [--scale 300000] [--runs 20]

One person is on 10,000 photographs spread over the whole catalog. Each event of theirs is timed to its end: its line
in the ledger and in the fsynced twin, and the statuses of every photograph it reaches.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from benchmarks import big_catalog
from benchmarks.table import Row, show
from core import consent_actions, rights, statuses, withdrawal
from storage import faces, subjects
from storage.catalog import Catalog
from storage.records import FaceMark, Purpose, Rights, Subject

ON = 10_000  # photographs of the one person
RUNS = 20
BOUND_MS = 300
CORRECTIONS = {"faces ignored", "faces given to another"}  # ten thousand faces' own rows are written: no event's bound
LENT = timedelta(days=30)
COMPOSITE = [Purpose.TRAIN_COMPOSITE]
EVERYTHING = list(Purpose)
BEGUN = datetime(2024, 1, 1, tzinfo=UTC)
Act = Callable[[int], object]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--scale", type=int, default=300_000, help="photographs in the catalog")
    arguments.add_argument("--runs", type=int, default=RUNS, help="of each kind of event")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="kyodaku-benchmark-") as folder:
        show(f"statuses, {given.scale:,} photographs", measure(given.scale, Path(folder), given.runs))


def measure(scale: int, room: Path, runs: int = RUNS) -> list[Row]:
    """Build a catalog of `scale` photographs in `room` and time what changes 10,000 of them, then the doctor."""
    with big_catalog.build(room / "statuses", scale) as catalog:
        person = subjects.add(catalog, "The One", born=date(1980, 5, 17), at=BEGUN)
        _put(catalog, person, ON, random.Random(7))
        rows = []
        on = len(faces.photos_of_subject(catalog, person.id))
        whole = _whole(catalog)
        rows.append(Row("all statuses ruled on at once", scale / whole * 1000, "photographs/s"))
        for what, (before, act) in _acts(catalog, person).items():
            times = [_timed(before, act, number) for number in range(runs)]
            took = p95(times)
            rows.append(Row(f"{what}, {on:,} photographs, p50", statistics.median(times), "ms"))
            goal, kept = ("", None) if what in CORRECTIONS else (f"<= {BOUND_MS} ms", took <= BOUND_MS)
            told, peer = f"{what}, {on:,} photographs, p95", f"ruling on all {scale:,}"
            rows.append(Row(told, took, "ms", peer, took / whole, goal, kept))
        return [*rows, _untouched(catalog, person), *_doctor(catalog, scale)]


def _put(catalog: Catalog, person: Subject, number: int, own: random.Random) -> None:
    """Give a person one face in each of so many photographs, spread over the whole catalog."""
    shown = [row[0] for row in catalog.connection.execute("SELECT min(id) FROM faces GROUP BY photo_id")]
    faces.assign(catalog, own.sample(shown, min(number, len(shown) // 3)), person.id, by_person=True)


def _acts(catalog: Catalog, person: Subject) -> dict[str, tuple[Act, Act]]:
    """What is timed, after what makes it change the statuses; each is called with the number of the run."""
    theirs = [face.id for face in faces.of_subject(catalog, person.id)]
    shown = faces.photos_of_subject(catalog, person.id)
    other = subjects.add(catalog, "Another", born=date(1985, 1, 1), at=BEGUN)
    births = [date(2010, 5, 17), date(1980, 5, 17)]

    def grant(purposes: list[Purpose]) -> Act:
        return lambda _: consent_actions.grant(catalog, [person], purposes, by="me")

    def withdraw(purposes: list[Purpose]) -> Act:
        return lambda _: withdrawal.withdraw(catalog, person.id, purposes, by="me")

    def refuse(purposes: list[Purpose]) -> Act:
        return lambda _: consent_actions.refuse(catalog, [person], purposes, by="me")

    def assign(number: int) -> object:
        return faces.assign(catalog, theirs, [other, person][number % 2].id, by_person=True)

    def correct_age(number: int) -> object:
        return withdrawal.edit_subject(catalog, replace(person, born=births[number % 2]), by="me")

    def attest(number: int) -> object:
        told = [(None, None), ("me", "passport")][number % 2]
        changed = replace(person, born=None, adult_attested_by=told[0], adult_attested_how=told[1])
        return withdrawal.edit_subject(catalog, changed, by="me")

    def ignore(number: int) -> object:
        return faces.set_mark(catalog, theirs, [FaceMark.NOT_A_FACE, None][number % 2])

    def settle(number: int) -> object:
        was, now = [(Rights.UNKNOWN, Rights.MINE), (Rights.MINE, Rights.UNKNOWN)][number % 2]
        return rights.turn(catalog, {was: shown}, now, by="me", note=None)

    def lend(_: int) -> None:
        statuses.refresh(catalog)  # the clock was put ahead to see the last one end
        consent_actions.grant(catalog, [person], COMPOSITE, by="me", valid_until=datetime.now(UTC) + LENT)

    def end(_: int) -> object:
        return statuses.refresh(catalog, datetime.now(UTC) + 2 * LENT)

    def nothing(_: int) -> None:
        return None

    return {
        "grant of one purpose": (refuse(COMPOSITE), grant(COMPOSITE)),
        "withdrawal of one": (grant(COMPOSITE), withdraw(COMPOSITE)),
        "refusal of one": (grant(COMPOSITE), refuse(COMPOSITE)),
        "grant of all six": (refuse(EVERYTHING), grant(EVERYTHING)),
        "withdrawal of all six": (grant(EVERYTHING), withdraw(EVERYTHING)),
        "refusal of all six": (grant(EVERYTHING), refuse(EVERYTHING)),
        "age put right": (nothing, correct_age),
        "attestation changed": (nothing, attest),
        "rights changed": (nothing, settle),
        "end of a grant, by time alone": (lend, end),
        "faces ignored": (nothing, ignore),
        "faces given to another": (nothing, assign),
    }


def _timed(before: Act, act: Act, number: int) -> float:
    """Milliseconds of one run."""
    before(number)
    started = time.perf_counter()
    act(number)
    return (time.perf_counter() - started) * 1000


def _whole(catalog: Catalog) -> float:
    """Milliseconds of ruling on every photograph: what an event would cost that did not know whom it reaches."""
    started = time.perf_counter()
    statuses.rule_anew(catalog)
    return (time.perf_counter() - started) * 1000


def _untouched(catalog: Catalog, person: Subject) -> Row:
    """How many rows are written for photographs that do not show the person, by a grant and a withdrawal."""
    db = catalog.connection
    db.execute("CREATE TEMP TABLE touched(photo_id INTEGER)")
    for verb in ("INSERT", "UPDATE"):
        db.execute(
            f"CREATE TEMP TRIGGER saw_{verb} AFTER {verb} ON main.photo_standing"
            " BEGIN INSERT INTO touched VALUES (new.photo_id); END"
        )
    consent_actions.grant(catalog, [person], EVERYTHING, by="me")
    withdrawal.withdraw(catalog, person.id, EVERYTHING, by="me")
    reached = set(faces.photos_of_subject(catalog, person.id))
    touched = [row[0] for row in db.execute("SELECT photo_id FROM touched")]
    assert reached <= set(touched)
    outside = len(set(touched) - reached)
    return Row("photographs rewritten that show somebody else", outside, "photographs", goal="0", kept=not outside)


def _doctor(catalog: Catalog, scale: int) -> list[Row]:
    """Seconds for all statuses, recomputed by the plain rule, and how many differ after all that was done."""
    started = time.perf_counter()
    found = statuses.differing(catalog)
    took, bound = time.perf_counter() - started, 60 * scale / 300_000
    return [
        Row("doctor recomputes every status", took, "s", goal=f"<= {bound:.0f} s", kept=took <= bound),
        Row("statuses that differ from the ledger", found.differ, "photographs", goal="0", kept=not found.differ),
    ]


def p95(figures: list[float]) -> float:
    """The 95th percentile: the smallest figure that 95 in 100 do not exceed."""
    return sorted(figures)[math.ceil(0.95 * len(figures)) - 1]


if __name__ == "__main__":
    main()
