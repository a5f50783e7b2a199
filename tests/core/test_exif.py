from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import piexif
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core import exif
from core.exif import ExifFields
from core.reading import read_file

E, G, I = piexif.ExifIFD, piexif.GPSIFD, piexif.ImageIFD  # noqa: E741


def picture(fields: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=piexif.dump(fields))
    return file.getvalue()


def fields(**parts: dict[int, Any]) -> ExifFields:
    names = {"image": "0th", "exif": "Exif", "gps": "GPS"}
    return exif.read(io.BytesIO(picture({names[part]: tags for part, tags in parts.items()})))


def test_a_camera_tells_all_of_it() -> None:
    found = fields(
        image={I.Make: b"NIKON CORPORATION", I.Model: b"NIKON D750", I.Orientation: 6, I.Rating: 4,
               I.ImageDescription: b"Bun at the market"},
        exif={
            E.DateTimeOriginal: b"2019:04:05 10:30:07",
            E.OffsetTimeOriginal: b"+07:00",
            E.SubSecTimeOriginal: b"25",
            E.LensModel: b"NIKKOR 85mm f/1.8",
            E.ExposureTime: (1, 250),
            E.FNumber: (28, 10),
            E.ISOSpeedRatings: 400,
            E.FocalLength: (85, 1),
        },
        gps={G.GPSLatitudeRef: b"S", G.GPSLatitude: ((17, 1), (58, 1), (30, 1)),
             G.GPSLongitudeRef: b"W", G.GPSLongitude: ((102, 1), (36, 1), (0, 1))},
    )  # fmt: skip
    assert found == ExifFields(
        orientation=6,
        taken_at=datetime(2019, 4, 5, 10, 30, 7, 250_000),
        taken_offset=420,
        taken_source="exif-offset",
        camera="NIKON D750",
        lens="NIKKOR 85mm f/1.8",
        exposure_s=0.004,
        f_number=2.8,
        iso=400,
        focal_mm=85.0,
        lat=-17.975,
        lon=-102.6,
        rating=4,
        caption="Bun at the market",
    )


def test_without_exif_nothing_is_made_up() -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    assert exif.read(file) == ExifFields()


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        (b"Canon", b"Canon EOS 5D", "Canon EOS 5D"),
        (b"FUJIFILM", b"X-T4", "FUJIFILM X-T4"),
        (b"", b"X-T4", "X-T4"),
        (b"SONY ", b"", "SONY"),
    ],
)
def test_the_make_is_said_once(make: bytes, model: bytes, camera: str) -> None:
    assert fields(image={I.Make: make, I.Model: model}).camera == camera


def test_only_the_original_date_counts_because_later_ones_make_people_older() -> None:
    found = fields(image={I.DateTime: b"2024:01:01 00:00:00"}, exif={E.DateTimeDigitized: b"2024:01:01 00:00:00"})
    assert found.taken_at is None
    assert found.taken_source is None


@pytest.mark.parametrize("date", [b"0000:00:00 00:00:00", b"2019:02:30 10:00:00", b"    :  :     :  :  ", b"soon"])
def test_a_date_that_is_none_is_left_out(date: bytes) -> None:
    assert fields(exif={E.DateTimeOriginal: date}).taken_at is None


@pytest.mark.parametrize(
    ("local", "clock", "offset", "source"),
    [
        (b"2019:04:05 10:30:00", (3, 29, 0), 420, "gps"),
        (b"2019:04:05 09:15:00", (3, 30, 0), 345, "gps"),  # Nepal
        (b"2019:04:05 10:38:00", (3, 30, 0), None, "none"),  # a camera clock that is off tells no zone
        (b"2019:04:06 23:30:00", (3, 30, 0), None, "none"),  # no zone is that far
    ],
)
def test_gps_time_tells_the_zone(local: bytes, clock: tuple[int, int, int], offset: int | None, source: str) -> None:
    found = fields(
        exif={E.DateTimeOriginal: local},
        gps={G.GPSDateStamp: b"2019:04:05", G.GPSTimeStamp: tuple((n, 1) for n in clock)},
    )
    assert (found.taken_offset, found.taken_source) == (offset, source)


