"""Make an archive to measure on: ten years of small JPEGs with the EXIF that cameras write.

    python -m benchmarks.made_archive FOLDER [--files 30000]

Ten layouts of tags (reflexes, mirrorless, phones, a drone, a scanner) with maker notes, thumbnails,
positions and offsets, in many variants. Every file has a date and a number of its own, hence other
content, up to `MOST_DISTINCT` of them; what is more are hard links to these, as copies would be.
Nothing is random: the same number of files gives the same bytes.
"""

from __future__ import annotations

import argparse
import io
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import piexif
from PIL import Image

MOST_DISTINCT = 300_000
FILES_A_FOLDER = 150
FIRST_DAY = datetime(2012, 1, 1, 8, 0, 0)
YEARS = 10
VARIANTS = 24

_NO_DATE = b"1999:09:09 09:09:09"
_NO_NUMBER = b"f" * 32
_I, _E, _G = piexif.ImageIFD, piexif.ExifIFD, piexif.GPSIFD
_EVENTS = ("Luang Prabang", "Genève Noël", "wedding", "ງານບຸນ", "Zürich HB", "studio", "market, early", "Reise 2")


@dataclass(frozen=True, slots=True)
class Camera:
    """How one maker writes EXIF. `maker_note` is how its blob begins, `note_bytes` how long it is."""

    make: str
    model: str
    prefix: str
    maker_note: bytes
    note_bytes: int
    lenses: tuple[str, ...] = ()
    gps: bool = False
    offset: bool = True
    thumbnail: bool = True


CAMERAS = (
    Camera("Canon", "Canon EOS 5D Mark III", "IMG_", b"\x2b\x00\x01\x00", 6800,
           ("EF24-70mm f/2.8L II USM", "EF85mm f/1.8 USM"), offset=False),
    Camera("Canon", "Canon EOS R6", "_MG_", b"\x36\x00\x01\x00", 5200, ("RF24-105mm F4 L IS USM",)),
    Camera("NIKON CORPORATION", "NIKON D750", "DSC_", b"Nikon\x00\x02\x11\x00\x00MM\x00*", 5600,
           ("AF-S Nikkor 50mm f/1.8G", "24.0-120.0 mm f/4.0"), offset=False),
    Camera("NIKON CORPORATION", "NIKON Z 6_2", "DSC_", b"Nikon\x00\x02\x11\x00\x00II*\x00", 6400,
           ("NIKKOR Z 85mm f/1.8 S",)),
    Camera("SONY", "ILCE-7M3", "DSC0", b"SONY DSC \x00\x00\x00", 7200, ("FE 55mm F1.8 ZA", "FE 24-70mm F2.8 GM")),
    Camera("FUJIFILM", "X-T4", "DSCF", b"FUJIFILM\x0c\x00\x00\x00", 1400, ("XF35mmF1.4 R", "XF23mmF2 R WR")),
    Camera("Apple", "iPhone 12 Pro", "IMG_", b"Apple iOS\x00\x00\x01MM", 1100,
           ("iPhone 12 Pro back triple camera 4.2mm f/1.6",), gps=True, thumbnail=False),
    Camera("samsung", "SM-G991B", "2021", b"\x07\x00\x01\x00\x07\x00\x04\x00", 98, (), gps=True),
    Camera("DJI", "FC3170", "DJI_", b"DJI\x00", 420, (), gps=True, offset=False),
    Camera("EPSON", "Perfection V600", "scan", b"", 0, (), offset=False, thumbnail=False),
)  # fmt: skip


def make(folder: Path, files: int) -> None:
    """Write an archive of so many files in `folder`, which must not exist."""
    layouts = [template(camera, variant) for variant in range(VARIANTS) for camera in CAMERAS]
    made: list[Path] = []
    for number, (path, when) in enumerate(names(folder, files)):
        if number % FILES_A_FOLDER == 0:
            path.parent.mkdir(parents=True)
        if number >= MOST_DISTINCT:
            os.link(made[number % MOST_DISTINCT], path)
            continue
        made.append(path)
        path.write_bytes(numbered(layouts[number * 7 % len(layouts)], number, when))


