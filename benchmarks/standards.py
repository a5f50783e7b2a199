"""Does exiftool read the sidecars and copies that Kyodaku writes without a warning? `python -m benchmarks.standards`.

Makes pictures in every format, turned every way, of people who allow this and that, writes sidecars and exports copies
through the command line's own functions, and lets exiftool validate every file. Ends with status 1 on any warning, on
a field that is not read as it was written, and on a position in a copy.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import piexif
import pillow_heif
from PIL import Image

from core import consent_actions, export_photos, scan, sidecars
from storage import catalog as catalogs
from storage import faces, photos, subjects
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.records import Purpose

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF")
SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "TIFF": "tif", "HEIF": "heic"}
GPS = {1: b"N", 2: ((51, 1), (30, 1), (0, 1)), 3: b"W", 4: ((0, 1), (7, 1), (30, 1))}
BOX = (30, 20, 70, 80)


def main() -> int:
    """Make, write, validate, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200, help="pictures")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    pillow_heif.register_heif_opener()
    with tempfile.TemporaryDirectory() as folder, catalogs.create(Path(folder) / "catalog") as catalog:
        archive, out = Path(folder) / "archive", Path(folder) / "out"
        draw(archive, options.files, options.seed)
        scan.index(catalog, [archive])
        put_people(catalog)
        ids = sorted(photos.ids(catalog))
        started = time.monotonic()
        written = sidecars.write(catalog, ids)
        between = time.monotonic()
        exported = export_photos.export(catalog, ids, out)
        ended = time.monotonic()
        print(f"sidecars: {len(written.written)} in {between - started:.2f} s, left out {len(written.left_out)}")
        print(
            f"copies: {len(exported.written)} in {ended - between:.2f} s, {len(exported.encoded)} encoded anew,"
            f" refused {len(exported.refused)}, left out {len(exported.left_out)}"
        )
        told = exiftool([Path(path) for path in (*written.written.values(), *exported.written.values())])
        faults = [fault for each in told for fault in faults_of(each)]
        print(f"exiftool: {len(told)} files read, {len(faults)} faults")
        for fault, number in collections.Counter(faults).most_common(20):
            print(f"  {number} times: {fault}")
        known = {"a release status": "ModelReleaseStatus", "a person": "PersonInImage", "a region": "RegionInfo"}
        for what, key in known.items():
            print(f"  {what} in {sum(key in each for each in told)}")
        return 1 if faults or len(told) != len(written.written) + len(exported.written) else 0


def draw(archive: Path, files: int, seed: int) -> None:
    """Pictures in every format, each turned another way, with a position in EXIF."""
    archive.mkdir()
    draws = np.random.default_rng(seed)
    for number in range(files):
        format = FORMATS[number % len(FORMATS)]
        pixels = Image.fromarray(draws.integers(0, 255, (96, 128, 3), dtype=np.uint8))
        told = {"0th": {0x0112: 1 + number % 8, 271: b"Maker"}, "GPS": GPS}
        block = piexif.dump(told | {"Exif": {36867: b"2020:06:01 12:00:00", 37500: b"maker's own"}})
        more: dict[str, Any] = {} if format == "TIFF" else {"exif": block}
        out = io.BytesIO()
        pixels.save(out, format, **more)
        (archive / f"{number:04}.{SUFFIXES[format]}").write_bytes(out.getvalue())


def put_people(catalog: Catalog) -> None:
    """Three people in turn: one allows all, one publishing alone, one nothing."""
    now = datetime(2024, 1, 1, tzinfo=UTC)
    people = [subjects.add(catalog, name, born=date(1980, 1, 1), at=now) for name in ("ນ້ອຍ", "Kham & Söhne", "C")]
    consent_actions.grant(catalog, people[:1], list(Purpose), by="me", at=now)
    consent_actions.grant(catalog, people[1:2], [Purpose.PUBLISH, Purpose.CATALOGUE], by="me", at=now)
    for number, photo_id in enumerate(photos.ids(catalog)):
        faces.replace_faces(catalog, photo_id, [NewFace(BOX, 0.99, np.zeros(4, dtype=np.float32))], "dlib")
        own = [face.id for face in faces.of_photo(catalog, photo_id)]
        faces.assign(catalog, own, people[number // 8 % 3].id, by_person=True)


def exiftool(paths: list[Path]) -> list[dict[str, Any]]:
    """What exiftool says of each file, with every warning."""
    ran = subprocess.run(
        ["exiftool", "-json", "-struct", "-validate", "-warning", "-error", "-a", "-gps*", "-xmp:all", "-@", "-"],
        input="\n".join(map(os.fspath, paths)),
        capture_output=True,
        text=True,
        check=False,
    )
    found: list[dict[str, Any]] = json.loads(ran.stdout or "[]")
    return found


def faults_of(told: dict[str, Any]) -> list[str]:
    """What is wrong with one file, as exiftool has it."""
    suffix = Path(told["SourceFile"]).suffix
    faults = [f"{suffix}: {told[key]}" for key in told if key.startswith(("Warning", "Error"))]
    if told.get("Validate", "OK") != "OK" and not faults:
        faults.append(f"{suffix}: {told['Validate']}")
    faults += [f"{suffix}: a position: {key}" for key in told if key.startswith("GPS")]
    if "ModelReleaseStatus" not in told:
        faults.append(f"{suffix}: no release status")
    return faults


if __name__ == "__main__":
    sys.exit(main())
