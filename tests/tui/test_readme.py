"""The README's commands are commands: each parses as it stands, and none is there twice."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import typer

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
