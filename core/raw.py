"""Camera RAW: which it is, and where in it lie the JPEG previews, the EXIF and the XMP. No sensor data is decoded.

Four families of container, told by content: TIFF (DNG, NEF, CR2, ARW and others; TIFF 6.0, TIFF/EP, DNG 1.7), the
same with a maker's own magic (ORF, RW2), RAF, and ISO BMFF (CR3). Python reads them, so no file crashes it; what
it finds no preview in is left to LibRaw, which knows makers' private tags.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from core import jpeg

SUFFIXES = frozenset({b"cr2", b"cr3", b"nef", b"nrw", b"arw", b"dng", b"raf", b"orf", b"rw2"})
FORMATS = ("CR2", "CR3", "NEF", "ARW", "DNG", "RAF", "ORF", "RW2", "RAW")  # RAW: a TIFF of another maker's

MAGICS = {
    b"II*\0": "",
    b"MM\0*": "",
    b"IIRO": "ORF",
    b"IIRS": "ORF",
    b"MMOR": "ORF",
    b"IIU\0": "RW2",
}
"""How the TIFF family begins, and the format where that tells it."""

_HEAD = 16
_MOST_FOLDERS = 32  # IFDs of one file that are looked at
_MOST_ENTRIES = 1_000  # of one IFD
_MOST_BOXES = 1_000
_MOST_HEADER = 1 << 18  # bytes in front of a JPEG's first scan that are looked at
_MOST_PREVIEW = 64 << 20  # bytes
_MOST_XMP = 8 << 20
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 13: 4}  # bytes of a TIFF type; others hold nothing that is looked for
_SENSOR = {32803, 34892}  # PhotometricInterpretation: colour filter array, linear raw
_MAKERS = {"NIKON": "NEF", "SONY": "ARW"}
_UUID_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_UUID_PREVIEW = bytes.fromhex("eaf42b5e1c984b88b9fbb7dc406e4d16")
_UUID_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file, in bytes."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Raw:
    """What a RAW's container says. `previews` may lie: `largest_preview` looks.

    `orientation` is the picture's (EXIF 1 to 8), 0 where the container has none. `exif` are TIFF structures;
    none where the file itself is one. `complete` is False when the sensor data don't end in the file.
    """

    format: str
    previews: tuple[Span, ...]
    orientation: int
    complete: bool
    exif: tuple[bytes, ...] = ()
    xmp: bytes = b""


@dataclass(frozen=True, slots=True)
class Preview:
    """An embedded JPEG and its frame."""

    data: bytes
    frame: jpeg.Frame


def may_be(head: bytes) -> bool:
    """Whether a file that begins with these bytes, 16 or more, can be a RAW."""
    return head[:4] in MAGICS or head.startswith(b"FUJIFILMCCD-RAW") or head[4:12] == b"ftypcrx "


def of(source: BinaryIO) -> Raw | None:
    """The RAW in an open file, or None where it is none. Raises OSError alone, whatever the file holds."""
    source.seek(0)
    head = source.read(_HEAD)
    if not may_be(head):
        return None
    try:
        if head.startswith(b"FUJIFILM"):
            return _raf(source)
        return _cr3(source) if head[4:8] == b"ftyp" else _tiff(source, head)
    except struct.error:  # it ends within a header
        return None


def largest_preview(source: BinaryIO, found: Raw) -> Preview | None:
    """The embedded JPEG with the most pixels; one that is cut off only where none is whole."""
    best: Preview | None = None
    for span in found.previews:
        source.seek(span.offset)
        data = source.read(min(span.length, _MOST_PREVIEW))
        frame = jpeg.frame_of(data)
        if frame is None or frame.lossless or 0 in (frame.width, frame.height):
            continue
        if best is None or _rank(frame) > _rank(best.frame):
            best = Preview(data, frame)
    return best


def _rank(frame: jpeg.Frame) -> tuple[bool, int]:
    return frame.complete, frame.width * frame.height


def _size_of(source: BinaryIO) -> int:
    return source.seek(0, os.SEEK_END)


# TIFF ----------------------------------------------------------------------------------------------------

_Entries = dict[int, list[int]]  # numbers of a tag; of a tag of bytes, where they lie and how many they are


class _Tiff:
    """The folders (IFDs) of a TIFF structure, read with bounds."""

    def __init__(self, source: BinaryIO, order: str) -> None:
        self.source = source
        self.order = order  # < or >
        self.size = _size_of(source)

    def folders(self, first: int) -> Iterator[_Entries]:
        """Each folder of the chain, and of those that it names as below it."""
        waiting, seen = [first], set[int]()
        while waiting and len(seen) < _MOST_FOLDERS:
            at = waiting.pop(0)
            if at in seen or not 0 < at < self.size:
                continue
            seen.add(at)
            entries, following = self._folder(at)
            yield entries
            waiting += [*entries.get(0x014A, ())[:_MOST_FOLDERS], following]

    def _folder(self, at: int) -> tuple[_Entries, int]:
        self.source.seek(at)
        count = min(self._unpack("H", self.source.read(2)), _MOST_ENTRIES)
        block = self.source.read(12 * count + 4)
        entries = {}
        for start in range(0, len(block) - 11, 12):
            tag, kind, many = struct.unpack_from(f"{self.order}HHI", block, start)
            if kind in _SIZES:
                entries[tag] = self._values(kind, many, block[start + 8 : start + 12], at + 2 + start + 8)
        following = block[12 * count :]
        return entries, self._unpack("I", following) if len(following) == 4 else 0

    def _values(self, kind: int, count: int, field: bytes, at: int) -> list[int]:
        size = _SIZES[kind]
        where = at if size * count <= 4 else self._unpack("I", field)
        if size == 1:
            return [where, count]
        count = min(count, _MOST_ENTRIES)
        data = field if size * count <= 4 else self._bytes(where, size * count)
        count = min(count, len(data) // size)
        return list(struct.unpack(f"{self.order}{count}{'H' if size == 2 else 'I'}", data[: size * count]))

    def _bytes(self, at: int, length: int) -> bytes:
        here = self.source.tell()
        self.source.seek(at)
        data = self.source.read(length)
        self.source.seek(here)
        return data

    def text(self, entries: _Entries, tag: int) -> str:
        """A short text of a folder."""
        where = entries.get(tag)
        return "" if where is None else self._bytes(where[0], min(where[1], 64)).decode("latin-1").strip("\0 ")

    def block(self, entries: _Entries, tag: int, most: int) -> bytes:
        """The bytes of a tag, at most so many."""
        where = entries.get(tag)
        return b"" if where is None or len(where) != 2 else self._bytes(where[0], min(where[1], most))

    def _unpack(self, kind: str, data: bytes) -> int:
        return int(struct.unpack(self.order + kind, data)[0])


def _tiff(source: BinaryIO, head: bytes) -> Raw | None:
    order = "<" if head.startswith(b"II") else ">"
    tiff = _Tiff(source, order)
    folders = list(tiff.folders(struct.unpack(f"{order}I", head[4:8])[0]))
    if not folders:
        return None
    first = folders[0]
    format = _tiff_format(tiff, head, folders)
    if format is None:
        return None
    previews = [span for folder in folders for span in _previews(folder)]
    if format == "RW2" and 0x002E in first:
        previews.append(Span(*first[0x002E][:2]))
    return Raw(
        format=format,
        previews=tuple(previews),
        orientation=_orientation(first),
        complete=max((_end(folder, format) for folder in folders), default=0) <= tiff.size,
        xmp=tiff.block(first, 700, _MOST_XMP),
    )


def _orientation(entries: _Entries) -> int:
    value = next(iter(entries.get(0x0112, ())), 0)
    return value if value in range(1, 9) else 0


def _tiff_format(tiff: _Tiff, head: bytes, folders: list[_Entries]) -> str | None:
    """By magic, by the tag that only DNG has, or by maker where a folder holds sensor data; None: a plain TIFF."""
    if named := MAGICS[head[:4]]:
        return named
    if head[8:10] == b"CR":
        return "CR2"
    if 0xC612 in folders[0]:  # DNGVersion
        return "DNG"
    if not any(set(folder.get(0x0106, ())) & _SENSOR for folder in folders):
        return None
    make = tiff.text(folders[0], 0x010F).upper()
    return next((format for maker, format in _MAKERS.items() if make.startswith(maker)), "RAW")


def _previews(entries: _Entries) -> Iterator[Span]:
    """Where a folder keeps a JPEG: by the tags made for it, or as a picture of one JPEG-coded strip."""
    starts, lengths = entries.get(0x0201), entries.get(0x0202)
    if starts and lengths:
        yield Span(starts[0], lengths[0])
    strips, counts = entries.get(0x0111, []), entries.get(0x0117, [])
    coded = set(entries.get(0x0103, ())) & {6, 7}
    if coded and len(strips) == len(counts) == 1 and not set(entries.get(0x0106, ())) & _SENSOR:
        yield Span(strips[0], counts[0])


def _end(entries: _Entries, format: str) -> int:
    """Where a folder's strips or tiles end. RW2 gives a place without a length, and writes nonsense for the strip."""
    if format == "RW2":
        return max(entries.get(0x0118, ()), default=0)
    ends = [
        offset + count
        for offsets, counts in ((0x0111, 0x0117), (0x0144, 0x0145))
        for offset, count in zip(entries.get(offsets, ()), entries.get(counts, ()), strict=False)
    ]
    return max(ends, default=0)


