"""The tests of a search that an index of the database answers, as SQL that gives ids. Pure.

Every value goes in as a parameter.
"""

from __future__ import annotations

from typing import Any

from core.query_tree import Alike, Expr, Hash, Person
from storage.safe_text import display


def ids_of(expr: Expr) -> tuple[str, tuple[Any, ...]]:
    """SQL and its values for the ids of what a test names: photographs, or the subjects of a `Person`."""
    match expr:
        case Hash(prefix):
            return "SELECT id FROM photos WHERE content_hash >= ? AND content_hash < ?", (prefix, prefix + "g")
        case Alike(None):
            return "SELECT photo_id FROM alike WHERE group_id IS NOT NULL", ()
        case Alike(photo):
            own = "SELECT group_id FROM alike WHERE photo_id = ?"
            return f"SELECT photo_id FROM alike WHERE group_id = ({own})", (photo,)
        case Person(name, quoted):
            if name.isascii() and name.isdigit() and not quoted:
                return "SELECT ?", (min(int(name), 2**63 - 1),)
            return "SELECT id FROM subjects WHERE name LIKE ? ESCAPE '\\'", (_pattern(name),)
        case _:
            raise TypeError(f"nothing tests {expr!r}")


def _pattern(text: str) -> str:
    """LIKE's pattern for text as it is stored, that is made safe to show; `*` stands for anything."""
    return "".join("\\" + char if char in "\\%_" else "%" if char == "*" else char for char in display(text))
