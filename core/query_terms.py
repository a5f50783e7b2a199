"""The fields of the search language and their values, as tests on a photograph. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from core import raw
from core.query_tree import (
    Alike,
    DaysAgo,
    Edge,
    Expr,
    Hash,
    Known,
    Near,
    Not,
    Number,
    Or,
    Person,
    Standing,
    State,
    Taken,
    Text,
    Unnamed,
)
from storage.records import PhotoState, Purpose, Status

T = TypeVar("T")

FORMATS = {"jpeg": "JPEG", "jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tiff": "TIFF", "tif": "TIFF",
           "heif": "HEIF", "heic": "HEIF", "avif": "AVIF",
           **{format.lower(): format for format in raw.FORMATS}}  # fmt: skip


class BadTerm(ValueError):
    """A value that its field can't have; the parser adds the place."""


# The fields ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """How a field's values are read: `kind` names it, `least` and `most` bound a number; what help shows."""

    kind: str
    example: str
    least: float = 0
    most: float = 1e12
    cyclic: bool = False
    optional: bool = False  # `none` and `any` ask whether it is on record


_STATUSES = f"one of {' '.join(Status)}"

FIELDS: Mapping[str, Field] = {
    "path": Field("text", "path:2019/lao or path:*/IMG_00*"),
    "name": Field("text", "name:IMG_0042 or name:*.heic"),
    "camera": Field("text", "camera:canon or camera:none", optional=True),
    "lens": Field("text", 'lens:"85mm f/1.8"', optional=True),
    "iso": Field("integer", "iso:400 or iso:>=1600", optional=True),
    "f": Field("real", "f:2.8 or f:<=4", optional=True),
    "focal": Field("real", "focal:85 or focal:24..70", optional=True),
    "taken": Field("taken", "taken:2019, taken:2019-04-05, taken:2018..2020-06, taken:>=2019, taken:30d, taken:none"),
    "year": Field("year", "year:2019 or year:2018..2020"),
    "month": Field("integer", "month:4 or month:11..2", 1, 12, cyclic=True),
    "hour": Field("integer", "hour:18 or hour:22..4", 0, 23, cyclic=True),
    "width": Field("integer", "width:>=3000", optional=True),
    "height": Field("integer", "height:>=2000", optional=True),
    "mp": Field("real", "mp:24 or mp:>=12"),
    "format": Field("format", f"one of {' '.join(FORMATS)}"),
    "place": Field("text", "place:vientiane or place:none", optional=True),
    "country": Field("country", "two letters, as in country:LA", optional=True),
    "lat": Field("real", "lat:17.9..18.1", -90, 90, optional=True),
    "lon": Field("real", "lon:102..103", -180, 180, optional=True),
    "near": Field("near", "near:LAT,LON,KM as in near:17.97,102.6,5"),
    "faces": Field("integer", "faces:0, faces:2 or faces:>=1, of photographs whose faces were looked for"),
    "subject": Field("subject", 'subject:"Noy Vong", subject:Noy*, subject:12, subject:any or subject:none'),
    "cluster": Field("integer", "cluster:12"),
    "rating": Field("integer", "rating:>=3", 0, 5, optional=True),
    "caption": Field("text", "caption:market or caption:none", optional=True),
    "tag": Field("text", 'tag:market, tag:"Luang Prabang", tag:=sea for no other than that, tag:none', optional=True),
    "status": Field("status", f"{' '.join(PhotoState)}, or for any purpose {_STATUSES}"),
    "error": Field("text", "error:any, error:none or error:cut", optional=True),
    "hash": Field("hash", "the first hex digits of a content hash"),
    "similar": Field("similar", "similar:42 for what looks like photograph 42, similar:yes or similar:no"),
    "id": Field("integer", "id:42 or id:100..200"),
    **{purpose.value: Field("purpose", _STATUSES) for purpose in Purpose},
}


