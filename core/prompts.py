"""What may be asked for in words: nothing of minors, nothing sexual, in the languages of `WORDS` and their spellings.

A list of words is a fence, not a proof: it errs on the safe side (a `school uniform` is refused whoever
wears it), and what is drawn is looked at as well (`core.picture_checks`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from core.errors import PromptRefused
from core.prompt_words import HARMLESS, LOOKALIKES, WORDS

ADULT = 18
_LEET = str.maketrans(
    {
        "0": "o",
        "1": "i",
        "3": "e",
        "4": "a",
        "5": "s",
        "7": "t",
        "8": "b",
        "9": "g",
        "@": "a",
        "$": "s",
        "!": "i",
        "|": "i",
        "+": "t",
    }
)
_NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen"""
_NUMBER_WORDS = {word: number for number, word in enumerate(_NUMBERS.split())}
_AGE_AFTER = (
    r"(?:[\s-]*(?:years?|yrs?|y)(?:[\s/-]*(?:olds?|of\s+age|young))?\b|\s*y\W?\s?o\b|[\s-]*(?:months?|weeks|days?)\b"
    r"|\s*(?:ans?|anos?|anni|jahre?|tahun|roku|lat)\b|[\s-]*jahrig\w*|\s*(?:лет|года?)\b|\s*(?:歳|才|岁|歲|살|세)"
    r"|\s*(?:ขวบ|ปี|ປີ|ຂວບ))"
)
_AGES = (
    re.compile(r"(?<![\d.])(\d{1,2})" + _AGE_AFTER),
    re.compile(r"\b(?:aged?|age\s*(?:is|of)|turn(?:s|ing|ed)|edad|alter|age\s+de)\W*(\d{1,2})(?!\d)"),
    re.compile(r"(?:อายุ|ອາຍຸ|年齢|年龄|나이)\W*(\d{1,2})(?!\d)"),
)
_KANJI_DIGITS = "零一二三四五六七八九"
_KANJI = re.compile(
    r"(?<![一二三四五六七八九十百])(?:(十)([一二三四五六七八九])?|([一二三四五六七八九]))(?=\s*(?:歳|才|岁|歲))"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a prompt is refused: `topic` is `minor` or `sexual`, `word` what was read, as the list has it."""

    topic: str
    word: str

    @property
    def asked(self) -> str:
        """The topic in words."""
        return "a minor" if self.topic == "minor" else "sexual content"


def find(text: str) -> Finding | None:
    """The first thing in a prompt, negative prompt or caption that may not be asked for; None if there is none."""
    base = plain(text)
    for phrase in HARMLESS:
        base = re.sub(phrase, " ", base)
    if (years := _age_below_18(base)) is not None:
        return Finding("minor", f"{years} years")
    spellings = _spellings(base)
    spelled_out = _spelled_out(base)
    for topic in WORDS:
        pattern, stems = _patterns(topic)
        for spelling in spellings:
            if match := pattern.search(spelling):
                return Finding(topic, match.group().strip())
        if match := stems.search(spelled_out):
            return Finding(topic, match.group())
    return None


def check(*texts: str) -> None:
    """Raises PromptRefused for the first text that asks for a minor or for sexual content."""
    for text in texts:
        finding = find(text)
        if finding is None:
            continue
        raise PromptRefused(
            f"the prompt asks for {finding.asked}: {finding.word!r}", "Kyodaku draws adults, and decently"
        )


def plain(text: str) -> str:
    """Text in one spelling: compatibility forms, case, accents, look-alike letters and invisible marks undone."""
    text = unicodedata.normalize("NFKC", text).casefold()
    decomposed = unicodedata.normalize("NFKD", text)
    kept = (char for char in decomposed if not _is_dressing(char))
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", "".join(kept)).translate(LOOKALIKES))


def _is_dressing(char: str) -> bool:
    """Whether a character changes no letter: accents of Latin, Greek and Cyrillic, and what is not seen.

    The vowel and tone marks of other scripts are letters.
    """
    code = ord(char)
    if 0x0300 <= code <= 0x036F or 0xFE00 <= code <= 0xFE0F or 0x1F3FB <= code <= 0x1F3FF or 0xE0000 <= code <= 0xE01EF:
        return True
    return unicodedata.category(char) in {"Cf", "Cc"} and not char.isspace()


def _spellings(base: str) -> tuple[str, ...]:
    """The text as it stands, with digits read as letters, without signs inside words, with drawn-out letters short."""
    leet = re.sub(r"[\w@$!|+]*[^\W\d_][\w@$!|+]*", lambda token: token.group().translate(_LEET), base)
    found = [base, leet]
    found += [re.sub(r"(?<=\w)[^\w\s]+(?=\w)|(?<=[^\W_])_+(?=[^\W_])", "", text) for text in (base, leet)]
    found += [re.sub(r"([^\W\d_])\1{2,}", r"\1" * most, text) for text in tuple(found) for most in (1, 2)]
    return tuple(dict.fromkeys(found))


def _spelled_out(base: str) -> str:
    """Letters spelled one by one (`c h i l d`, `t.e.e.n`) drawn together; other text is left out."""
    runs = re.findall(r"(?<!\w)(?:\w[\W_]+){2,}\w(?!\w)", base.translate(_LEET))
    return " ".join(re.sub(r"[\W_]+", "", run) for run in runs)


@cache
def _patterns(topic: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """How a topic's words are sought, whole or anywhere by their script; and stems for letters drawn together."""
    whole, anywhere, stems = [], [], []
    for word in WORDS[topic]:
        starts = word.endswith("*")
        text = plain(word.removesuffix("*"))
        spelled = r"[\W_]*".join(re.escape(part) for part in text.split())
        if all(ord(char) < 0x0500 for char in word):
            whole.append(spelled + (r"\w*" if starts else ""))
            if len(text) >= 4 and " " not in text:
                stems.append(re.escape(text))
        else:
            anywhere.append(spelled)
    pattern = rf"(?<![^\W_])(?:{_either(whole)})(?![^\W_])|{_either(anywhere)}"
    return re.compile(pattern), re.compile(_either(stems))


def _either(patterns: list[str]) -> str:
    return "|".join(sorted(patterns, key=len, reverse=True))


def _age_below_18(base: str) -> int | None:
    """An age under 18 that the text gives, in digits of any script, in Chinese numerals or in English words."""
    digits = "".join(str(unicodedata.digit(char, char)) for char in base)
    digits = re.sub(r"\b[a-z]+\b", lambda word: str(_NUMBER_WORDS.get(word.group(), word.group())), digits)
    digits = _KANJI.sub(
        lambda match: str(10 * bool(match[1]) + _KANJI_DIGITS.index(match[2] or match[3] or "零")), digits
    )
    for pattern in _AGES:
        for match in pattern.finditer(digits):
            if int(match.group(1)) < ADULT:
                return int(match.group(1))
    return None
