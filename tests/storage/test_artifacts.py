"""Rows of cohorts, models and lineage."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from storage import artifacts
from storage.catalog import Catalog
from storage.errors import NameTaken, NoSuchRecord
from storage.records import (
    CohortItem,
    CohortRules,
    GroupRule,
    Model,
    ModelInput,
    ModelKind,
    ModelState,
    Purpose,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = CohortRules(Purpose.TRAIN_COMPOSITE, per_subject=5, group=GroupRule.CROP)


def model(name: str) -> Model:
    return Model(
        0, name, ModelKind.LORA, f"{name}.safetensors", "0" * 64, "base", "1" * 64, "kyo", None, {"rank": 4}, NOW
    )


def subject(catalog: Catalog, uid: str) -> int:
    with catalog.transaction() as db:
        return db.execute("INSERT INTO subjects(uid, name) VALUES (?, ?)", (uid, uid)).lastrowid or 0


def photo(catalog: Catalog, number: int) -> int:
    with catalog.transaction() as db:
        db.execute("INSERT OR IGNORE INTO folders(id, path) VALUES (1, ?)", (b"/a",))
        return (
            db.execute(
                "INSERT INTO photos(folder_id, name, path_text, size, mtime_ns, ctime_ns, inode)"
                " VALUES (1, ?, 'x', 1, 1, 1, 1)",
                (str(number).encode(),),
            ).lastrowid
            or 0
        )


def test_cohort_rows_come_back(catalog: Catalog) -> None:
    made = artifacts.add_cohort(catalog, "東", "taken:2019", RULES, NOW)
    assert (made.rules, made.created_at, made.merkle_root) == (RULES, NOW, None)
    assert artifacts.get_cohort(catalog, made.id) == artifacts.get_cohort(catalog, "東") == made
    with pytest.raises(NameTaken):
        artifacts.add_cohort(catalog, "東", "", RULES, NOW)
    with pytest.raises(NoSuchRecord):
        artifacts.get_cohort(catalog, "none")


def test_frozen_items_stream_by_subject_and_leaf(catalog: Catalog) -> None:
    late, early = subject(catalog, "ff"), subject(catalog, "00")
    items = [
        CohortItem(photo(catalog, n), n, who, uid, f"{n:064}", (0, 0, n + 1, 9), ((1, 2, 3, 4),), "g", leaf, "ab")
        for n, (who, uid, leaf) in enumerate([(late, "ff", "a"), (early, "00", "d"), (early, "00", "b")])
    ]
    cohort = artifacts.add_cohort(catalog, "c", "", RULES, NOW)
    frozen = artifacts.freeze_cohort(catalog, cohort.id, iter(items), merkle_root="r", ledger_head="h", frozen_at=NOW)
    assert (frozen.merkle_root, frozen.ledger_head, frozen.frozen_at) == ("r", "h", NOW)
    assert list(artifacts.cohort_items(catalog, cohort.id)) == [items[2], items[1], items[0]]
    assert list(artifacts.cohort_items(catalog, cohort.id, late)) == [items[0]]
    assert [c.id for c in artifacts.cohorts_of_subject(catalog, late)] == [cohort.id]
    artifacts.taint_cohorts(catalog, [cohort.id])
    assert artifacts.get_cohort(catalog, "c").tainted


def test_lineage_runs_both_ways_in_the_order_of_making(catalog: Catalog) -> None:
    people = [subject(catalog, uid) for uid in "abc"]
    loras = [artifacts.add_model(catalog, model(f"l{n}"), shares={who: 1.0}) for n, who in enumerate(people)]
    mean = artifacts.add_model(
        catalog,
        replace(model("mean"), kind=ModelKind.AVERAGE),
        inputs=[ModelInput(lora.id, 1.0) for lora in loras[:2]],
        shares={people[0]: 0.5, people[1]: 0.5},
    )
    bake = artifacts.add_model(
        catalog,
        replace(model("bake"), kind=ModelKind.BAKE, content_hash="b" * 64),
        inputs=[ModelInput(mean.id, 0.7)],
        shares={people[0]: 0.5, people[1]: 0.5},
    )
    assert artifacts.descendants(catalog, [loras[0].id]) == [mean.id, bake.id]
    assert artifacts.descendants(catalog, [loras[2].id]) == []
    on_bake = artifacts.add_model(catalog, replace(model("on bake"), base_hash="b" * 64), shares={people[2]: 1.0})
    assert artifacts.descendants(catalog, [loras[0].id]) == [mean.id, bake.id, on_bake.id]
    assert artifacts.ancestors(catalog, [bake.id]) == [loras[0].id, loras[1].id, mean.id]
    assert artifacts.models_of_subject(catalog, people[1]) == [loras[1], mean, bake]
    assert artifacts.inputs_of(catalog, bake.id) == [ModelInput(mean.id, 0.7)]
    assert artifacts.shares_of(catalog, mean.id) == {people[0]: 0.5, people[1]: 0.5}
    assert [m.id for m in artifacts.get_models(catalog, [bake.id, mean.id])] == [bake.id, mean.id]

    artifacts.set_state(catalog, [mean.id, bake.id], ModelState.TAINTED, "why")
    assert [m.name for m in artifacts.all_models(catalog, [ModelState.TAINTED])] == ["mean", "bake"]
    remade = artifacts.replace_model(
        catalog,
        replace(mean, content_hash="2" * 64, energy_kept=0.9),
        inputs=[ModelInput(loras[1].id, 1.0)],
        shares={people[1]: 1.0},
    )
    assert (remade.state, remade.why, remade.content_hash) == (ModelState.OK, None, "2" * 64)
    assert artifacts.shares_of(catalog, mean.id) == {people[1]: 1.0}


def test_model_names_are_unique_and_records_come_back(catalog: Catalog) -> None:
    made = artifacts.add_model(catalog, model("m"), shares={})
    assert artifacts.get_model(catalog, "m") == made
    with pytest.raises(NameTaken):
        artifacts.add_model(catalog, model("m"), shares={})
    artifacts.rename_model(catalog, made.id, "n")
    with pytest.raises(NoSuchRecord):
        artifacts.get_model(catalog, "m")
    artifacts.add_model(catalog, model("m"), shares={})
    with pytest.raises(NameTaken):
        artifacts.rename_model(catalog, made.id, "m")
