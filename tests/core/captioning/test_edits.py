"""What an edit makes of one caption."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.captioning.edits import LONGEST, Edit, check, edited, holds, parts_of
from core.errors import BadValue, PromptRefused

CAPTION = "photo of {trigger}, smiling, red dress"
TAGS = st.lists(st.sampled_from(["a", "b c", "D", "é", "笑"]), max_size=4)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Edit(add=("church",)), f"{CAPTION}, church"),
        (Edit(add=("Smiling", "church, veil")), f"{CAPTION}, church, veil"),
        (Edit(remove=("SMILING",)), "photo of {trigger}, red dress"),
        (Edit(remove=("smil",)), CAPTION),
        (Edit(prepend=("portrait", "red dress")), "portrait, red dress, photo of {trigger}, smiling"),
        (Edit(replace=("red", "blue")), "photo of {trigger}, smiling, blue dress"),
        (Edit(replace=("smiling", "")), "photo of {trigger}, red dress"),
        (Edit(text=" {trigger} ,  in {place} "), "{trigger}, in {place}"),
        (Edit(text="{trigger}", add=("veil",)), "{trigger}, veil"),
        (Edit(replace=("red", "blue"), remove=("blue dress",)), "photo of {trigger}, smiling"),
        (Edit(), CAPTION),
    ],
)
def test_edits(edit: Edit, said: str) -> None:
    assert edited(CAPTION, edit) == said


def test_a_caption_that_is_not_touched_stays_letter_for_letter() -> None:
    odd = "{trigger} ,smiling,,  red  dress"
    assert edited(odd, Edit(remove=("hat",))) == odd
    assert edited(odd, Edit(add=("hat",))) == "{trigger}, smiling, red dress, hat"


@given(TAGS, TAGS, TAGS)
def test_what_is_added_is_there_once_and_what_is_removed_is_not(
    there: list[str], add: list[str], gone: list[str]
) -> None:
    caption = ", ".join(["{trigger}", *there])
    once = edited(caption, Edit(add=tuple(add)))
    assert edited(once, Edit(add=tuple(add))) == once
    assert all(holds(once, tag) for tag in [*there, *add])
    assert len(parts_of(once)) <= len(there) + len(set(add)) + 1
    less = edited(once, Edit(remove=tuple(gone)))
    assert not any(holds(less, tag) for tag in gone)
    assert [part for part in parts_of(once) if part not in gone] == parts_of(less)
    front = edited(once, Edit(prepend=tuple(add)))
    assert parts_of(front)[: len(add)] == add
    assert {*parts_of(front)} == {*parts_of(once)}


@pytest.mark.parametrize(
    ("caption", "error", "said"),
    [
        ("a person", BadValue, "picture 1.2: the caption must hold {trigger}"),
        ("{trigger} {name}", BadValue, "holds a brace"),
        ("{trigger}\tx", BadValue, "can't be printed"),
        ("{trigger}\x1b[2J", BadValue, "can't be printed"),
        ("{trigger}, " + "x" * LONGEST, BadValue, "1,000 are the most"),
        ("{trigger}, schoolgirl", PromptRefused, "picture 1.2: it names a minor"),
        ("{trigger}, n4ked", PromptRefused, "picture 1.2: it names sexual content"),
        ("{trigger}, 16 years old", PromptRefused, "a minor"),
    ],
)
def test_what_is_no_caption(caption: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said.replace("{", r"\{")):
        check(caption, "picture 1.2")


def test_an_edit_says_what_it_does() -> None:
    assert Edit(add=("a",), remove=("b\x1b",)).told() == "without 'b\\x1b', with 'a'"
    assert Edit(replace=("a", "b"), clear=True).told() == "called by the recipe again, 'a' becomes 'b'"
    assert not Edit()
    assert Edit(text="")
