"""What every real archive holds besides good JPEGs: copies, broken files, wrong names, other formats."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pillow_heif
from PIL import Image, ImageOps

from .metadata import exif
from .plan import Shot
from .stage import Face

BACKUP = "_backup SD card"
BROKEN = "_to sort"
TEXT = "Shot list, not a photograph:\n- portraits by the window, 85 mm\n- group on the stairs\n- hands and tools\n"


def _upright(path: Path) -> Image.Image:
    """Open a picture turned as a viewer shows it."""
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def _copies(photos: Path, shots: list[Shot], faces: dict[str, list[Face]]) -> dict[str, list[Face]]:
    """Copy four pictures byte for byte into a backup folder; return their faces."""
    added = {}
    for shot in shots[::97][:4]:
        name = f"{BACKUP}/{Path(shot.path).name}"
        (photos / BACKUP).mkdir(exist_ok=True)
        shutil.copyfile(photos / shot.path, photos / name)
        added[name] = faces[shot.path]
    return added


def _broken(photos: Path, shots: list[Shot], faces: dict[str, list[Face]]) -> dict[str, list[Face]]:
    """Write the broken files; return the faces of the one that only has a wrong name."""
    folder = photos / BROKEN
    folder.mkdir(exist_ok=True)
    whole = (photos / shots[3].path).read_bytes()
    (folder / "IMG_9001 truncated.JPG").write_bytes(whole[: len(whole) * 2 // 5])
    (folder / "IMG_9002 header only.JPG").write_bytes(whole[:400])
    (folder / "IMG_9003 empty.JPG").write_bytes(b"")
    (folder / "shot list.jpg").write_text(TEXT, "utf-8")
    buffer = io.BytesIO()
    small = _upright(photos / shots[5].path)
    small.thumbnail((512, 512))
    small.quantize(64, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    (folder / "screenshot.jpg").write_bytes(buffer.getvalue())
    shutil.copyfile(photos / shots[7].path, folder / "scan.tif")
    return {
        f"{BROKEN}/scan.tif": faces[shots[7].path],
        f"{BROKEN}/screenshot.jpg": _scaled(faces[shots[5].path], shots[5].size, small.size),
    }


def _scaled(faces: list[Face], before: tuple[int, int], after: tuple[int, int]) -> list[Face]:
    """Return the faces of a picture that was made smaller."""
    share = after[0] / before[0]
    return [(name, *(round(edge * share) for edge in box)) for name, *box in faces]


def _absolute_places(heic: bytes) -> bytes:
    """Return a HEIC whose items lie at absolute places, as phones write them, not at 0 past a base of their own.

    Both mean the same; simple readers of EXIF only know the first. The box `iloc` (version 0) holds, for each item:
    number, reference, base, count of extents (2, 2, 4, 2 bytes), and for each extent place and length (4, 4).
    """
    data = bytearray(heic)
    at = data.index(b"iloc")
    if data[at + 4 : at + 10] != bytes((0, 0, 0, 0, 0x44, 0x40)):
        return heic
    items, at = int.from_bytes(data[at + 10 : at + 12]), at + 12
    for _ in range(items):
        base, extents = int.from_bytes(data[at + 4 : at + 8]), int.from_bytes(data[at + 8 : at + 10])
        data[at + 4 : at + 8] = bytes(4)
        at += 10
        for _ in range(extents):
            data[at : at + 4] = (int.from_bytes(data[at : at + 4]) + base).to_bytes(4)
            at += 8
    return bytes(data)


def _formats(photos: Path, shots: list[Shot], faces: dict[str, list[Face]]) -> dict[str, list[Face]]:
    """Write one HEIC, as a phone would, and one PNG, as a retoucher would; return their faces."""
    phone = next(s for s in shots if s.camera.model == "iPhone 13" and len(s.members) == 2 and s.path in faces)
    heic = str(Path(phone.path).with_suffix(".HEIC"))
    image = _upright(photos / phone.path)
    block = exif(phone, 200)
    block[0x0112] = 1
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=70, exif=block.tobytes())
    (photos / heic).write_bytes(_absolute_places(buffer.getvalue()))
    studio = next(s for s in shots if s.scene == "studio" and len(s.members) == 1 and s.path in faces)
    png = f"{Path(studio.path).parent}/retouched {Path(studio.path).stem}.png"
    small = _upright(photos / studio.path)
    small.thumbnail((512, 512))
    small.quantize(160).save(photos / png, "PNG", optimize=True)
    return {heic: faces[phone.path], png: _scaled(faces[studio.path], studio.size, small.size)}


def add(photos: Path, shots: list[Shot], faces: dict[str, list[Face]]) -> dict[str, list[Face]]:
    """Add all of them to an archive; return the faces in them, by path below `photos`."""
    there = [shot for shot in shots if shot.path in faces]
    return _copies(photos, there, faces) | _broken(photos, there, faces) | _formats(photos, there, faces)
