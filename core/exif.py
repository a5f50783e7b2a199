"""EXIF read with exifread into typed fields. A field that makes no sense is left out, never guessed.

Only `DateTimeOriginal` says when a photograph was taken: the other dates say when it was scanned or
edited, which is later, and a later date would make the people in it look older than they were.
Tags are those of EXIF 3.0 (CIPA DC-008).
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, BinaryIO

import exifread

from storage.safe_text import display

logging.getLogger("exifread").disabled = True  # it warns of every odd tag on the terminal

_LONGEST_NAME = 200
_LONGEST_CAPTION = 2000
_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
_WIDEST_OFFSET = 14 * 60
_QUARTER = 15  # every zone of today is a multiple of 15 minutes
# TIFF/EP (ISO 12234-2), on which NEF and DNG rest, keeps these in the first folder
_OF_TIFF_EP = ("DateTimeOriginal", "ExposureTime", "FNumber", "ISOSpeedRatings", "FocalLength")
_GPS_SLACK = 5  # minutes by which a camera's clock may be off for GPS time to tell its zone


@dataclass(frozen=True, slots=True)
class ExifFields:
    """What EXIF tells of a photograph; None where it doesn't.

    `taken_at` is local wall time, `taken_offset` minutes east of UTC, `taken_source` what told the
    offset: `exif-offset`, `gps` or `none`. Degrees are WGS 84. Texts are safe on a terminal.
    `warning` says why EXIF could not be read, when it could not.
    """

    orientation: int = 1
    taken_at: datetime | None = None
    taken_offset: int | None = None
    taken_source: str | None = None
    camera: str | None = None
    lens: str | None = None
    exposure_s: float | None = None
    f_number: float | None = None
    iso: int | None = None
    focal_mm: float | None = None
    lat: float | None = None
    lon: float | None = None
    rating: int | None = None
    caption: str | None = None
    warning: str | None = None


def read(source: BinaryIO, *more: BinaryIO) -> ExifFields:
    """The fields of an open picture file or EXIF structure; what one lacks the next of `more` may tell.

    Never raises for what they hold: `warning` says why the first could not be read, where none could.
    """
    tags: dict[str, Any] = {}
    warning = None
    for each in (source, *more):
        try:
            # details=False: maker notes are not followed; a tiny file can hold one that takes minutes
            found = exifread.process_file(each, details=False, extract_thumbnail=False)
        except (Exception, RecursionError) as error:
            # exifread raises UnicodeDecodeError, IndexError, AssertionError, EOFError, ValueError … on damaged files
            kind = f"EXIF can't be read: {type(error).__name__} {display(str(error))[:100]}".strip()
            warning = warning or kind
            continue
        tags = found | tags
    if not tags and warning is not None:
        return ExifFields(warning=warning)
    for name in _OF_TIFF_EP:
        if f"EXIF {name}" not in tags and f"Image {name}" in tags:
            tags[f"EXIF {name}"] = tags[f"Image {name}"]
    return fields_of(tags)


def fields_of(tags: Mapping[str, Any]) -> ExifFields:
    """The fields of exifread's tags, by their names there."""
    taken = _taken_at(tags)
    offset, source = _offset(tags, taken)
    lat, lon = _position(tags)
    orientation = _integer(tags, "Image Orientation")
    rating = _integer(tags, "Image Rating")
    return ExifFields(
        orientation=orientation if orientation is not None and 1 <= orientation <= 8 else 1,
        taken_at=taken,
        taken_offset=offset,
        taken_source=source,
        camera=_camera(_text(tags, "Image Make"), _text(tags, "Image Model")),
        lens=_text(tags, "EXIF LensModel"),
        exposure_s=_positive(tags, "EXIF ExposureTime"),
        f_number=_positive(tags, "EXIF FNumber"),
        iso=_integer(tags, "EXIF ISOSpeedRatings") or _integer(tags, "EXIF ISOSpeed"),
        focal_mm=_positive(tags, "EXIF FocalLength"),
        lat=lat,
        lon=lon,
        rating=rating if rating is not None and rating <= 5 else None,
        caption=_text(tags, "Image ImageDescription", _LONGEST_CAPTION),
    )


