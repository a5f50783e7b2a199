"""Search the catalog: `taken:2019 subject:Noy -status:refused`, understood, and run page by page.

The language stands in `core.query_language` and `core.query_terms`, its SQL in `core.query_sql`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from core import statuses
from core.errors import BadValue
from core.query_language import parse
from core.query_sql import COLUMNS, Compiled, compile
from core.query_terms import FIELDS
from core.query_tree import Expr
from storage import photos
from storage.catalog import Catalog
from storage.records import Photo

__all__ = ["FIELDS", "SORTS", "Compiled", "Expr", "compile", "count", "find", "ids", "parse"]

SORTS = {field: column for field, column in COLUMNS.items() if field not in {"name", "month", "hour", "faces"}}
"""The fields by which a search may be sorted, and what each reads."""

_PAGE = 1_000


def find(
    catalog: Catalog, text: str, *, limit: int | None = None, sort: str = "taken", after: int | None = None
) -> list[Photo]:
    """The photographs that `text` finds, from behind the one with id `after`, at most `limit` of them.

    `sort` is a field, with `-` behind it for descending; what is not on record comes first, or last
    when descending; equals come by id. Raises BadQuery, BadValue for a field that can't be sorted by.
    """
    field = sort.removesuffix("-")
    if field not in SORTS:
        raise BadValue(
            f"photographs can't be sorted by {field!r}", f"sort by {' '.join(SORTS)}, or taken- for newest first"
        )
    found = _ready(catalog, text)
    result: list[Photo] = []
    while limit is None or len(result) < limit:
        wanted = _PAGE if limit is None else min(_PAGE, limit - len(result))
        page = photos.page(
            catalog,
            found.where,
            found.params,
            order=SORTS[field],
            descending=sort.endswith("-"),
            after=result[-1].id if result else after,
            limit=wanted,
        )
        result += page
        if len(page) < wanted:
            break
    return result


def count(catalog: Catalog, text: str) -> int:
    """How many photographs `text` finds. Raises BadQuery."""
    found = _ready(catalog, text)
    return photos.count(catalog, found.where, found.params)


def ids(catalog: Catalog, text: str) -> Iterator[int]:
    """Ids of the photographs that `text` finds, ascending. Raises BadQuery, at once."""
    found = _ready(catalog, text)
    return photos.ids(catalog, found.where, found.params)


def _ready(catalog: Catalog, text: str) -> Compiled:
    """The compiled search, statuses brought up to date where it reads them."""
    now = datetime.now(UTC)
    compiled = compile(parse(text), now)
    if compiled.needs_status:
        statuses.refresh(catalog, now)
    return compiled
