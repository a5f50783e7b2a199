"""Forms: what is typed is seen where it is typed, and goes where the keyboard was when its turn came."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from storage import subjects
from storage.catalog import open_catalog
from tests.tui.conftest import Settle
from tests.tui.terminal_driver import Terminal
from tui.app import KyodakuApp
from tui.screens.dialogs import Form


@pytest.mark.parametrize(("room", "key"), [("f1", "slash"), ("f3", "slash"), ("f3", "a"), ("f5", "t")])
async def test_the_line_that_has_the_keyboard_shows_its_text(
    room: str, key: str, app: KyodakuApp, settle: Settle
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(room)
        await settle(pilot)
        await pilot.press(key)
        await settle(pilot)
        line = app.focused
        assert isinstance(line, Input)
        assert isinstance(app.screen, Form) == (key != "slash")
        await pilot.press(*"Noy")
        await pilot.pause()
        assert line.value == "Noy"
        assert "Noy" in line.render_line(0).text
        assert line.content_size.height == 1


def test_keys_of_one_packet_go_to_one_line_after_the_other(sample: Path) -> None:
    """As a slow line delivers them; the last does what the form asks for once all of them have arrived."""
    with Terminal(sample) as terminal:
        terminal.wait_for("60 photographs")
        terminal.type("\x1bOR")  # F3
        terminal.wait_for("people on record")
        terminal.type("aBoun Mee\t1990-01-31\x13")
        terminal.wait_for("Boun Mee is on record")
        terminal.type("aBoun Thong\t1991-01-31\x1b")
        terminal.settle()
        terminal.type("Q")
        assert terminal.wait_end() == 0
    with open_catalog(sample, readonly=True) as catalog:
        added = [one for one in subjects.list_all(catalog) if one.name.startswith("Boun")]
    assert [(one.name, str(one.born)) for one in added] == [("Boun Mee", "1990-01-31")]


def test_a_key_behind_a_search_of_one_packet_is_for_the_table(sample: Path) -> None:
    """In a room that is entered by the same packet too."""
    with Terminal(sample) as terminal:
        terminal.wait_for("60 photographs")
        terminal.type("/name:IMG_0058\rp")
        terminal.wait_for("statuses shown are those for")
        terminal.type("\x1bOR/noy\rx")
        terminal.wait_for("What does Noy Vongsa")
        terminal.type("\x1b")
        terminal.settle()
        terminal.type("Q")
        assert terminal.wait_end() == 0
