"""What commands print: JSON types, tables, and text from files made harmless."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.progress import Pace, Step
from storage.records import CohortRules, Purpose
from tui.output import Progress, emit, plain, progress_line, table


def test_records_become_objects() -> None:
    rules = plain(CohortRules(purpose=Purpose.TRAIN_COMPOSITE))
    assert rules["purpose"] == "train-composite"
    assert rules["group"] == "exclude"


def test_times_keep_their_offset() -> None:
    assert plain(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05+00:00"
    assert plain({"born": date(1990, 2, 28), "at": Path("/x")}) == {"born": "1990-02-28", "at": "/x"}


def test_unknown_types_are_an_error_not_a_guess() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        plain(object())


def test_one_document_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"名前": (1, 2)}, "for people", as_json=True)
    assert json.loads(capsys.readouterr().out) == {"名前": [1, 2]}
    emit({"a": 1}, ["for", "people"], as_json=False)
    assert capsys.readouterr().out == "for\npeople\n"


@given(st.lists(st.tuples(st.text(), st.one_of(st.none(), st.integers(), st.text())), max_size=5))
def test_tables_hold_no_control_characters(rows: list[tuple[object, ...]]) -> None:
    for line in table(rows, ("one", "two")):
        assert not any(ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0 or 0x202A <= ord(sign) <= 0x202E for sign in line)


def test_progress_away_from_a_terminal_prints_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        for done in range(10_000):
            progress(Step("looking", done, 10_000, "at \x1b[31mred.jpg"))
    lines = capsys.readouterr().err.splitlines()
    assert 1 <= len(lines) < 100
    assert "\x1b" not in "".join(lines)


def test_the_line_tells_the_rate_and_the_time_left() -> None:
    pace = Pace()
    assert progress_line(Step("index", 0, 4_000), pace) == "index: 0 of 4,000"
    pace.see(0, 0)
    pace.see(10, 1_000)
    line = progress_line(Step("index", 1_000, 4_000, "in a\x1b"), pace)
    assert line == "index: 1,000 of 4,000, 100 a second, 30 s left (in a\\x1b)"
    assert progress_line(Step("index", 1_000), pace) == "index: 1,000, 100 a second"
    assert progress_line(Step("index", 4_000, 4_000), pace) == "index: 4,000 of 4,000, 100 a second"


def test_what_was_quick_at_first_does_not_count_for_ever() -> None:
    pace = Pace()
    pace.see(0, 0)
    pace.see(1, 200_000)  # unchanged files
    for second in range(2, 40):
        pace.see(second, 200_000 + 500 * second)
    assert pace.rate == 500


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 10**7))), st.integers(0, 10**7))
def test_a_pace_is_none_or_sound(seen: list[tuple[float, int]], total: int) -> None:
    pace = Pace()
    for now, done in seen:
        pace.see(now, done)
    assert pace.rate is None or pace.rate > 0
    left = pace.left(total)
    assert left is None or left >= 0
