"""How fast an archive is indexed, and indexed again, beside what a user would take instead.

    python -m benchmarks.scan [--scale 30000] [--room FOLDER] [--only first,whole,rescan,renamed]

Peers run on the same warm files in the same run: exifread alone on one core, exiftool where it is
installed, `find -printf` for a rescan. A room that is given is kept, with the archive and the catalog
in it, and a later run goes on from there.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import exifread

from benchmarks import made_archive
from benchmarks.table import Row, show
from core import places, scan
from storage import catalog as catalogs

SAMPLE = 6_000  # distinct files that every reader reads
MOST_RENAMED = 100_000
ENOUGH = 300_000
PARTS = ("first", "whole", "rescan", "renamed")
COMMAND = (sys.executable, "-P", "-c", "from tui.cli import main; main()")
INDEX = (sys.executable, "-m", "benchmarks.scan", "--follow")
HERE = Path(__file__).resolve().parents[1]


def measure(scale: int, room: Path, parts: tuple[str, ...] = PARTS) -> list[Row]:
    """Rows on an archive of `scale` files made in `room`: first index, memory, a kill, rescan, a renamed folder."""
    room.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    if "first" in parts:
        rows += first_index(room)
    archive = made(room, scale)
    if "whole" in parts:
        rows += whole_index(room, archive, scale)
    if "rescan" in parts:
        rows += rescan(room, archive, scale)
    if "renamed" in parts:
        rows += renamed(room, archive, scale)
    return rows


def made(room: Path, files: int) -> Path:
    """The archive of so many files, made unless it is there."""
    archive = room / f"archive-{files}"
    if not archive.exists():
        part = room / f"part-{files}"
        shutil.rmtree(part, ignore_errors=True)
        made_archive.make(part, files)
        part.rename(archive)
    return archive


def first_index(room: Path) -> list[Row]:
    """Distinct files, each read once by every competitor, after a pass that warms the cache."""
    archive = made(room, SAMPLE)
    paths = [path for path in archive.rglob("*") if path.is_file()]
    alone = min((measured(lambda: [exif_alone(path) for path in paths]) for _ in range(3)), key=lambda took: took.cpu)
    rows = [Row(f"exifread alone, {SAMPLE:,} files", SAMPLE / alone.cpu, "files/s per core")]
    places.nearest([(1.0, 2.0)])  # loads the table of towns
    walls: dict[int, float] = {}
    for jobs in sorted({1, len(os.sched_getaffinity(0))}):
        took = min((index_anew(room, archive, jobs) for _ in range(2)), key=lambda took: took.cpu)
        walls[jobs] = took.wall
        ratio = alone.cpu / took.cpu
        rows.append(
            Row(f"index --jobs {jobs}, by processor time", SAMPLE / took.cpu, "files/s per core", "exifread alone",
                ratio, "at least 0.7", ratio >= 0.7)
        )  # fmt: skip
        rows.append(Row(f"index --jobs {jobs}, by the clock", SAMPLE / took.wall, "files/s", "exifread alone",
                        alone.wall / took.wall))  # fmt: skip
    if shutil.which("exiftool"):
        peer = seconds(lambda: run("exiftool", "-fast2", "-json", "-r", "-q", str(archive)))
        rows.append(Row("exiftool -fast2 -json -r, one core", SAMPLE / peer, "files/s"))
        for jobs, wall in walls.items():
            ratio = peer / wall
            goal = ("at least 5", ratio >= 5) if jobs == max(walls) else ("", None)
            rows.append(Row(f"index --jobs {jobs}, by the clock", SAMPLE / wall, "files/s", "exiftool", ratio, *goal))
    return rows


def index_anew(room: Path, archive: Path, jobs: int) -> Measured:
    """A first index into a catalog that is thrown away."""
    folder = room / "catalog-sample"
    shutil.rmtree(folder, ignore_errors=True)
    with catalogs.create(folder) as catalog:
        return measured(lambda: scan.index(catalog, [archive], jobs=jobs))


def whole_index(room: Path, archive: Path, files: int) -> list[Row]:
    """Index all, killed at a random point and started again; memory of all processes together."""
    folder = room / f"catalog-{files}"
    if not folder.exists():
        catalogs.create(folder).close()
    before = kept(folder)
    stop = before + random.randrange(files // 50, files // 5)
    killed = follow(folder, archive, stop_at=stop)
    there = kept(folder)
    begun = time.perf_counter()
    whole = follow(folder, archive)
    took = time.perf_counter() - begun
    megabytes = max(killed.peak, whole.peak) / 1e6
    lost = max(0, killed.done - there)
    return [
        Row("killed with SIGKILL after", killed.done, "files"),
        Row("lost by it: read and not written", lost, "files", goal="at most a batch",
            kept=sound(folder) and lost <= scan.BATCH + 32),
        Row("the next run: new", whole.new, "files", goal=f"the other {files - there:,}",
            kept=whole.new == files - there),
        Row("the next run, by the clock", whole.new / took, "files/s"),
        Row("peak memory, all processes", megabytes, "MB", goal="under 500", kept=megabytes < 500),
    ]  # fmt: skip


def rescan(room: Path, archive: Path, files: int) -> list[Row]:
    """A tree in which nothing changed, beside find; medians of five, taken in turn."""
    folder = room / f"catalog-{files}"
    with catalogs.open_catalog(folder) as catalog:
        find, ours, command = [], [], []
        for _ in range(5):
            find.append(seconds(lambda: run("find", str(archive), "-type", "f", "-printf", "%s %T@\\n")))
            ours.append(seconds(lambda: scan.index(catalog, [archive])))
            command.append(seconds(lambda: run(*COMMAND, "-C", str(folder), "index", str(archive))))
    peer, own, whole = (statistics.median(times) for times in (find, ours, command))
    start = files >= ENOUGH  # fewer are sooner found than any program of Python's starts
    return [
        Row(f"find -printf, {files:,} files", peer, "s"),
        Row("indexed again", own, "s", "find", own / peer, "at most 3", own <= 3 * peer),
        Row("the whole command, with its start", whole, "s", "find", whole / peer, "at most 3" if start else "",
            whole <= 3 * peer if start else None),
    ]  # fmt: skip


def renamed(room: Path, archive: Path, files: int) -> list[Row]:
    """Whole years moved into another folder, and found again by their content."""
    years = sorted(path for path in archive.iterdir() if path.is_dir() and path.name.isdigit())
    count, moved = 0, []
    for year in years:
        inside = sum(len(names) for _, _, names in os.walk(year))
        if count + inside > min(MOST_RENAMED, files // 2) and moved:
            break
        count += inside
        moved.append(year)
    with catalogs.open_catalog(room / f"catalog-{files}") as catalog:
        content = "SELECT id, content_hash FROM photos ORDER BY id"
        before = catalog.connection.execute(content).fetchall()
        (archive / "put away").mkdir()
        for year in moved:
            year.rename(archive / "put away" / year.name)
        begun = time.perf_counter()
        result = scan.index(catalog, [archive])
        took = time.perf_counter() - begun
        same = [tuple(row) for row in before] == [tuple(row) for row in catalog.connection.execute(content)]
        for year in moved:
            (archive / "put away" / year.name).rename(year)
        (archive / "put away").rmdir()
        scan.index(catalog, [archive])
    return [
        Row("renamed, and known again", result.moved, "files", goal=f"all {count:,}, none new or gone",
            kept=same and (result.moved, result.new, result.gone) == (count, 0, 0)),
        Row("renamed files, by the clock", count / took, "files/s"),
    ]  # fmt: skip


@dataclass(slots=True)
class Followed:
    """What was seen of a run in a process of its own: files done, new ones at its end, peak memory in bytes."""

    done: int = 0
    new: int = 0
    peak: int = 0


def follow(folder: Path, archive: Path, *, stop_at: int | None = None) -> Followed:
    """Index in a process of its own, killed when it has told of `stop_at` files."""
    seen = Followed()
    with subprocess.Popen([*INDEX, folder, archive], cwd=HERE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            what, _, number = line.partition(" ")
            if what == "new":
                seen.new = int(number)
                continue
            seen.done = int(number)
            seen.peak = max(seen.peak, memory_of(process.pid))
            if stop_at is not None and seen.done >= stop_at:
                process.send_signal(signal.SIGKILL)
                return seen
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, INDEX)
    return seen


def tell(folder: Path, archive: Path) -> None:
    """The process that `follow` starts."""
    with catalogs.open_catalog(folder) as catalog:
        result = scan.index(catalog, [archive], report=lambda step: print("done", step.done, flush=True))
    print("new", result.new, flush=True)


def memory_of(pid: int) -> int:
    """Resident bytes of a process and its children, pages that they share counted for each."""
    pids = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        pids += map(int, children.read_text().split())
    pages = 0
    for one in pids:
        try:
            pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return pages * os.sysconf("SC_PAGE_SIZE")


def kept(folder: Path) -> int:
    """Photographs on record."""
    with sqlite3.connect(folder / catalogs.DATABASE) as connection:
        return int(connection.execute("SELECT count(*) FROM photos").fetchone()[0])


def sound(folder: Path) -> bool:
    """Whether SQLite finds its file whole."""
    with sqlite3.connect(folder / catalogs.DATABASE) as connection:
        return bool(connection.execute("PRAGMA quick_check").fetchone()[0] == "ok")


def exif_alone(path: Path) -> None:
    """What the peer does with one file."""
    with path.open("rb") as file:
        exifread.process_file(file, details=False)


def run(*command: str) -> None:
    """A command to its end, silent."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds by the clock, and of processors: this process's and its children's."""

    wall: float
    cpu: float


def measured(work: Callable[[], object]) -> Measured:
    """How long `work` takes."""
    start, before = time.perf_counter(), os.times()
    work()
    after = os.times()
    return Measured(time.perf_counter() - start, sum(after[:4]) - sum(before[:4]))


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes by the clock."""
    return measured(work).wall


def main() -> None:
    """Measure what the command line asks for."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--scale", type=int, default=30_000, help="files of the archive that is made")
    arguments.add_argument("--room", type=Path, help="a folder to work in, which is kept; default: a temporary one")
    arguments.add_argument("--only", default=",".join(PARTS), help=f"parts to measure: {', '.join(PARTS)}")
    arguments.add_argument("--follow", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.follow:
        tell(*given.follow)
        return
    with tempfile.TemporaryDirectory(prefix="kyodaku-benchmark-") as folder:
        rows = measure(given.scale, (given.room or Path(folder)).resolve(), tuple(given.only.split(",")))
    show(f"scan, {given.scale:,} files", rows)


if __name__ == "__main__":
    main()
