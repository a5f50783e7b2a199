"""Counted things in words: 1 photograph, 2 people, 1,000 entries."""

from __future__ import annotations

MANY = {"person": "people", "entry": "entries", "copy": "copies"}


def counted(number: int, one: str) -> str:
    """So many of what `one` is the word for: in digits, with a word that fits the number."""
    return f"{number:,} {one if number == 1 else many(one)}"


def many(one: str) -> str:
    """The word for several."""
    return MANY.get(one, f"{one}s")
