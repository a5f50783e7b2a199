"""A picture's bytes with its metadata exchanged: what is said goes in, all that was in it goes out but a known few.

Only listed fields of EXIF and the colour profile are kept: a position hides in GPS tags, maker notes, XMP of a dozen
makers, trailing videos and thumbnails, so that nothing but a list of what may stay strips it. JPEG, PNG and WebP keep
their pixels byte for byte, TIFF its pixels; of others the upright picture is encoded as JPEG.
Layouts: ITU-T T.81 (JPEG), EXIF 3.0, XMP specification part 3, PNG third edition, RFC 9649 (WebP).
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image, TiffTags

from core import image, jpeg
from core.errors import BadImage

_TIFF_TAGS = (271, 272, 282, 283, 296, 315, 33432)  # make, model, resolution, artist, copyright
_ORIENTATION, _EXIF, _GPS = 0x0112, 0x8769, 0x8825
_EXIF_TAGS = (  # exposure, time, lens and what they are written with; no serial number, no owner, no maker note
    *(33434, 33437, 34850, 34855, 34864, 36864, 36867, 36880, 36881, 37377, 37378, 37380, 37383, 37385, 37386),
    *(37520, 37521, 40961, 41986, 41987, 41989, 42034, 42035, 42036),
)
_COMPONENTS = 0x9101
_REQUIRED = {0x9000: b"0232", 0xA000: b"0100", 0xA001: 0xFFFF}  # versions; the colour space is not told
_FIRST = {282: 72.0, 283: 72.0, 296: 2}  # a resolution, in inches, for a file that tells none
_Tags = dict[int, bytes | int]
# Pillow would write it as numbers: it does not know its type
TiffTags.TAGS_V2_GROUPS[_EXIF][_COMPONENTS] = TiffTags.TagInfo(_COMPONENTS, "ComponentsConfiguration", 7, 1)
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # in a scan: neither a stuffed byte, nor fill, nor a restart
_SOI, _EOI, _SOS, _COM, _APP0, _APP1, _APP2, _APP14, _APP15 = 0xD8, 0xD9, 0xDA, 0xFE, 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_XMP_NAME, _EXIF_NAME, _ICC_NAME = b"http://ns.adobe.com/xap/1.0/\0", b"Exif\0\0", b"ICC_PROFILE\0"
_MOST_SEGMENT = 0xFFFF - 2
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP sBIT bKGD pHYs".split()  # all that makes the picture
)
_WEBP_ICC, _WEBP_ALPHA, _WEBP_EXIF, _WEBP_XMP = 0x20, 0x10, 0x08, 0x04
_QUALITY = 95


class Copy(NamedTuple):
    """A copy's bytes and the suffix that its format goes by; `encoded` where its pixels were encoded anew."""

    data: bytes
    suffix: str
    encoded: bool = False


def kept_orientation(format: str, orientation: int) -> int:
    """The EXIF orientation of a copy's pixels: what they are stored by where they are kept, else upright."""
    return orientation if format in ("JPEG", "PNG", "WEBP") else 1


def of(data: bytes, format: str, orientation: int, xmp: bytes, *, gps: bool) -> Copy:
    """A copy of a picture of this format with this packet; with `gps` its position stays. Raises BadImage."""
    try:
        if format == "JPEG":
            return Copy(_jpeg(data, _exif(data, orientation, gps, _of_jpeg(data)), xmp), ".jpg")
        exif = _exif(data, kept_orientation(format, orientation), gps, {})
        match format:
            case "PNG":
                return Copy(_png(data, exif, xmp), ".png")
            case "WEBP":
                return Copy(_webp(data, exif, xmp), ".webp")
            case "TIFF":
                return Copy(_tiff(data, exif, xmp), ".tif")
    except (struct.error, IndexError, ValueError) as error:
        raise BadImage("its structure is damaged", "restore it from a backup") from error
    coded = _encoded(data, orientation)
    return Copy(_jpeg(coded, _exif(data, 1, gps, _of_jpeg(coded)), xmp), ".jpg", encoded=True)


def _of_jpeg(data: bytes) -> _Tags:
    """What EXIF must tell of a JPEG."""
    frame = jpeg.frame_of(data)
    if frame is None:
        raise ValueError("no frame")
    return {_COMPONENTS: b"\1\2\3\0", 0xA002: frame.width, 0xA003: frame.height}


def _exif(data: bytes, orientation: int, gps: bool, more: _Tags) -> bytes:
    """A TIFF structure of the listed fields of a picture's EXIF; where that can't be read, of the orientation alone."""
    kept = Image.Exif()
    kept[_ORIENTATION] = orientation
    for tag, value in _FIRST.items():
        kept[tag] = value
    if _COMPONENTS in more:
        kept[0x0213] = 1  # where a JPEG's colours are sampled: in the middle
    kept.get_ifd(_EXIF).update(_REQUIRED | more)
    least = kept.tobytes()
    try:
        known = _known_exif(data)
        for tag in _TIFF_TAGS:
            if tag in known:
                kept[tag] = known[tag]
        inner = known.get_ifd(_EXIF)
        if own := {tag: inner[tag] for tag in _EXIF_TAGS if tag in inner}:
            kept.get_ifd(_EXIF).update(own)
        if gps and (where := known.get_ifd(_GPS)):
            kept.get_ifd(_GPS).update(where)
        return kept.tobytes().removeprefix(_EXIF_NAME)
    except Exception:
        return least.removeprefix(_EXIF_NAME)


