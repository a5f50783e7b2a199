"""Pictures decoded safely: upright, at reduced scale where that is enough, bombs and cut-off files refused.

Formats: JPEG, PNG, WebP, TIFF, HEIF, AVIF and camera RAW, told by content and never by suffix. Nothing else is
opened, so that a PostScript or a rare format named .jpg reaches no decoder. Of a RAW the embedded preview is decoded:
its width and height are the photograph's everywhere, and boxes of faces lie in it.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from core import jpeg, raw, raw_preview
from core.errors import BadImage
from storage.safe_text import display

CAMERA_SUFFIXES = frozenset({b"jpg", b"jpeg", b"jpe", b"jfif", b"heic", b"heif", b"hif"})  # beside a RAW
SUFFIXES = CAMERA_SUFFIXES | {b"png", b"webp", b"tif", b"tiff", b"avif"} | raw.SUFFIXES
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF")

# Between 89 and 179 megapixels Pillow warns: a panorama may have as many
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# and of every odd tag of a TIFF; what matters comes as an error
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

GREEDY = "it takes more memory than is safe"
MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # Pillow's own line for a bomb, 179 megapixels
_BAND = 256  # rows of a transparent picture that are laid on white at a time: whole, it would take four times as much
_TAIL = 1 << 16  # bytes in which a PNG's last chunk is looked for
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def named_like_a_picture(name: bytes) -> bool:
    """Whether the file's suffix is that of a format Kyodaku reads."""
    _, dot, suffix = name.lower().rpartition(b".")
    return bool(dot) and suffix in SUFFIXES


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What a picture's header says. Pixels count upright; `orientation` (EXIF, 1 to 8) is still to be applied.

    Of a RAW `width`, `height` and `orientation` are those of the preview that `load` decodes. `complete` is False
    when the file's end is missing, as far as its structure tells. `exif` are EXIF blocks, TIFF structures, the most
    telling first; `is_exif`: the file is one itself, to be read before them. `xmp` is a packet of XMP.
    """

    format: str
    width: int
    height: int
    orientation: int
    complete: bool = True
    exif: tuple[bytes, ...] = field(default=(), repr=False)
    is_exif: bool = True
    xmp: bytes = field(default=b"", repr=False)
    stored: int = 1  # EXIF orientation of the pixels in the file: of a TIFF too, whose decoder turns them


def probe(source: Path | BinaryIO) -> ImageFacts:
    """What the header says; no pixel is decoded. Raises BadImage."""
    with _opened(source) as (image, container):
        if container is not None:
            return _raw_facts(image, container)
        # these two are turned by their decoders
        turned = image.format in {"HEIF", "TIFF"}
        # PNG's own getexif decodes the whole picture in search of EXIF behind it
        told = Image.Image.getexif(image).get(0x0112, 1) if image.format != "HEIF" else 1
        facts = _facts(_format(image), *image.size, 1 if turned else told)
        block = _exif(image)
        exif = (block,) if block else ()
        stored = told if told in range(1, 9) else 1
        return replace(facts, complete=_complete(image), exif=exif, is_exif=not exif, xmp=_xmp(image), stored=stored)


def probe_jpeg(frame: jpeg.Frame, orientation: int) -> ImageFacts:
    """As `probe`, of a JPEG whose frame and EXIF orientation were read already. Raises BadImage."""
    if 0 in (frame.width, frame.height):
        raise BadImage("the picture has no pixels")
    if frame.width * frame.height > MOST_PIXELS:
        raise BadImage(f"{frame.width} x {frame.height} pixels are more than is safe to decode")
    return replace(_facts("JPEG", frame.width, frame.height, orientation), complete=frame.complete)


def profile_of(source: Path | BinaryIO) -> bytes | None:
    """The ICC profile of the pixels that `load` gives, None where there is none. Raises BadImage."""
    with _opened(source) as (image, _):
        profile = image.info.get("icc_profile")
        return bytes(profile) if profile else None


def in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """An RGB picture's colours as those are taken for that have no profile, from those of an ICC profile.

    One without a profile, or with that of other than RGB, stays as it is. Raises BadImage for a damaged profile.
    """
    if profile is None:
        return picture
    from PIL import ImageCms

    try:
        wide = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if wide.profile.xcolor_space.strip() != "RGB":
            return picture
        return ImageCms.profileToProfile(picture, wide, ImageCms.createProfile("sRGB")) or picture
    except (ImageCms.PyCMSError, OSError) as error:
        raise BadImage(f"its colour profile can't be read: {display(str(error))}") from error


def load(source: bytes | Path | BinaryIO, orientation: int, *, longest: int | None = None) -> Image.Image:
    """The picture upright in RGB; with `longest`, shrunk so that its longer side is at most that.

    `orientation` is the photograph's, as indexed. A larger JPEG is then decoded at 1/2, 1/4 or 1/8
    scale, which is several times faster. Transparency is laid on white. Raises BadImage for what
    can't be decoded to its end.
    """
    with _opened(source) as (image, _):
        if longest is not None and max(image.size) > longest:
            scale = longest / max(image.size)
            image.draft("RGB", (round(image.width * scale), round(image.height * scale)))
        image.load()
        upright = _rgb(image)
    if longest is not None and max(upright.size) > longest:
        upright = ImageOps.contain(upright, (longest, longest), Image.Resampling.LANCZOS)
    turn = _TURNS.get(orientation)
    return upright if turn is None else upright.transpose(turn)


def _format(image: Image.Image) -> str:
    return "JPEG" if image.format == "MPO" else str(image.format)  # MPO: a JPEG with more JPEGs behind it


def _facts(format: str, width: int, height: int, orientation: int) -> ImageFacts:
    orientation = orientation if orientation in range(1, 9) else 1
    if orientation >= 5:
        width, height = height, width
    return ImageFacts(format, width, height, orientation, stored=orientation)


def _raw_facts(preview: Image.Image, container: raw.Raw) -> ImageFacts:
    """A preview that has EXIF of its own says there how it lies; others lie as the RAW does."""
    block = _exif(preview)
    turn = raw.orientation_of(block) or container.orientation
    frame = preview.info.get("frame")
    facts = _facts(container.format, *preview.size, turn)
    return replace(
        facts,
        complete=container.complete and (frame is None or frame.complete),
        exif=(*container.exif, block) if block else container.exif,
        is_exif=container.format not in {"RAF", "CR3"},
        xmp=container.xmp or _xmp(preview),
    )


def _exif(image: Image.Image) -> bytes:
    return bytes(image.info.get("exif") or b"").removeprefix(b"Exif\0\0")


def _xmp(image: Image.Image) -> bytes:
    packet = image.info.get("xmp") or getattr(image, "tag_v2", {}).get(700, b"")
    return packet.encode("utf-8", "replace") if isinstance(packet, str) else bytes(packet)


def _complete(image: Image.Image) -> bool:
    """Whether the file reaches its end; JPEG is left to `jpeg.frame_of`."""
    file: BinaryIO | None = getattr(image, "fp", None)
    if file is None or image.format not in {"PNG", "WEBP", "TIFF"}:
        return True
    size = file.seek(0, os.SEEK_END)
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        ends = [
            offset + count
            for offsets, counts in ((273, 279), (324, 325))  # of strips, of tiles
            for offset, count in zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False)
        ]
        return max(ends, default=0) <= size
    file.seek(0)
    if image.format == "WEBP":
        return size >= 8 + int.from_bytes(file.read(8)[4:], "little")
    file.seek(max(0, size - _TAIL))
    return b"IEND" in file.read()


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # convert() would clip 16 bits at 255
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    whole = Image.new("RGB", image.size)
    for top in range(0, image.height, _BAND):
        band = image.crop((0, top, image.width, min(top + _BAND, image.height))).convert("RGBA")
        white = Image.new("RGBA", band.size, "white")
        whole.paste(Image.alpha_composite(white, band).convert("RGB"), (0, top))
    return whole


def _formats(head: bytes) -> tuple[str, ...]:
    """The formats to try: HEIF, whose decoder is not Pillow's own, only for a file that may be one."""
    if head[4:8] != b"ftyp":
        return tuple(format for format in FORMATS if format != "HEIF")
    _register_heif()
    return FORMATS


