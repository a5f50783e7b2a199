"""What may be asked for in words: nothing of minors, nothing sexual, in the languages of `WORDS` and their spellings.

A list of words is a fence, not a proof: it errs on the safe side (a `school uniform` is refused whoever
wears it), and what is drawn is looked at as well (`core.picture_checks`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from core import spellings
from core.errors import PromptRefused
from core.prompt_ages import below_18
from core.prompt_words import HARMLESS, WORDS
from core.spellings import plain

_STEM = 4  # letters of a word from which on it is sought inside letters drawn together
_ABUGIDA = re.compile("[\u0e00-\u0eff]")


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
    if (years := below_18(base)) is not None:
        return Finding("minor", f"{years} years")
    forms = spellings.spellings(base)
    runs = spellings.spelled_out(base)
    broken = set(spellings.broken(base))
    masked = spellings.masked(base)
    joined = spellings.joined(base)
    for topic in WORDS:
        terms = _terms(topic)
        match = next(filter(None, (terms.plainly.search(form) for form in forms)), None)
        match = match or next(filter(None, (terms.drawn_together.search(run) for run in runs)), None)
        match = match or terms.over_blanks.search(joined) or terms.toneless.search(spellings.without_tones(joined))
        match = match or terms.hiragana.search(spellings.in_hiragana(joined))
        if match:
            return Finding(topic, match.group().strip())
        for word in terms.single:
            if (len(word) >= _STEM and word in broken) or any(pattern.fullmatch(word) for pattern in masked):
                return Finding(topic, word)
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


@dataclass(frozen=True, slots=True)
class _Terms:
    """A topic's words, as they are sought in each form of a text."""

    plainly: re.Pattern[str]  # whole, or anywhere, by their script
    drawn_together: re.Pattern[str]  # in letters that were spelled one by one
    over_blanks: re.Pattern[str]  # of scripts that do not part words, long enough not to come about by chance
    toneless: re.Pattern[str]
    hiragana: re.Pattern[str]
    single: frozenset[str]  # Latin words of three letters and more


@cache
def _terms(topic: str) -> _Terms:
    whole, anywhere, stems, short, blanks, toneless, kana = [], [], [], [], [], [], []
    single = set()
    for word in WORDS[topic]:
        starts = word.endswith("*")
        text = plain(word.removesuffix("*"))
        spelled = r"[\W_]*".join(re.escape(part) for part in text.split())
        if all(ord(char) < 0x0500 for char in word):
            whole.append(spelled + (r"\w*" if starts else ""))
            if " " not in text and len(text) >= _STEM:
                stems.append(re.escape(spellings.read_as_letters(text)))
                single.add(text)
            elif len(text) == _STEM - 1 and text.isalpha():
                short.append(text)
                single.add(text)
            continue
        anywhere.append(re.escape(text))
        if len(text) >= (3 if _ABUGIDA.match(text) else 2):
            blanks.append(re.escape(text))
        bare = spellings.without_tones(text)
        if bare != text and len(bare) >= 3:
            toneless.append(re.escape(bare))
        if re.fullmatch("[ぁ-んァ-ヶー]+", text):
            read = spellings.in_hiragana(text)
            kana.append(read if len(read) > 2 else f"(?<![ぁ-ん]){read}")
    return _Terms(
        plainly=re.compile(rf"(?<![^\W_])(?:{_either(whole)})(?![^\W_])|{_either(anywhere)}"),
        drawn_together=re.compile(rf"{_either(stems)}|^a?(?:{_either(short)})s?$"),
        over_blanks=re.compile(_either(blanks)),
        toneless=re.compile(_either(toneless)),
        hiragana=re.compile(_either(kana)),
        single=frozenset(single),
    )


def _either(patterns: list[str]) -> str:
    return "|".join(sorted(patterns, key=len, reverse=True))
