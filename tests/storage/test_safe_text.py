from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.safe_text import display


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"a\x1b]52;c;aGk=\x07b", "a\\x1b]52;c;aGk=\\x07b"),
        ("right\u202eto left", "right\\u202eto left"),
        (b"\xffname.jpg", "\\xffname.jpg"),
        ("\udcffname.jpg", "\\xffname.jpg"),
        ("\ud800", "\\ud800"),
        ("\x9b2J", "\\x9b2J"),
        ("two\nlines", "two\\x0alines"),
        ("ຫຼວງພະບາງ ภาพ 写真 👩\u200d🚀", "ຫຼວງພະບາງ ภาพ 写真 👩\u200d🚀"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(raw: bytes | str, shown: str) -> None:
    assert display(raw) == shown


@given(st.one_of(st.binary(), st.text(st.characters())))
def test_any_text_comes_out_printable_on_one_line_and_stays_so(raw: bytes | str) -> None:
    shown = display(raw)
    shown.encode("utf-8")
    assert len(shown.splitlines()) <= 1
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in shown)
    assert display(shown) == shown
