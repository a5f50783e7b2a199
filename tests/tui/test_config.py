"""The settings file: what it may say, and every way in which it can't."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.geometry import Region
from textual.widgets import Static

from core.errors import BadValue
from tests.tui.conftest import Settle
from tui import actions, config
from tui.app import KyodakuApp
from tui.config import Config
from tui.screens.room import Room
from tui.terminal import Preview
from tui.themes import THEMES


def written(tmp_path: Path, text: str) -> Path:
    """A file of this text."""
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_what_it_says_and_that_there_is_none(tmp_path: Path) -> None:
    assert config.read(tmp_path / "none") == Config()
    file = written(
        tmp_path,
        'by = "Chan"\ntheme = "light"\npreview = "sixel"\npicture_kb = 40\n'
        '[keys]\n"archive.mine" = "M"\n"everywhere.undo" = ["u", "ctrl+z"]',
    )
    told = config.read(file)
    assert (told.by, told.theme, told.preview, told.picture_kb) == ("Chan", "light", "sixel", 40)
    by_name = {(action.room, action.name): action.keys for action in actions.rebound(told.keys)}
    assert (by_name["archive", "mine"], by_name[None, "undo"]) == (("M",), ("u", "ctrl+z"))
    assert by_name["archive", "licensed"] == ("l",)


def test_its_themes_are_those_of_the_app() -> None:
    assert tuple(theme.name for theme in THEMES) == config.THEMES


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("by = ", "can't be read"),
        ("colour = 1", "there is no setting 'colour'"),
        ("by = 1", "by is a name"),
        ('theme = "blue"', "theme 'blue' is none"),
        ('preview = "ascii"', "preview 'ascii' is none"),
        ("picture_kb = 0", "picture_kb is a whole number"),
        ("picture_kb = true", "picture_kb is a whole number"),
        ("keys = 1", "keys are a table"),
        ('[keys]\n"archive.mine" = []', "keys.archive.mine is a key"),
        ('[keys]\n"archive.mine" = 1', "keys.archive.mine is a key"),
    ],
)
def test_what_it_can_not_say(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadValue, match=told):
        config.read(written(tmp_path, text))


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"archive.fly": ("M",)}, "there is no action 'archive.fly'"),
        ({"archive.mine": ("l",)}, "'l' would mean mine and licensed"),
        ({"archive.mine": ("3",)}, "'3' would mean rooms and counts and mine"),
        ({"archive.mine": ("j",)}, "'j' would mean moving and mine"),
        ({"everywhere.undo": ("y",)}, "'y' would mean"),
        ({"people.name": ("f2",)}, "'f2' would mean rooms and counts and name"),
    ],
)
def test_no_key_gets_two_meanings(keys: dict[str, tuple[str, ...]], told: str) -> None:
    with pytest.raises(BadValue, match=told):
        actions.rebound(keys)


async def test_theme_and_who_records_are_as_told(sample: Path, settle: Settle) -> None:
    app = KyodakuApp(sample, Preview("off", "a test"), Config(by="Chan", theme="high contrast"))
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        assert (app.theme, app.pen) == ("high contrast", "Chan")


@pytest.mark.usefixtures("unhurried")  # else the look at the photograph is given up for a second one
async def test_why_pictures_are_coarse_is_told(sample: Path, settle: Settle) -> None:
    app = KyodakuApp(sample, Preview("halfblock", "the terminal knows neither kitty graphics nor sixel"))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        assert isinstance(app.screen, Room)
        told = "pictures are drawn as half blocks: the terminal knows neither kitty graphics nor sixel"
        assert app.screen.status.message == told
        await pilot.press("question_mark")
        await settle(pilot)
        shown = "\n".join(str(line.text) for line in app.screen.query_one(Static).render_lines(Region(0, 0, 200, 200)))
        assert "pictures are drawn as half blocks" in shown
