"""`merge` and what `models` says of merges, through the command line: one journey from five LoRAs to a moved bake."""

from __future__ import annotations

from pathlib import Path

from storage import catalog as catalogs
from storage.records import CohortRules, Purpose
from tests import composites
from tests.journeys.driver import Kyodaku
from tests.tiny_base import write_tiny_base

NAMES = ["Ann", "Ben", "Kim", "Lou", "Mae"]


def test_from_loras_to_a_merge_of_merges(kyodaku: Kyodaku, tmp_path: Path) -> None:
    base = write_tiny_base(tmp_path / "tiny")
    with catalogs.open_catalog(kyodaku.catalog) as catalog:
        composites.build(catalog, base, NAMES, CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=3))
    needs_rank = kyodaku("merge", "average", "p.*", "-o", "trimmed", "--method", "trimmed-mean", "--trim", "0.2")
    assert (needs_rank.status, "--rank" in needs_rank.err) == (2, True)
    trimmed = kyodaku.json(
        "merge", "average", "p.*", "-o", "trimmed", "--method", "trimmed-mean", "--trim", "0.2", "--rank", "4"
    )
    assert trimmed["recipe"] == {"op": "average", "rank": 4, "dtype": "F32", "method": "trimmed-mean", "trim": 0.2}
    too_much = kyodaku("merge", "average", "p.*", "-o", "m", "--max-share", "0.1")
    assert (too_much.status, "20.0% of it where 10.0% is the most" in too_much.err) == (1, True)
    wrong = kyodaku("merge", "bake", "trimmed", "--base", base, "-o", "b", "--blocks", "middle=1")
    assert (wrong.status, "text, down.N, mid, up.N, rest" in wrong.err) == (2, True)
    assert kyodaku("merge", "bake", "trimmed", "--base", base, "-o", "baked", "--blocks", "mid=0.5").status == 0
    tree = kyodaku("models", "lineage", "baked").out.splitlines()
    assert tree[0] == "baked: bake, 5 people, each 20.0%"
    assert tree[1].strip().startswith("└─ 100.0% trimmed x 1: average, 5 people, each 20.0%")
    assert len(tree) == 2 + len(NAMES)
    document = kyodaku.json("models", "lineage", "baked")
    assert [one["share"] for one in document["inputs"][0]["inputs"]] == [0.2] * 5
    verified = kyodaku.json("models", "verify", "baked")
    assert verified["ok"]
    assert "byte for byte" in verified["remade"]
