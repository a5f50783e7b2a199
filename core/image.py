"""Pictures decoded safely: upright, at reduced scale where that is enough, bombs and cut-off files refused.

Formats: JPEG, PNG, WebP, TIFF, HEIF, AVIF, told by content and never by suffix. Nothing else is
opened, so that a PostScript or a rare format named .jpg reaches no decoder.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from core import jpeg
from core.errors import BadImage
from storage.catalog import Catalog
from storage.records import Photo
from storage.safe_text import display

SUFFIXES = frozenset(
    {b"jpg", b"jpeg", b"jpe", b"jfif", b"png", b"webp", b"tif", b"tiff", b"heic", b"heif", b"hif", b"avif"}
)
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF")

# Between 89 and 179 megapixels Pillow warns: a panorama may have as many
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# and of every odd tag of a TIFF; what matters comes as an error
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

_MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # Pillow's own line for a bomb, 179 megapixels
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

    `complete` is False when the file's end is missing, as far as its structure tells. `exif` is the
    EXIF block, a TIFF structure, where the format keeps one that Pillow found.
    """

    format: str
    width: int
    height: int
    orientation: int
    complete: bool = True
    exif: bytes = field(default=b"", repr=False)


def probe(source: Path | BinaryIO) -> ImageFacts:
    """What the header says; no pixel is decoded. Raises BadImage."""
    with _opened(source) as image:
        # these two are turned by their decoders
        turned = image.format in {"HEIF", "TIFF"}
        # PNG's own getexif decodes the whole picture in search of EXIF behind it
        facts = _facts(_format(image), *image.size, 1 if turned else Image.Image.getexif(image).get(0x0112, 1))
        block = bytes(image.info.get("exif", b"")).removeprefix(b"Exif\0\0")
        return replace(facts, complete=_complete(image), exif=block)


def probe_jpeg(frame: jpeg.Frame, orientation: int) -> ImageFacts:
    """As `probe`, of a JPEG whose frame and EXIF orientation were read already. Raises BadImage."""
    if 0 in (frame.width, frame.height):
        raise BadImage("the picture has no pixels")
    if frame.width * frame.height > _MOST_PIXELS:
        raise BadImage(f"{frame.width} x {frame.height} pixels are more than is safe to decode")
    return replace(_facts("JPEG", frame.width, frame.height, orientation), complete=frame.complete)


def load(path: bytes | Path, orientation: int, *, longest: int | None = None) -> Image.Image:
    """The picture upright in RGB; with `longest`, shrunk so that its longer side is at most that.

    `orientation` is the photograph's, as indexed. A larger JPEG is then decoded at 1/2, 1/4 or 1/8
    scale, which is several times faster. Transparency is laid on white. Raises BadImage for what
    can't be decoded to its end.
    """
    with _opened(path) as image:
        if longest is not None and max(image.size) > longest:
            scale = longest / max(image.size)
            image.draft("RGB", (round(image.width * scale), round(image.height * scale)))
        image.load()
        upright = _rgb(image)
    if longest is not None and max(upright.size) > longest:
        upright = ImageOps.contain(upright, (longest, longest), Image.Resampling.LANCZOS)
    turn = _TURNS.get(orientation)
    return upright if turn is None else upright.transpose(turn)


def thumbnail(catalog: Catalog, photo: Photo, longest: int = 320) -> Path:
    """A JPEG of the photograph with its longer side at most `longest`, kept in the catalog by content.

    Raises BadImage, also when the file is not the one that was indexed.
    """
    if photo.content_hash is None:
        raise BadImage(f"{photo.path_text}: {photo.error or 'was not read yet'}", "run kyodaku index again")
    kept = catalog.thumbs / photo.content_hash[:2] / f"{photo.content_hash}-{longest}.jpg"
    if kept.exists():
        return kept
    picture = load(photo.path, photo.orientation, longest=longest)
    stat = os.stat(photo.path)  # noqa: PTH116 - the path is bytes
    if (stat.st_size, stat.st_mtime_ns) != (photo.size, photo.mtime_ns):
        raise BadImage(f"{photo.path_text} changed since it was indexed", "run kyodaku index again")
    kept.parent.mkdir(mode=0o700, exist_ok=True)
    part = kept.with_suffix(f".{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            picture.save(file, "JPEG", quality=85)
        part.replace(kept)
    finally:
        part.unlink(missing_ok=True)
    return kept


def _format(image: Image.Image) -> str:
    return "JPEG" if image.format == "MPO" else str(image.format)  # MPO: a JPEG with more JPEGs behind it


def _facts(format: str, width: int, height: int, orientation: int) -> ImageFacts:
    orientation = orientation if orientation in range(1, 9) else 1
    if orientation >= 5:
        width, height = height, width
    return ImageFacts(format, width, height, orientation)


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
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _formats(source: Path | bytes | BinaryIO) -> tuple[str, ...]:
    """The formats to try: HEIF, whose decoder is not Pillow's own, only for a file that may be one."""
    if isinstance(source, Path | bytes):
        with open(source, "rb") as file:  # noqa: PTH123 - the path may be bytes
            head = file.read(12)
    else:
        source.seek(0)
        head = source.read(12)
        source.seek(0)
    if head[4:8] != b"ftyp":
        return tuple(format for format in FORMATS if format != "HEIF")
    _register_heif()
    return FORMATS


@cache
def _register_heif() -> None:
    import pillow_heif  # heavy, and few archives need it

    pillow_heif.register_heif_opener()


@contextmanager
def _opened(source: Path | bytes | BinaryIO) -> Iterator[Image.Image]:
    """The picture, header read. Whatever a decoder raises in the block comes out as BadImage."""
    name = f"{display(os.fsencode(source))}: " if isinstance(source, Path | bytes) else ""
    try:
        with Image.open(source, formats=_formats(source)) as image:
            yield image
    except BadImage:
        raise
    except FileNotFoundError as error:
        raise BadImage(f"{name}there is no such file", "run kyodaku index again") from error
    except Image.DecompressionBombError as error:
        raise BadImage(f"{name}it has more pixels than is safe to decode") from error
    except UnidentifiedImageError as error:
        raise BadImage(f"{name}it is no picture in a known format", f"known are {', '.join(FORMATS)}") from error
    except MemoryError as error:
        raise BadImage(f"{name}it takes more memory than is safe") from error
    except (Exception, RecursionError) as error:
        # Decoders raise anything at all on hostile bytes: OSError, ValueError, SyntaxError, struct.error …
        kind = str(error) or type(error).__name__
        raise BadImage(f"{name}it can't be decoded: {display(kind)[:200]}", "restore it from a backup") from error
