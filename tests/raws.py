"""Small camera RAWs with the structure of real ones: containers, EXIF and JPEG previews, a few bytes of sensor data."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image

RED, BLUE = (250, 10, 10), (10, 10, 250)
TAKEN = "2019:04:05 10:30:00"
SENSOR = b"\x5a" * 256
KINDS = ("DNG", "NEF", "CR2", "ARW", "ORF", "RW2", "RAF", "CR3")
MAKES = {
    "DNG": ("Leica", "Q2"),
    "NEF": ("NIKON CORPORATION", "NIKON D750"),
    "CR2": ("Canon", "Canon EOS 5D"),
    "ARW": ("SONY", "ILCE-7M3"),
    "ORF": ("OLYMPUS", "E-M1"),
    "RW2": ("Panasonic", "DC-G9"),
    "RAF": ("FUJIFILM", "X-T4"),
    "CR3": ("Canon", "Canon EOS R5"),
}

Value = int | str | bytes | list[int] | tuple[int, int]
_SHORT, _LONG, _ASCII, _RATIONAL, _UNDEFINED = 3, 4, 2, 5, 7


@dataclass
class Folder:
    """An IFD: values by tag, `below` the folders that a tag points to; `blob` bytes that a pair of tags points to."""

    values: dict[int, Value] = field(default_factory=dict)
    below: dict[int, list[Folder]] = field(default_factory=dict)
    blobs: dict[tuple[int, int], bytes] = field(default_factory=dict)  # (offset's tag, length's tag)


def tiff(folders: list[Folder], *, magic: bytes = b"II*\0", behind: bytes = b"") -> bytes:
    """A TIFF structure of a chain of folders; `behind` stands between the header and the first."""
    order = "<" if magic.startswith(b"II") else ">"
    data = bytearray(magic + struct.pack(f"{order}I", 8 + len(behind)) + behind)
    for number, folder in enumerate(folders):
        link = _write(data, folder, order)
        struct.pack_into(f"{order}I", data, link, len(data) if number + 1 < len(folders) else 0)
    return bytes(data)


def _write(data: bytearray, folder: Folder, order: str) -> int:
    """Append a folder and what it points to; gives where its link to the next folder stands."""
    values = dict(folder.values)
    for offset, length in folder.blobs:
        values[offset], values[length] = 0, len(folder.blobs[offset, length])
    for tag, several in folder.below.items():
        values[tag] = [0] * len(several)
    at = len(data)
    link = at + 2 + 12 * len(values)
    data += struct.pack(f"{order}H", len(values)) + bytes(12 * len(values) + 4)
    places = {}
    for number, (tag, value) in enumerate(sorted(values.items())):
        kind, count, packed = _packed(value, order)
        entry = at + 2 + 12 * number
        struct.pack_into(f"{order}HHI", data, entry, tag, kind, count)
        places[tag] = entry + 8
        if len(packed) > 4:
            struct.pack_into(f"{order}I", data, entry + 8, len(data))
            places[tag] = len(data)
            data += packed + bytes(len(packed) % 2)
        else:
            data[entry + 8 : entry + 8 + len(packed)] = packed
    for (offset, _), blob in folder.blobs.items():
        struct.pack_into(f"{order}I", data, places[offset], len(data))
        data += blob + bytes(len(blob) % 2)
    for tag, several in folder.below.items():
        for number, each in enumerate(several):
            struct.pack_into(f"{order}I", data, places[tag] + 4 * number, len(data))
            _write(data, each, order)
    return link


def _packed(value: Value, order: str) -> tuple[int, int, bytes]:
    match value:
        case int():
            return _LONG, 1, struct.pack(f"{order}I", value)
        case str():
            text = value.encode() + b"\0"
            return _ASCII, len(text), text
        case bytes():
            return _UNDEFINED, len(value), value
        case tuple():
            return _RATIONAL, 1, struct.pack(f"{order}II", *value)
        case _:
            return _LONG, len(value), struct.pack(f"{order}{len(value)}I", *value)


def jpeg(size: tuple[int, int], *, seed: int = 0, exif: bytes = b"") -> bytes:
    """Red on the left and blue on the right, as stored; another `seed`, other bytes."""
    picture = Image.new("RGB", size, RED)
    picture.paste(BLUE, (size[0] // 2, 0, *size))
    picture.putpixel((0, 0), (seed % 251, seed // 251, 255))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90, **({"exif": b"Exif\0\0" + exif} if exif else {}))
    return file.getvalue()


def exif_folder(kind: str, orientation: int, taken: str | None, more: Mapping[int, Value] | None = None) -> Folder:
    """A first folder with maker, model, orientation and the EXIF folder below it."""
    make, model = MAKES[kind]
    exif = Folder({0x829A: (1, 250), 0x829D: (28, 10), 0x8827: [400], 0xA434: "85mm f/1.8"})
    if taken is not None:
        exif.values[0x9003] = taken
    return Folder({0x010F: make, 0x0110: model, 0x0112: orientation, **(more or {})}, {0x8769: [exif]})


def raw(
    kind: str,
    *,
    size: tuple[int, int] = (1200, 800),
    orientation: int = 1,
    taken: str | None = TAKEN,
    seed: int = 0,
    preview: bool = True,
    picture: bytes | None = None,
) -> bytes:
    """A RAW of this kind whose largest preview has this size as stored; some makers put a smaller one beside it.

    `picture`, a JPEG, is taken for that preview where it is given.
    """
    large = (picture or jpeg(size, seed=seed)) if preview else b""
    small = jpeg((160, 120)) if preview else b""
    if kind == "RAF":
        return _raf(large and jpeg(size, seed=seed, exif=tiff([exif_folder(kind, orientation, taken)])))
    if kind == "CR3":
        return _cr3(large, small, orientation, taken)
    first = exif_folder(kind, orientation, taken)
    sensor = Folder({0x0103: 1, 0x0106: 32803}, blobs={(0x0111, 0x0117): SENSOR})
    shown = Folder({0x0103: 6}, blobs={(0x0201, 0x0202): large})
    thumb = Folder({0x0103: 6}, blobs={(0x0201, 0x0202): small})
    match kind:
        case "DNG":
            first.values[0xC612] = b"\1\4\0\0"
            coded = Folder({0x00FE: 1, 0x0103: 7, 0x0106: 6}, blobs={(0x0111, 0x0117): large})
            first.below[0x014A] = [sensor, *([coded] if preview else [])]
            return tiff([first], magic=b"MM\0*")
        case "NEF":
            first.below[0x014A] = [*([shown] if preview else []), sensor]
            return tiff([first], magic=b"MM\0*")
        case "CR2":
            first.values[0x0103] = 6
            if preview:
                first.blobs[0x0111, 0x0117] = large
            return tiff([first, *([thumb] if preview else []), sensor], behind=b"CR\2\0\0\0\0\0")
        case "ARW":
            if preview:
                first.blobs[0x0201, 0x0202] = large
            first.below[0x014A] = [sensor]
            return tiff([first, *([thumb] if preview else [])])
        case "ORF":
            first.blobs[0x0111, 0x0117] = SENSOR
            return tiff([first, *([shown] if preview else [])], magic=b"IIRO")
        case "RW2":
            if preview:
                first.values[0x002E] = large
            first.values |= {0x0111: 0xFFFFFFFF, 0x0117: 256, 0x0118: 8}
            return tiff([first], magic=b"IIU\0")
        case _:
            raise ValueError(kind)


def olympus(picture: bytes, *, orientation: int = 1, size: tuple[int, int] = (640, 480)) -> bytes:
    """An ORF that LibRaw takes for a camera's, its one preview in the maker's note, as Olympus writes it."""
    start = 12 + 18 + 42  # of the preview, behind the note's head and two folders
    note = b"OLYMPUS\0II\3\0" + struct.pack("<HHHIII", 1, 0x2020, _LONG, 1, 30, 0)
    told = ((0x0100, 1), (0x0101, start), (0x0102, len(picture)))  # valid, offset, length
    note += struct.pack("<H", 3) + b"".join(struct.pack("<HHII", tag, _LONG, 1, n) for tag, n in told) + bytes(4)
    exif = Folder({0x9003: TAKEN, 0x927C: note + picture})
    wide, high = size
    first = Folder({0x0100: wide, 0x0101: high, 0x0102: 16, 0x0103: 1, 0x0106: 1, 0x010F: "OLYMPUS IMAGING CORP.  ",
                    0x0110: "E-M1           ", 0x0112: orientation, 0x0115: 1, 0x0116: high}, {0x8769: [exif]},
                   {(0x0111, 0x0117): bytes(wide * high * 2)})  # fmt: skip
    return tiff([first], magic=b"IIRO")


def _raf(picture: bytes) -> bytes:
    head = b"FUJIFILMCCD-RAW 0201FF389001".ljust(0x54, b"\0")
    start = len(head) + 24
    sensor = start + len(picture)
    return head + struct.pack(">6I", start, len(picture), sensor, 0, sensor, len(SENSOR)) + picture + SENSOR


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _cr3(large: bytes, small: bytes, orientation: int, taken: str | None) -> bytes:
    make, model = MAKES["CR3"]
    camera = tiff([Folder({0x010F: make, 0x0110: model, 0x0112: orientation})])
    exif = tiff([exif_folder("CR3", 1, taken).below[0x8769][0]])
    gps = tiff([Folder({1: "N", 2: bytes(0), 3: "E"})])
    thumb = _box(b"THMB", struct.pack(">IHHI", 0, 160, 120, len(small)), b"\0\1\0\0", small) if small else b""
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    shown = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")
    moov = _box(b"moov", _box(b"uuid", canon, _box(b"CMT1", camera), _box(b"CMT2", exif), _box(b"CMT4", gps), thumb))
    preview = _box(b"PRVW", struct.pack(">IHHHHI", 0, 1, 1200, 800, 1, len(large)), large)
    uuid = _box(b"uuid", shown, struct.pack(">II", 0, 1), preview) if large else b""
    return _box(b"ftyp", b"crx ", struct.pack(">I", 1), b"crx isom") + moov + uuid + _box(b"mdat", SENSOR)
