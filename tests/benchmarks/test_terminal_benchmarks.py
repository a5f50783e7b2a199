"""The terminal app's benchmarks come to their end at a small scale; a table that never answers has an end too."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.terminal import Cost, Terminal, p95

ROOT = Path(__file__).resolve().parent.parent.parent
# Nothing comes behind the words: a line's end may be read after them, and would pass for a key's answer.
SILENT = [
    sys.executable, "-c",
    "import time, tty; tty.setraw(0); print('rows read', end='', flush=True); time.sleep(60)",
]  # fmt: skip


def ran(*command: str) -> str:
    """What `python -m COMMAND` printed; a bound that was missed is no failure here."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_a_few_photographs_are_tagged_and_untagged() -> None:
    told = ran("benchmarks.tagging", "--photographs", "8", "--scale", "300")
    for what in ("decisions not committed before the next key", "not as typed", "not as before, all undone"):
        assert f"{what} 0 " in " ".join(told.split()), told


@pytest.mark.slow
def test_tables_are_laid_beside_each_other() -> None:
    told = ran("benchmarks.tables", "--rows", "300", "--keys", "4", "--seconds", "60")
    for what in tables.FIGURES:
        if what != "its rows read from the catalog":
            assert f"{what}: ours" in told
        assert f"{what}: stock DataTable" in told
    assert "none" not in told


@pytest.mark.parametrize(
    ("ready", "note"), [("rows read", "answered no key within 1 s"), ("all is here", "not there after 1 s")]
)
def test_a_table_that_does_not_answer_is_waited_for_no_longer_than_told(ready: str, note: str) -> None:
    found = tables.measure(lambda: Terminal(SILENT), ready, keys=4, seconds=1.0, alone=False)
    assert found == {"opening until a key is answered": tables.Figure(None, note)}


def test_a_key_that_draws_nothing_is_no_fast_one() -> None:
    assert p95([Cost(math.inf, 0), Cost(1.0, 9)]) == math.inf