def names(folder: Path, files: int) -> Iterator[tuple[Path, datetime]]:
    """Path and date of each file: year, month and shoot are folders."""
    shoots = -(-files // FILES_A_FOLDER)
    for number in range(files):
        shoot, within = divmod(number, FILES_A_FOLDER)
        day = FIRST_DAY + timedelta(days=shoot * 365 * YEARS // shoots)
        event = f"{day:%Y-%m-%d} {_EVENTS[shoot % len(_EVENTS)]} {shoot:05}"
        prefix = CAMERAS[number * 7 % len(CAMERAS)].prefix
        name = f"{prefix}{number:07}.{'JPG' if shoot % 2 else 'jpg'}"
        yield folder / f"{day:%Y}" / f"{day:%m}" / event / name, day + timedelta(seconds=within * 41)


def numbered(layout: bytes, number: int, when: datetime) -> bytes:
    """The layout with a date and a unique number in the places of the template's."""
    date = f"{when:%Y:%m:%d %H:%M:%S}".encode()
    return layout.replace(_NO_DATE, date).replace(_NO_NUMBER, f"{number:032x}".encode())


def template(camera: Camera, variant: int) -> bytes:
    """A JPEG as this camera writes it, with a date and a number that `numbered` replaces."""
    chance = random.Random(f"{camera.model} {variant}")
    fields: dict[str, Any] = {"0th": _image(camera, variant), "Exif": _exif(camera, chance), "GPS": {}}
    if camera.gps and chance.random() < 0.8:
        fields["GPS"] = _gps(chance)
    if camera.thumbnail:
        fields["1st"] = {
            _I.Compression: 6,
            _I.XResolution: (72, 1),
            _I.YResolution: (72, 1),
            _I.ResolutionUnit: 2,
        }
        fields["thumbnail"] = _jpeg(chance, (160, 120), quality=70)
    return _jpeg(chance, (320, 240), quality=75, exif=piexif.dump(fields))


def _image(camera: Camera, variant: int) -> dict[int, Any]:
    fields: dict[int, Any] = {
        _I.Make: camera.make,
        _I.Model: camera.model,
        _I.Orientation: (1, 1, 6, 8)[variant % 4],
        _I.XResolution: (300, 1),
        _I.YResolution: (300, 1),
        _I.ResolutionUnit: 2,
        _I.Software: "Ver.1.10",
        _I.DateTime: _NO_DATE,
        _I.YCbCrPositioning: 2,
    }
    if variant % 3 == 0:
        fields |= {_I.Artist: "A. Photographer", _I.Copyright: "all rights reserved", _I.Rating: variant % 6}
    if variant % 5 == 0:
        fields[_I.ImageDescription] = "A day at the river"
    return fields


def _exif(camera: Camera, chance: random.Random) -> dict[int, Any]:
    fields: dict[int, Any] = {
        _E.ExposureTime: (1, chance.choice((30, 60, 125, 250, 500, 1000))),
        _E.FNumber: (chance.choice((14, 18, 28, 40, 56, 80)), 10),
        _E.ExposureProgram: 3,
        _E.ISOSpeedRatings: chance.choice((100, 200, 400, 800, 1600, 6400)),
        _E.SensitivityType: 2,
        _E.RecommendedExposureIndex: 400,
        _E.ExifVersion: b"0231",
        _E.DateTimeOriginal: _NO_DATE,
        _E.DateTimeDigitized: _NO_DATE,
        _E.ComponentsConfiguration: b"\x01\x02\x03\x00",
        _E.ShutterSpeedValue: (6965784, 1000000),
        _E.ApertureValue: (2970854, 1000000),
        _E.ExposureBiasValue: (0, 6),
        _E.MaxApertureValue: (20, 10),
        _E.MeteringMode: 5,
        _E.LightSource: 0,
        _E.Flash: 16,
        _E.FocalLength: (chance.choice((240, 350, 500, 850)), 10),
        _E.UserComment: b"ASCII\0\0\0" + b" " * 36,
        _E.SubSecTime: "25",
        _E.SubSecTimeOriginal: f"{chance.randrange(100):02}",
        _E.SubSecTimeDigitized: "25",
        _E.FlashpixVersion: b"0100",
        _E.ColorSpace: 1,
        _E.PixelXDimension: 320,
        _E.PixelYDimension: 240,
        _E.SensingMethod: 2,
        _E.FileSource: b"\x03",
        _E.SceneType: b"\x01",
        _E.CFAPattern: b"\x02\x00\x02\x00\x00\x01\x01\x02",
        _E.CustomRendered: 0,
        _E.ExposureMode: 0,
        _E.WhiteBalance: 0,
        _E.DigitalZoomRatio: (1, 1),
        _E.FocalLengthIn35mmFilm: 85,
        _E.SceneCaptureType: 0,
        _E.GainControl: 0,
        _E.Contrast: 0,
        _E.Saturation: 0,
        _E.Sharpness: 0,
        _E.SubjectDistanceRange: 0,
        _E.ImageUniqueID: _NO_NUMBER,
    }
    if camera.note_bytes:
        fields[_E.MakerNote] = camera.maker_note + chance.randbytes(camera.note_bytes)
    if camera.offset:
        fields |= {_E.OffsetTime: "+07:00", _E.OffsetTimeOriginal: "+07:00", _E.OffsetTimeDigitized: "+07:00"}
    if camera.lenses:
        fields |= {
            _E.BodySerialNumber: "3001234",
            _E.LensSpecification: ((24, 1), (70, 1), (28, 10), (28, 10)),
            _E.LensModel: chance.choice(camera.lenses),
            _E.LensSerialNumber: "0000c1517e",
        }
    return fields


def _gps(chance: random.Random) -> dict[int, Any]:
    def degrees() -> tuple[tuple[int, int], ...]:
        return (chance.randrange(10, 60), 1), (chance.randrange(60), 1), (chance.randrange(6000), 100)

    return {
        _G.GPSVersionID: (2, 3, 0, 0),
        _G.GPSLatitudeRef: "N",
        _G.GPSLatitude: degrees(),
        _G.GPSLongitudeRef: "E",
        _G.GPSLongitude: degrees(),
        _G.GPSAltitudeRef: 0,
        _G.GPSAltitude: (2891, 10),
        _G.GPSTimeStamp: ((1, 1), (12, 1), (30, 1)),
        _G.GPSImgDirectionRef: "T",
        _G.GPSImgDirection: (18033, 100),
        _G.GPSDateStamp: "2019:04:05",
    }


def _jpeg(chance: random.Random, size: tuple[int, int], *, quality: int, **more: Any) -> bytes:
    """A picture of soft colours, which packs as well as a photograph does."""
    small = Image.frombytes("RGB", (12, 9), chance.randbytes(12 * 9 * 3))
    file = io.BytesIO()
    small.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=quality, **more)
    return file.getvalue()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--files", type=int, default=30_000)
    given = arguments.parse_args()
    make(given.folder, given.files)


if __name__ == "__main__":
    main()