def term(field: str, value: str, *, quoted: bool) -> Expr:
    """The test that `field:value` asks for. Raises BadTerm, KeyError for a field not in `FIELDS`."""
    spec = FIELDS[field]
    if spec.optional and not quoted and value in {"none", "any"}:
        return Known(field, value == "any")
    match spec.kind:
        case "text":
            return _text(field, value, quoted)
        case "integer" | "real":
            return _number(field, spec, value)
        case "taken":
            return Known(field, value == "any") if value in {"none", "any"} else _taken(value)
        case "year":
            return _taken(value, years_only=True)
        case "near":
            return _near(value)
        case "subject":
            if not quoted and value in {"none", "any"}:
                return Unnamed() if value == "none" else Person("*")
            return Person(value, quoted)
        case "purpose":
            return Standing(Purpose(field), _choice(field, value, {str(s): s for s in Status}))
        case "status":
            return _status(value)
        case "similar":
            return _similar(spec, value)
        case _:
            return _coded(field, value)


def _text(field: str, value: str, quoted: bool) -> Text:
    if value[0] in "<>" and not quoted:
        raise BadTerm(f"{field} is text and has no order")
    whole = value.startswith("=") and len(value) > 1
    return Text(field, value[1:] if whole else value, whole)


def _choice(field: str, value: str, choices: Mapping[str, T]) -> T:
    try:
        return choices[value.casefold()]
    except KeyError:
        raise BadTerm(f"{field} can't be {value!r}") from None


def _status(value: str) -> State | Standing:
    if value in set(PhotoState):
        return State(PhotoState(value))
    return Standing(None, _choice("status", value, {str(s): s for s in Status}))


def _similar(spec: Field, value: str) -> Alike | Not:
    if value.casefold() in {"yes", "no"}:
        return Alike(None) if value.casefold() == "yes" else Not(Alike(None))
    return Alike(int(_one_number("similar", Field("integer", spec.example), value)[0]))


def _coded(field: str, value: str) -> Text | Or | Hash:
    if field == "format" and value.casefold() == "raw":
        return Or(tuple(Text(field, format, whole=True) for format in raw.FORMATS))
    if field == "format":
        return Text(field, _choice(field, value, FORMATS), whole=True)
    if field == "country":
        if not re.fullmatch("[A-Za-z]{2}", value):
            raise BadTerm(f"{value!r} is no country code")
        return Text(field, value.upper(), whole=True)
    if not re.fullmatch("[0-9A-Fa-f]{1,64}", value):
        raise BadTerm(f"{value!r} is no hash")
    return Hash(value.lower())


# Numbers ---------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"[+-]?(\d{1,12}(?:\.(\d{0,9}))?|\.(\d{1,9}))")
_COMPARISON = re.compile(r"(>=|<=|>|<|=)?(.*)", re.DOTALL)
_HAIR = 1e-9  # stored reals are quotients, which need not be the decimal that was typed


