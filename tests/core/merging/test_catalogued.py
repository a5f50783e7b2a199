"""Merges by the names of models: what is refused, what the file says of itself, and what is recorded."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core import cohort, consent_actions
from core.errors import (
    BadBase,
    BadValue,
    CohortTooSmall,
    ConsentLost,
    NameTaken,
    NoSuchRecord,
    Refused,
    Tainted,
    WrongArchitecture,
)
from core.merging.catalogued import merge_average, merge_bake, merge_soup
from storage import artifacts, whole_files
from storage.catalog import Catalog
from storage.records import CohortRules, ModelKind, ModelState, Purpose
from storage.tensors import read_header
from tests import composites
from tests.composites import Composite, content

NAMES = ["Ann Example", "Ben Example", "Kim Example", "Lou Example"]
RULES = CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=2)


@pytest.fixture
def four(catalog: Catalog, tiny_base: Path) -> Composite:
    return composites.build(catalog, tiny_base, NAMES, RULES)


def nothing_was_made(catalog: Catalog, made: Composite) -> bool:
    files = sorted(path.name for path in catalog.models.iterdir())
    return files == sorted(f"{name}.safetensors" for name in made.loras)


def test_what_is_recorded(catalog: Catalog, four: Composite) -> None:
    mean = merge_average(catalog, four.loras, "mean", weights=[1, 1, 1, 5], rank=3)
    assert (mean.kind, mean.state, mean.path) == (ModelKind.AVERAGE, ModelState.OK, "mean.safetensors")
    assert mean == artifacts.get_model(catalog, "mean")
    assert 0 < (mean.energy_kept or 0) < 1
    assert mean.recipe == {"op": "average", "rank": 3, "dtype": "F32"}
    assert artifacts.shares_of(catalog, mean.id) == {
        person.id: share for person, share in zip(four.people, [0.125, 0.125, 0.125, 0.625], strict=True)
    }
    assert [arrow.weight for arrow in artifacts.inputs_of(catalog, mean.id)] == [1, 1, 1, 5]
    outer = merge_average(catalog, ["mean", four.loras[0]], "outer")
    assert artifacts.shares_of(catalog, outer.id)[four.people[0].id] == 0.5625
    assert outer.energy_kept == 1.0


def test_the_file_tells_how_it_was_made_and_of_nobody(catalog: Catalog, four: Composite) -> None:
    mean = merge_average(catalog, four.loras, "mean")
    bake = merge_bake(catalog, "mean", four.base, "bake of Ann Example", weight=0.5)
    for model in (mean, bake):
        file = whole_files.weights_file(catalog.models / model.path)
        metadata = read_header(file).metadata
        assert metadata["kyodaku.people"] == "4"
        assert metadata["kyodaku.base"] == mean.base_hash
        assert json.loads(metadata["kyodaku.recipe"]) == model.recipe
        inputs = json.loads(metadata["kyodaku.inputs"])
        hashes = [artifacts.get_model(catalog, arrow.input_id).content_hash
                  for arrow in artifacts.inputs_of(catalog, model.id)]  # fmt: skip
        assert [one["hash"] for one in inputs] == sorted(hashes)
        roots = json.loads(metadata["kyodaku.roots"])
        own = {cohort.root_of(artifacts.cohort_items(catalog, four.cohort.id, one.id)) for one in four.people}
        assert roots.keys() == own
        assert set(roots.values()) == {0.25}
        assert metadata["modelspec.resolution"] == "32x32"
        text = json.dumps(metadata)
        secrets = ["Example", str(catalog.folder), str(datetime.now(UTC).year), "mean"]
        assert not [secret for secret in [*secrets, *(one.uid for one in four.people)] if secret in text]


def test_the_same_people_give_the_same_bytes(catalog: Catalog, four: Composite) -> None:
    merge_average(catalog, four.loras, "one", weights=[1, 2, 3, 4])
    merge_average(catalog, four.loras[::-1], "two", weights=[8, 6, 4, 2])
    assert content(catalog, "one") == content(catalog, "two")


def test_names_that_are_taken_or_none(catalog: Catalog, four: Composite) -> None:
    merge_average(catalog, four.loras, "mean")
    before = content(catalog, "mean")
    with pytest.raises(NameTaken):
        merge_average(catalog, four.loras[:2], "mean")
    assert content(catalog, "mean") == before
    for name in ("", ".", "..", "a/b", "../up", " a", "a\n", "x.audit", "x.safetensors", "-o", "a*", "é" * 70):
        with pytest.raises(BadValue, match=r"name|ends like"):
            merge_average(catalog, four.loras, name)
    with pytest.raises(NoSuchRecord):
        merge_average(catalog, ["nobody"], "other")
    with pytest.raises(BadValue, match="no model"):
        merge_average(catalog, [], "other")


def test_weights_and_kinds_that_do_not_fit(catalog: Catalog, four: Composite) -> None:
    for weights in ([1.0], [1, 1, 1, 0], [1, 1, 1, -1]):
        with pytest.raises(BadValue, match="weights"):
            merge_average(catalog, four.loras, "mean", weights=weights)
    with pytest.raises(BadValue, match="twice"):
        merge_average(catalog, [four.loras[0], *four.loras], "mean")
    with pytest.raises(BadValue, match="rank"):
        merge_average(catalog, four.loras, "mean", rank=0)
    with pytest.raises(BadValue, match="dtype"):
        merge_average(catalog, four.loras, "mean", dtype="int4")
    with pytest.raises(BadValue, match="is a lora"):
        merge_soup(catalog, four.loras[:2], "soup")
    with pytest.raises(BadBase):
        merge_bake(catalog, four.loras[0], catalog.folder, "bake")
    assert nothing_was_made(catalog, four)
    merge_average(catalog, four.loras, "mean")
    merge_bake(catalog, "mean", four.base, "bake")
    with pytest.raises(BadValue, match="is a bake"):
        merge_average(catalog, ["bake", four.loras[0]], "other")
    for weight in (0.0, float("inf")):
        with pytest.raises(BadValue, match="weight"):
            merge_bake(catalog, "mean", four.base, "other", weight=weight)


def test_loras_of_another_base_are_not_mixed_in(catalog: Catalog, four: Composite) -> None:
    with catalog.transaction() as db:
        db.execute("UPDATE models SET base_hash = 'other' WHERE name = ?", (four.loras[0],))
    with pytest.raises(WrongArchitecture, match="different bases"):
        merge_average(catalog, four.loras, "mean")


def test_too_few_people_or_one_too_large(catalog: Catalog, four: Composite, tiny_base: Path) -> None:
    with pytest.raises(CohortTooSmall, match="of 1 people where 2 are needed"):
        merge_average(catalog, four.loras[:1], "one")
    with pytest.raises(CohortTooSmall):
        merge_bake(catalog, four.loras[0], four.base, "one")
    assert nothing_was_made(catalog, four)
    even = composites.build(catalog, tiny_base, ["Noy", "Mae"], replace(RULES, max_share=0.5), "even")
    with pytest.raises(Refused, match=r"Mae would be 75.0%"):
        merge_average(catalog, even.loras, "uneven", weights=[1, 3])
    merge_average(catalog, even.loras, "halves")


def test_people_who_allow_only_a_model_of_their_own(catalog: Catalog, tiny_base: Path) -> None:
    """Individual cohorts: each may be baked alone, and a mean of them needs a composite's grant and size."""
    own = composites.build(catalog, tiny_base, ["Noy", "Mae"], CohortRules(Purpose.TRAIN_INDIVIDUAL))
    merge_bake(catalog, own.loras[0], own.base, "noy alone")
    with pytest.raises(CohortTooSmall, match="of 2 people where 10 are needed"):
        merge_average(catalog, own.loras, "two")


