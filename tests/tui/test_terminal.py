"""What is made of a terminal's answers."""

from __future__ import annotations

import sys

import pytest
from PIL import Image

from tui.terminal import CELL_BYTES, Preview, ask, picture_widgets, understand
from tui.widgets.picture import fitted


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


def test_the_environment_goes_before_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (ask("off").how, ask("off").fell_back) == ("off", False)
    monkeypatch.setenv("KYODAKU_PREVIEW", "halfblock")
    chosen = ask("off", 5_000)
    assert (chosen.how, chosen.fell_back, chosen.budget) == ("halfblock", False, 5_000)
    assert chosen.told == "pictures are drawn as half blocks: as asked for; at most 5 KB each"
    monkeypatch.setenv("KYODAKU_PREVIEW", "nonsense")
    assert ask("off").fell_back, "a choice that is none is told"


@pytest.mark.parametrize("how", CELL_BYTES)
@pytest.mark.parametrize("shape", [(1600, 900), (900, 1600), (100, 2000), (7, 7)])
def test_a_picture_keeps_its_shape_within_the_budget(how: str, shape: tuple[int, int]) -> None:
    preview = Preview(how, "", budget=20_000)
    drawn, wide, high = fitted(Image.new("RGB", shape), preview, 80, 40)
    assert wide * high * CELL_BYTES[how] <= 20_000 * 1.25, "but for the rounding to whole cells"
    _, whole_wide, whole_high = fitted(Image.new("RGB", shape), Preview(how, ""), 80, 40)
    assert wide <= whole_wide
    assert high <= whole_high
    assert drawn.size == ((wide, high * 2) if how == "halfblock" else (wide * 10, high * 20))


def test_textual_image_is_imported_without_asking() -> None:
    before = sys.__stdout__
    widgets = picture_widgets(Preview("halfblock", "", 9, 18))
    assert widgets.get_cell_size() == (9, 18)
    assert sys.__stdout__ is before
