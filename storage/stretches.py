"""One stretch of 4,096 photograph ids as columns: read from the rows, written as blobs, read back.

A column is of one of three forms. `Coded`: a small number for each photograph, and the words the numbers stand for,
of which 0 is always "not on record". Plain: a number for each (`taken` microseconds since 1970 in local time, `lat`
and `lon` degrees). Lines: text, one line for each. The columns of faces hold an entry for each face that is not
marked, by photograph and subject.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BITS = 12
LENGTH = 1 << BITS  # photographs in a stretch
Word = str | int | float | None

_NUMBERS = ("iso", "f_number", "focal_mm", "width", "height", "rating")
_TEXTS = ("state", "camera", "lens", "format", "place", "country", "caption", "error")
_ROWS = f"SELECT id, path_text, taken_at, lat, lon, faces_space IS NOT NULL, {', '.join(_NUMBERS + _TEXTS)} FROM photos"

_TAGS = """
    SELECT photo_id, group_concat(tag, char(10)) FROM (
      SELECT photo_id, tag FROM tags WHERE photo_id BETWEEN ? AND ? ORDER BY photo_id, tag
    ) GROUP BY photo_id"""  # all the keywords of a photograph are one word of the column, a line each

CODED = frozenset({*_NUMBERS, *_TEXTS, "folder", "mp", "year", "month", "hour", "sought", "tags", "standing"})
PLAIN: dict[str, np.dtype[Any]] = {"taken": np.dtype("<i8"), "lat": np.dtype("<f8"), "lon": np.dtype("<f8")}
LINES = frozenset({"name"})
FACES: dict[str, np.dtype[Any]] = {
    "face_photo": np.dtype("<u2"),
    "face_subject": np.dtype("<i4"),
    "face_cluster": np.dtype("<i4"),
}
NOT_ON_RECORD = np.iinfo(np.int64).min  # of `taken`; of `lat` and `lon` it is NaN, of a face's numbers -1


@dataclass(frozen=True, slots=True)
class Piece:
    """One column of one stretch. `words` belong to a coded one; lines are UTF-8, casefolded, each with its end."""

    data: NDArray[Any]
    words: tuple[Word, ...] = ()


def part_of(column: str) -> str:
    """The table whose changes make a column stale: `photos`, `faces` or `statuses`."""
    return "faces" if column in FACES else "statuses" if column == "standing" else "photos"


def build(db: sqlite3.Connection, part: str, stretch: int) -> dict[str, Piece]:
    """All columns of a part for one stretch, by name, from the rows."""
    first, last = stretch << BITS, ((stretch + 1) << BITS) - 1
    make = {"photos": _photos, "faces": _faces, "statuses": _statuses}[part]
    return make(db, first, last)


def empty(column: str) -> Piece:
    """The column of a stretch of which the part has no row."""
    if column in FACES:
        return Piece(np.empty(0, FACES[column]))
    if column in PLAIN:
        return Piece(np.full(LENGTH, NOT_ON_RECORD if column == "taken" else np.nan, PLAIN[column]))
    if column in LINES:
        return _lines([""] * LENGTH)
    return Piece(np.zeros(LENGTH, np.uint8), (None,))


def write(piece: Piece) -> tuple[str, bytes]:
    """A piece as what the table holds: a line of JSON, and bytes."""
    return json.dumps([piece.data.dtype.str, piece.words], ensure_ascii=False), piece.data.tobytes()


def read(form: str, data: bytes) -> Piece:
    """The piece that `write` gave."""
    dtype, words = json.loads(form)
    return Piece(np.frombuffer(data, np.dtype(dtype)), tuple(words))


def _tuples(db: sqlite3.Connection, sql: str, first: int, last: int) -> list[tuple[Any, ...]]:
    cursor = db.cursor()
    cursor.row_factory = None
    return cursor.execute(sql, (first, last)).fetchall()


def _photos(db: sqlite3.Connection, first: int, last: int) -> dict[str, Piece]:
    rows = _tuples(db, f"{_ROWS} WHERE id BETWEEN ? AND ?", first, last)
    if not rows:
        return {name: empty(name) for name in (*CODED, *PLAIN, *LINES) if part_of(name) == "photos"}
    ids, paths, taken_at, lat, lon, sought, *others = zip(*rows, strict=True)
    place = np.array(ids) - first
    values: dict[str, Sequence[Any]] = dict(zip(_NUMBERS + _TEXTS, others, strict=True))
    values["mp"] = [
        None if width is None or height is None else width * height / 1e6
        for width, height in zip(values["width"], values["height"], strict=True)
    ]
    values["sought"] = [1 if yes else None for yes in sought]
    values["folder"], names = _split(paths)
    tags = dict(_tuples(db, _TAGS, first, last))
    values["tags"] = [tags.get(id) for id in ids]
    taken = np.array(taken_at, "datetime64[us]")
    values |= _calendar(taken)
    pieces = {name: _coded(place, several) for name, several in values.items()}
    plain = {"taken": taken.astype(np.int64), "lat": np.array(lat, float), "lon": np.array(lon, float)}
    for name, numbers in plain.items():
        pieces[name] = empty(name)
        pieces[name].data[place] = numbers
    lines = [""] * LENGTH
    for number, name in zip(place.tolist(), names, strict=True):
        lines[number] = name
    pieces["name"] = _lines(lines)
    return pieces


def _split(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Folders, without the last slash, and names."""
    parts = [path.rpartition("/") for path in paths]
    return [folder for folder, _, _ in parts], [name for _, _, name in parts]


