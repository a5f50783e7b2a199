"""A search as a mask over the columns of the catalog: which photographs it finds."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.query_sql import ids_of
from core.query_text import Pattern, lines_like, pattern, tester
from core.query_tree import (
    And,
    Edge,
    Everything,
    Expr,
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
from storage.columns import Coded, Columns, Mask
from storage.sphere import EARTH_KM
from storage.stretches import NOT_ON_RECORD

CODED = (
    {"f": "f_number", "focal": "focal_mm"}
    | {
        field: field
        for field in (
            *("camera", "lens", "iso", "month", "hour", "width", "height", "mp", "format", "place", "country"),
            *("rating", "caption", "error"),
        )
    }
    | {"tag": "tags"}
)
"""The column of each field that has few distinct values."""

_PLANE = 0.2  # the Earth is taken for a plane up to an error of that share of the distance


def mask(expr: Expr, columns: Columns, now: datetime) -> Mask:
    """The photographs that `expr` finds at `now`, whose local day is today."""
    if now.tzinfo is not None:
        now = now.astimezone()
    return _mask(expr, columns, now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None))


def reads_statuses(expr: Expr) -> bool:
    """Whether it asks for what was ruled, which must be up to date then."""
    match expr:
        case And(parts) | Or(parts):
            return any(map(reads_statuses, parts))
        case Not(part):
            return reads_statuses(part)
        case _:
            return isinstance(expr, Standing)


def _mask(expr: Expr, columns: Columns, today: datetime) -> Mask:
    match expr:
        case Everything():
            return columns.there
        case And(parts):
            return reduce(np.logical_and, (_mask(part, columns, today) for part in parts))
        case Or(parts):
            return reduce(np.logical_or, (_mask(part, columns, today) for part in parts))
        case Not(part):
            # what is not on record doesn't pass a comparison, so it passes its opposite
            return columns.there & ~_mask(part, columns, today)
        case Taken(low, high):
            return _taken(low, high, columns.plain("taken"), today)
        case Near():
            return _near(expr, columns.plain("lat"), columns.plain("lon"))
        case _:
            return _leaf(expr, columns)


def _leaf(expr: Expr, columns: Columns) -> Mask:
    match expr:
        case Word(text):
            wanted = pattern(f"*{text}*", whole=True)
            return _path(columns, wanted) | _words(columns.coded("caption"), wanted)
        case Text("path" | "name" as field, text, whole):
            wanted = pattern(text, whole=whole)
            return _path(columns, wanted) if field == "path" else lines_like(columns.lines("name"), wanted)
        case Text("format" | "country" as field, text):
            column = columns.coded(field)
            return _chosen(column, [word == text for word in column.words])
        case Text(field, text, whole) if field in CODED:
            return _words(columns.coded(CODED[field]), pattern(text, whole=whole), several=field == "tag")
        case Number(field):
            return _number(expr, field, columns)
        case Known(field, known):
            return _known(field, columns) if known else columns.there & ~_known(field, columns)
        case State(state):
            column = columns.coded("state")
            return _chosen(column, [word == state for word in column.words])
        case Standing(purpose, status):
            column = columns.coded("standing")
            sought = f"{purpose or ''}:{status} "
            return _chosen(column, [word is not None and sought in f"{word} " for word in column.words])
        case Unnamed():
            return _shown(columns, columns.faces().subject < 0)
        case Person("*", quoted=False):
            return _shown(columns, columns.faces().subject >= 0)
        case Person():
            return _of_subjects(columns, _numbers(expr, columns))
        case _:
            return columns.holding(_numbers(expr, columns)) & columns.there


def _numbers(expr: Expr, columns: Columns) -> NDArray[np.int64]:
    """What an index of the database answers: ids, ascending or not."""
    sql, params = ids_of(expr)
    cursor = columns.connection.cursor()
    cursor.row_factory = None
    return np.fromiter((row[0] for row in cursor.execute(sql, params)), np.int64)


def _chosen(column: Coded, words: Any) -> Mask:
    """The places whose word is chosen; `words` says so of each."""
    table = np.array(words, np.bool_)
    table[0] = False
    chosen: Mask = table[column.codes]
    return chosen


def _words(column: Coded, wanted: Pattern, *, several: bool = False) -> Mask:
    """Those whose word is of the pattern, or one of the words where each is a list of several, a line each."""
    test = tester(wanted)
    if several:
        return _chosen(column, [words is not None and any(map(test, words.split("\n"))) for words in column.folded])
    return _chosen(column, [word is not None and test(word) for word in column.folded])


def _shown(columns: Columns, faces: Mask) -> Mask:
    """The photographs of these faces."""
    found = np.zeros(len(columns.there), np.bool_)
    found[columns.faces().place[faces]] = True
    return found


def _of_subjects(columns: Columns, ids: NDArray[np.int64]) -> Mask:
    subject = columns.faces().subject
    table = np.zeros(int(subject.max(initial=0)) + 2, np.bool_)  # by id; the last is for none
    table[ids[(ids >= 0) & (ids < len(table) - 1)]] = True
    return _shown(columns, table[subject])


def _known(field: str, columns: Columns) -> Mask:
    if field in CODED:
        known: Mask = columns.coded(CODED[field]).codes > 0
        return known
    values = columns.plain(field)
    there: Mask = values != NOT_ON_RECORD if field == "taken" else ~np.isnan(values)
    return there


# Paths -----------------------------------------------------------------------------------------------


def _path(columns: Columns, wanted: Pattern) -> Mask:
    """Photographs by the whole path, which is stored as a folder, of few distinct ones, and a name without a slash."""
    folders, names = columns.coded("folder"), columns.lines("name")
    with_slash = ["" if folder is None else f"{folder}/" for folder in folders.folded]
    first, *middle, last = wanted.pieces if len(wanted.pieces) > 1 else (wanted.pieces[0], "")
    parts = [part for part in middle if part]
    if len(wanted.pieces) == 1 or (first and not parts and not last):  # all of the path, or its beginning
        front, slash, rest = first.rpartition("/")
        of_name = lines_like(names, Pattern((rest,) if len(wanted.pieces) == 1 else (rest, "")))
        found = _chosen(folders, [bool(slash) and folder == f"{front}/" for folder in with_slash]) & of_name
        if len(wanted.pieces) > 1:
            found |= _chosen(folders, [folder.startswith(first) for folder in with_slash])
        return found
    if not first and not parts:  # its end; of a path that is `*` all
        front, slash, rest = last.rpartition("/")
        fits = [not slash or folder.endswith(f"{front}/") for folder in with_slash]
        return _chosen(folders, fits) & lines_like(names, Pattern((rest,) if slash else ("", rest)))
    found = _path_holds(folders, with_slash, columns, wanted.inside or wanted.longest)
    if wanted.inside is None:
        _keep_matching(found, with_slash, columns, wanted)
    return found


def read_for_words(columns: Columns) -> None:
    """Have all that the test for a bare word reads in this process."""
    for column in (columns.coded("folder"), columns.coded("caption")):
        column.folded  # noqa: B018 # held with the column
    columns.lines("name").make_ready()


def _path_holds(folders: Coded, with_slash: list[str], columns: Columns, text: str) -> Mask:
    """Photographs in whose path the text stands: in the folder, in the name, or across its last slash."""
    front, slash, rest = text.rpartition("/")
    fits = [text in folder for folder in with_slash]
    if all(fits[1:]):
        return columns.there
    found = _chosen(folders, fits)
    names = columns.lines("name")
    if not slash:
        return found | lines_like(names, Pattern(("", text, "")))
    if rest:
        across = _chosen(folders, [folder.endswith(f"{front}/") for folder in with_slash])
        found |= across & lines_like(names, Pattern((rest, "")))
    return found


def _keep_matching(found: Mask, with_slash: list[str], columns: Columns, wanted: Pattern) -> None:
    """Of the found ones keep those whose path is of the pattern, one by one: for patterns with several parts."""
    expression = wanted.expression()
    codes, names = columns.coded("folder").codes, columns.lines("name")
    text, ends = names.text.tobytes(), names.ends
    for place in np.flatnonzero(found):
        start = 0 if place == 0 else int(ends[place - 1]) + 1
        path = with_slash[codes[place]] + text[start : ends[place]].decode()
        found[place] = expression.fullmatch(path) is not None


# Numbers, times and places -----------------------------------------------------------------------------


def _number(expr: Number, field: str, columns: Columns) -> Mask:
    if field in CODED:
        column = columns.coded(CODED[field])
        return _chosen(column, _within(expr, column.numbers))
    if field == "cluster":
        faces = columns.faces()
        return _shown(columns, (faces.cluster >= 0) & _within(expr, faces.cluster))
    if field == "faces":
        return (columns.coded("sought").codes > 0) & _within(expr, columns.face_counts())
    if field == "id":
        return columns.there & _within(expr, columns.ids)
    return _within(expr, columns.plain(field))


def _within(expr: Number, values: NDArray[Any]) -> Mask:
    """The values between the bounds, or outside where they run round; NaN never is."""
    tests = []
    if expr.low is not None:
        tests.append(values > expr.low if expr.above else values >= expr.low)
    if expr.high is not None:
        tests.append(values < expr.high if expr.below else values <= expr.high)
    around = expr.low is not None and expr.high is not None and expr.low > expr.high
    found: Mask = np.logical_or.reduce(tests) if around else np.logical_and.reduce(tests)
    return found & ~np.isnan(values) if values.dtype.kind == "f" else found


def _taken(low: Edge | None, high: Edge | None, taken: NDArray[np.int64], today: datetime) -> Mask:
    found: Mask = taken != NOT_ON_RECORD
    if low is not None:
        found &= taken >= _microseconds(low, today)
    if high is not None:
        found &= taken < _microseconds(high, today)
    return found


def _microseconds(edge: Edge, today: datetime) -> int:
    moment = edge if isinstance(edge, datetime) else today - timedelta(days=edge.days)
    return (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)


def _near(expr: Near, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> Mask:
    """A band of latitude, within it the distance on a plane, and where that leaves doubt the one on the sphere.

    The haversine formula, compared before its arcsine.
    """
    angle = expr.km / EARTH_KM
    found: Mask = np.abs(lat - expr.lat) <= np.degrees(angle) * 1.01 + 1e-6
    places = np.flatnonzero(found)
    if (off := 4 * angle * (1 + abs(np.tan(np.radians(expr.lat))))) < _PLANE:  # more than the plane can be wrong by
        across = np.abs(lon[places] - expr.lon)
        across = np.minimum(across, 360 - across) * np.cos(np.radians(expr.lat))
        squares = across**2 + (lat[places] - expr.lat) ** 2
        found[places] = squares <= (np.degrees(angle) * (1 - off)) ** 2
        places = places[~found[places] & (squares <= (np.degrees(angle) * (1 + off)) ** 2)]
    y, x = np.radians(lat[places]), np.radians(lon[places] - expr.lon)
    here = np.radians(expr.lat)
    sines = np.sin((y - here) / 2) ** 2 + np.cos(y) * np.cos(here) * np.sin(x / 2) ** 2
    most = np.sin(min(expr.km / EARTH_KM / 2, np.pi / 2)) ** 2
    found[places] = sines <= most
    return found
