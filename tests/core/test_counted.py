"""Counted things: the word fits the number, and a number stands before a word for several nowhere but there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.counted import counted

TUI = Path(__file__).parents[2] / "tui"
SEVERAL = "photographs|faces|people|cohorts|models|clusters|jobs|pictures|entries|events|captions|sidecars|copies|LoRAs"
UNCOUNTED = re.compile(r"\{[^{}\"]+\} (" + SEVERAL + r")\b")


@pytest.mark.parametrize(
    ("number", "one", "told"),
    [
        (1, "photograph", "1 photograph"),
        (0, "photograph", "0 photographs"),
        (2, "person", "2 people"),
        (1, "person", "1 person"),
        (1200, "entry", "1,200 entries"),
        (4, "key", "4 keys"),
        (3, "signed checkpoint", "3 signed checkpoints"),
    ],
)
def test_the_word_fits_the_number(number: int, one: str, told: str) -> None:
    assert counted(number, one) == told


def test_the_terminal_counts_by_it_alone() -> None:
    lines = [
        f"{path.name}:{number}: {line.strip()}"
        for path in sorted(TUI.rglob("*.py"))
        if path.name != "demo.py"  # of which it is known how many there are
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if UNCOUNTED.search(line)
    ]
    assert not lines