def _calendar(taken: NDArray[np.datetime64]) -> dict[str, Sequence[Word]]:
    known = ~np.isnat(taken)
    years, months, hours = (taken.astype(f"datetime64[{unit}]").astype(np.int64) for unit in "YMh")
    numbers = {"year": years + 1970, "month": months % 12 + 1, "hour": hours % 24}
    return {
        name: [number if there else None for number, there in zip(several.tolist(), known, strict=True)]
        for name, several in numbers.items()
    }


def _coded(place: NDArray[np.int64], values: Sequence[Word]) -> Piece:
    codes: dict[Word, int] = {None: 0}
    coded = [codes.setdefault(value, len(codes)) for value in values]
    data = np.zeros(LENGTH, np.uint8 if len(codes) <= 256 else np.uint16)
    data[place] = coded
    return Piece(data, tuple(codes))


def _lines(lines: Sequence[str]) -> Piece:
    # only what was stored without being made safe to show could hold a line end
    text = "\n".join(line.replace("\n", " ") for line in lines).casefold() + "\n"
    return Piece(np.frombuffer(text.encode(errors="replace"), np.uint8))


def _faces(db: sqlite3.Connection, first: int, last: int) -> dict[str, Piece]:
    sql = (
        "SELECT photo_id - ?1, coalesce(subject_id, -1), coalesce(cluster, -1) FROM faces"
        " WHERE photo_id BETWEEN ?1 AND ?2 AND mark IS NULL ORDER BY photo_id, subject_id"
    )
    table = np.array(_tuples(db, sql, first, last), np.int64).reshape(-1, 3)
    return {name: Piece(table[:, k].astype(FACES[name])) for k, name in enumerate(FACES)}


def _statuses(db: sqlite3.Connection, first: int, last: int) -> dict[str, Piece]:
    sql = "SELECT photo_id - ?1, purpose || ':' || status FROM photo_status WHERE photo_id BETWEEN ?1 AND ?2"
    told: dict[int, list[str]] = {}
    for place, status in _tuples(db, sql, first, last):
        told.setdefault(place, []).append(status)
    words = [" ".join(sorted(several)) for several in told.values()]
    return {"standing": _coded(np.fromiter(told, np.int64), words)}


def words_of(pieces: Iterable[Piece]) -> tuple[NDArray[Any], tuple[Word, ...]]:
    """Coded pieces, one behind the other, in one numbering of their words."""
    codes: dict[Word, int] = {None: 0}
    parts = []
    for piece in pieces:
        table = np.array([codes.setdefault(word, len(codes)) for word in piece.words])
        parts.append(table.astype(np.min_scalar_type(len(codes) - 1))[piece.data])
    return np.concatenate(parts) if parts else np.empty(0, np.uint8), tuple(codes)
