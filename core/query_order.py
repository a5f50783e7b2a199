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
_AT_ONCE = 1 << 16  # places looked up at once: they stay in the processor's cache, and no memory is asked for anew


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
    return columns.ids_at(_first(places, values, limit, descending=descending))


def all_ids(columns: Columns, found: Mask, field: str, *, descending: bool) -> NDArray[Any]:
    """Ids of all the found in the order of (`field`, id): 32 bits each, or 64 where one of the catalog needs them."""
    number = np.count_nonzero(found)
    if number <= _FEW and not columns.holds(_held_as(field), "photos"):
        places = np.flatnonzero(found)
        if field == "path":
            return _few_by_path(columns, columns.ids_at(places), descending=descending, after=None, limit=_FEW)
        return columns.ids_at(_sorted(places, _key(columns, field)[places], descending=descending))
    order = put_in_order(columns, field)
    if descending:
        order = order[::-1]
    ids = np.empty(number, columns.id_type)
    end = 0
    for start in range(0, len(order), _AT_ONCE):
        some = order[start : start + _AT_ONCE]
        some = some.compress(found.take(some))  # a mask as an index takes twice as long where hits are scattered
        ids[end : end + len(some)] = columns.ids_at(some)
        end += len(some)
    return ids


def is_quick(columns: Columns, found: Mask, field: str) -> bool:
    """Whether `all_ids` needs no sorting of the whole archive, or a walk through all paths."""
    return bool(np.count_nonzero(found) <= _FEW) or columns.holds(_held_as(field), "photos")


def put_in_order(columns: Columns, field: str) -> NDArray[Any]:
    """The places of all photographs in the order of (`field`, id), which this process holds from then on."""
    return columns.held(_held_as(field), "photos", lambda: _order(columns, field))


def _held_as(field: str) -> str:
    return f"order by {field}"


def _order(columns: Columns, field: str) -> NDArray[Any]:
    if field == "path":
        walked = [columns.places(ids) for ids in _paths(columns, descending=False, after=None)]
        order = np.concatenate(walked) if walked else np.empty(0, np.int64)
        return order.astype(np.int32)
    order = np.argsort(_key(columns, field), kind="stable").astype(np.int32)
    if field in PLAIN:
        columns.let_go(field)  # 8 bytes a photograph, which a list that stands in its order does not read again
    return order


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
        ids = columns.ids_at(np.flatnonzero(found))
        return _few_by_path(columns, ids, descending=descending, after=after, limit=limit)
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
