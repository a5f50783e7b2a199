"""Which of a tagger's words may be proposed: none about minors or sexual content, and none about anybody's age."""

from __future__ import annotations

import re
from functools import cache

from core import prompts

_AGES = frozenset(
    [
        "adult",
        "adults",
        "age",
        "aged",
        "ages",
        "aging",
        "baby",
        "elder",
        "elderly",
        "mature",
        "middle-aged",
        "old",
        "older",
        "senior",
        "seniors",
        "young",
        "younger",
        "year",
        "years",
        "year-old",
        "years-old",
        "twenties",
        "thirties",
        "forties",
        "fifties",
        "sixties",
        "seventies",
        "eighties",
    ]
)
_NUMBERS = re.compile(r"[\d+]+")


@cache
def why_not(tag: str) -> str | None:
    """Why a tag is not proposed, in a few words; None where it may be.

    A number in front of a word hides it from nobody: `1girl` is read as `girl` too.
    """
    bare = " ".join(_NUMBERS.sub(" ", tag).split())
    for text in (tag, bare):
        if (finding := prompts.find(text)) is not None:
            return f"names {finding.asked}"
    if _AGES & set(re.split(r"[^\w-]+", tag.casefold())):
        return "is about age"
    return None
