"""Ages that a text gives: by number, in digits of any script, or in words of English, Thai, Lao and Japanese."""

from __future__ import annotations

import re
import unicodedata
from functools import partial

from core.spellings import plain

ADULT = 18
_NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen"""
_NUMBER_WORDS = {word: number for number, word in enumerate(_NUMBERS.split())}
_AGE_AFTER = (
    r"(?:[\s-]*(?:years?|yrs?|y)(?:[\s/-]*(?:olds?|of\s+age|young))?\b|\s*y\W?\s?o\b|[\s-]*(?:months?|weeks|days?)\b"
    r"|\s*(?:ans?|anos?|anni|jahre?|tahun|roku|lat)\b|[\s-]*jahrig\w*|\s*(?:лет|года?)\b|\s*(?:歳|才|岁|歲|살|세)|さい"
    r"|\s*(?:ขวบ|ปี|ປີ|ຂວບ))"
)
_AGES = (
    re.compile(r"(?<![\d.])(\d{1,2})" + _AGE_AFTER),
    re.compile(r"\b(?:aged?|age\s*(?:is|of)|turn(?:s|ing|ed)|edad|alter|age\s+de)\W*(\d{1,2})(?!\d)"),
    re.compile(r"(?:อายุ|ອາຍຸ|年齢|年龄|나이)\W*(\d{1,2})(?!\d)"),
    re.compile(r"\b(\d{1,2})(?:st|nd|rd|th) birthday\b"),
)
_BELOW = re.compile(  # the bound itself is none of those meant
    r"(?:younger than|not yet|below the age of|under the age of|\bsub\W?|\bu\W?)\s*(\d{1,2})\b"
    r"|(\d{1,2})\s*(?:歳|才)?(?:未満|以下)|(?:ต่ํากว่า|ไม่ถึง|ยังไม่ครบ|ບໍ່ຮອດ)\s*(?:อายุ|ອາຍຸ)?\s*(\d{1,2})"
)
_KANJI_DIGITS = "零一二三四五六七八九"
_KANJI = re.compile(
    r"(?<![一二三四五六七八九十百])(?:(十)([一二三四五六七八九])?|([一二三四五六七八九]))(?=\s*(?:歳|才|岁|歲))"
)


def _numbered(words: str, ten: str, before: str, after: str) -> tuple[re.Pattern[str], dict[str, int]]:
    """Numbers up to 99 in words, `word:value`, as one language writes them, and where an age stands in a text."""
    units = {plain(word): int(value) for word, value in (pair.split(":") for pair in words.split())}
    unit = "|".join(sorted(units, key=len, reverse=True))
    return re.compile(rf"{before}(?:({unit})?({ten}))?({unit})?{after}"), units


_IN_WORDS = (
    _numbered(
        "หนึ่ง:1 สอง:2 สาม:3 สี่:4 ห้า:5 หก:6 เจ็ด:7 แปด:8 เก้า:9 เอ็ด:1 ยี่:2",
        "สิบ", r"(?<=อายุ)(?:ได้|เพียง|แค่)?\s*", "",
    ),
    _numbered(
        "ໜຶ່ງ:1 ນຶ່ງ:1 ສອງ:2 ສາມ:3 ສີ່:4 ຫ້າ:5 ຫົກ:6 ເຈັດ:7 ແປດ:8 ເກົ້າ:9 ເອັດ:1", "ສິບ", r"(?<=ອາຍຸ)\s*(?!ຊາວ)", ""
    ),
    _numbered(
        "いっ:1 いち:1 に:2 さん:3 よん:4 ご:5 ろく:6 なな:7 しち:7 はっ:8 はち:8 きゅう:9",
        "じゅう|じゅっ|じっ", "(?<![ぁ-ん])", r"(?=\s*さい)",
    ),
)  # fmt: skip


def below_18(base: str) -> int | None:
    """An age under 18 that a text in `core.spellings.plain` form gives, or None."""
    digits = "".join(str(unicodedata.digit(char, char)) for char in base)
    digits = re.sub(r"\b[a-z]+\b", lambda word: str(_NUMBER_WORDS.get(word.group(), word.group())), digits)
    digits = _KANJI.sub(
        lambda match: str(10 * bool(match[1]) + _KANJI_DIGITS.index(match[2] or match[3] or "零")), digits
    )
    for pattern, units in _IN_WORDS:
        digits = pattern.sub(partial(_as_digits, units), digits)
    told = [int(match[1]) for pattern in _AGES for match in pattern.finditer(digits)]
    told += [int(next(filter(None, match.groups()))) - 1 for match in _BELOW.finditer(digits)]
    return next((age for age in told if 0 <= age < ADULT), None)


def _as_digits(units: dict[str, int], match: re.Match[str]) -> str:
    if match[2] is None and match[3] is None:
        return match[0]
    tens = 10 * units.get(match[1], 1) if match[2] else 0
    return str(tens + units.get(match[3], 0))
