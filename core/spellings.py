"""Text brought to one spelling, and the other spellings in which a word may hide.

Compatibility forms, case, accents, letters of other scripts that look alike, unseen marks, digits and signs that
stand for letters, letters spelled apart or broken by blanks, and what Thai, Lao and Japanese let one write two ways.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from core.prompt_words import LOOKALIKES, SHORT_WORDS

_LEET = dict(zip("03456789@$!|+€£¥¢", "oeasgtbgasiitelyc", strict=True))
_READINGS = tuple(str.maketrans(_LEET | {"1": letter}) for letter in "il")
_LATIN = re.compile(
    r"(?:LATIN (?:SMALL LETTER|LETTER SMALL CAPITAL|CAPITAL LETTER)(?: SCRIPT| REVERSED| INSULAR| DOTLESS)?"
    r"|NEGATIVE (?:CIRCLED|SQUARED) LATIN CAPITAL LETTER|REGIONAL INDICATOR SYMBOL LETTER) ([A-Z])(?: WITH .*)?"
)
_MASKS = "*#•●∗✱"
_MASKED = re.compile(rf"(?<![\w{_MASKS}])[a-z][a-z{_MASKS}]*[{_MASKS}][a-z{_MASKS}]*[a-z](?![\w{_MASKS}])")
_JOINED_SCRIPTS = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_TONES = re.compile("[็่-์່-໌]")  # of Thai and Lao
_KATAKANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}
_MOST_PIECES = 4  # that a word is taken to be broken into


def plain(text: str) -> str:
    """Text in one spelling: compatibility forms, case, accents, look-alike letters and invisible marks undone."""
    text = unicodedata.normalize("NFKC", text.replace("ϲ", "c").replace("Ϲ", "c")).casefold()
    kept = (_latin(char) for char in unicodedata.normalize("NFKD", text) if not _is_dressing(char))
    text = unicodedata.normalize("NFC", "".join(kept)).translate(LOOKALIKES)
    text = text.replace("เเ", "แ").replace("ເເ", "ແ")  # two of one vowel look like the other
    text = re.sub("([ํໍ])([่-๋່-໋])", r"\2\1", text)  # a tone mark is typed before or after
    return re.sub(r"\s+", " ", text)


def _is_dressing(char: str) -> bool:
    """Whether a character changes no letter: accents of Latin, Greek and Cyrillic, and what is not seen.

    The vowel and tone marks of other scripts are letters.
    """
    code = ord(char)
    if 0x0300 <= code <= 0x036F or 0xFE00 <= code <= 0xFE0F or 0x1F3FB <= code <= 0x1F3FF or 0xE0000 <= code <= 0xE01EF:
        return True
    return unicodedata.category(char) in {"Cf", "Cc"} and not char.isspace()


@cache
def _latin(char: str) -> str:
    """A Latin letter with a stroke or a hook, a small capital, or one on a tile, as the letter; others as they are."""
    found = None if char.isascii() else _LATIN.fullmatch(unicodedata.name(char, ""))
    return found[1].lower() if found else char


def is_letter(char: str) -> bool:
    """Whether a character is part of a word: a letter, a digit, or the mark of a vowel or tone."""
    return unicodedata.category(char)[0] in "LMN"


def spellings(base: str) -> tuple[str, ...]:
    """The text as it stands, with digits read as letters, without signs inside words, with drawn-out letters short."""
    leet = [
        re.sub(r"[\w@$!|+€£¥¢]*[^\W\d_][\w@$!|+€£¥¢]*", lambda token: token.group().translate(reading), base)  # noqa: B023
        for reading in _READINGS
    ]
    found = [base, *leet]
    found += [_without_signs(text) for text in (base, *leet)]
    found += [re.sub(r"([^\W\d_])\1{2,}", r"\1" * most, text) for text in tuple(found) for most in (1, 2)]
    return tuple(dict.fromkeys(found))


def _without_signs(text: str, *, scripts: re.Pattern[str] | None = None) -> str:
    """The text without signs between two letters; with `scripts` between letters of those alone, and without blanks."""
    kept: list[str] = []
    waiting: list[str] = []
    for char in text:
        if not is_letter(char) and (scripts is not None or not char.isspace()):
            waiting.append(char)
            continue
        fits = (lambda one: bool(scripts.match(one))) if scripts is not None else is_letter
        if waiting and not (kept and fits(kept[-1]) and fits(char)):
            kept += waiting
        waiting.clear()
        kept.append(char)
    return "".join(kept + waiting)


def joined(base: str) -> str:
    """The text with letters of Thai, Lao, Japanese, Chinese and Korean drawn together over blanks and signs."""
    return _without_signs(base, scripts=_JOINED_SCRIPTS)


def without_tones(text: str) -> str:
    """Thai and Lao without tone marks, which are often left out or exchanged."""
    return _TONES.sub("", text)


def in_hiragana(text: str) -> str:
    """Katakana as hiragana, without the dash that draws a sound out."""
    return re.sub("(?<=[ぁ-ん])ー+", "", text.translate(_KATAKANA))


def read_as_letters(text: str) -> str:
    """Digits and signs as the letters that they stand for."""
    return text.translate(_READINGS[0])


def spelled_out(base: str) -> list[str]:
    """Letters spelled one by one (`c h i l d`, `t.e.e.n`), each run drawn together, in each reading of its digits."""
    runs = [
        re.sub(r"[\W_]+", "", run)
        for reading in _READINGS
        for run in re.findall(r"(?<!\w)(?:\w[\W_]+){2,}\w(?!\w)", base.translate(reading))
    ]
    return list(dict.fromkeys(runs))


def broken(base: str) -> Iterator[str]:
    """What words in a row make together where one of them is a scrap that is no word: `chi ld`, `tee na ger`."""
    for row in re.findall(r"[a-z]+(?: [a-z]+)+", base):
        words = row.split()
        for start in range(len(words)):
            for end in range(start + 2, min(start + _MOST_PIECES, len(words)) + 1):
                pieces = words[start:end]
                if any(len(piece) <= 2 and piece not in SHORT_WORDS for piece in pieces):
                    yield "".join(pieces)


def masked(base: str) -> list[re.Pattern[str]]:
    """Words with some of their letters starred out (`n*de`), each as the pattern of what it may stand for."""
    found = [token for token in _MASKED.findall(base) if 2 * len(re.findall("[a-z]", token)) >= len(token)]
    return [re.compile("".join("[a-z]" if char in _MASKS else char for char in token)) for token in found]
