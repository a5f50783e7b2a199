"""The README's commands are commands: each parses as it stands, none is there twice. Its pictures are the app's."""

from __future__ import annotations

import asyncio
import html
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from tui import actions
from tui.cli import command_line

README = Path(__file__).resolve().parent.parent.parent / "README.md"


def test_every_command_of_the_readme_parses() -> None:
    lines = re.findall(r"^    \./dev run (\S.*)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    given = [shlex.split(line, comments=True) for line in lines]
    given = [words for words in given if words]
    assert len(given) > 20
    names = []
    for given_words in given:
        words = given_words
        command: Any = typer.main.get_command(command_line())
        name = []
        while hasattr(command, "commands"):
            name.append(words[0])
            command, words = command.commands[words[0]], words[1:]
        command.make_context(" ".join(name), list(words))
        names.append(" ".join(name))
    twice = {name for name in names if names.count(name) > 1}
    assert twice <= {"index", "find"}, "one example tells what a command does"


@pytest.mark.parametrize(("picture", "room"), [("app.svg", "archive"), ("models.svg", "models")])
def test_a_picture_shows_the_keys_that_the_room_has(picture: str, room: str) -> None:
    svg = (README.parent / "docs" / "images" / picture).read_text(encoding="utf-8")
    drawn = [
        html.unescape(text).replace("\xa0", " ").strip() for text in re.findall(r"<text [^>]*>([^<]*)</text>", svg)
    ]
    keys = [action.title for action in actions.of_room(room) if action.footer][:8]
    assert [title for title in keys if title not in drawn] == []


async def test_a_picture_is_drawn_with_the_dialog_that_a_key_opens(sample: Path, unhurried: None) -> None:  # noqa: ARG001
    draw = runpy.run_path(str(README.parent / "docs" / "make_screenshot.py"))["draw"]
    svg = await asyncio.wait_for(draw(sample, "cohorts", ["c"], (120, 40), "kyodaku"), timeout=60)
    assert "A&#160;new&#160;cohort" in svg
