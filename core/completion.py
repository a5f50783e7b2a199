"""What a search that is being typed may go on with: names of fields, and the values that the catalog holds of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core import query
from core.query_language import in_quotes
from core.query_masks import CODED
from core.query_terms import FORMATS
from storage import columns, subjects
from storage.catalog import Catalog
from storage.records import PhotoState, Status
from storage.safe_text import display

_PLAIN = re.compile(r"[^\W\d][\w./-]*")
_OF_CATALOG = frozenset({"camera", "lens", "place", "country", "tag", "taken", "year"})
_YES_NO = ("yes", "no")


@dataclass(frozen=True, slots=True)
class Offer:
    """`text[start:end]` may become any of `words`, the likeliest first."""

    start: int
    end: int
    words: Sequence[str]


def offer(catalog: Catalog, text: str, at: int) -> Offer:
    """What may stand in the place of the term that ends at `at`, where the cursor is."""
    start = _start_of_term(text[:at])
    typed = text[start:at]
    field, colon, value = typed.partition(":")
    if not colon:
        return Offer(start, at, [f"{name}:" for name in completions(typed, list(query.FIELDS))])
    field = field.casefold()
    if field not in query.FIELDS:
        return Offer(start, at, [])
    values = completions(value.lstrip('="').rstrip('"'), _values(catalog, field))
    bare = {*_fixed(field), *(values if field in ("taken", "year") else ())}
    words = [f"{field}:{one if one in bare or _PLAIN.fullmatch(one) else in_quotes(one)}" for one in values]
    return Offer(start, at, words)


def completions(text: str, names: Sequence[str]) -> list[str]:
    """The names that begin with `text`, then those of which a later word does; case does not count."""
    begun = text.strip().casefold()
    whole, later = [], []
    for name in names:
        folded = name.casefold()
        if folded.startswith(begun):
            whole.append(name)
        elif any(word.startswith(begun) for word in folded.split()[1:]):
            later.append(name)
    return whole + later


def _start_of_term(before: str) -> int:
    """Where the term that is being typed begins, behind a `-` of its own; quotes hold blanks."""
    start, quoted, escaped = 0, False, False
    for place, letter in enumerate(before):
        if letter == '"' and not escaped:
            quoted = not quoted
        elif not quoted and (letter.isspace() or letter in "()" or (letter == "-" and place == start)):
            start = place + 1
        escaped = quoted and letter == "\\" and not escaped
    return start


def _fixed(field: str) -> Sequence[str]:
    """Values that the language itself knows of a field."""
    spec = query.FIELDS[field]
    match spec.kind:
        case "purpose":
            return list(Status)
        case "status":
            return [*PhotoState, *Status]
        case "format":
            return ["raw", *FORMATS]
        case "similar":
            return _YES_NO
        case "subject":
            return ["any", "none"]
        case "taken" if field == "taken":
            return ["any", "none"]
        case _:
            return ["any", "none"] if spec.optional else []


def _values(catalog: Catalog, field: str) -> list[str]:
    if field == "subject":
        return [*(one.name for one in subjects.list_all(catalog)), *_fixed(field)]
    if field not in _OF_CATALOG:
        return list(_fixed(field))
    with columns.snapshot(catalog) as table:
        column = table.coded("year" if field in ("taken", "year") else CODED[field])
        held = [str(word) for word in column.words if word is not None]
    lines: Iterable[str] = (line for word in held for line in word.split("\n")) if field == "tag" else held
    return [*sorted({display(line) for line in lines}), *_fixed(field)]
