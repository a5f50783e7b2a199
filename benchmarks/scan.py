"""Indexing, measured: `python -m benchmarks.scan [--scale 30000]`.

On generated archives (`made_archive.py`): the first index beside exifread alone and exiftool on the same files, the
second beside `find`, the memory of all processes, and what a kill in the middle loses.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import exifread

from benchmarks import made_archive
from benchmarks.table import Row, show
from core import scan
from storage import catalog as catalogs

FIRST = 3_000  # distinct files of the first index, which exiftool reads too
OF_EXIFREAD, OF_EXIFTOOL, OF_FIND = 0.7, 5.0, 3.0
MOST_MB = 500


def measure(scale: int, room: Path) -> list[Row]:
    """The first index of some files, and all of a tree of `scale`."""
    few, tree = room / "few", room / "tree"
    made_archive.make(few, FIRST)
    made_archive.make(tree, scale)
    return [*first_index(few, room), *again(tree, room), *killed(few, room)]


def first_index(archive: Path, room: Path) -> list[Row]:
    """Files a second of one core, ours beside exifread alone and exiftool, on the same warm files."""
    paths = sorted(path for path in archive.rglob("*") if path.is_file())
    for path in paths:
        path.read_bytes()
    alone = processor_seconds(lambda: [exif_alone(path) for path in paths])
    with catalogs.create(room / "first-catalog") as catalog:
        ours_wall = time.perf_counter()
        ours = processor_seconds(lambda: scan.index(catalog, [archive], jobs=1))
        ours_wall = time.perf_counter() - ours_wall
    ratio = alone / ours
    rows = [
        Row("first index, files a CPU second", len(paths) / ours, "files/s", "exifread alone", ratio,
            f">= {OF_EXIFREAD:g} x", ratio >= OF_EXIFREAD),
    ]  # fmt: skip
    if shutil.which("exiftool"):
        command = ["exiftool", "-fast2", "-json", "-r", "-q", str(archive)]
        peer = seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
        times = peer / ours_wall
        rows.append(
            Row("first index, one reader, by the clock", len(paths) / ours_wall, "files/s", "exiftool -fast2 -json -r",
                times, f">= {OF_EXIFTOOL:g} x", times >= OF_EXIFTOOL)
        )  # fmt: skip
    return rows


def again(tree: Path, room: Path) -> list[Row]:
    """Everything indexed once, then twice: nothing has changed."""
    folder = room / "tree-catalog"
    with catalogs.create(folder) as catalog:
        first = seconds(lambda: scan.index(catalog, [tree]))
        command = ["find", str(tree), "-type", "f", "-printf", "%s %T@\\n"]
        find = statistics.median(
            seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)) for _ in range(5)
        )
        ours = statistics.median(seconds(lambda: scan.index(catalog, [tree])) for _ in range(5))
        number = catalog.connection.execute("SELECT count(*) FROM photos").fetchone()[0]
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    return [
        Row(f"index {number:,} files, all new", first, "s"),
        Row("index them again, nothing changed", ours, "s", "find -type f -printf", ours / find, f"<= {OF_FIND:g} x",
            ours <= OF_FIND * find),
        Row("peak memory, this process and the largest other", peak, "MB", "", None, f"<= {MOST_MB} MB",
            peak <= MOST_MB),
    ]  # fmt: skip


def killed(archive: Path, room: Path) -> list[Row]:
    """A run killed in the middle, and the next one."""
    folder = room / "killed-catalog"
    catalogs.create(folder).close()
    command = [sys.executable, "-m", "tui.cli", "-C", str(folder), "index", str(archive)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    with catalogs.open_catalog(folder, readonly=True) as catalog:
        while process.poll() is None:
            if catalog.connection.execute("SELECT count(*) FROM photos").fetchone()[0]:
                os.killpg(process.pid, signal.SIGKILL)
                break
        process.wait()
        kept = catalog.connection.execute("SELECT count(*) FROM photos").fetchone()[0]
    with catalogs.open_catalog(folder) as catalog:
        went_on = scan.index(catalog, [archive])
    whole = went_on.new + kept == FIRST and went_on.unchanged == kept
    return [Row(f"killed after {kept:,} files: the next run reads", went_on.new, "files", "", None, "the rest", whole)]


def exif_alone(path: Path) -> None:
    with path.open("rb") as file:
        exifread.process_file(file, details=False)


def processor_seconds(work: Callable[[], object]) -> float:
    """Of this process and of those that it started and saw end."""
    before = os.times()
    work()
    after: Sequence[float] = os.times()
    return sum(after[:4]) - sum(before[:4])


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--scale", type=int, default=30_000)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="kyodaku-benchmark-") as folder:
        show(f"indexing {given.scale:,} files", measure(given.scale, Path(folder)))


if __name__ == "__main__":
    main()
