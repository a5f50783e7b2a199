"""A search as SQL over `photos p`. Every value goes in as a parameter. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.query_tree import (
    Alike,
    And,
    DaysAgo,
    Edge,
    Everything,
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
    Word,
)
from storage.safe_text import display
from storage.sphere import EARTH_KM

_TAGGED = "EXISTS (SELECT 1 FROM tags WHERE tags.photo_id = p.id"
_UNMARKED = "SELECT count(*) FROM faces WHERE faces.photo_id = p.id AND faces.mark IS NULL"

COLUMNS = {
    "path": "p.path_text",
    "name": "CAST(p.name AS TEXT)",
    "camera": "p.camera",
    "lens": "p.lens",
    "iso": "p.iso",
    "f": "p.f_number",
    "focal": "p.focal_mm",
    "taken": "p.taken_at",
    "month": "CAST(substr(p.taken_at, 6, 2) AS INTEGER)",
    "hour": "CAST(substr(p.taken_at, 12, 2) AS INTEGER)",
    "width": "p.width",
    "height": "p.height",
    "mp": "(p.width * p.height / 1e6)",
    "format": "p.format",
    "place": "p.place",
    "country": "p.country",
    "lat": "p.lat",
    "lon": "p.lon",
    "faces": f"(CASE WHEN p.faces_space IS NOT NULL THEN ({_UNMARKED}) END)",  # unknown until looked for
    "rating": "p.rating",
    "caption": "p.caption",
    "error": "p.error",
    "id": "p.id",
}
"""What a field reads; `tag` and `cluster` read tables of their own."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A condition over the alias `p` with its values; `needs_status`: it reads `photo_status`, which must be fresh."""

    where: str
    params: tuple[Any, ...]
    needs_status: bool


def compile(expr: Expr, now: datetime) -> Compiled:
    """The condition that `expr` means at `now`, whose local day is today."""
    if now.tzinfo is not None:
        now = now.astimezone()
    params: list[Any] = []
    where = _sql(expr, now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None), params)
    return Compiled(where, tuple(params), "photo_status" in where)


def _sql(expr: Expr, today: datetime, params: list[Any]) -> str:
    match expr:
        case Everything():
            return "1"
        case And(parts):
            return "(" + " AND ".join(_sql(part, today, params) for part in parts) + ")"
        case Or(parts):
            return "(" + " OR ".join(_sql(part, today, params) for part in parts) + ")"
        case Not(part):
            # a comparison with what is not on record is null, and its opposite is meant to be true
            return f"(NOT coalesce({_sql(part, today, params)}, 0))"
        case Taken(low, high):
            return _taken(low, high, today, params)
        case Person() | Unnamed():
            return _person(expr, params)
        case Near():
            return _near(expr, params)
        case Alike():
            return _alike(expr, params)
        case _:
            return _simple(expr, params)


def _simple(expr: Expr, params: list[Any]) -> str:
    match expr:
        case Word(text):
            pattern = f"%{_pattern(text)}%"
            params += [pattern, pattern]
            return f"({_like('p.path_text')} OR {_like('p.caption')})"
        case Text("format" | "country" as field, text):
            params.append(text)
            return f"{COLUMNS[field]} = ?"
        case Text(field, text, whole):
            pattern = _pattern(text)
            params.append(pattern if whole or "*" in text else f"%{pattern}%")
            return f"{_TAGGED} AND {_like('tag')})" if field == "tag" else _like(COLUMNS[field])
        case Number("cluster"):
            test = _number(expr, "cluster", params)
            return f"p.id IN (SELECT photo_id FROM faces WHERE mark IS NULL AND {test})"
        case Number(field):
            return _number(expr, COLUMNS[field], params)
        case Known("tag", known):
            return f"{'' if known else 'NOT '}{_TAGGED})"
        case Known(field, known):
            return f"{COLUMNS[field]} IS {'NOT ' if known else ''}NULL"
        case Hash(prefix):
            params += [prefix, prefix + "g"]
            return "(p.content_hash >= ? AND p.content_hash < ?)"
        case State(state):
            params.append(str(state))
            return "p.state = ?"
        case Standing(None, status):
            params.append(str(status))
            return "p.id IN (SELECT photo_id FROM photo_status WHERE status = ?)"
        case Standing(purpose, status):
            params += [str(purpose), str(status)]
            return "p.id IN (SELECT photo_id FROM photo_status WHERE purpose = ? AND status = ?)"
        case _:
            raise TypeError(f"no SQL for {expr!r}")


