"""Render the sample archive: `python -m sample_data.scripts.archive.make [--first N] [--out FOLDER]`.

Pictures that exist already are left as they are, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import time
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from . import oddities
from .cast import COLUMNS, people, row
from .metadata import exif, xmp
from .plan import Shot, plan
from .stage import Face, Photograph, take

SAMPLE_DATA = Path(__file__).resolve().parents[2]
LARGEST = 96_000  # bytes of a picture, its metadata apart
TURNS = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}  # what undoes the viewer's turn
TRUTH = ("path", "name", "x0", "y0", "x1", "y1")


def encode(shot: Shot, photograph: Photograph) -> bytes:
    """Return the JPEG bytes of a photograph: the best quality that stays below this shot's own limit."""
    image = photograph.image.transpose(TURNS[shot.orientation]) if shot.orientation in TURNS else photograph.image
    pixels = image.size[0] * image.size[1]
    limit = min(LARGEST, 44_000 + pixels // 16)
    sampling = 0 if shot.seed % 2 else 2
    for quality in (95, 93, 91, 88, 85, 82, 78, 74, 70, 65, 60):
        if len(_jpeg(image, quality, sampling, {})) <= limit:
            break
    about = {"exif": exif(shot, photograph.iso).tobytes(), "xmp": xmp(shot)} if shot.exif else {}
    return _jpeg(image, quality, sampling, about)


def _jpeg(image: Image.Image, quality: int, subsampling: int, about: dict[str, bytes]) -> bytes:
    """Return JPEG bytes with the metadata given."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=subsampling, optimize=True, **about)
    return buffer.getvalue()


def _faces_file(out: Path) -> Path:
    """Return where the faces of each shot are kept while the archive is being made."""
    return out / ".faces.json"


def render(shots: Iterable[Shot], out: Path) -> dict[str, list[Face]]:
    """Render the shots that do not exist yet below `out`/photos; return the faces of all, by path."""
    known = _faces_file(out)
    faces: dict[str, list[Face]] = json.loads(known.read_text("utf-8")) if known.exists() else {}
    started = time.monotonic()
    for number, shot in enumerate(shots):
        target = out / "photos" / shot.path
        if target.exists() and shot.path in faces:
            continue
        photograph = take(shot)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(encode(shot, photograph))
        faces[shot.path] = list(photograph.faces)
        known.write_text(json.dumps(faces, ensure_ascii=False), "utf-8")
        if number % 20 == 0:
            print(
                f"{number} {time.monotonic() - started:.0f} s {target.stat().st_size // 1000} kB {shot.path}",
                flush=True,
            )
    return faces


def write_tables(out: Path, faces: dict[str, list[Face]]) -> None:
    """Write people.csv and truth.csv."""
    with (out / "people.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(row(person) for person in people())
    with (out / "truth.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(TRUTH)
        for path in sorted(faces):
            lines.writerows((f"photos/{path}", *face) for face in faces[path])


def main() -> None:
    """Render what is missing, then the oddities and the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, help="render only so many, evenly spread")
    parser.add_argument("--out", type=Path, default=SAMPLE_DATA)
    arguments = parser.parse_args()
    shots = plan()
    chosen = shots[:: max(1, len(shots) // arguments.first)] if arguments.first else shots
    faces = render(chosen, arguments.out)
    faces |= oddities.add(arguments.out / "photos", shots, faces)
    write_tables(arguments.out, faces)


if __name__ == "__main__":
    main()
