"""A curve in braille: its size, its ends, and where its dots lie."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.widgets.plot import LABEL, plot


def test_a_line_falls_from_the_left_top_to_the_right_bottom() -> None:
    drawn = plot(list(range(8)), list(range(7, -1, -1)), LABEL + 1 + 4, 3)
    assert drawn == ["        7 ⠑⢄  ", "        0   ⠑⢄", "          0  7"]


def test_one_point_and_none() -> None:
    assert plot([], [], 20, 3) == ["", "", ""]
    assert plot([5], [1.0], LABEL + 4, 2)[0].strip()


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300), st.integers(LABEL + 3, 80), st.integers(2, 12))
def test_it_never_leaves_its_cells(values: list[float], width: int, height: int) -> None:
    drawn = plot(range(len(values)), values, width, height)
    assert len(drawn) == height
    assert all(len(line) <= width for line in drawn[:-1])
    dots = "".join(line[LABEL + 1 :] for line in drawn[:-1])
    assert set(dots) - {" "}, "something is drawn"
    assert all(letter == " " or 0x2800 < ord(letter) <= 0x28FF for letter in dots)
