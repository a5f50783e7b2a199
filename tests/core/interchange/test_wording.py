"""The receipts' words: every one in every language, with the same blanks to fill, in letters that the fonts have."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from core.interchange import receipt, wording
from core.interchange.page import Page
from core.interchange.receipt_pdf import TEXT
from core.interchange.wording import Language
from storage.records import ModelState, Purpose, Status

SCRIPTS = {Language.JAPANESE: "[\u3040-\u9fff]", Language.THAI: "[\u0e00-\u0e7f]", Language.LAO: "[\u0e80-\u0eff]"}


@pytest.mark.parametrize("key", wording.table())
def test_every_word_is_in_every_language(key: str) -> None:
    said = wording.table()[key]
    assert set(said) == set(Language)
    assert all(text.strip() for text in said.values())
    blanks = {language: sorted(re.findall(r"{(\w*)}", text)) for language, text in said.items()}
    assert len({tuple(found) for found in blanks.values()}) == 1, blanks
    for language, script in SCRIPTS.items():
        assert re.search(script, said[language])
        assert not any(re.search(other, said[language]) for other in SCRIPTS.values() if other != script)


def test_there_is_a_word_for_all_that_is_told() -> None:
    keys = set(wording.table())
    assert {f"purpose_{one}" for one in Purpose} | {f"short_{one}" for one in Purpose} <= keys
    assert {f"status_{one}" for one in Status} | {f"state_{one}" for one in ModelState} <= keys


@pytest.mark.parametrize("language", Language)
def test_the_fonts_have_all_words(language: Language) -> None:
    page = Page("title", language, datetime(2026, 1, 1, tzinfo=UTC))
    for key, text in wording.words(language).items():
        if key != "replaced":
            page.lines(text, 100, TEXT)
    assert not page.replaced


def test_plain_words_hold_no_breaks() -> None:
    assert all(wording.BREAK not in wording.plain(text) for text in wording.words(Language.LAO).values())
    assert any(wording.BREAK in text for text in wording.words(Language.LAO).values())
    assert receipt.day("2026-01-02T00:00:00+00:00") == "2026-01-02"
