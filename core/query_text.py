"""Text tests of a search over columns: words of a dictionary, and lines of a buffer. Pure.

Case does not count, in any script that has it (Unicode's case folding on both sides).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storage.columns import Lines, Mask
from storage.safe_text import display

_END = b"\n"
_AT_ONCE = 1 << 19  # bytes searched at once: they stay in the processor's cache
_CHECKED = 4  # bytes of a needle by which candidates are chosen


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a text must be: `pieces` in their order with anything between them; the first and last bind the ends."""

    pieces: tuple[str, ...]

    @property
    def inside(self) -> str | None:
        """The text that must occur anywhere, where that is all that is asked."""
        parts = [part for part in self.pieces if part]
        open_ends = len(self.pieces) > 1 and not self.pieces[0] and not self.pieces[-1]
        return parts[0] if open_ends and len(parts) == 1 else None

    @property
    def longest(self) -> str:
        """The longest piece, which must occur in any case."""
        return max(self.pieces, key=len)

    def expression(self, anything: str = ".*") -> re.Pattern[str]:
        """The regular expression of the whole text."""
        return re.compile(anything.join(map(re.escape, self.pieces)), re.DOTALL)


def pattern(text: str, *, whole: bool) -> Pattern:
    """The pattern of a search's value: stored text is made safe to show, so the value is too; `*` is anything."""
    folded = display(text).casefold()
    return Pattern(tuple(folded.split("*")) if whole or "*" in text else ("", folded, ""))


def tester(wanted: Pattern) -> Callable[[str], bool]:
    """Whether a casefolded text is of the pattern."""
    inside = wanted.inside
    if inside is not None:
        return lambda text: inside in text
    expression = wanted.expression()
    return lambda text: expression.fullmatch(text) is not None


def lines_like(lines: Lines, wanted: Pattern) -> Mask:
    """The lines of the pattern; empty lines are none."""
    first, last = wanted.pieces[0], wanted.pieces[-1]
    if len(wanted.pieces) == 1:
        return _bound(lines, first, start=True, end=True) if first else np.zeros(len(lines.ends), np.bool_)
    if not any(wanted.pieces[1:-1]) and not (first and last):
        return _bound(lines, first or last, start=bool(first), end=bool(last))
    if wanted.inside is not None:
        return _bound(lines, wanted.inside, start=False, end=False)
    found = _bound(lines, wanted.longest, start=False, end=False)
    expression = wanted.expression()
    text, ends = lines.text.tobytes(), lines.ends
    for number in np.flatnonzero(found):
        start = 0 if number == 0 else int(ends[number - 1]) + 1
        found[number] = expression.fullmatch(text[start : ends[number]].decode()) is not None
    return found


def _bound(lines: Lines, needle: str, *, start: bool, end: bool) -> Mask:
    """The lines that hold `needle`, at their start or up to their end where asked; without needle those not empty."""
    ends = lines.ends
    if not needle:
        return np.diff(ends, prepend=-1) > 1
    raw = needle.encode(errors="replace")
    if len(raw) > len(lines.text) or _END in raw:
        return np.zeros(len(ends), np.bool_)
    found = occurrences(lines, raw)
    if start:
        found = found[(found == 0) | (lines.text[np.maximum(found, 1) - 1] == _END[0])]
    if end:
        found = found[lines.text[found + len(raw)] == _END[0]]
    return _lines_of(lines, found)


def occurrences(lines: Lines, needle: bytes) -> NDArray[np.int64]:
    """Where the bytes stand in the text: candidates by those that are rarest, thinned out by the others."""
    text, counts = lines.text, lines.counts
    order = sorted(range(len(needle)), key=lambda k: counts[needle[k]])
    room = len(text) - len(needle)
    parts = []
    for start in range(0, room, _AT_ONCE):
        end = min(start + _AT_ONCE, room)
        fits = text[start + order[0] : end + order[0]] == needle[order[0]]
        for k in order[1:_CHECKED]:
            fits &= text[start + k : end + k] == needle[k]
        parts.append(np.flatnonzero(fits) + start)
    found = np.concatenate(parts) if parts else np.empty(0, np.int64)
    for k in order[_CHECKED:]:
        found = found[text[found + k] == needle[k]]
    return found


def _lines_of(lines: Lines, found: NDArray[np.int64]) -> Mask:
    mask = np.zeros(len(lines.ends), np.bool_)
    mask[lines.at(found)] = True
    return mask