# RAF -----------------------------------------------------------------------------------------------------


def _raf(source: BinaryIO) -> Raw:
    source.seek(0x54)
    start, length, _, _, sensor, sensor_length = struct.unpack(">6I", source.read(24))
    complete = sensor + sensor_length <= _size_of(source)
    block = jpeg.exif_of(_bytes_of(source, Span(start, length), _MOST_HEADER))
    return Raw("RAF", (Span(start, length),), orientation_of(block), complete, (block,) if block else ())


# CR3 -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    body: Span

    @property
    def end(self) -> int:
        return self.body.offset + self.body.length


def _boxes(source: BinaryIO, within: Span) -> Iterator[_Box]:
    """The boxes side by side in a stretch (ISO/IEC 14496-12, 4.2)."""
    at, end = within.offset, within.offset + within.length
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return
        source.seek(at)
        size, kind = struct.unpack(">I4s", source.read(8))
        header = 8
        if size == 1:
            size, header = struct.unpack(">Q", source.read(8))[0], 16
        elif size == 0:
            size = end - at
        if size < header:
            return
        yield _Box(kind, Span(at + header, size - header))
        at += size


def _bytes_of(source: BinaryIO, span: Span, most: int) -> bytes:
    source.seek(span.offset)
    return source.read(min(span.length, most))


