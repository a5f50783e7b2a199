"""How many of the photographs that a search finds have each value of a field: what a list can be narrowed by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import BadValue
from core.query_language import in_quotes, parse
from core.query_masks import CODED
from core.query_tree import Or
from storage import subjects
from storage.catalog import Catalog
from storage.columns import Columns, Mask
from storage.safe_text import display
from storage.stretches import Word

_BARE = frozenset({"month", "hour", "iso", "f", "focal", "rating", "faces", "country", "format", "status"})
_IN_ORDER = frozenset({"year", "month", "hour", "iso", "f", "focal", "rating", "faces"})
FACETS = ("year", "month", "camera", "lens", "place", "country", "subject", "status", "faces", "rating", "format",
          "iso", "f", "focal", "hour")  # fmt: skip
"""What photographs can be counted by."""


@dataclass(frozen=True, slots=True)
class Facet:
    """A value and how many photographs have it. None: not on record; of `subject`: shows nobody that is named.

    A photograph of two subjects counts for both. Of `status`, each purpose has its statuses: `print:granted`.
    """

    value: Word
    count: int


def check(names: Sequence[str]) -> None:
    """Raise BadValue for a name that is no facet."""
    for name in names:
        if name not in FACETS:
            raise BadValue(f"photographs can't be counted by {name!r}", f"count by {' '.join(FACETS)}")


def term(name: str, value: Word) -> str | None:
    """What a search is narrowed by to the photographs of a facet's value; None where the language can't say it."""
    match name, value:
        case (("year" | "month" | "hour"), None):
            return "taken:none"
        case "subject", None:
            return "-subject:any"
        case "faces", None:
            return "-faces:>=0"
        case "format", (None | "RAW"):  # `format:raw` takes every maker's
            return None
        case _, None:
            return f"{name}:none"
        case "status", _:
            return str(value)
        case "year", _:
            return f"year:{value:04}"
    if isinstance(value, float):
        exact = f"{value:.9f}".rstrip("0").rstrip(".")  # `focal:50` alone takes 49.6 too
        return f"{name}:{exact}..{exact}"
    text = display(str(value))
    if name in _BARE:
        return f"{name}:{text}"
    if "*" in text:  # stands for anything, in quotes too
        return None
    whole = "" if name == "subject" else "="
    return f"{name}:{whole}{in_quotes(text)}"


def narrowed(text: str, term: str, *, without: bool = False) -> str:
    """A search for what `text` finds and `term` too, or `without` that. Raises BadQuery where `text` is none."""
    also = term.removeprefix("-") if without and term.startswith("-") else "-" * without + term
    whole = f"({text})" if isinstance(parse(text), Or) else text
    return f"{whole} {also}".strip()


def counts(catalog: Catalog, columns: Columns, found: Mask, name: str) -> list[Facet]:
    """The values that occur among the found; numbers ascending, others with the most frequent first."""
    match name:
        case "subject":
            facets = _subjects(catalog, columns, found)
        case "status":
            facets = _statuses(columns, found)
        case "faces":
            facets = _faces(columns, found)
        case _:
            column = columns.coded(CODED.get(name, name))
            facets = [Facet(word, number) for word, number in _by_code(column.words, column.codes[found])]
    if name in _IN_ORDER:
        return sorted(facets, key=lambda facet: (facet.value is not None, facet.value))
    return sorted(facets, key=lambda facet: (-facet.count, str(facet.value)))


def _by_code(words: Sequence[Word], codes: NDArray[np.int64]) -> list[tuple[Word, int]]:
    numbers = np.bincount(codes, minlength=len(words))
    return [(words[code], int(numbers[code])) for code in np.flatnonzero(numbers).tolist()]


def _subjects(catalog: Catalog, columns: Columns, found: Mask) -> list[Facet]:
    faces = columns.faces()
    # faces come by photograph and subject, so one who is seen twice in a photograph stands side by side
    again = np.zeros(len(faces.place), np.bool_)
    again[1:] = (faces.place[1:] == faces.place[:-1]) & (faces.subject[1:] == faces.subject[:-1])
    shown = found[faces.place] & (faces.subject >= 0)
    numbers = np.bincount(faces.subject[shown & ~again])
    ids = np.flatnonzero(numbers).tolist()
    names = subjects.get_many(catalog, ids)
    nobody = found.copy()
    nobody[faces.place[shown]] = False
    rest = int(np.count_nonzero(nobody))
    return [Facet(names[id].name, int(numbers[id])) for id in ids] + ([Facet(None, rest)] if rest else [])


def _statuses(columns: Columns, found: Mask) -> list[Facet]:
    column = columns.coded("standing")
    totals: dict[str, int] = {}
    for word, number in _by_code(column.words, column.codes[found]):
        for status in str(word).split() if word is not None else ():
            totals[status] = totals.get(status, 0) + number
    return [Facet(status, number) for status, number in totals.items()]


def _faces(columns: Columns, found: Mask) -> list[Facet]:
    sought = found & (columns.coded("sought").codes > 0)
    numbers = np.bincount(columns.face_counts()[sought])
    unsought = int(np.count_nonzero(found)) - int(np.count_nonzero(sought))
    facets = [Facet(int(number), int(numbers[number])) for number in np.flatnonzero(numbers)]
    return facets + ([Facet(None, unsought)] if unsought else [])
