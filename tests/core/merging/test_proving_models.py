"""Proofs about models: checked against the file alone, which names the roots of all pictures behind it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core import proofs, proving, withdrawal
from core.errors import BadValue
from core.merging.catalogued import merge_average, merge_bake
from storage import artifacts, whole_files
from storage.catalog import Catalog
from storage.records import CohortRules, Purpose
from tests import composites
from tests.core.test_proofs import script_says
from tests.world import FACE, photograph


def test_models_name_their_roots_and_every_one_is_proved(catalog: Catalog, tiny_base: Path, tmp_path: Path) -> None:
    made = composites.build(
        catalog, tiny_base, ["Ann", "Ben", "Kim"], CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=2)
    )
    pooled = composites.lora(catalog, made.cohort, tiny_base, made.people, "pooled")
    mean = merge_average(catalog, made.loras, "mean", rank=3)
    outer = merge_average(catalog, ["mean", pooled], "outer")
    baked = merge_bake(catalog, "mean", tiny_base, "baked")
    outside = photograph(catalog, [(None, FACE)])
    items = list(artifacts.cohort_items(catalog, made.cohort.id))
    for name, roots in ((mean.name, 3), (outer.name, 4), (baked.name, 3), (made.loras[0], 1), (pooled, 1)):
        file = whole_files.weights_file(catalog.models / artifacts.get_model(catalog, name).path)
        for photo in (items[0].photo_id, items[-1].photo_id, outside):
            proved = proving.of_model(catalog, name, str(photo))
            own = [item.subject_id for item in items if item.photo_id == photo]
            model = artifacts.get_model(catalog, name)
            assert proved.included == any(person in artifacts.shares_of(catalog, model.id) for person in own)
            assert len(proved.roots) == roots
            text = proofs.written(proved.proof)
            assert script_says(text, str(file), proved.content_hash, tmp_path) is proved.included
            assert len(json.loads(text)["proofs"]) == roots
    [root] = proving.of_model(catalog, pooled, str(outside)).roots
    assert root == made.cohort.merkle_root


def test_a_model_made_again_without_a_person_proves_their_absence(catalog: Catalog, tiny_base: Path) -> None:
    made = composites.build(
        catalog, tiny_base, ["Ann", "Ben", "Kim"], CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=2)
    )
    merge_average(catalog, made.loras, "mean")
    photo = next(artifacts.cohort_items(catalog, made.cohort.id, made.people[0].id)).photo_id
    assert proving.of_model(catalog, "mean", str(photo)).included
    withdrawal.withdraw(catalog, "Ann", [Purpose.TRAIN_COMPOSITE], by="me")
    assert not proving.of_model(catalog, "mean", str(photo)).included
    with pytest.raises(BadValue, match="not to be had"):
        proving.of_model(catalog, made.loras[0], str(photo))
