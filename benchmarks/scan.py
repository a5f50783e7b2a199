"""How fast an archive is indexed, indexed again and searched, beside what a user would take instead.

    python benchmarks/scan.py [--files 2000] [--tree 30000] [--from sample_data/photos]

Prints a table: each figure with its ratio to the peer in the same run on the same warm files.
Peers: exifread alone on one core, exiftool where it is installed, and `find -printf` for a rescan.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import exifread

from core import query, scan
from storage import catalog as catalogs
from storage.catalog import Catalog

SEARCHES = (
    "taken:2019",
    "camera:canon",
    "iso:>=800",
    "near:17.97,102.6,5",
    "faces:0",
    "DSC_00",
    "camera:canon taken:2018.. -iso:>800",
    "train-composite:unknown camera:canon taken:2019",
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--files", type=int, default=2_000, help="distinct files for the first index")
    arguments.add_argument("--tree", type=int, default=30_000, help="files (hard links) for the rescan")
    arguments.add_argument("--from", dest="source", type=Path, default=Path("sample_data/photos"))
    given = arguments.parse_args()
    originals = sorted(p for p in given.source.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg"} and p.stat().st_size)
    if not originals:
        sys.exit(f"no JPEGs in {given.source}")
    with tempfile.TemporaryDirectory(prefix="kyodaku-benchmark-") as folder:
        room = Path(folder)
        first_index(room, originals, given.files)
        rescan_and_search(room, originals, given.tree)


def first_index(room: Path, originals: Sequence[Path], files: int) -> None:
    """Distinct files, each read once by every competitor, after a pass that warms the cache."""
    archive = room / "distinct"
    paths = distinct(archive, originals, files)
    megabytes = sum(p.stat().st_size for p in paths) / 1e6
    print(f"\nfirst index: {files:,} JPEGs, {megabytes:,.0f} MB, warm cache")
    for path in paths:
        path.read_bytes()
    alone = measured(lambda: [exif_alone(path) for path in paths])
    line("exifread alone, 1 core", files / alone.wall, "files/s")
    for jobs in sorted({1, len(os.sched_getaffinity(0))}):
        with catalogs.create(room / f"catalog{jobs}") as catalog:
            scan.index(catalog, [few(room, paths)], jobs=1)  # loads the table of towns
            ours = measured(lambda jobs=jobs, catalog=catalog: scan.index(catalog, [archive], jobs=jobs))  # type: ignore[misc]
        line(f"kyodaku index --jobs {jobs}", files / ours.wall, "files/s", alone.wall / ours.wall, "exifread alone")
        line("  by processor time", files / ours.cpu, "files/s", alone.cpu / ours.cpu, "exifread alone")
    if shutil.which("exiftool"):
        peer = seconds(lambda: run("exiftool", "-fast2", "-json", "-r", "-q", str(archive)))
        line("exiftool -fast2 -json -r", files / peer, "files/s", alone.wall / peer, "exifread alone")
    else:
        print("  exiftool is not installed: not measured")


def rescan_and_search(room: Path, originals: Sequence[Path], files: int) -> None:
    """A tree in which nothing changed, then searches of its catalog."""
    archive = room / "tree"
    links(archive, originals, files)
    with catalogs.create(room / "catalog-tree") as catalog:
        scan.index(catalog, [archive])
        print(f"\nrescan: {files:,} files, nothing changed, warm cache, median of 5")
        peer = statistics.median(
            seconds(lambda: run("find", str(archive), "-type", "f", "-printf", "%s %T@\\n")) for _ in range(5)
        )
        ours = statistics.median(seconds(lambda: scan.index(catalog, [archive])) for _ in range(5))
        line("find -type f -printf", peer, "s")
        line("kyodaku index, again", ours, "s", ours / peer, "find")
        print(f"  peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
        search(catalog, files)


def search(catalog: Catalog, files: int) -> None:
    """The first page and the exact count of some searches."""
    print(f"\nsearch: {files:,} photographs, ms, median of 15 (first page of 100 by date; exact count)")
    query.count(catalog, "train-composite:unknown")  # statuses are ruled on once, by whoever asks first
    for text in SEARCHES:
        page = statistics.median(seconds(lambda text=text: query.find(catalog, text, limit=100)) for _ in range(15))  # type: ignore[misc]
        count = statistics.median(seconds(lambda text=text: query.count(catalog, text)) for _ in range(15))  # type: ignore[misc]
        print(f"  {text:<52}{page * 1000:>9.1f}{count * 1000:>9.1f}   {query.count(catalog, text):,} found")


def distinct(archive: Path, originals: Sequence[Path], files: int) -> list[Path]:
    """Copies with a few bytes behind the picture, which no reader minds, so that no two have one content."""
    paths = []
    contents = [path.read_bytes() for path in originals]
    for number in range(files):
        path = archive / f"{number // 500:04}" / f"DSC_{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[number % len(contents)] + number.to_bytes(8, "big"))
        paths.append(path)
    return paths


def few(room: Path, paths: Sequence[Path]) -> Path:
    """A folder of three of them."""
    folder = room / "few"
    folder.mkdir(exist_ok=True)
    for path in paths[:3]:
        shutil.copy(path, folder / path.name)
    return folder


def links(archive: Path, originals: Sequence[Path], files: int) -> None:
    """A tree of hard links: ten years, nested, 200 files a folder."""
    sources = []
    for path in originals:
        source = archive.parent / "sources" / f"{len(sources)}.jpg"
        source.parent.mkdir(exist_ok=True)
        shutil.copy(path, source)
        sources.append(source)
    for number in range(files):
        folder = archive / str(2010 + number // 200 % 10) / f"{number // 2000 % 12 + 1:02}" / f"{number // 200:05}"
        folder.mkdir(parents=True, exist_ok=True)
        os.link(sources[number % len(sources)], folder / f"DSC_{number:06}.jpg")


def exif_alone(path: Path) -> None:
    with path.open("rb") as file:
        exifread.process_file(file, details=False)


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds by the clock, and of processors: this process's and its children's."""

    wall: float
    cpu: float


def measured(work: Callable[[], object]) -> Measured:
    start, before = time.perf_counter(), os.times()
    work()
    after = os.times()
    return Measured(time.perf_counter() - start, sum(after[:4]) - sum(before[:4]))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def line(what: str, figure: float, unit: str, ratio: float | None = None, peer: str = "") -> None:
    beside = "" if ratio is None else f"   {ratio:.2f} x {peer}"
    print(
        f"  {what:<30}{figure:>12,.3g} {unit}{beside}"
        if figure < 100
        else f"  {what:<30}{figure:>12,.0f} {unit}{beside}"
    )


if __name__ == "__main__":
    main()