@pytest.mark.parametrize("offset", [b"+25:00", b"+07:75", b"local", b"\x1b[2J"])
def test_an_offset_that_is_none_is_left_out(offset: bytes) -> None:
    found = fields(exif={E.DateTimeOriginal: b"2019:04:05 10:30:00", E.OffsetTimeOriginal: offset})
    assert (found.taken_offset, found.taken_source) == (None, "none")


@pytest.mark.parametrize(
    "gps",
    [
        {G.GPSLatitudeRef: b"N", G.GPSLatitude: ((0, 1),) * 3, G.GPSLongitudeRef: b"E", G.GPSLongitude: ((0, 1),) * 3},
        {G.GPSLatitudeRef: b"N", G.GPSLatitude: ((91, 1), (0, 1), (0, 1)),
         G.GPSLongitudeRef: b"E", G.GPSLongitude: ((10, 1), (0, 1), (0, 1))},
        {G.GPSLatitudeRef: b"N", G.GPSLatitude: ((17, 0), (0, 0), (0, 0)),
         G.GPSLongitudeRef: b"E", G.GPSLongitude: ((10, 1), (0, 1), (0, 1))},
        {G.GPSLatitudeRef: b"N", G.GPSLatitude: ((17, 1), (0, 1), (0, 1))},
    ],
)  # fmt: skip
def test_a_position_that_is_none_is_left_out(gps: dict[int, Any]) -> None:
    found = fields(gps=gps)
    assert (found.lat, found.lon) == (None, None)


def test_terminal_commands_in_text_are_shown_not_sent() -> None:
    found = fields(image={I.Model: b"X\x1b]52;c;aGk=\x07", I.ImageDescription: "a\u202eb".encode()})
    assert found.camera == "X\\x1b]52;c;aGk=\\x07"
    assert found.caption == "a\\u202eb"


def test_text_in_another_encoding_stays_readable() -> None:
    assert fields(image={I.ImageDescription: "Luang Prabang, é".encode("latin-1")}).caption == "Luang Prabang, \\xe9"


def test_a_maker_note_that_claims_a_billion_entries_takes_no_time() -> None:
    data = bytearray(picture({"Exif": {E.MakerNote: b"x" * 64}, "0th": {I.Make: b"Canon"}}))
    tag = bytes(data).index(struct.pack(">HH", E.MakerNote, 7))
    data[tag + 4 : tag + 8] = struct.pack(">I", 1_000_000_000)
    assert exif.read(io.BytesIO(bytes(data))).camera == "Canon"


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_damaged_exif_never_raises(data: st.DataObject) -> None:
    whole = picture(
        {
            "0th": {I.Make: b"Canon", I.Orientation: 6},
            "Exif": {E.DateTimeOriginal: b"2019:04:05 10:30:00", E.FNumber: (28, 10)},
            "GPS": {G.GPSLatitudeRef: b"N", G.GPSLatitude: ((17, 1), (58, 1), (30, 1))},
        }
    )
    broken = bytearray(whole[: data.draw(st.integers(0, 400))])
    for _ in range(data.draw(st.integers(0, 6))):
        if broken:
            broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    found = exif.read(io.BytesIO(bytes(broken)))
    assert found.orientation in range(1, 9)
    assert found.lat is None or abs(found.lat) <= 90


@pytest.mark.parametrize("format", ["HEIF", "AVIF", "PNG", "WEBP", "TIFF"])
def test_every_format_carries_exif(tmp_path: Path, take_picture: Callable[..., Path], format: str) -> None:
    pillow_heif.register_heif_opener()
    when = {"Exif": {E.DateTimeOriginal: b"2019:04:05 10:30:00"}, "0th": {I.Make: b"Canon"}}
    path = take_picture(tmp_path / "a.jpg", exif=when, format=format)
    reading = read_file(os.fsencode(path))
    assert reading is not None
    assert (reading.photo.camera, reading.warning) == ("Canon", None)
    assert reading.photo.taken_at == datetime(2019, 4, 5, 10, 30)
