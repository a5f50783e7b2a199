from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import piexif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core import image, jpeg
from core.errors import BadImage
from core.reading import read_file
from storage.records import Photo

TakePicture = Callable[..., Path]
LEFT, RIGHT = (250, 10, 10), (10, 10, 250)


def two_halves(path: Path, orientation: int, size: tuple[int, int] = (64, 32), format: str = "JPEG") -> Path:
    """Red on the left and blue on the right, as stored."""
    picture = Image.new("RGB", size, LEFT)
    picture.paste(RIGHT, (size[0] // 2, 0, *size))
    picture.save(path, format, exif=piexif.dump({"0th": {piexif.ImageIFD.Orientation: orientation}}))
    return path


def red(picture: Image.Image) -> str:
    """The side on which the red half lies."""
    pixels = np.asarray(picture, dtype=int)[:, :, 0]
    sides = {
        "left": pixels[:, 0].mean(),
        "right": pixels[:, -1].mean(),
        "top": pixels[0].mean(),
        "bottom": pixels[-1].mean(),
    }
    return max(sides, key=lambda side: sides[side])


@pytest.mark.parametrize(
    ("orientation", "side"),
    [(1, "left"), (2, "right"), (3, "right"), (4, "left"), (5, "top"), (6, "top"), (7, "bottom"), (8, "bottom")],
)
def test_pictures_come_upright(tmp_path: Path, orientation: int, side: str) -> None:
    path = two_halves(tmp_path / "a.jpg", orientation)
    facts = image.probe(path)
    picture = image.load(path, facts.orientation)
    assert red(picture) == side
    assert (facts.width, facts.height) == picture.size == ((32, 64) if orientation >= 5 else (64, 32))


def indexed(path: Path) -> Photo:
    reading = read_file(os.fsencode(path))
    assert reading is not None
    return reading.photo


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_every_format_is_known_by_content_and_turned_once(tmp_path: Path, format: str) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    path = two_halves(tmp_path / "wrong.jpg", 6, format=format)
    reading = read_file(os.fsencode(path))
    assert reading is not None
    photo = reading.photo
    assert (photo.error, photo.format, photo.width, photo.height) == (None, format, 32, 64)
    picture = image.load(photo.path, photo.orientation)
    assert picture.size == (32, 64)
    assert red(picture) == "top"


def test_a_picture_without_exif_is_no_less_a_picture(tmp_path: Path) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    for format in ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"):
        path = tmp_path / "a.jpg"
        Image.new("RGB", (64, 32)).save(path, format)
        assert (indexed(path).error, indexed(path).format, indexed(path).width) == (None, format, 64)


def test_reduced_decoding_keeps_shape_and_bounds(tmp_path: Path) -> None:
    path = two_halves(tmp_path / "a.jpg", 6, size=(1600, 900))
    picture = image.load(path, 6, longest=200)
    assert picture.size in {(112, 200), (113, 200)}
    assert red(picture) == "top"


def test_a_small_picture_is_never_enlarged(tmp_path: Path, take_picture: TakePicture) -> None:
    assert image.load(take_picture(tmp_path / "a.jpg"), 1, longest=500).size == (48, 32)


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK", "I;16", "F"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tif"
    Image.new("L", (8, 8), 255).convert("I" if mode == "I;16" else mode).convert(mode).save(path)
    assert image.load(path, 1).mode == "RGB"


def test_sixteen_bits_keep_their_tones(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.full((4, 4), 0x8000, dtype=np.uint16)).save(path)
    assert image.load(path, 1).getpixel((0, 0)) == (128, 128, 128)


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(path)
    assert image.load(path, 1).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_file_cut_off_is_refused_by_load_and_seen_by_the_scan(tmp_path: Path, format: str) -> None:
    path = tmp_path / "a.jpg"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path, format)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(BadImage):
        image.load(path, 1)
    reading = read_file(os.fsencode(path))
    assert reading is not None
    assert reading.photo.error is not None
    assert reading.photo.content_hash is not None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"This is no picture at all.\n" * 9, "no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),
        (b"\xff\xd8\xff\xe0", "cut off"),
    ],
)
def test_what_is_no_picture_has_a_reason(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    reading = read_file(os.fsencode(path))
    assert reading is not None
    assert reading.photo.error is not None
    assert says in reading.photo.error
    with pytest.raises(BadImage):
        image.load(path, 1)


def png_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_bombs_are_refused_unopened(tmp_path: Path, take_picture: TakePicture) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_of(30_000, 30_000))
    liar = take_picture(tmp_path / "liar.jpg")
    data = bytearray(liar.read_bytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 30_000, 30_000)
    liar.write_bytes(data)
    for path in (bomb, liar):
        with pytest.raises(BadImage, match="pixels"):
            image.load(path, 1)
        reading = read_file(os.fsencode(path))
        assert reading is not None
        assert "pixels" in str(reading.photo.error)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_damaged_file_decodes_or_is_refused_and_nothing_else(data: st.DataObject) -> None:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), LEFT).save(file, data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF"])))
    broken = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, min(len(broken) - 1, 300)))] = data.draw(st.integers(0, 255))
    source = io.BytesIO(bytes(broken))
    with suppress(BadImage), image._opened(source) as (picture, _):
        picture.load()


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes_have_a_frame_or_none(tail: bytes) -> None:
    frame = jpeg.frame_of(b"\xff\xd8\xff" + tail)
    assert frame is None or 0 <= frame.header <= 3 + len(tail)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 300), st.integers(1, 300), st.booleans(), st.sampled_from(["L", "RGB", "CMYK"]))
def test_the_frame_is_what_pillow_finds(width: int, height: int, progressive: bool, mode: str) -> None:
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, "JPEG", progressive=progressive)
    frame = jpeg.frame_of(file.getvalue())
    assert frame is not None
    assert (frame.width, frame.height, frame.complete) == (width, height, True)
    cut = jpeg.frame_of(file.getvalue()[:-2])
    assert cut is not None
    assert not cut.complete


def test_transparency_is_laid_on_white_a_band_at_a_time_as_it_would_be_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    whole = Image.fromarray(random.integers(0, 256, (image._BAND + 50, 40, 4), dtype=np.uint8))
    for one in (whole, whole.convert("LA"), whole.quantize(64)):
        path = tmp_path / f"{one.mode}.png"
        one.save(path)
        with Image.open(path) as opened:
            rgba = opened.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        at_once = Image.alpha_composite(white, rgba).convert("RGB")
        assert image.load(path, 1).tobytes() == at_once.tobytes()
