"""What is done at the end of every transaction, before it is committed: registered by the floor above."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.catalog import Catalog

BEFORE: list[Callable[[Catalog], None]] = []


def before_commit(action: Callable[[Catalog], None]) -> None:
    """Do `action` at the end of every transaction of this process from now on, as a part of it.

    For what must be true at every commit. What it raises undoes the transaction.
    """
    if action not in BEFORE:
        BEFORE.append(action)
