"""Merges by the names of models: what is refused, what the file says of itself, and what is recorded."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from core import cohort, consent_actions, withdrawal
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
from core.merging.average import median_parts
from core.merging.catalogued import merge_average, merge_bake, merge_difference, merge_soup
from core.merging.methods import Method
from core.verification import verify
from storage import artifacts, ledger, whole_files
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
        assert json.loads(metadata["kyodaku.shares"]) == [0.25] * 4
        grants = {item.grant for item in artifacts.cohort_items(catalog, four.cohort.id)}
        assert (
            metadata["kyodaku.ledger_head"] == max(ledger.by_hash(catalog, grants).values(), key=lambda e: e.seq).hash
        )
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
    with pytest.raises(CohortTooSmall, match="of 1 person where 2 are needed"):
        merge_average(catalog, four.loras[:1], "one")
    with pytest.raises(CohortTooSmall):
        merge_bake(catalog, four.loras[0], four.base, "one")
    assert nothing_was_made(catalog, four)
    even = composites.build(catalog, tiny_base, ["Noy", "Mae"], replace(RULES, max_share=0.5), "even")
    with pytest.raises(Refused, match=r"Mae would be 75.0%"):
        merge_average(catalog, even.loras, "uneven", weights=[1, 3])
    merge_average(catalog, even.loras, "halves")


def test_a_limit_of_shares_holds_through_all_merges_below_and_when_remade(catalog: Catalog, four: Composite) -> None:
    with pytest.raises(Refused, match=r"would be 25.0% of it where 20.0% is the most"):
        merge_average(catalog, four.loras, "mean", max_share=0.2)
    for wrong in (0.0, -1.0, 1.5, float("nan")):
        with pytest.raises(BadValue, match="max-share"):
            merge_average(catalog, four.loras, "mean", max_share=wrong)
    merge_average(catalog, four.loras, "mean", max_share=0.3)
    with pytest.raises(Refused, match=r"Ann Example would be 62.5%"):
        merge_average(catalog, ["mean", four.loras[0]], "outer", max_share=0.6)
    with pytest.raises(Refused, match="max-share asks so"):
        merge_bake(catalog, "mean", four.base, "baked", max_share=0.2)
    withdrawn = withdrawal.withdraw(catalog, "Ann Example", [Purpose.TRAIN_COMPOSITE], by="me")
    assert withdrawn.remade == []
    assert "mean" in withdrawn.quarantined  # a third each is more than was allowed
    assert "33.3% of it where 30.0%" in (artifacts.get_model(catalog, "mean").why or "")


def test_other_averages_are_recorded_and_weigh_people_as_their_files_do(catalog: Catalog, four: Composite) -> None:
    median = merge_average(catalog, four.loras, "median", method=Method("geometric-median"))
    assert median.recipe == {"op": "average", "rank": None, "dtype": "F32", "method": "geometric-median"}
    shares = artifacts.shares_of(catalog, median.id)
    parts = median_parts([catalog.models / f"{name}.safetensors" for name in four.loras], [1.0] * 4)
    assert [shares[person.id] for person in four.people] == pytest.approx(parts)
    assert [arrow.weight for arrow in artifacts.inputs_of(catalog, median.id)] == [1.0] * 4  # as they were given
    told = read_header(catalog.models / median.path).metadata
    assert sorted(one["share"] for one in json.loads(told["kyodaku.inputs"])) == pytest.approx(sorted(parts))
    ties = merge_average(catalog, four.loras, "ties", method=Method("ties", density=0.3, blocks={"mid": 0.5}), rank=2)
    assert json.loads(read_header(catalog.models / ties.path).metadata["kyodaku.recipe"]) == ties.recipe
    assert (ties.recipe["method"], ties.recipe["density"], ties.recipe["blocks"]) == ("ties", 0.3, {"mid": 0.5})
    assert 0 < (ties.energy_kept or 0) < 1


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


def test_a_difference_brings_its_people_and_is_remade(catalog: Catalog, four: Composite, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(four.base, other)
    file = other / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: value * 2 for name, value in load_file(file).items()}, file, {"format": "pt"})
    for prefix, loras in (("", four.loras), ("never-", four.loras[1:])):
        merge_average(catalog, loras, f"{prefix}mean")
        merge_bake(catalog, f"{prefix}mean", four.base, f"{prefix}baked")
        merge_difference(catalog, f"{prefix}baked", four.base, other, f"{prefix}moved", blocks={"mid": 0.5})
    moved = artifacts.get_model(catalog, "moved")
    assert artifacts.shares_of(catalog, moved.id) == {person.id: 0.25 for person in four.people}
    texts = read_header(whole_files.weights_file(catalog.models / "moved")).metadata
    assert str(four.base) not in json.dumps(texts)
    assert json.loads(texts["kyodaku.recipe"])["op"] == "add-difference"
    assert verify(catalog, "moved").ok
    withdrawal.withdraw(catalog, "Ann Example", [Purpose.TRAIN_COMPOSITE], by="me")
    assert content(catalog, "moved") == content(catalog, "never-moved")
    with pytest.raises(BadValue, match="the catalog's own"):
        merge_difference(catalog, "baked", four.base, catalog.models / "moved", "again")
    save_file({name: value * 3 for name, value in load_file(file).items()}, file, {"format": "pt"})
    with pytest.raises(BadBase, match="not what moved was baked into"):
        verify(catalog, "moved")


def test_a_base_of_the_catalogs_brings_its_people_along(catalog: Catalog, four: Composite, tmp_path: Path) -> None:
    merge_average(catalog, four.loras[:2], "two")
    merge_average(catalog, four.loras[2:], "other two")
    merge_bake(catalog, "two", four.base, "baked")
    copied = shutil.copytree(catalog.models / "baked", tmp_path / "copy")  # known by its content, wherever it lies
    again = merge_bake(catalog, "other two", copied, "again")
    assert artifacts.shares_of(catalog, again.id).keys() == {person.id for person in four.people}
