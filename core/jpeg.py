"""The frame of a JPEG file, its size and whether the file reaches its end, and the EXIF and XMP in front of it.

Walks the marker segments (ITU-T T.81, annex B) of bytes in memory; no pixel is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

MAGIC = b"\xff\xd8\xff"

_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM, RSTn
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOFn without DHT, JPG, DAC
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
_SCAN, _END = 0xDA, 0xD9
_EXIF = b"Exif\0\0"  # how APP1 segments begin: EXIF 3.0, 4.7.2; XMP specification, part 3
_XMP = b"http://ns.adobe.com/xap/1.0/\0"


@dataclass(frozen=True, slots=True)
class Frame:
    """`width` and `height` as stored, before any orientation; `header` is where the first scan begins."""

    width: int
    height: int
    header: int
    complete: bool  # an end marker follows the first scan
    lossless: bool = False  # how RAWs hold their sensor data; Pillow decodes none


def frame_of(data: bytes | bytearray) -> Frame | None:
    """The frame, or None where `data` is no JPEG or ends before its first scan."""
    if not data.startswith(MAGIC):
        return None
    size: tuple[int, int] | None = None
    lossless = False
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _NO_LENGTH:
            at += 2
            continue
        if marker == _SCAN:
            if size is None:
                return None
            return Frame(*size, header=at, complete=data.rfind(b"\xff\xd9", at) != -1, lossless=lossless)
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _END or length < 2:
            return None
        if marker in _FRAMES and at + 9 <= len(data):
            height, width = (int.from_bytes(data[i : i + 2], "big") for i in (at + 5, at + 7))
            size, lossless = (width, height), marker in _LOSSLESS
        at += 2 + length
    return None


def exif_of(header: bytes) -> bytes:
    """The EXIF block, a TIFF structure, in what stands before a JPEG's first scan; empty where there is none."""
    return _app1(header, _EXIF)


def xmp_of(header: bytes) -> bytes:
    """As `exif_of`, the XMP packet."""
    return _app1(header, _XMP)


def _app1(header: bytes, name: bytes) -> bytes:
    at = header.find(name)
    if at < 4 or header[at - 4 : at - 2] != b"\xff\xe1":
        return b""
    return header[at + len(name) : at - 2 + int.from_bytes(header[at - 2 : at], "big")]