def test_consent_is_asked_when_merging(catalog: Catalog, four: Composite) -> None:
    grown = datetime.now(UTC) - timedelta(minutes=5)
    consent_actions.grant(
        catalog, [four.people[1]], [Purpose.TRAIN_COMPOSITE], by="me", valid_until=grown, at=grown - timedelta(days=1)
    )
    with pytest.raises(ConsentLost, match="Ben Example") as caught:
        merge_average(catalog, four.loras, "mean")
    assert caught.value.exit_status == 1
    assert nothing_was_made(catalog, four)


@pytest.mark.parametrize("state", [ModelState.TAINTED, ModelState.QUARANTINED, ModelState.DELETED])
def test_models_out_of_use_are_not_merged(catalog: Catalog, four: Composite, state: ModelState) -> None:
    merge_average(catalog, four.loras, "mean")
    artifacts.set_state(catalog, [artifacts.get_model(catalog, "mean").id], state, "a reason")
    with pytest.raises(Tainted, match=r"mean is .*: a reason"):
        merge_bake(catalog, "mean", four.base, "bake")


def test_a_base_of_the_catalogs_brings_its_people_along(catalog: Catalog, four: Composite, tmp_path: Path) -> None:
    merge_average(catalog, four.loras[:2], "two")
    merge_average(catalog, four.loras[2:], "other two")
    merge_bake(catalog, "two", four.base, "baked")
    copied = shutil.copytree(catalog.models / "baked", tmp_path / "copy")  # known by its content, wherever it lies
    again = merge_bake(catalog, "other two", copied, "again")
    assert artifacts.shares_of(catalog, again.id).keys() == {person.id for person in four.people}