@cache
def _register_heif() -> None:
    import pillow_heif  # heavy, and few archives need it

    pillow_heif.register_heif_opener()


@contextmanager
def _opened(source: Path | bytes | BinaryIO) -> Iterator[tuple[Image.Image, raw.Raw | None]]:
    """The picture, header read; of a RAW its preview, and what the container says.

    Whatever a decoder raises in the block comes out as BadImage.
    """
    name = f"{display(os.fsencode(source))}: " if isinstance(source, Path | bytes) else ""
    try:
        with _file(source) as file:
            head = file.read(16)
            container = raw.of(file) if raw.may_be(head) else None
            file.seek(0)
            if container is not None:
                with raw_preview.of(file, container) as image:
                    yield image, container
            else:
                with Image.open(file, formats=_formats(head)) as image:
                    yield image, None
    except BadImage as error:
        raise BadImage(f"{name}{error.message}", error.hint) from error
    except FileNotFoundError as error:
        raise BadImage(f"{name}there is no such file", "run kyodaku index again") from error
    except Image.DecompressionBombError as error:
        raise BadImage(f"{name}it has more pixels than is safe to decode") from error
    except UnidentifiedImageError as error:
        known = ", ".join((*FORMATS, *raw.FORMATS))
        raise BadImage(f"{name}it is no picture in a known format", f"known are {known}") from error
    except MemoryError as error:
        raise BadImage(f"{name}{GREEDY}") from error
    except (Exception, RecursionError) as error:
        # Decoders raise anything at all on hostile bytes: OSError, ValueError, SyntaxError, struct.error …
        kind = str(error) or type(error).__name__
        raise BadImage(f"{name}it can't be decoded: {display(kind)[:200]}", "restore it from a backup") from error


@contextmanager
def _file(source: Path | bytes | BinaryIO) -> Iterator[BinaryIO]:
    """The file, at its beginning; closed afterwards if it was opened here."""
    if isinstance(source, Path | bytes):
        with open(source, "rb") as file:  # noqa: PTH123 - the path may be bytes
            yield file
    else:
        source.seek(0)
        yield source