def _one_number(field: str, spec: Field, text: str) -> tuple[float, float]:
    """The number, and half a unit of the last digit it was given with."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise BadTerm(f"{field} needs a number, not {text!r}")
    decimals = found[2] or found[3] or ""
    if spec.kind == "integer" and "." in text:
        raise BadTerm(f"{field} is a whole number")
    number = float(text)
    if not spec.least <= number <= spec.most:
        raise BadTerm(f"{field} lies between {spec.least:g} and {spec.most:g}")
    return number, 0.0 if spec.kind == "integer" else 0.5 * 10.0 ** -len(decimals)


def _number(field: str, spec: Field, value: str) -> Number:
    hair = 0.0 if spec.kind == "integer" else _HAIR
    if ".." in value:
        low_text, _, high_text = value.partition("..")
        low = _one_number(field, spec, low_text)[0] if low_text else None
        high = _one_number(field, spec, high_text)[0] if high_text else None
        if low is None and high is None:
            raise BadTerm("the range has no end at all")
        if low is not None and high is not None and low > high and not spec.cyclic:
            raise BadTerm("the range runs backwards")
        return Number(field, None if low is None else low - hair, None if high is None else high + hair)
    sign, text = _split(value)
    number, half = _one_number(field, spec, text)
    match sign:
        case ">=":
            return Number(field, number - hair, None)
        case "<=":
            return Number(field, None, number + hair)
        case ">":
            return Number(field, number + hair, None, above=True)
        case "<":
            return Number(field, None, number - hair, below=True)
        case _:
            return Number(field, number - half, number + half, below=half > 0)


def _split(value: str) -> tuple[str | None, str]:
    found = _COMPARISON.fullmatch(value)
    assert found is not None  # it matches any text
    return found[1], found[2]


def _near(value: str) -> Near:
    parts = value.split(",")
    if len(parts) != 3 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise BadTerm("near needs a latitude, a longitude and kilometres")
    lat, lon, km = map(float, parts)
    if abs(lat) > 90 or abs(lon) > 180 or km <= 0:
        raise BadTerm("there is no such place or distance")
    return Near(lat, lon, km)


# Times -----------------------------------------------------------------------------------------------

_MOMENT = re.compile(r"(\d{4})(?:-(\d\d?)(?:-(\d\d?)(?:T(\d\d?)(?::(\d\d)(?::(\d\d))?)?)?)?)?", re.IGNORECASE)
_LAST = re.compile(r"(\d{1,5})([dwy])")
_MOST_DAYS = 100_000
_DAYS = {"d": 1, "w": 7, "y": 365}


def _taken(value: str, *, years_only: bool = False) -> Taken:
    """A span of local time. A value means all of the year, month, day, hour or minute it names."""
    if ".." in value:
        first, _, last = value.partition("..")
        if not first and not last:
            raise BadTerm("the range has no end at all")
        low = _span(first, years_only)[0] if first else None
        high = _span(last, years_only)[1] if last else None
        if isinstance(low, datetime) and isinstance(high, datetime) and low >= high:
            raise BadTerm("the range runs backwards")
        return Taken(low, high)
    sign, text = _split(value)
    start, end = _span(text, years_only)
    match sign:
        case ">=":
            return Taken(start, None)
        case "<=":
            return Taken(None, end)
        case ">":
            if end is None:
                raise BadTerm("nothing is taken after that")
            return Taken(end, None)
        case "<":
            return Taken(None, start)
        case _:
            return Taken(start, end)


def _span(text: str, years_only: bool) -> tuple[Edge, Edge | None]:
    """The first instant of a period and the first one after it, None where time ends."""
    if not years_only:
        if text == "today":
            return DaysAgo(0), DaysAgo(-1)
        if text == "yesterday":
            return DaysAgo(1), DaysAgo(0)
        if last := _LAST.fullmatch(text):
            return _ago(int(last[1]) * _DAYS[last[2]]), None
    found = _MOMENT.fullmatch(text)
    if found is None or (years_only and found[2]):
        raise BadTerm(f"{text!r} is no {'year' if years_only else 'date'}")
    given = [int(part) for part in found.groups() if part is not None]
    try:
        start = datetime(*(given + [1, 1][len(given) - 1 :] if len(given) < 3 else given))  # type: ignore[arg-type]
        return start, _after(start, len(given))
    except ValueError:
        raise BadTerm(f"there is no {text!r} in the calendar") from None
    except OverflowError:
        return start, None


def _ago(days: int) -> DaysAgo:
    if days > _MOST_DAYS:
        raise BadTerm("that is before photography")
    return DaysAgo(days)


def _after(start: datetime, parts: int) -> datetime | None:
    """The end of the period that begins at `start` and was given as a year (1), month (2) … second (6)."""
    if parts <= 2 and start.year == 9999 and (parts == 1 or start.month == 12):
        return None
    if parts == 1:
        return start.replace(year=start.year + 1)
    if parts == 2:
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    steps = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))
    return start + steps[parts - 3]