def _cr3(source: BinaryIO) -> Raw:
    size = _size_of(source)
    top = list(_boxes(source, Span(0, size)))
    previews: list[Span] = []
    blocks: dict[bytes, bytes] = {}
    xmp = b""
    for box in top:
        if box.kind == b"moov":
            for inner in _boxes(source, box.body):
                if inner.kind == b"trak":
                    previews += _track(source, inner.body)
                elif inner.kind == b"uuid" and _bytes_of(source, inner.body, 16) == _UUID_CANON:
                    for own in _boxes(source, Span(inner.body.offset + 16, inner.body.length - 16)):
                        if own.kind.startswith(b"CMT"):
                            blocks[own.kind] = _bytes_of(source, own.body, _MOST_XMP)
                        elif own.kind == b"THMB":
                            previews += _jpeg_in(source, own.body)
        elif box.kind == b"uuid":
            name = _bytes_of(source, box.body, 16)
            if name == _UUID_PREVIEW:
                previews += _jpeg_in(source, box.body)
            elif name == _UUID_XMP:
                xmp = _bytes_of(source, Span(box.body.offset + 16, box.body.length - 16), _MOST_XMP)
    camera = blocks.get(b"CMT1", b"")
    exif = (camera, _below(blocks.get(b"CMT2", b""), 0x8769), _below(blocks.get(b"CMT4", b""), 0x8825))
    return Raw(
        "CR3",
        tuple(previews),
        orientation_of(camera),
        complete=all(box.end <= size for box in top),
        exif=tuple(block for block in exif if block),
        xmp=xmp,
    )


def _jpeg_in(source: BinaryIO, body: Span) -> list[Span]:
    """The JPEG behind a preview box's short header, whose layout changed with its versions."""
    start = _bytes_of(source, body, 256).find(jpeg.MAGIC)
    return [] if start < 0 else [Span(body.offset + start, body.length - start)]


def _track(source: BinaryIO, body: Span) -> list[Span]:
    """The first sample of a track, by its sample table: a JPEG, or sensor data, which are none."""
    for kind in (b"mdia", b"minf", b"stbl"):
        box = next((box for box in _boxes(source, body) if box.kind == kind), None)
        if box is None:
            return []
        body = box.body
    tables = {box.kind: _bytes_of(source, box.body, 64) for box in _boxes(source, body)}
    sizes, places = tables.get(b"stsz", b""), tables.get(b"co64", b"")
    if len(sizes) < 12 or len(places) < 16:
        return []
    length = struct.unpack_from(">I", sizes, 4)[0] or struct.unpack_from(">I", sizes.ljust(16, b"\0"), 12)[0]
    return [Span(struct.unpack_from(">Q", places, 8)[0], length)]


def _below(block: bytes, pointer: int) -> bytes:
    """A TIFF structure whose only folder is named by `pointer` (EXIF or GPS) in a folder of its own, as EXIF has it."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return b""
    first = block[4:8]
    entry = struct.pack(f"{order}HHHI", 1, pointer, 4, 1) + first + bytes(4)
    return block[:4] + struct.pack(f"{order}I", len(block)) + block[8:] + entry


def orientation_of(block: bytes) -> int:
    """The orientation in the first folder of a TIFF structure, 0 where it has none."""
    if block[:4] not in (b"II*\0", b"MM\0*") or len(block) < 8:
        return 0
    order = "<" if block.startswith(b"II") else ">"
    tiff = _Tiff(io.BytesIO(block), order)
    try:
        first = next(tiff.folders(struct.unpack(f"{order}I", block[4:8])[0]), None)
    except struct.error:
        return 0
    return 0 if first is None else _orientation(first)