def _like(column: str) -> str:
    return f"{column} LIKE ? ESCAPE '\\'"


def _pattern(text: str) -> str:
    """LIKE's pattern for text as it is stored, that is made safe to show; `*` stands for anything."""
    return "".join("\\" + char if char in "\\%_" else "%" if char == "*" else char for char in display(text))


def _number(expr: Number, column: str, params: list[Any]) -> str:
    if expr.low is not None and expr.low == expr.high:
        params.append(_bound(expr.low))
        return f"{column} = ?"
    tests = []
    if expr.low is not None:
        tests.append(f"{column} {'>' if expr.above else '>='} ?")
        params.append(_bound(expr.low))
    if expr.high is not None:
        tests.append(f"{column} {'<' if expr.below else '<='} ?")
        params.append(_bound(expr.high))
    around = expr.low is not None and expr.high is not None and expr.low > expr.high
    return "(" + (" OR " if around else " AND ").join(tests) + ")"


def _bound(value: float) -> int | float:
    return int(value) if value.is_integer() else value


def _taken(low: Edge | None, high: Edge | None, today: datetime, params: list[Any]) -> str:
    tests = []
    for edge, sign in ((low, ">="), (high, "<")):
        if edge is not None:
            tests.append(f"p.taken_at {sign} ?")
            params.append((today - timedelta(days=edge.days) if isinstance(edge, DaysAgo) else edge).isoformat())
    return "(" + " AND ".join(tests) + ")" if tests else "p.taken_at IS NOT NULL"


def _person(expr: Person | Unnamed, params: list[Any]) -> str:
    shown = "p.id IN (SELECT photo_id FROM faces WHERE mark IS NULL AND subject_id "
    if isinstance(expr, Unnamed):
        return shown + "IS NULL)"
    if expr.name == "*" and not expr.quoted:
        return shown + "IS NOT NULL)"
    if expr.name.isascii() and expr.name.isdigit() and not expr.quoted:
        params.append(int(expr.name))
        return shown + "= ?)"
    params.append(_pattern(expr.name))
    return shown + f"IN (SELECT id FROM subjects WHERE {_like('name')}))"


def _near(expr: Near, params: list[Any]) -> str:
    """A box that the index can read, and within it the distance itself."""
    reach = math.degrees(expr.km / EARTH_KM) * 1.01 + 1e-6
    south, north = expr.lat - reach, expr.lat + reach
    tests = ["p.lat BETWEEN ? AND ?"]
    params += [south, north]
    if south > -89 and north < 89:
        wide = reach / math.cos(math.radians(max(abs(south), abs(north))))
        if wide < 180 and abs(expr.lon) + wide <= 180:  # else the box crosses the date line: no bound helps
            tests.append("p.lon BETWEEN ? AND ?")
            params += [expr.lon - wide, expr.lon + wide]
    params += [expr.lat, expr.lon, expr.km]
    return "(" + " AND ".join(tests) + " AND km_between(p.lat, p.lon, ?, ?) <= ?)"


def _alike(expr: Alike, params: list[Any]) -> str:
    if expr.photo is None:
        return "p.id IN (SELECT photo_id FROM alike WHERE group_id IS NOT NULL)"
    params.append(expr.photo)
    return "p.id IN (SELECT photo_id FROM alike WHERE group_id = (SELECT group_id FROM alike WHERE photo_id = ?))"
