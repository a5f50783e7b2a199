"""What receipts and prints say, in the languages they can be in (`wording.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("wording.toml")
BREAK = "\u200b"  # a line may end here


class Language(StrEnum):
    """Languages that receipts and prints are written in, by ISO 639 code."""

    ENGLISH = "en"
    JAPANESE = "ja"
    LAO = "lo"
    THAI = "th"


@cache
def table() -> Mapping[str, Mapping[str, str]]:
    """All wording: by key, by language."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


@cache
def words(language: Language) -> Mapping[str, str]:
    """All wording of one language by key, with BREAK where a line may end."""
    return {key: said[language].replace("|", BREAK) for key, said in table().items()}


def plain(text: str) -> str:
    """Wording for files and terminals, without its breaks."""
    return text.replace(BREAK, "")
