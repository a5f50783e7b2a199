"""The search language: text to a tree of tests. Pure; every mistake points at its place.

Terms stand side by side (and), or are joined by `or`, turned round by `not` or `-`, and grouped by
parentheses. A term is a bare word, `field:value`, `field:>=value` or `field:a..b`; quotes hold blanks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from core.errors import BadQuery
from core.query_terms import FIELDS, BadTerm, term
from core.query_tree import And, Everything, Expr, Not, Or, Word
from storage.safe_text import display

_MOST_TERMS = 200  # SQLite's parser takes expressions 1,000 deep
_DEEPEST = 40


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # ( ) - or and not word term
    at: int
    text: str = ""  # of a word, or the value of a term
    field: str = ""
    value_at: int = 0
    quoted: bool = False


def parse(text: str) -> Expr:
    """The tree of a search; an empty one finds everything. Raises BadQuery, pointing with a caret."""
    tokens = list(_tokens(text))
    if sum(token.kind in {"word", "term"} for token in tokens) > _MOST_TERMS:
        raise BadQuery(f"the search has more than {_MOST_TERMS} terms", "split it")
    if not tokens:
        return Everything()
    parser = _Parser(text, tokens)
    tree = parser.either()
    if parser.now is not None:
        raise _bad(text, parser.now.at, "there is nothing that this parenthesis closes")
    return tree


def in_quotes(text: str) -> str:
    """A text as a search writes it that takes its letters as they are; only `*` stands for anything in quotes too."""
    inside = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inside}"'


def _bad(text: str, at: int, what: str, hint: str = "") -> BadQuery:
    return BadQuery(f"{what}: {display(text[:at])}^{display(text[at:])}", hint)


class _Parser:
    """Recursive descent, one method for each level of binding."""

    def __init__(self, text: str, tokens: list[_Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    @property
    def now(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next_is(self, kind: str) -> bool:
        if self.now is not None and self.now.kind == kind:
            self._at += 1
            return True
        return False

    def either(self) -> Expr:
        parts = [self._both()]
        while self._next_is("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self) -> Expr:
        parts = [self._one()]
        while self._next_is("and") or (self.now is not None and self.now.kind not in {"or", ")"}):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self) -> Expr:
        token = self.now
        if token is None:
            raise _bad(self._text, len(self._text), "a term is missing at the end")
        self._at += 1
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _bad(self._text, token.at, "this is nested too deeply")
        try:
            return self._of(token)
        finally:
            self._depth -= 1

    def _of(self, token: _Token) -> Expr:
        match token.kind:
            case "-" | "not":
                return Not(self._one())
            case "(":
                inside = self.either()
                if not self._next_is(")"):
                    raise _bad(self._text, token.at, "this parenthesis is never closed")
                return inside
            case "word":
                return Word(token.text)
            case "term":
                return _term(self._text, token)
            case _:
                raise _bad(self._text, token.at, "a term is missing here")


def _term(text: str, token: _Token) -> Expr:
    if token.field not in FIELDS:
        near = get_close_matches(token.field, FIELDS, n=1)
        hint = (f"did you mean {near[0]}? " if near else "") + f"fields are {' '.join(FIELDS)}; quote a colon in words"
        raise _bad(text, token.at, f"there is no field {display(token.field)!r}", hint)
    if not token.text:
        raise _bad(text, token.value_at, f"{token.field} needs a value", FIELDS[token.field].example)
    try:
        return term(token.field, token.text, quoted=token.quoted)
    except BadTerm as error:
        raise _bad(text, token.value_at, str(error), FIELDS[token.field].example) from None


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        char = text[at]
        if char.isspace():
            at += 1
        elif char in "()":
            yield _Token(char, at)
            at += 1
        elif char == "-" and at + 1 < len(text) and not text[at + 1].isspace():
            yield _Token("-", at)
            at += 1
        else:
            token, at = _word(text, at)
            yield token


def _word(text: str, start: int) -> tuple[_Token, int]:
    """The word that begins at `start`, and where it ends; the first colon outside quotes parts field and value."""
    parts: list[str] = []
    field = ""
    value_at = start
    quoted = False
    at = start
    while at < len(text) and not text[at].isspace() and text[at] not in "()":
        if text[at] == '"':
            inside, at = _quoted(text, at)
            parts.append(inside)
            quoted = True
        elif text[at] == ":" and not field and not quoted:
            field, parts, value_at = "".join(parts).casefold(), [], at + 1
            if not field:
                raise _bad(text, start, "a field is missing before the colon", f"fields are {' '.join(FIELDS)}")
            at += 1
        else:
            parts.append(text[at])
            at += 1
    word = "".join(parts)
    if field:
        return _Token("term", start, word, field, value_at, quoted), at
    if not quoted and word.casefold() in {"and", "or", "not"}:
        return _Token(word.casefold(), start), at
    return _Token("word", start, word, quoted=quoted), at


def _quoted(text: str, start: int) -> tuple[str, int]:
    """What stands in the quotes that open at `start`; a backslash before a quote or a backslash takes it as it is."""
    inside: list[str] = []
    at = start + 1
    while at < len(text):
        if text[at] == '"':
            return "".join(inside), at + 1
        if text[at] == "\\" and text[at + 1 : at + 2] in {'"', "\\"}:
            at += 1
        inside.append(text[at])
        at += 1
    raise _bad(text, start, "these quotes are never closed")
