"""Captions of a cohort's pictures, changed many at a time, as decisions that can be undone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core import cohort as cohorts
from core import erasure, withdrawal
from core.captioning import change
from core.captioning.edits import Edit
from core.decisions import undo
from core.errors import ConsentLost, PromptRefused, Refused
from core.training.recipe import Recipe
from storage import captions, decisions, photos, subjects
from storage.catalog import Catalog
from storage.photos import ScanBatch
from storage.records import CohortItem, CohortRules, DecisionKind, Purpose
from tests.world import adult, portraits

PLAIN = "photo of {trigger} person"


@pytest.fixture
def items(catalog: Catalog) -> list[CohortItem]:
    """Two pictures each of Ann and Ben, in a frozen cohort."""
    for name in ("Ann", "Ben"):
        portraits(catalog, adult(catalog, name), 2)
    cohorts.create(catalog, "two", "", CohortRules(Purpose.TRAIN_COMPOSITE))
    cohorts.freeze(catalog, "two")
    return cohorts.frozen_items(catalog, "two")


def said(catalog: Catalog, recipe: Recipe | None = None) -> list[str]:
    return [one.caption for one in change.listing(catalog, "two", recipe)]


def test_a_change_is_one_decision_and_is_undone(catalog: Catalog, items: list[CohortItem]) -> None:
    before = decisions.last(catalog)
    assert said(catalog) == [PLAIN] * 4
    foreseen = change.change(catalog, items, Edit(add=("church",)), dry_run=True)
    assert (len(foreseen.changed), said(catalog), decisions.last(catalog)) == (4, [PLAIN] * 4, before)
    done = change.change(catalog, items, Edit(add=("church",)))
    assert done == foreseen
    assert done.lines() == ["with 'church': 4 pictures, 4 changed"]
    assert not change.change(catalog, items, Edit(add=("church",))).changed
    assert said(catalog) == [f"{PLAIN}, church"] * 4
    change.change(catalog, items[:1], Edit(text="{trigger} in {year}"))
    assert said(catalog) == ["{trigger} in 2020", *[f"{PLAIN}, church"] * 3]
    assert [one.own for one in change.listing(catalog, "two")] == [True] * 4
    assert [one.kind for one in decisions.newest(catalog, 2)] == [DecisionKind.CAPTIONS] * 2
    undone = undo.undo(catalog)
    assert (undone.told, undone.photo) == ("1 picture called '{trigger} in {year}'", items[0].photo_id)
    assert said(catalog) == [f"{PLAIN}, church"] * 4
    undo.undo(catalog)
    assert said(catalog) == [PLAIN] * 4
    assert not captions.of_pictures(catalog, [(one.photo_id, one.subject_id) for one in items])
    undo.redo(catalog)
    undo.redo(catalog)
    assert said(catalog) == ["{trigger} in 2020", *[f"{PLAIN}, church"] * 3]
    change.change(catalog, items, Edit(clear=True))
    assert said(catalog) == [PLAIN] * 4


def test_the_recipes_template_is_where_a_caption_starts(catalog: Catalog, items: list[CohortItem]) -> None:
    recipe = Recipe(caption="{trigger}, {framing}")
    change.change(catalog, items[:2], Edit(add=("hat",)), recipe)
    assert said(catalog, recipe) == [f"{one}, hat" for one in said(catalog, recipe)[2:]] + said(catalog, recipe)[2:]
    assert not change.change(catalog, items, Edit(remove=("veil",)), recipe).changed, "what is not touched is not owned"
    assert [one.own for one in change.listing(catalog, "two")] == [True, True, False, False]


@pytest.mark.parametrize("edit", [Edit(add=("little girl",)), Edit(replace=("ing", "ie nude"))])
def test_all_or_none_pass_the_rule_of_prompts(catalog: Catalog, items: list[CohortItem], edit: Edit) -> None:
    change.change(catalog, items[2:], Edit(add=("smiling",)))
    before = said(catalog)
    with pytest.raises(PromptRefused, match=r"picture \d+\.\d+: it names"):
        change.change(catalog, items, edit)
    assert said(catalog) == before


def test_what_was_changed_otherwise_since_is_not_undone(catalog: Catalog, items: list[CohortItem]) -> None:
    change.change(catalog, items[:1], Edit(add=("hat",)))
    captions.put(catalog, {(items[0].photo_id, items[0].subject_id): "{trigger}"})
    with pytest.raises(Refused, match="is called otherwise since"):
        undo.undo(catalog)


@pytest.mark.usefixtures("items")
def test_nothing_is_listed_without_consent(catalog: Catalog) -> None:
    withdrawal.withdraw(catalog, "Ann", [Purpose.TRAIN_COMPOSITE], by="me")
    with pytest.raises(ConsentLost):
        said(catalog)


def test_captions_go_with_the_person_and_name_nobody_else_who_went(catalog: Catalog, items: list[CohortItem]) -> None:
    ann, ben = sorted({(one.subject_id) for one in items})
    change.change(catalog, items, Edit(add=("with Ann", "hat")))
    erasure.erase(catalog, ann, by="me")
    keys = [(one.photo_id, one.subject_id) for one in items]
    left = captions.of_pictures(catalog, keys)
    assert left == {key: f"{PLAIN}, with erased, hat" for key in keys if key[1] == ben}
    assert DecisionKind.CAPTIONS not in {one.kind for one in decisions.newest(catalog)}, "it names who is gone"


def test_another_picture_under_the_name_has_no_caption(catalog: Catalog, items: list[CohortItem]) -> None:
    change.change(catalog, items, Edit(add=("hat",)))
    photo = photos.get(catalog, items[0].photo_id)
    photos.apply_scan(catalog, ScanBatch(changed=[replace(photo, content_hash="f" * 64)]))
    assert len(captions.of_pictures(catalog, [(one.photo_id, one.subject_id) for one in items])) == 3


def test_a_merged_records_caption_that_was_given_up_comes_back_to_that_record(
    catalog: Catalog, items: list[CohortItem]
) -> None:
    """So that it is there when the merge is undone too."""
    (photo, ann), ben = (items[0].photo_id, items[0].subject_id), items[-1].subject_id
    captions.put(catalog, {(photo, ann): "{trigger}, hat"})
    subjects.fold(catalog, ann, ben)
    change.write(catalog, {(photo, ben): None}, "as the recipe")
    assert captions.of_pictures(catalog, [(photo, ben)]) == {}
    undo.undo(catalog)
    assert captions.of_pictures(catalog, [(photo, ben)]) == {(photo, ben): "{trigger}, hat"}
    undo.redo(catalog)
    assert captions.of_pictures(catalog, [(photo, ben)]) == {}
    undo.undo(catalog)
    subjects.unfold(catalog, ann)
    assert captions.of_pictures(catalog, [(photo, ann), (photo, ben)]) == {(photo, ann): "{trigger}, hat"}
