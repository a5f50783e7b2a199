"""What is done at the end of every transaction, before it is committed: registered by the floor above."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

BEFORE: list[Callable[[Any], None]] = []
"""Each is given the open `Catalog`, a room that stands on this one."""


def before_commit(action: Callable[[Any], None]) -> None:
    """Do `action`, given the catalog, at the end of every transaction of this process from now on, as a part of it.

    For what must be true at every commit. What it raises undoes the transaction.
    """
    if action not in BEFORE:
        BEFORE.append(action)