def _values(tags: Mapping[str, Any], name: str) -> Any:
    tag = tags.get(name)
    return None if tag is None else tag.values


def _text(tags: Mapping[str, Any], name: str, longest: int = _LONGEST_NAME) -> str | None:
    value = _values(tags, name)
    if not isinstance(value, str | bytes):
        return None
    return display(value.strip())[:longest].strip() or None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _numbers(tags: Mapping[str, Any], name: str) -> list[float] | None:
    values = _values(tags, name)
    if not isinstance(values, list):
        return None
    numbers = [_number(value) for value in values]
    return [n for n in numbers if n is not None] if None not in numbers else None


def _positive(tags: Mapping[str, Any], name: str) -> float | None:
    numbers = _numbers(tags, name)
    return numbers[0] if numbers and numbers[0] > 0 else None


def _integer(tags: Mapping[str, Any], name: str) -> int | None:
    numbers = _numbers(tags, name)
    return int(numbers[0]) if numbers and 0 <= numbers[0] < 2**32 else None


def _camera(make: str | None, model: str | None) -> str | None:
    if make is None or model is None:
        return model or make
    brand = make.split()[0].casefold()
    return model if model.casefold().startswith(brand) else f"{make} {model}"


def _taken_at(tags: Mapping[str, Any]) -> datetime | None:
    text = _text(tags, "EXIF DateTimeOriginal")
    if text is None:
        return None
    found = _DATE.match(text)
    try:
        taken = datetime.fromisoformat("{}-{}-{}T{}:{}:{}".format(*found.groups())) if found else None
    except ValueError:
        taken = None
    if taken is None:
        return None
    fraction = _text(tags, "EXIF SubSecTimeOriginal")
    if fraction is not None and fraction.isascii() and fraction.isdigit():
        taken += timedelta(seconds=float(f"0.{fraction[:6]}"))
    return taken


def _offset(tags: Mapping[str, Any], taken: datetime | None) -> tuple[int | None, str | None]:
    """Minutes east of UTC and what told them."""
    if taken is None:
        return None, None
    found = _OFFSET.fullmatch(_text(tags, "EXIF OffsetTimeOriginal") or "")
    if found:
        minutes = int(found[2]) * 60 + int(found[3])
        if minutes <= _WIDEST_OFFSET and int(found[3]) < 60:
            return (minutes if found[1] == "+" else -minutes), "exif-offset"
    utc = _gps_time(tags)
    if utc is not None:
        ahead = (taken - utc).total_seconds() / 60
        zone = round(ahead / _QUARTER) * _QUARTER
        if abs(zone) <= _WIDEST_OFFSET and abs(ahead - zone) <= _GPS_SLACK:
            return zone, "gps"
    return None, "none"


def _gps_time(tags: Mapping[str, Any]) -> datetime | None:
    day, clock = _text(tags, "GPS GPSDate"), _numbers(tags, "GPS GPSTimeStamp")
    if day is None or clock is None or len(clock) != 3:
        return None
    try:
        midnight = datetime.strptime(day[:10].replace("-", ":"), "%Y:%m:%d")
        return midnight + timedelta(hours=clock[0], minutes=clock[1], seconds=clock[2])
    except (ValueError, OverflowError):
        return None


def _position(tags: Mapping[str, Any]) -> tuple[float | None, float | None]:
    lat = _degrees(tags, "Latitude", "S", 90)
    lon = _degrees(tags, "Longitude", "W", 180)
    # 0, 0 is what a receiver without a fix writes; nobody lives there
    if lat is None or lon is None or lat == lon == 0:
        return None, None
    return lat, lon


def _degrees(tags: Mapping[str, Any], name: str, negative: str, most: int) -> float | None:
    parts, sign = _numbers(tags, f"GPS GPS{name}"), _text(tags, f"GPS GPS{name}Ref")
    if not parts or len(parts) > 3 or sign is None or min(parts) < 0:
        return None
    degrees = math.fsum(part / 60.0**power for power, part in enumerate(parts))
    if degrees > most:
        return None
    return round(-degrees if sign.upper().startswith(negative) else degrees, 7)
