"""Can a model be told to have been trained on somebody? The test by itself, and on a model that surely was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import NoSuchRecord, Refused
from core.membership import membership, stands_out
from core.training.loop import train
from core.training.recipe import Recipe
from storage import artifacts, subjects
from storage.catalog import Catalog
from storage.records import ModelState, Purpose
from tests import small_archive
from tests.tiny_base import write_tiny_base

RECIPE = Recipe(rank=4, steps=20, batch=2, lr=0.03, warmup=0, previews=0, targets="attention+ff+conv")


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


def test_one_case_beside_many_is_a_t_test_of_a_new_value() -> None:
    others = [np.array([value]) for value in (0.1, 0.2, 0.15, 0.25, 0.3)]
    assert stands_out(np.array([0.2]), others) == pytest.approx(0.5)
    assert stands_out(np.array([0.6]), others) < 0.01 < stands_out(np.array([0.35]), others)
    many = [np.array([value]) for value in np.random.default_rng(0).normal(size=4000)]
    assert stands_out(np.array([1.645]), many) == pytest.approx(0.05, abs=0.01)  # of many: the normal distribution
    assert stands_out(np.array([2.0]), [np.array([1.0])] * 3) == 0.0
    assert stands_out(np.array([1.0]), [np.array([1.0])] * 3) == 1.0


def test_chance_is_as_often_as_told() -> None:
    """People who are like the others are called members in about one case of twenty."""
    chance = np.random.default_rng(1)
    found = 0
    for _ in range(400):
        people = [offset + chance.normal(size=6) for offset in chance.normal(size=10)]
        found += stands_out(people[0], people[1:]) < 0.05
    assert 8 <= found <= 34


def test_a_person_is_set_beside_those_who_are_not_in_the_model(
    catalog: Catalog, tmp_path: Path, tiny_base: Path
) -> None:
    archive = small_archive.build(catalog, tmp_path / "archive", people=8, pictures=3)
    archive.freeze("two", of=2)
    name = train(catalog, "two", tiny_base, "v1", mode="pooled", recipe=RECIPE)[0]
    inside, outside = (membership(catalog, name, f"Person {number}") for number in (0, 4))
    assert (inside.share, inside.pictures, inside.other_people) == (0.5, 3, 6)
    assert (outside.share, outside.pictures, outside.other_people) == (0.0, 3, 5)
    for told in (inside, outside):
        assert told.gap is not None
        assert told.gap > 0  # twenty steps at a high rate are enough to learn what pictures are like here
        assert told.p is not None
        assert 0 < told.p < 1
        assert any(told.subject in line for line in told.lines())
    assert membership(catalog, name, "Person 0") == inside  # the same noise every time
    archive.withdraw(archive.people[6])
    assert membership(catalog, name, "Person 0").other_people == 5  # nobody is told from whose word is no
    archive.withdraw(archive.people[4])
    assert membership(catalog, name, "Person 4").pictures == 3  # but whoever asks for themselves is answered


def test_too_few_others_or_pictures_say_nothing(catalog: Catalog, tmp_path: Path, tiny_base: Path) -> None:
    archive = small_archive.build(catalog, tmp_path / "archive", people=3, pictures=3)
    archive.freeze("one", of=1)
    (model,) = train(catalog, "one", tiny_base, "v1", recipe=Recipe(rank=2, steps=1, batch=1, previews=0))
    told = membership(catalog, model, "Person 0")
    assert (told.verdict, told.gap) == ("not enough evidence", None)


def test_refusals(catalog: Catalog, tmp_path: Path, tiny_base: Path) -> None:
    archive = small_archive.build(catalog, tmp_path / "archive", people=2, pictures=3)
    archive.freeze("one", of=1)
    (model,) = train(catalog, "one", tiny_base, "v1", recipe=Recipe(rank=2, steps=1, batch=1, previews=0))
    with pytest.raises(NoSuchRecord):
        membership(catalog, model, "Nobody")
    child = subjects.add(catalog, "Child", minor=True)
    with pytest.raises(Refused, match="not on record as an adult"):
        membership(catalog, model, child.id)
    archive.withdraw(archive.people[0], Purpose.TRAIN_INDIVIDUAL)
    artifacts.set_state(catalog, [artifacts.get_model(catalog, model).id], ModelState.QUARANTINED, "gone")
    with pytest.raises(Refused, match="gone"):
        membership(catalog, model, "Person 0")
