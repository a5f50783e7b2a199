"""The main job through the command line, on a part of the sample archive: index to withdrawal."""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.driver import SAMPLE, Kyodaku
from tui import demo_eye

PEOPLE = 11
PORTRAITS_EACH = 4
GROUP_PICTURES = 3
STEPS = 2


def people_file() -> dict[str, dict[str, str]]:
    """people.csv by name."""
    with (SAMPLE / "people.csv").open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(line for line in lines if not line.startswith("#"))
        return {row["name"]: row for row in rows}


def photographs_by_people() -> dict[tuple[str, ...], list[str]]:
    """Paths of the sample's photographs by who is in them."""
    seen: dict[str, list[str]] = defaultdict(list)
    with (SAMPLE / "truth.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            seen[row["path"]].append(row["name"])
    found: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path, names in sorted(seen.items()):
        found[tuple(names)].append(path)
    return found


def willing(row: dict[str, str]) -> bool:
    """Somebody whose photographs may train a composite, whatever the date."""
    return "train-composite" in row["grants"] and not row["until"] and not row["minor"] and bool(row["attested_by"])


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Portraits of eleven willing people and of one who refuses, and a few group pictures."""
    folder = tmp_path_factory.mktemp("archive")
    people = people_file()
    photographs = photographs_by_people()
    chosen = [name for name, row in people.items() if willing(row) and len(photographs[name,]) >= PORTRAITS_EACH]
    refusing = next(name for name, row in people.items() if "train-composite" in row["refuses"] and photographs[name,])
    paths = [path for name in [*chosen[:PEOPLE], refusing] for path in photographs[name,][:PORTRAITS_EACH]]
    groups = [paths for names, paths in photographs.items() if len(names) == 2 and set(names) <= set(chosen[:PEOPLE])]
    paths += [path for several in groups for path in several][:GROUP_PICTURES]
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLE / path, folder / path)
    return folder


@pytest.fixture(scope="module")
def trained(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Kyodaku:
    """A catalog of that archive with a frozen cohort and one LoRA a person."""
    kyodaku = Kyodaku(tmp_path_factory.mktemp("place") / "catalog")
    kyodaku.json("init")
    kyodaku.json("index", archive)
    kyodaku.json("faces")
    kyodaku.json("people", "cluster")
    kyodaku.json("subject", "import", SAMPLE / "people.csv", "--by", "me")
    named = demo_eye.name_clusters(kyodaku.catalog, archive, SAMPLE / "truth.csv")
    assert named.f1 >= 0.95
    kyodaku.json(
        "cohort", "create", "all", "--query", "faces:>=1", "--purpose", "train-composite", "--group", "crop"
    )  # fmt: skip
    kyodaku.json("cohort", "freeze", "all")
    kyodaku.json("train", "all", "--base", SAMPLE / "base", "--name", "p", "--steps", str(STEPS), "--rank", "2")
    return kyodaku


def model_bytes(kyodaku: Kyodaku, model: dict[str, Any]) -> str:
    """sha256 of a model's file, or of all files of its folder in order."""
    path = kyodaku.catalog / "models" / model["path"]
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def test_a_second_index_sees_nothing_new(trained: Kyodaku, archive: Path) -> None:
    counts = trained.json("index", archive)
    assert (counts["new"], counts["changed"], counts["moved"], counts["gone"]) == (0, 0, 0, 0)
    assert counts["unchanged"] == counts["seen"]


def test_every_exclusion_has_its_reason_and_the_refusing_person_is_out(trained: Kyodaku) -> None:
    told = trained.json("cohort", "explain", "all")
    refusing = {name for name, row in people_file().items() if "train-composite" in row["refuses"]}
    assert len(told["subjects"]) == PEOPLE
    assert not refusing & set(told["subjects"])
    assert all(one["reason"] for one in told["excluded"])
    assert any(one["subject"] in refusing for one in told["excluded"])


def test_each_person_has_a_lora_and_no_name_is_in_it(trained: Kyodaku) -> None:
    models = trained.json("models", "list")
    loras = [model for model in models if model["kind"] == "lora"]
    assert len(loras) == PEOPLE
    names = [part.encode() for name in people_file() for part in name.split() if len(part) > 3]
    for model in loras:
        content = (trained.catalog / "models" / model["path"]).read_bytes()
        header = content[: 8 + int.from_bytes(content[:8], "little")]
        assert not any(name in header for name in names)
        assert str(trained.catalog).encode() not in header


def test_withdrawal_leaves_the_file_that_never_held_the_person(trained: Kyodaku) -> None:
    loras = [model["name"] for model in trained.json("models", "list") if model["kind"] == "lora"]
    leaving = loras[3]
    [subject] = trained.json("models", "show", leaving)["shares"]
    others = [name for name in loras if name != leaving]
    never = trained.json("merge", "average", *others, "-o", "never")
    trained.json("merge", "average", *loras, "-o", "composite")
    trained.json("merge", "average", *loras, "-o", "small", "--rank", "4")
    never_small = trained.json("merge", "average", *others, "-o", "never-small", "--rank", "4")
    trained.json("merge", "bake", "composite", "--base", SAMPLE / "base", "-o", "baked")
    never_baked = trained.json("merge", "bake", "never", "--base", SAMPLE / "base", "-o", "never-baked")

    planned = trained.json("consent", "withdraw", subject, "--by", "me", "--dry-run")
    assert {"composite", "small", "baked", leaving} <= set(planned["models"])
    assert "never" not in planned["models"]
    result = trained.json("consent", "withdraw", subject, "--by", "me")
    assert sorted(result["remade"]) == ["baked", "composite", "small"]
    assert result["quarantined"] == [leaving]
    assert result["cohorts"] == ["all"]
    assert result["photos"]

    models = {model["name"]: model for model in trained.json("models", "list")}
    assert model_bytes(trained, models["composite"]) == model_bytes(trained, never)
    assert model_bytes(trained, models["small"]) == model_bytes(trained, never_small)
    assert model_bytes(trained, models["baked"]) == model_bytes(trained, never_baked)
    assert models[leaving]["state"] == "quarantined"

    refused = trained("generate", leaving, "--prompt", "photo of a person", "-o", trained.catalog.parent / "out")
    assert refused.status == 1
    again = trained("merge", "average", *loras, "-o", "again")
    assert again.status == 1
    assert trained.json("ledger", "verify")["ok"]
    assert trained("train", "all", "--base", SAMPLE / "base", "--name", "q", "--steps", "1").status == 1
    assert trained("doctor").status == 0
