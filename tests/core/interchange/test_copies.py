"""Copies keep the pixels and nothing else that was not meant to stay."""

from __future__ import annotations

import io
import itertools
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import piexif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from core import image
from core.errors import BadImage
from core.interchange import copies, packet, xmp
from tests.core.interchange.test_packet import SAID, exiftool

SECRET = b"SECRET-51.5N"
GPS = {1: b"N", 2: ((51, 1), (30, 1), (0, 1)), 3: b"W", 4: ((0, 1), (7, 1), (30, 1))}
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF")
SIZE = (48, 32)
PACKET = packet.made(SAID, SIZE, 1)
THEIRS = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="51,30.0N"'
    b' xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/" drone-dji:GpsLatitude="'
    + SECRET
    + b'"/></rdf:RDF></x:xmpmeta>'
)


def exif(orientation: int = 1) -> bytes:
    told = {
        "0th": {271: b"Maker", 272: b"Model", 315: b"The artist", 0x0112: orientation, 0x010E: SECRET},
        "Exif": {36867: b"2020:06:01 12:00:00", 33434: (1, 250), 42033: SECRET, 37500: SECRET * 9, 37510: SECRET},
        "GPS": GPS,
        "1st": {259: 6, 513: 0, 514: 0},
        "thumbnail": _thumbnail(),
    }
    return bytes(piexif.dump(told))


def _thumbnail() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(out, "JPEG", comment=SECRET)
    return out.getvalue()


def picture(format: str, orientation: int = 1, mode: str = "RGB", **more: Any) -> bytes:
    """A picture that says where it was taken in every way that its format knows."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    draws = np.random.default_rng(3)
    shape = (SIZE[1], SIZE[0]) if mode == "L" else (SIZE[1], SIZE[0], len(mode))
    drawn = Image.fromarray(draws.integers(0, 255, shape, dtype=np.uint8), mode if mode != "L" else None)
    out = io.BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    block = exif(orientation)
    if format == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", THEIRS.decode())
        info.add_text("Comment", SECRET.decode())
        drawn.save(out, format, pnginfo=info, exif=block, icc_profile=profile, **more)
    elif format == "TIFF":
        drawn.save(out, format, tiffinfo={700: THEIRS, 270: SECRET.decode(), 315: "The artist"}, icc_profile=profile)
    elif format == "JPEG":
        drawn.save(out, format, exif=block, xmp=THEIRS, comment=SECRET, icc_profile=profile, **more)
    else:
        drawn.save(out, format, exif=block, xmp=THEIRS, icc_profile=profile, **more)
    return out.getvalue() + (SECRET * 4 if format in ("JPEG", "PNG") else b"")


def pixels(data: bytes) -> Any:
    with Image.open(io.BytesIO(data)) as opened:
        return np.asarray(opened)


def position(data: bytes) -> dict[int, Any]:
    with Image.open(io.BytesIO(data)) as opened:
        return dict(opened.getexif().get_ifd(0x8825))


@pytest.mark.parametrize("gps", [False, True])
@pytest.mark.parametrize("format", FORMATS)
def test_only_what_may_stay_stays(format: str, gps: bool) -> None:
    data = picture(format)
    facts = image.probe(io.BytesIO(data))
    copy = copies.of(data, facts.format, facts.orientation, PACKET, gps=gps)
    assert SECRET not in copy.data
    assert b"GPSLatitude" not in copy.data
    assert bool(position(copy.data)) == (gps and format != "TIFF")
    with Image.open(io.BytesIO(copy.data)) as opened:
        told = opened.getexif()
        assert told.get(315) == "The artist"
        assert opened.info.get("icc_profile")
        if format != "TIFF":
            assert told.get_ifd(0x8769).get(36867) == "2020:06:01 12:00:00"
            assert 37500 not in told.get_ifd(0x8769)
    found = image.probe(io.BytesIO(copy.data))
    assert (found.width, found.height, found.complete) == (*SIZE, True)
    assert xmp.read(found.xmp).asserted == xmp.read(PACKET).asserted
    assert copy.encoded == (format in ("HEIF", "AVIF"))
    if not copy.encoded:
        assert (pixels(copy.data) == pixels(data)).all()


@pytest.mark.parametrize(("format", "more"), [
    ("JPEG", {"progressive": True}), ("JPEG", {"restart_marker_blocks": 1}), ("WEBP", {"lossless": True}),
    ("WEBP", {"quality": 50}), ("PNG", {"compress_level": 0}),
])  # fmt: skip
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_kinds_of_each_format(format: str, more: dict[str, Any], mode: str) -> None:
    if format == "JPEG" and mode == "RGBA":
        pytest.skip("JPEG knows no alpha")
    data = picture(format, mode=mode, **more)
    copy = copies.of(data, format, 1, PACKET, gps=False)
    assert SECRET not in copy.data
    assert (pixels(copy.data) == pixels(data)).all()


@pytest.mark.parametrize(("format", "orientation"), itertools.product(("JPEG", "PNG", "WEBP"), range(1, 9)))
def test_the_turn_stays(format: str, orientation: int) -> None:
    copy = copies.of(picture(format, orientation), format, orientation, PACKET, gps=False)
    assert image.probe(io.BytesIO(copy.data)).orientation == orientation


def test_more_than_one_picture_is_refused() -> None:
    out = io.BytesIO()
    frames = [Image.new("RGB", SIZE, colour) for colour in ("red", "blue")]
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(BadImage, match="no single picture"):
        copies.of(out.getvalue(), "WEBP", 1, PACKET, gps=False)


def test_of_several_jpegs_in_one_file_the_first_is_copied() -> None:
    data = picture("JPEG")
    assert copies.of(data + data, "JPEG", 1, PACKET, gps=False) == copies.of(data, "JPEG", 1, PACKET, gps=False)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_that_lies_is_left_out(format: str) -> None:
    data = picture(format)
    for true, lie in ((b"II*\0\x08\0\0\0", b"II*\0\xff\xff\xff\x7f"), (b"MM\0*\0\0\0\x08", b"MM\0*\x7f\xff\xff\xff")):
        data = data.replace(true, lie)
    if format == "TIFF":
        with pytest.raises(BadImage):
            copies.of(data, format, 1, PACKET, gps=True)
    else:
        assert SECRET not in copies.of(data, format, 1, PACKET, gps=True).data


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF"]), st.data())
def test_damaged_files_are_copied_or_refused(format: str, data: st.DataObject) -> None:
    broken = bytearray(SOUND[format])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(broken) - 1))
        broken[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=4))
    with suppress(BadImage):
        assert copies.of(bytes(broken), format, 1, PACKET, gps=False).data


SOUND = {format: picture(format) for format in ("JPEG", "PNG", "WEBP", "TIFF")}


@pytest.mark.parametrize("format", FORMATS)
def test_exiftool_reads_a_copy_without_a_warning(tmp_path: Path, format: str) -> None:
    data = picture(format)
    facts = image.probe(io.BytesIO(data))
    copy = copies.of(data, facts.format, facts.orientation, PACKET, gps=False)
    path = tmp_path / f"a{copy.suffix}"
    path.write_bytes(copy.data)
    [told] = exiftool("-gps*", "-all", path)
    assert not {key for key in told if key.startswith(("Warning", "Error", "GPS"))}, told
    assert told["ModelReleaseStatus"] == "Limited or Incomplete Model Releases"
