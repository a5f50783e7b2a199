"""Captions: from a template and the catalog, from a file, held to the rule of prompts, shuffled by slot."""

from __future__ import annotations

import dataclasses
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadRecipe, PromptRefused
from core.training import captions
from core.training.recipe import Recipe
from core.training.words import text_at
from storage import artifacts, photos
from storage import captions as written
from storage.forgetting import Names
from storage.records import CohortItem
from tests.small_archive import SmallArchive


def said(archive: SmallArchive, items: list[CohortItem], recipe: Recipe) -> list[str]:
    """What each item is called."""
    return [one.caption for one in captions.of_items(archive.catalog, items, recipe)]


TEMPLATE = "photo of {trigger}, {framing}, in {place}, {year}"


def test_what_is_not_known_goes_with_its_part(archive: SmallArchive) -> None:
    cohort = archive.freeze("alone", of=1)
    item = next(iter(artifacts.cohort_items(archive.catalog, cohort.id)))
    photo = photos.get(archive.catalog, item.photo_id)
    plain = dataclasses.replace(photo, place=None, taken_at=None)
    assert captions.filled(TEMPLATE, plain, item, None) == "photo of {trigger}"
    known = dataclasses.replace(photo, place="Oslo", taken_at=datetime(2019, 5, 1, tzinfo=UTC))
    assert captions.filled(TEMPLATE, known, item, item.crop) == "photo of {trigger}, close-up, in Oslo, 2019"
    assert captions.filled("{place} {trigger}", plain, item, None) == "{trigger}"
    odd = dataclasses.replace(photo, place="Nude Beach")
    assert captions.filled("{trigger}, {place}", odd, item, None) == "{trigger}"


def test_a_file_of_captions(archive: SmallArchive, tmp_path: Path) -> None:
    cohort = archive.freeze("alone", of=1)
    items = list(artifacts.cohort_items(archive.catalog, cohort.id))
    path = tmp_path / "captions.tsv"
    recipe = Recipe(captions=str(path))
    path.write_text("\n".join(captions.lines_of(captions.of_items(archive.catalog, items, Recipe()))) + "\n")
    assert said(archive, items, recipe) == ["photo of {trigger} person"] * 3
    path.write_text(path.read_text().replace("person", "person, smiling", 1))
    smiling = ["photo of {trigger} person, smiling", *["photo of {trigger} person"] * 2]
    assert said(archive, items, recipe) == smiling
    counted = captions.frequencies(smiling)
    assert list(counted.items()) == [("photo of {trigger} person", 3), ("smiling", 1)]


def test_the_recipes_file_comes_before_the_catalog_and_that_before_the_template(
    archive: SmallArchive, tmp_path: Path
) -> None:
    cohort = archive.freeze("alone", of=1)
    items = list(artifacts.cohort_items(archive.catalog, cohort.id))
    first, second, third = map(captions.key_of, items)
    written.put(archive.catalog, {first: "{trigger} of the catalog", second: "{trigger}, {framing}"})
    path = tmp_path / "captions.tsv"
    path.write_text(f"{captions.name_of(first)}\t{{trigger}} of the file\n")
    called = captions.of_items(archive.catalog, items, Recipe(caption="{trigger} by rule", captions=str(path)))
    assert [one.caption for one in called] == ["{trigger} of the file", "{trigger}, close-up", "{trigger} by rule"]
    assert [one.text for one in called][1:] == ["{trigger}, {framing}", "{trigger} by rule"]
    assert [one.own for one in called] == [True, True, False]
    assert third == called[2].key


def test_a_run_says_once_what_pictures_are_called(archive: SmallArchive, tmp_path: Path) -> None:
    cohort = archive.freeze("alone", of=1)
    items = list(artifacts.cohort_items(archive.catalog, cohort.id))
    kept, key = tmp_path / captions.KEPT, captions.key_of(items[0])
    written.put(archive.catalog, {key: "{trigger} with Ann Lee"})
    first = captions.for_run(archive.catalog, items[:2], Recipe(), tmp_path)
    assert first[key] == "{trigger} with Ann Lee"
    written.put(archive.catalog, {key: "{trigger}, changed since", captions.key_of(items[2]): "{trigger}, new"})
    assert captions.for_run(archive.catalog, items[:2], Recipe(caption="{trigger}"), tmp_path) == first
    more = captions.for_run(archive.catalog, items, Recipe(), tmp_path)
    assert more == first | {captions.key_of(items[2]): "{trigger}, new"}
    assert captions.for_run(archive.catalog, items[:1], Recipe(), None)[key] == "{trigger}, changed since"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    captions.forget(kept, 999, Names(("Ann Lee",)))
    assert captions.read(kept)[key] == "{trigger} with erased"
    captions.forget(kept, items[0].subject_id, Names(("Ann Lee",)))
    assert captions.read(kept) == {}


def test_words_that_no_prompt_may_have_do_not_train(archive: SmallArchive) -> None:
    """However they came into the catalog."""
    cohort = archive.freeze("alone", of=1)
    items = list(artifacts.cohort_items(archive.catalog, cohort.id))
    written.put(archive.catalog, {captions.key_of(items[0]): "{trigger}, schoolgirl"})
    with pytest.raises(PromptRefused, match="names a minor"):
        captions.for_run(archive.catalog, items, Recipe(), None)


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        ("1.1\tphoto of {trigger} child", PromptRefused, "line 2: it names a minor"),
        ("1.1\t{trigger} n4ked", PromptRefused, "line 2: it names sexual content"),
        ("1.1\tphoto of a person", BadRecipe, "line 2: must hold {trigger}"),
        ("1.1\t{trigger} {name}", BadRecipe, "line 2: holds a brace"),
        ("1.1 {trigger}", BadRecipe, "line 2: no picture and caption"),
        ("one\t{trigger}", BadRecipe, "line 2: no picture and caption"),
        ("1.1\t{trigger}\n1.1\t{trigger}", BadRecipe, "line 3: picture 1.1 stands there twice"),
    ],
)
def test_faults_are_named_by_line(tmp_path: Path, line: str, error: type[Exception], said: str) -> None:
    path = tmp_path / "captions.tsv"
    path.write_text(f"{captions.HEADING}\n{line}\n")
    with pytest.raises(error, match=said):
        captions.read(path)


@given(st.lists(st.sampled_from("abcdef"), max_size=6, unique=True), st.integers(0, 5), st.integers(0, 50))
def test_a_shuffle_loses_nothing_and_keeps_the_front(parts: list[str], keep: int, slot: int) -> None:
    recipe = Recipe(caption_shuffle=True, caption_keep=keep)
    whole = ["{trigger}", *parts]
    shuffled = text_at(", ".join(whole), "kyo", recipe, "key", slot).split(", ")
    said = ["kyo", *parts]
    assert sorted(shuffled) == sorted(said)
    assert shuffled[:keep] == said[:keep]
    assert shuffled == text_at(", ".join(whole), "kyo", recipe, "key", slot).split(", ")
    assert text_at(", ".join(whole), "kyo", Recipe(), "key", slot).split(", ") == said
