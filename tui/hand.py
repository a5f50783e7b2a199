"""What waits for the next decision key in a list: a count, a range, marks, and what it is to apply to. Pure.

A decision goes to the row under the cursor, unless a count was typed (that many rows from the cursor on), a range is
open (from where it began to the cursor), or it was said to go to the marked rows or to all that was found.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

MOST = 999_999  # a count
Key = TypeVar("Key", bound=Hashable)


class Scope(StrEnum):
    """To what the next decision goes."""

    HERE = ""
    MARKS = "marked"
    ALL = "all"


@dataclass(slots=True)
class Hand(Generic[Key]):
    """The state of the hand. Rows are places in the list, marks are keys of rows and stay when the list changes."""

    count: int | None = None
    begun: int | None = None
    scope: Scope = Scope.HERE
    marks: dict[Key, None] = field(default_factory=dict)

    def digit(self, digit: int) -> None:
        """Type one digit of a count; a 0 begins none."""
        if self.count is not None or digit:
            self.count = min(MOST, (self.count or 0) * 10 + digit)

    def take_count(self) -> int:
        """The count that was typed, which is used up; 1 where none was."""
        count, self.count = self.count or 1, None
        return count

    def mark(self, key: Key) -> None:
        """Mark a row, or take its mark off."""
        if key in self.marks:
            del self.marks[key]
        else:
            self.marks[key] = None

    def rows(self, cursor: int, total: int) -> range:
        """The rows around the cursor that a decision goes to, where it goes to neither the marked nor all."""
        if self.begun is not None:
            return range(min(self.begun, cursor), min(total, max(self.begun, cursor) + 1))
        return range(cursor, min(total, cursor + (self.count or 1)))

    def targets(self, keys: Sequence[Key], cursor: int) -> list[Key]:
        """The keys of the rows that a decision goes to, frozen: the list as it stands."""
        if self.scope is Scope.ALL:
            return list(keys)
        if self.scope is Scope.MARKS:
            return list(self.marks)
        rows = self.rows(cursor, len(keys))
        return list(keys[rows.start : rows.stop])

    def used(self, cursor: int, total: int) -> int:
        """A decision was made: what was open is closed; gives the row to go on from."""
        after = cursor if self.scope is not Scope.HERE else self.rows(cursor, total).stop
        self.count, self.begun, self.scope = None, None, Scope.HERE
        return after

    def drop(self) -> bool:
        """Let go of what is open, else of the marks; False where there was neither."""
        if self.count is not None or self.begun is not None or self.scope is not Scope.HERE:
            self.count, self.begun, self.scope = None, None, Scope.HERE
            return True
        had, self.marks = bool(self.marks), {}
        return had

    def told(self, cursor: int, total: int) -> str:
        """What is open, in a few words."""
        parts = []
        if self.scope is Scope.ALL:
            parts.append(f"next goes to all {total:,}")
        elif self.scope is Scope.MARKS:
            parts.append(f"next goes to {len(self.marks):,} marked")
        elif self.begun is not None:
            parts.append(f"range of {len(self.rows(cursor, total)):,}")
        elif self.count is not None:
            parts.append(f"{self.count:,}")
        if self.marks and self.scope is not Scope.MARKS:
            parts.append(f"{len(self.marks):,} marked")
        return ", ".join(parts)
