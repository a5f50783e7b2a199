"""Models as people ask for them."""

from __future__ import annotations

import pytest

from core import models, withdrawal
from core.errors import NoSuchRecord, Refused
from core.merging.catalogued import merge_average, merge_bake
from core.merging.methods import Method
from core.verification import verify
from storage import artifacts
from storage.catalog import Catalog
from storage.records import ModelState, Purpose
from tests.composites import Composite


def test_show(catalog: Catalog, three: Composite) -> None:
    told = models.show(catalog, "baked")
    assert list(told.shares.items()) == [("Kim", 0.5), ("Ann", 0.25), ("Ben", 0.25)]
    assert told.cohorts == ["c"]
    lines = told.lines()
    assert lines[0] == "baked: bake, ok"
    assert "   50.00%  Kim" in lines
    assert models.show(catalog, three.loras[0]).shares == {"Ann": 1.0}


def test_lineage_leads_back_to_the_cohort(catalog: Catalog, three: Composite) -> None:
    assert models.lineage(catalog, "baked").lines() == [
        "baked: bake, 3 people, 25.0% to 50.0% each",
        "└─ 100.0% mean x 0.5: average, 3 people, 25.0% to 50.0% each",
        *(
            f"   {sign} {share:.1%} {name} x {weight}: lora, {person.name}, cohort c"
            for sign, share, weight, name, person in zip(
                ("├─", "├─", "└─"), (0.25, 0.25, 0.5), (1, 1, 2), three.loras, three.people, strict=True
            )
        ),
    ]


def test_affected_are_all_that_hold_anything_of_a_person(catalog: Catalog, three: Composite) -> None:
    assert [model.name for model in models.affected(catalog, "Ann")] == [three.loras[0], "mean", "baked"]
    with pytest.raises(NoSuchRecord):
        models.affected(catalog, "Nobody")


def test_patterns_name_the_usable_loras(catalog: Catalog, three: Composite) -> None:
    merge_average(catalog, three.loras, "p.mean")
    assert models.expand(catalog, ["p.*"]) == list(three.loras)
    assert models.expand(catalog, ["mean", "p.*", three.loras[0]]) == ["mean", *three.loras]
    withdrawal.withdraw(catalog, "Ann", [Purpose.TRAIN_COMPOSITE], by="me")
    assert models.expand(catalog, ["p.*"]) == list(three.loras[1:])
    with pytest.raises(NoSuchRecord, match="q"):
        models.expand(catalog, ["q.*"])


def test_lineage_shows_the_shares_that_a_method_found(catalog: Catalog, three: Composite) -> None:
    made = merge_average(catalog, three.loras, "median", method=Method("geometric-median"))
    tree = models.lineage(catalog, "median")
    shares = artifacts.shares_of(catalog, made.id)
    assert [one.share for one in tree.inputs] == [shares[person.id] for person in three.people]
    assert len({round(one.share, 6) for one in tree.inputs}) == 3
    outer = merge_average(catalog, ["median", three.loras[0]], "outer", weights=[3, 1])
    [inner] = [one for one in models.lineage(catalog, "outer").inputs if one.name == "median"]
    parts = [one.share for one in inner.inputs]
    assert parts == pytest.approx([0.75 * shares[person.id] for person in three.people])
    assert artifacts.shares_of(catalog, outer.id)[three.people[0].id] == pytest.approx(0.25 + parts[0])
    assert verify(catalog, "outer").ok
    (catalog.models / "median.safetensors").unlink()
    assert [one.share for one in models.lineage(catalog, "median").inputs] == pytest.approx([1 / 3] * 3)


def test_an_ingredient_is_not_deleted_while_it_is_needed(catalog: Catalog, three: Composite) -> None:
    with pytest.raises(Refused, match="ingredient of mean, baked"):
        models.delete(catalog, three.loras[0])
    gone = models.delete(catalog, "baked")
    assert gone.state is ModelState.DELETED
    assert not (catalog.models / "baked").exists()
    merge_bake(catalog, "mean", three.base, "baked")  # the name is free
    withdrawal.settle(catalog)
    assert verify(catalog, "baked").ok
    with pytest.raises(Refused, match=" is "):
        verify(catalog, gone.name)
    assert [model.name for model in models.list_all(catalog)][-2:] == [gone.name, "baked"]
    with pytest.raises(NoSuchRecord):
        models.delete(catalog, "none")


def test_a_deleted_models_row_keeps_its_people(catalog: Catalog, three: Composite) -> None:
    for name in ("baked", "mean"):
        models.delete(catalog, name)
    gone = models.delete(catalog, three.loras[0])
    assert list(artifacts.shares_of(catalog, gone.id)) == [three.people[0].id]
    assert models.affected(catalog, "Ann") == []
