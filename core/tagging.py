"""Decisions about photographs: whose they are, keywords, and what the people seen in them say.

Each is done to the photographs it is given, a list that was made before: never to a search run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.decisions import noting
from core.errors import BadValue
from storage import decisions
from storage.catalog import Catalog
from storage.records import DecisionKind, Rights
from storage.safe_text import display

LONGEST_WORD = 120  # letters of a keyword


@dataclass(frozen=True, slots=True)
class Tagged:
    """What was decided, about how many photographs, and of how many that changed something."""

    told: str
    photos: int
    changed: int

    def lines(self) -> list[str]:
        """For a person to read."""
        return [f"{self.told}: {self.photos:,} photographs, {self.changed:,} changed"]


def set_rights(catalog: Catalog, ids: Sequence[int], rights: Rights) -> Tagged:
    """Say whose photographs are; it settles consent only where no face is seen. One decision."""
    with catalog.transaction():
        was = {old: some for old, some in decisions.rights_of(catalog, ids).items() if old is not rights}
        for old, some in was.items():
            decisions.turn_rights(catalog, some, old, rights)
        changed = sum(map(len, was.values()))
        told = f"{_of(changed)} {rights}"
        if changed:
            noting.note(catalog, DecisionKind.RIGHTS, told, {"now": rights, "was": was})
    return Tagged(str(rights), len(ids), changed)


def give_keyword(catalog: Catalog, ids: Sequence[int], word: str) -> Tagged:
    """Give photographs a keyword, which stays when their files are read again. One decision. Raises BadValue."""
    word = keyword(word)
    with catalog.transaction():
        given = decisions.give_keyword(catalog, ids, word)
        if given:
            body = {"word": word, "given": True, "rows": [(photo, True) for photo in given]}
            noting.note(catalog, DecisionKind.KEYWORDS, f"{_of(len(given))} tagged {display(word)}", body)
    return Tagged(f"tag {display(word)}", len(ids), len(given))


def take_keyword(catalog: Catalog, ids: Sequence[int], word: str) -> Tagged:
    """Take a keyword off photographs; one that their file holds comes back when it changes. Raises BadValue."""
    word = keyword(word)
    with catalog.transaction():
        taken = decisions.take_keyword(catalog, ids, word)
        if taken:
            body = {"word": word, "given": False, "rows": taken}
            noting.note(catalog, DecisionKind.KEYWORDS, f"{_of(len(taken))} no longer tagged {display(word)}", body)
    return Tagged(f"no tag {display(word)}", len(ids), len(taken))


def keyword(text: str) -> str:
    """A keyword as it is stored. Raises BadValue for one that is none."""
    word = " ".join(text.split())
    if not word or len(word) > LONGEST_WORD or not word.isprintable():
        raise BadValue(f"{display(text)!r} is no keyword", f"a word or a few, of {LONGEST_WORD} letters at most")
    return word


def _of(number: int) -> str:
    return f"{number:,} photograph{'' if number == 1 else 's'}:"
