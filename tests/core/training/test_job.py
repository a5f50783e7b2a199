"""Training as a job: killed at any moment it goes on to the same bytes, whatever pictures are called since."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core import jobs
from core.training import captions
from core.training.loop import train
from core.training.recipe import Recipe
from storage import artifacts
from storage import captions as written
from storage import jobs as rows
from storage.records import JobState
from storage.whole_files import differing
from tests.small_archive import SmallArchive

OVERRIDES = {"rank": 2, "steps": 150, "batch": 1, "checkpoint_every": 10, "previews": 0}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "waited 2 minutes"
        select.select([], [], [], 0.005)


@pytest.mark.parametrize("learns", ["lora", pytest.param("full", marks=pytest.mark.slow)])
def test_killed_and_resumed_equals_uninterrupted(archive: SmallArchive, tiny_base: Path, learns: str) -> None:
    catalog = archive.catalog
    overrides = {**OVERRIDES, "learns": learns}
    items = list(artifacts.cohort_items(catalog, archive.freeze("alone", of=1).id))
    arguments = {
        "cohort": "alone",
        "base": str(tiny_base),
        "name": "cut",
        "mode": "per-subject",
        "recipe": None,
        "overrides": overrides,
        "device": "cpu",
    }
    job = jobs.submit(catalog, "train", arguments)
    kept = rows.folder_of(catalog, job.id) / f"cut.{archive.people[0].uid[:8]}.checkpoint"
    until(kept.exists)
    assert job.pid is not None
    os.kill(job.pid, signal.SIGKILL)
    until(lambda: not rows.is_held(catalog, job.id))
    assert rows.get(catalog, job.id).state is JobState.INTERRUPTED
    assert artifacts.all_models(catalog) == []

    written.put(catalog, {captions.key_of(item): "{trigger}, said too late" for item in items})
    jobs.resume(catalog, job.id)
    (name,) = jobs.result_of(jobs.follow(catalog, job.id, every=0.02))["models"]
    written.put(catalog, {captions.key_of(item): None for item in items})
    (whole,) = train(catalog, "alone", tiny_base, "whole", recipe=Recipe.model_validate(overrides), device="cpu")
    cut, uncut = (catalog.models / artifacts.get_model(catalog, each).path for each in (name, whole))
    assert differing(cut, uncut) == []
    assert not kept.exists()
