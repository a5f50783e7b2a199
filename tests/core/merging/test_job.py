"""Merges as jobs: what is refused beforehand is what the merge refuses, and a job that goes on keeps what it made."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import BadValue, CohortTooSmall, ConsentLost, KyodakuError, NameTaken, NoSuchRecord, Refused, Tainted
from core.merging import job as merging
from core.merging.catalogued import merge_average
from core.merging.job import AskedAverage, AskedBake, rank_of, run_job, weights_of
from core.merging.methods import Method
from core.progress import silent
from storage import artifacts, jobs, ledger
from storage.catalog import Catalog
from storage.records import CohortRules, EventKind, Job, ModelState, Purpose
from tests import composites
from tests.composites import Composite, content

NAMES = ["Ann Example", "Ben Example", "Kim Example", "Lou Example"]


@pytest.fixture
def four(catalog: Catalog, tiny_base: Path) -> Composite:
    return composites.build(catalog, tiny_base, NAMES, CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=3))


def queued(catalog: Catalog, asked: merging.Asked) -> Job:
    return jobs.add(catalog, "merge", merging.arguments(asked), datetime.now(UTC))


def test_a_job_makes_what_the_command_makes_and_keeps_it_when_it_goes_on(catalog: Catalog, four: Composite) -> None:
    asked = AskedAverage(four.loras, "mean", weights=[1, 1, 1, 5], rank=3, max_share=0.7)
    job = queued(catalog, asked)
    told = run_job(catalog, job, silent)
    merge_average(catalog, four.loras, "same", weights=[1, 1, 1, 5], rank=3, max_share=0.7)
    assert content(catalog, "mean") == content(catalog, "same")
    made = artifacts.get_model(catalog, "mean")
    assert told == {"model": "mean", "energy_kept": made.energy_kept}
    assert run_job(catalog, job, silent) == told, "it goes on after it was killed"
    assert artifacts.get_model(catalog, "mean") == made
    with pytest.raises(NameTaken):
        run_job(catalog, queued(catalog, asked), silent)
    baked = run_job(catalog, queued(catalog, AskedBake("mean", str(four.base), "baked", 0.5)), silent)
    assert baked["model"] == "baked"
    assert artifacts.get_model(catalog, "baked").recipe["weight"] == 0.5


def test_a_job_asks_of_the_method_what_the_command_does(catalog: Catalog, four: Composite) -> None:
    asked = AskedAverage(four.loras, "one", method="dare-ties", density=0.7, seed=5, blocks={"mid": 0.5}, rank=3)
    asked.foreseen(catalog)
    run_job(catalog, queued(catalog, asked), silent)
    merge_average(catalog, four.loras, "other", method=Method("dare-ties", 0.1, 0.7, 5, {"mid": 0.5}), rank=3)
    assert content(catalog, "one") == content(catalog, "other")
    assert artifacts.get_model(catalog, "one").recipe == artifacts.get_model(catalog, "other").recipe
    run_job(
        catalog, queued(catalog, AskedAverage(four.loras, "half", method="trimmed-mean", trim=0.25, rank=2)), silent
    )
    assert artifacts.get_model(catalog, "half").recipe["trim"] == 0.25


def test_what_is_foreseen_is_who_will_be_in_it(catalog: Catalog, four: Composite) -> None:
    assert AskedAverage(four.loras, "mean").foreseen(catalog) == "4 people, each 25.0%"
    assert AskedAverage(four.loras, "").foreseen(catalog) == "4 people, each 25.0%", "before it has a name"
    merge_average(catalog, four.loras, "mean", weights=[1, 1, 1, 5])
    assert AskedBake("mean", str(four.base), "b").foreseen(catalog) == "4 people, 12.5% to 62.5% each"
    merging.run_job(catalog, queued(catalog, AskedBake("mean", str(four.base), "own")), silent)
    both = AskedBake(four.loras[0], str(catalog.models / "own"), "twice").foreseen(catalog)
    assert both == "4 people, 6.2% to 56.2% each", "a base of the catalog's brings its people"


def test_what_the_merge_refuses_is_refused_beforehand(catalog: Catalog, four: Composite) -> None:
    merge_average(catalog, four.loras, "mean")
    for asked, error in (
        (AskedAverage(four.loras[:2], "x"), CohortTooSmall),
        (AskedAverage(four.loras, "x", max_share=0.2), Refused),
        (AskedAverage(four.loras, "x", weights=[1.0]), BadValue),
        (AskedAverage(four.loras, "x", method="ties"), BadValue),
        (AskedAverage(four.loras, "x", method="slerp"), BadValue),
        (AskedAverage(four.loras, "x", method="loudest"), BadValue),
        (AskedAverage(four.loras, "x", method="ties", rank=3, density=1.5), BadValue),
        (AskedAverage(four.loras, "x", method="trimmed-mean", rank=3, trim=0.5), BadValue),
        (AskedAverage(four.loras, "x", blocks={"down.9": 0.5}), BadValue),
        (AskedAverage(four.loras, "x", method="geometric-median", blocks={"up.9": 0.5}), BadValue),
        (AskedAverage(four.loras, "x", dtype="fp8"), BadValue),
        (AskedAverage(four.loras, "mean"), NameTaken),
        (AskedAverage(four.loras, "a/b"), BadValue),
        (AskedAverage(["nobody"], "x"), NoSuchRecord),
        (AskedBake(four.loras[0], str(four.base), "x"), CohortTooSmall),
        (AskedBake("mean", str(four.base), "x", blocks={"down.9": 0.5}), BadValue),
        (AskedBake("mean", str(four.base), "x", dtype="fp8"), BadValue),
        (AskedBake("mean", str(four.base), "x", max_share=0.2), Refused),
    ):
        with pytest.raises(error) as before:
            asked.foreseen(catalog)
        with pytest.raises(error) as then:
            run_job(catalog, queued(catalog, asked), silent)
        assert str(before.value) == str(then.value)


def test_consent_and_state_are_asked_beforehand(catalog: Catalog, four: Composite) -> None:
    asked = AskedAverage(four.loras, "x")
    artifacts.set_state(catalog, [artifacts.get_model(catalog, four.loras[0]).id], ModelState.TAINTED, "a test")
    with pytest.raises(Tainted):
        asked.foreseen(catalog)
    leaving = four.people[1]
    ledger.append(
        catalog, kind=EventKind.WITHDRAWAL, subject_uid=leaving.uid, purposes=(Purpose.TRAIN_COMPOSITE,), by="a test"
    )
    for method in ("mean", "geometric-median"):
        with pytest.raises(ConsentLost, match=leaving.name):
            AskedAverage(four.loras[1:], "x", method=method).foreseen(catalog)


def test_a_name_taken_before_the_job_was_asked_for_is_not_its_own(catalog: Catalog, four: Composite) -> None:
    asked = AskedAverage(four.loras, "mean")
    merge_average(catalog, four.loras, "mean")
    later = jobs.add(catalog, "merge", merging.arguments(asked), datetime.now(UTC) + timedelta(seconds=1))
    with pytest.raises(NameTaken):
        run_job(catalog, later, silent)


def test_ranks_and_weights_as_they_are_written() -> None:
    assert (rank_of("exact"), rank_of("32")) == (None, 32)
    assert (weights_of("0.5,2"), weights_of("")) == ([0.5, 2.0], None)
    for text in ("0", "-1", "many", ""):
        with pytest.raises(KyodakuError, match="rank"):
            rank_of(text)
    with pytest.raises(BadValue, match="weights"):
        weights_of("1,two")


def test_what_is_checked_beforehand_loads_no_torch() -> None:
    code = "import sys, core.merging.job; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
