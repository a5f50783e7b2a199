"""What RAWs and sidecars beside the JPEGs cost, beside what a user would take instead.

    python -m benchmarks.formats [--shots 5000] [--raws FOLDER]

A tree of JPEG, RAW and sidecar, scanned again, is held against `find -printf` over the same files. With `--raws` a
folder of real RAWs is read (hash, EXIF, where the preview lies) and held against exiftool and LibRaw on the same files.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import rawpy
from PIL import Image

from benchmarks.table import Row, show
from core import raw, scan
from core.reading import read_file
from storage import catalog as catalogs

SIDECAR = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="3"/></rdf:RDF></x:xmpmeta>'
)
A_FOLDER = 500


def measure(room: Path, *, shots: int = 5_000, raws: Sequence[Path] = ()) -> list[Row]:
    """Rows of a rescan of `shots` photographs of three files each, made in `room`, and of reading `raws`."""
    tree = room / "pairs"
    _plant(tree, shots)
    with catalogs.create(room / "catalog") as catalog:
        first = scan.index(catalog, [tree])
        assert (first.new, first.errors) == (shots, 0)
        again = min(_seconds(lambda: scan.index(catalog, [tree])) for _ in range(3))
        find = min(_seconds(lambda: _quiet("find", tree, "-printf", "%p %s %T@\n")) for _ in range(3))
        for sidecar in tree.rglob("*.xmp"):
            os.utime(sidecar, ns=(1, 1))
        touched = scan.index(catalog, [tree])
        assert (touched.unchanged, touched.new, touched.changed) == (shots, 0, 0)
    rows = [
        Row(f"rescan of {shots:,} x JPEG, RAW, XMP", again, "s", f"find -printf {find:.3g} s", again / find),
        Row("all sidecars changed", touched.seconds, "s", f"first index {first.seconds:.3g} s",
            touched.seconds / first.seconds),
    ]  # fmt: skip
    return rows + (_reading(raws) if raws else [])


def _plant(tree: Path, shots: int) -> None:
    for number in range(shots):
        folder = tree / f"{number // A_FOLDER}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (48, 32), (number % 251, number // 251 % 251, 90)).save(folder / f"DSC_{number}.JPG")
        (folder / f"DSC_{number}.NEF").write_bytes(b"no RAW, but as good as one to a stat" + str(number).encode())
        (folder / f"DSC_{number}.xmp").write_text(SIDECAR)


def _reading(paths: Sequence[Path]) -> list[Row]:
    for path in paths:
        path.read_bytes()  # warm for all of them
    ours = _seconds(lambda: [read_file(os.fsencode(path)) for path in paths])
    rows = []
    if shutil.which("exiftool"):
        other = _seconds(lambda: _quiet("exiftool", "-fast2", "-json", *paths))
        rows.append(_rate("read RAWs", paths, ours, "exiftool -fast2 -json", other))
    known = [path for path in paths if _thumb(path)]
    if known:
        ours = _seconds(lambda: [read_file(os.fsencode(path)) for path in known])
        other = _seconds(lambda: [_thumb(path) for path in known])
        rows.append(_rate("read RAWs that LibRaw knows", known, ours, "LibRaw's preview alone", other))
    return rows


def _rate(what: str, paths: Sequence[Path], ours: float, name: str, other: float) -> Row:
    count = len(paths)
    return Row(f"{what} ({count})", count / ours, "files/s", f"{name} {count / other:.3g} files/s", other / ours)


def _thumb(path: Path) -> bool:
    try:
        with rawpy.imread(str(path)) as opened:
            opened.extract_thumb()
    except rawpy.LibRawError:
        return False
    return True


def _quiet(*command: str | Path) -> None:
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--shots", type=int, default=5_000)
    arguments.add_argument("--raws", type=Path, help="a folder of RAWs of your own")
    given = arguments.parse_args()
    found = sorted(given.raws.rglob("*")) if given.raws else []
    paths = [path for path in found if path.suffix[1:].lower().encode() in raw.SUFFIXES]
    with tempfile.TemporaryDirectory(prefix="kyodaku-benchmark-") as folder:
        show("formats", measure(Path(folder), shots=given.shots, raws=paths))


if __name__ == "__main__":
    main()
