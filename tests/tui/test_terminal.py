"""What is made of a terminal's answers."""

from __future__ import annotations

import sys

from tui.terminal import Preview, ask, picture_widgets, understand


def test_kitty_and_sixel_are_told_from_the_answers() -> None:
    kitty = understand(b"\x1b_Gi=31;OK\x1b\\\x1b[6;20;9t\x1b[?62;c")
    assert (kitty.how, kitty.cell_width, kitty.cell_height) == ("kitty", 9, 20)
    assert understand(b"\x1b[?62;4;22c").how == "sixel"


def test_a_terminal_without_pictures_gets_half_blocks_with_the_reason() -> None:
    plain = understand(b"\x1b[?1;2c")
    assert plain.how == "halfblock"
    assert "neither" in plain.why
    assert "did not answer" in understand(b"").why


def test_nothing_is_asked_where_there_is_no_terminal() -> None:
    assert ask("off").how == "off"
    assert ask("nonsense").how == "halfblock"


def test_textual_image_is_imported_without_asking() -> None:
    before = sys.__stdout__
    widgets = picture_widgets(Preview("halfblock", "", 9, 18))
    assert widgets.get_cell_size() == (9, 18)
    assert sys.__stdout__ is before