def _known_exif(data: bytes) -> Image.Exif:
    found = Image.Exif()
    frame = jpeg.frame_of(data)
    if frame is not None:
        block = jpeg.exif_of(data[: frame.header])
    else:
        facts = image.probe(io.BytesIO(data))
        block = next(iter(facts.exif), data if facts.format == "TIFF" else b"")
    if block:
        found.load(block)
    return found


def _jpeg(data: bytes, exif: bytes, xmp: bytes) -> bytes:
    """The same scans with these two blocks in front; whatever follows the picture's end is cut off."""
    for block in (exif, xmp):
        if len(block) + len(_XMP_NAME) > _MOST_SEGMENT:
            raise BadImage("what is said of it does not fit a JPEG", "name fewer people in it")
    first, rest = [], []
    for marker, start, end in _segments(data):
        body = data[start:end]
        if marker == _APP0 and body[4:9] == b"JFIF\0":
            first.append(body)
        elif _makes_the_picture(marker, body):
            rest.append(body)
    told = [_segment(_EXIF_NAME + exif), _segment(_XMP_NAME + xmp)]
    return b"".join([b"\xff\xd8", *first[:1], *told, *rest, b"\xff\xd9"])


def _makes_the_picture(marker: int, body: bytes) -> bool:
    """Whether a segment is needed to show the picture in its colours; others only tell of it."""
    if marker == _APP2:
        return body[4:].startswith(_ICC_NAME)
    return marker == _APP14 or not (_APP0 <= marker <= _APP15 or marker == _COM)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment up to the end of the picture, a scan with its coded data."""
    at = 2
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:  # fill
            at += 1
        if data[at] != 0xFF:
            raise ValueError("no marker")
        marker = data[at + 1]
        if marker == _EOI:
            return
        end = at + 2 if marker == 0x01 else at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        if marker == _SOS:
            found = _MARKER.search(data, end)
            if found is None:
                raise ValueError("no end")
            end = found.start()
        if end > len(data) or end < at + 2:
            raise ValueError("cut off")
        yield marker, at, end
        at = end


def _segment(body: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def _png(data: bytes, exif: bytes, xmp: bytes) -> bytes:
    """The chunks that make the picture, with two of these blocks behind the header."""
    out, at, kind = [_PNG], len(_PNG), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ValueError("cut off")
        if kind in _PNG_KEPT:
            out.append(data[at:end])
        if kind == b"IHDR":
            out.append(_chunk(b"eXIf", exif))
            out.append(_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
        at = end
    return b"".join(out)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _webp(data: bytes, exif: bytes, xmp: bytes) -> bytes:
    """The chunks that make the picture, in the extended layout that holds the two blocks."""
    chunks: dict[bytes, bytes] = {}
    at, end = 12, min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, at)
        chunks.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    if b"ANIM" in chunks or not chunks.keys() & {b"VP8 ", b"VP8L"}:
        raise BadImage("it is no single picture", "export one of its pictures by another program")
    if b"VP8X" in chunks:
        size = chunks[b"VP8X"][4:10]
    else:
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as opened:
            size = b"".join(struct.pack("<I", edge - 1)[:3] for edge in opened.size)
    lossless = chunks.get(b"VP8L", b"")
    alpha = b"ALPH" in chunks or (len(lossless) > 4 and lossless[4] & _WEBP_ALPHA)
    flags = _WEBP_EXIF | _WEBP_XMP | (_WEBP_ICC if b"ICCP" in chunks else 0) | (_WEBP_ALPHA if alpha else 0)
    wanted = {b"VP8X": bytes([flags, 0, 0, 0]) + size}
    wanted |= {kind: chunks[kind] for kind in (b"ICCP", b"ALPH", b"VP8 ", b"VP8L") if kind in chunks}
    wanted |= {b"EXIF": exif, b"XMP ": xmp}
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(part)) + part + b"\0" * (len(part) % 2) for kind, part in wanted.items()
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _tiff(data: bytes, exif: bytes, xmp: bytes) -> bytes:
    """The first picture's pixels, upright, uncompressed: of what is compressed libtiff keeps no EXIF."""
    known = Image.Exif()
    known.load(exif)
    known[700] = xmp
    out = io.BytesIO()
    try:
        with Image.open(io.BytesIO(data), formats=["TIFF"]) as opened:
            opened.load()
            plain = Image.frombytes(opened.mode, opened.size, opened.tobytes())
            if opened.palette is not None:
                plain.putpalette(opened.palette)
            profile = opened.info.get("icc_profile")
            plain.save(out, "TIFF", compression="raw", exif=known, icc_profile=profile)
    except MemoryError:
        raise
    except (Exception, RecursionError) as error:
        # decoders raise anything at all
        raise BadImage("this kind of TIFF can't be copied", "export it by another program, as JPEG or PNG") from error
    return out.getvalue()


def _encoded(data: bytes, orientation: int) -> bytes:
    """The upright picture as a JPEG, in its own colours."""
    picture = image.load(io.BytesIO(data), orientation)
    out = io.BytesIO()
    profile = image.profile_of(io.BytesIO(data))
    picture.save(out, "JPEG", quality=_QUALITY, subsampling=0, icc_profile=profile)
    return out.getvalue()
