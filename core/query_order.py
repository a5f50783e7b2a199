"""In what order the photographs that a search finds come, and pages of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.query_masks import CODED
from storage.columns import Columns, Mask
from storage.stretches import PLAIN

SORTS = ("taken", "path", "camera", "lens", "iso", "f", "focal", "width", "height", "mp", "format", "place", "country",
         "lat", "lon", "rating", "caption", "error", "id")  # fmt: skip
"""The fields by which a search may be sorted."""

_FEW = 10_000  # found photographs whose paths are read and sorted, without a walk through all paths
_STEP = 4_000  # paths read at first; each time twice as many


def page(
    columns: Columns, found: Mask, field: str, *, descending: bool, after: int | None, limit: int
) -> NDArray[np.int64]:
    """Ids of at most `limit` of the found in the order of (`field`, id), from behind the photograph `after`.

    What is not on record comes first, or last when `descending`. A page deep in the archive costs as much as the
    first. Raises NoSuchRecord when `after` is unknown.
    """
    place = None if after is None else columns.place(after)
    if field == "path":
        return _by_path(columns, found, descending=descending, after=after, limit=limit)
    key = _key(columns, field)
    places = np.flatnonzero(found)
    values = key[places]
    if place is not None:
        behind = values < key[place] if descending else values > key[place]
        same = values == key[place]
        behind |= same & (places < place if descending else places > place)
        places, values = places[behind], values[behind]
    return columns.ids[_first(places, values, limit, descending=descending)]


def all_ids(columns: Columns, found: Mask, field: str, *, descending: bool) -> NDArray[np.int64]:
    """Ids of all the found in the order of (`field`, id)."""
    if np.count_nonzero(found) <= _FEW:
        if field == "path":
            return _few_by_path(columns, columns.ids[found], descending=descending, after=None, limit=_FEW)
        places = np.flatnonzero(found)
        return columns.ids[_sorted(places, _key(columns, field)[places], descending=descending)]
    order = columns.held(_held_as(field), "photos", lambda: _order(columns, field))
    if descending:
        order = order[::-1]
    ids: NDArray[np.int64] = columns.ids[order[found[order]]]
    return ids


def is_quick(columns: Columns, found: Mask, field: str) -> bool:
    """Whether `all_ids` needs no sorting of the whole archive, or a walk through all paths."""
    return bool(np.count_nonzero(found) <= _FEW) or columns.holds(_held_as(field), "photos")


def _held_as(field: str) -> str:
    return f"order by {field}"


def _order(columns: Columns, field: str) -> NDArray[np.int32]:
    """The places of all photographs in the order of (`field`, id)."""
    if field == "path":
        walked = [columns.places(ids) for ids in _paths(columns, descending=False, after=None)]
        order = np.concatenate(walked) if walked else np.empty(0, np.int64)
    else:
        order = np.argsort(_key(columns, field), kind="stable")
    return order.astype(np.int32)


def _key(columns: Columns, field: str) -> NDArray[Any]:
    """For each place a number that puts it in order, the smallest where nothing is on record."""
    if field in CODED:
        column = columns.coded(CODED[field])
        ranks: NDArray[np.int64] = column.ranks[column.codes]
        return ranks
    if field == "id":
        return columns.ids
    values = columns.plain(field)
    key: NDArray[Any] = np.where(np.isnan(values), -np.inf, values) if PLAIN[field].kind == "f" else values
    return key


def _first(places: NDArray[np.int64], values: NDArray[Any], limit: int, *, descending: bool) -> NDArray[np.int64]:
    """The first places in order, without sorting the others; of equals at the end those that come first by id."""
    if len(places) > 2 * limit:
        nth = np.partition(values, len(values) - limit if descending else limit - 1)
        bound = nth[len(values) - limit if descending else limit - 1]
        inside = np.flatnonzero(values > bound if descending else values < bound)
        equal = np.flatnonzero(values == bound)
        missing = limit - len(inside)
        inside = np.concatenate([inside, equal[len(equal) - missing :] if descending else equal[:missing]])
        inside.sort()
        places, values = places[inside], values[inside]
    return _sorted(places, values, descending=descending)[:limit]


def _sorted(places: NDArray[np.int64], values: NDArray[Any], *, descending: bool) -> NDArray[np.int64]:
    order = np.argsort(values, kind="stable")
    return places[order[::-1] if descending else order]


# By path: no column has this order, the index of the database does ----------------------------------------


def _by_path(columns: Columns, found: Mask, *, descending: bool, after: int | None, limit: int) -> NDArray[np.int64]:
    if np.count_nonzero(found) <= _FEW:
        return _few_by_path(columns, columns.ids[found], descending=descending, after=after, limit=limit)
    chosen: list[NDArray[np.int64]] = []
    missing = limit
    for ids in _paths(columns, descending=descending, after=after):
        hits = ids[found[columns.places(ids)]][:missing]
        chosen.append(hits)
        missing -= len(hits)
        if not missing:
            break
    return np.concatenate(chosen) if chosen else np.empty(0, np.int64)


def _few_by_path(
    columns: Columns, ids: NDArray[np.int64], *, descending: bool, after: int | None, limit: int
) -> NDArray[np.int64]:
    cursor = columns.connection.cursor()
    cursor.row_factory = None
    sql = "SELECT path_text, id FROM photos WHERE id IN (SELECT value FROM json_each(?))"
    wanted = cursor.execute(sql, (json.dumps(ids.tolist()),)).fetchall()
    if after is not None:
        (bound,) = cursor.execute(sql, (json.dumps([after]),)).fetchall()
        wanted = [one for one in wanted if (one < bound if descending else one > bound)]
    wanted.sort(reverse=descending)
    return np.array([id for _, id in wanted[:limit]], np.int64)


def _paths(columns: Columns, *, descending: bool, after: int | None) -> Iterator[NDArray[np.int64]]:
    """Ids of all photographs behind `after` in the order of their paths, in growing steps."""
    cursor = columns.connection.cursor()
    cursor.row_factory = None
    way, sign = (" DESC", "<") if descending else ("", ">")
    where = ""
    params: tuple[Any, ...] = ()
    if after is not None:
        (path,) = cursor.execute("SELECT path_text FROM photos WHERE id = ?", (after,)).fetchone()
        where, params = f" WHERE (path_text, id) {sign} (?, ?)", (path, after)
    cursor.execute(f"SELECT id FROM photos{where} ORDER BY path_text{way}, id{way}", params)
    step = _STEP
    while rows := cursor.fetchmany(step):
        yield np.array(rows, np.int64).ravel()
        step *= 2
