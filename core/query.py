"""Search the catalog: `taken:2019 subject:Noy -status:refused`, understood, and run page by page.

The language stands in `core.query_language` and `core.query_terms`; what it finds is a mask over the catalog's
columns (`core.query_masks`), put in order by `core.query_order`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import numpy as np

from core import facets, statuses
from core.errors import BadValue
from core.facets import FACETS, Facet
from core.progress import Report, Step, silent
from core.query_language import parse
from core.query_masks import mask, read_for_words, reads_statuses
from core.query_order import SORTS, all_ids, is_quick, page, put_in_order
from core.query_terms import FIELDS
from core.query_tree import Expr
from storage import columns, photos
from storage.catalog import Catalog
from storage.columns import Columns, Mask
from storage.records import Photo

__all__ = [
    "FACETS",
    "FIELDS",
    "SORTS",
    "Expr",
    "Facet",
    "count",
    "count_by",
    "find",
    "first_ids",
    "ids",
    "ordered_ids",
    "parse",
    "prepare",
    "warm",
]

_PAGE = 1_000


def find(
    catalog: Catalog, text: str, *, limit: int | None = None, sort: str = "taken", after: int | None = None
) -> list[Photo]:
    """The photographs that `text` finds, from behind the one with id `after`, at most `limit` of them.

    `sort` is a field, with `-` behind it for descending; what is not on record comes first, or last
    when descending; equals come by id. Raises BadQuery, BadValue for a field that can't be sorted by,
    NoSuchRecord when `after` is unknown.
    """
    field = _sort(sort)
    with _found(catalog, text) as (table, found):
        if limit is None and after is None:
            wanted = all_ids(table, found, field, descending=sort.endswith("-"))
        else:
            most = len(found) if limit is None else limit
            wanted = page(table, found, field, descending=sort.endswith("-"), after=after, limit=most)
        numbers = wanted.tolist()
        return [
            photo
            for start in range(0, len(numbers), _PAGE)
            for photo in photos.get_many(catalog, numbers[start : start + _PAGE])
        ]


def count(catalog: Catalog, text: str) -> int:
    """How many photographs `text` finds. Raises BadQuery."""
    with _found(catalog, text) as (_, found):
        return int(np.count_nonzero(found))


def count_by(catalog: Catalog, text: str, names: Sequence[str]) -> tuple[int, dict[str, list[Facet]]]:
    """How many photographs `text` finds, and how many for each value of these facets. Raises BadQuery, BadValue."""
    facets.check(names)
    with _found(catalog, text, statuses_too="status" in names) as (table, found):
        return int(np.count_nonzero(found)), {name: facets.counts(catalog, table, found, name) for name in names}


def ids(catalog: Catalog, text: str) -> Iterator[int]:
    """Ids of the photographs that `text` finds, ascending, as they are at this moment. Raises BadQuery, at once."""
    return iter(ordered_ids(catalog, text, sort="id"))


def ordered_ids(
    catalog: Catalog, text: str, *, sort: str = "taken", limit: int | None = None, fresh: bool = True
) -> array[int]:
    """The ids, signed, in `find`'s order: a frozen result of a million photographs takes 4 MB.

    Without `fresh`, statuses are read as they were ruled at last. Raises BadQuery, BadValue.
    """
    field, descending = _sort(sort), sort.endswith("-")
    with _found(catalog, text, fresh=fresh) as (table, found):
        return _ids(table, found, field, descending, limit)


def first_ids(
    catalog: Catalog, text: str, *, sort: str = "taken", least: int, fresh: bool = True
) -> tuple[array[int], int]:
    """How `ordered_ids` begins, and how many there are: all where that is quick, else the first `least`."""
    field, descending = _sort(sort), sort.endswith("-")
    with _found(catalog, text, fresh=fresh) as (table, found):
        limit = None if is_quick(table, found, field) else least
        return _ids(table, found, field, descending, limit), int(np.count_nonzero(found))


def _ids(table: Columns, found: Mask, field: str, descending: bool, limit: int | None) -> array[int]:
    if limit is None:
        numbers = all_ids(table, found, field, descending=descending)
    else:
        numbers = page(table, found, field, descending=descending, after=None, limit=limit)
    ids: array[int] = array("i" if numbers.itemsize == 4 else "q")
    ids.frombytes(np.ascontiguousarray(numbers).view(np.uint8).data)
    return ids


def warm(catalog: Catalog, *, sort: str = "taken") -> None:
    """Read into this process what a search for a word reads, and put all in order, so that a first letter needn't."""
    with columns.snapshot(catalog) as table:
        read_for_words(table)
        put_in_order(table, _sort(sort))


def prepare(catalog: Catalog, *, report: Report = silent) -> None:
    """Bring what searches read up to date, so that the next one needn't: after much was written."""
    for done, total in columns.prepare(catalog):
        report(Step("search columns", done, total))


def _sort(sort: str) -> str:
    field = sort.removesuffix("-")
    if field not in SORTS:
        raise BadValue(
            f"photographs can't be sorted by {field!r}", f"sort by {' '.join(SORTS)}, or taken- for newest first"
        )
    return field


@contextmanager
def _found(
    catalog: Catalog, text: str, *, fresh: bool = True, statuses_too: bool = False
) -> Iterator[tuple[Columns, Mask]]:
    """The catalog's columns and what a search finds in them, statuses brought up to date where it reads them."""
    now = datetime.now(UTC)
    expr = parse(text)
    if fresh and (statuses_too or reads_statuses(expr)):
        statuses.refresh(catalog, now)
    with columns.snapshot(catalog) as table:
        yield table, mask(expr, table, now)
