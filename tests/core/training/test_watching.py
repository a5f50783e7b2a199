"""What a run tells while it trains: lines that can be read, held-out pictures, previews, likeness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from core import base_model
from core.curves import BOARD, METRICS
from core.faces.detection import Detection
from core.training import one
from core.training.likeness import Likeness
from core.training.loop import train
from core.training.recipe import Recipe
from core.training.task import Settings, Task
from storage import artifacts, jobs
from storage.records import ModelKind
from tests.small_archive import GRANTED, SmallArchive

RECIPE = Recipe(
    rank=2, steps=4, batch=2, lr=1e-2, warmup=1, checkpoint_every=2, validation=0.3, validate_every=2, previews=0
)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]


def told(archive: SmallArchive, tiny_base: Path, recipe: Recipe, **more: Any) -> tuple[Path, list[dict[str, Any]]]:
    """Train as a job; its folder and the lines it wrote."""
    job = jobs.add(archive.catalog, "train", {}, GRANTED).id
    train(archive.catalog, "all", tiny_base, f"v{job}", recipe=recipe, processes=1, job=job, **more)
    folder = jobs.folder_of(archive.catalog, job)
    return folder, lines_of(folder)


def test_each_step_is_a_line(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze()
    folder, lines = told(archive, tiny_base, RECIPE.model_copy(update={"board": True}), mode="pooled")
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    for line in lines:
        assert line.keys() >= {"task", "loss", "smooth", "rate", "gradient", "seconds", "memory", "micro", "subjects"}
        assert set(line["subjects"]) <= {person.uid[:8] for person in archive.people}
        assert line["gradient"] > 0
        assert line["memory"] > 100
    assert set().union(*(line["subjects"] for line in lines)) == {person.uid[:8] for person in archive.people}
    assert [("validation" in line) for line in lines] == [False, True, False, True]
    assert (folder / BOARD).is_dir()
    text = (folder / METRICS).read_text()
    assert not any(person.name in text for person in archive.people)


def test_held_out_pictures_are_never_learned_from(archive: SmallArchive, tiny_base: Path) -> None:
    cohort = archive.freeze()
    for person in archive.people:
        items = list(artifacts.cohort_items(archive.catalog, cohort.id, person.id))
        assert len(one._held_out(items, RECIPE)) == 1
        assert one._held_out(items, Recipe()) == []
        assert one._held_out(items[:1], RECIPE) == []
    base = base_model.load(tiny_base, "cpu")
    loaded = Settings(archive.catalog.folder, cohort, tiny_base, RECIPE, "cpu", 1, None)
    items = tuple(artifacts.cohort_items(archive.catalog, cohort.id))
    task = Task("v", ModelKind.POOLED, "key", "kyodaku", None, items, ("{trigger}",) * len(items))
    made = one._encoded(archive.catalog, base, loaded.recipe, task, 32, lambda: None)
    for group, held in zip(made.groups, made.held_out, strict=True):
        assert (len(group.pictures), len(held.pictures)) == (2, 1)
        assert not any(torch.equal(held.pictures[0].latents, picture.latents) for picture in group.pictures)
    plain = RECIPE.model_copy(update={"validation": 0.0})
    job = jobs.add(archive.catalog, "train", {}, GRANTED).id
    train(archive.catalog, "all", tiny_base, "without", recipe=plain, processes=1, job=job, mode="pooled")
    assert "validation" not in lines_of(jobs.folder_of(archive.catalog, job))[0]


def test_the_best_by_validation_is_written(archive: SmallArchive, tiny_base: Path) -> None:
    """With a rate that ruins the weights, the best are those of the first look."""
    archive.freeze("all", of=1)
    ruinous = {"lr": 5.0, "schedule": "constant", "validate_every": 1, "steps": 4, "clip": 100.0}
    _, lines = told(archive, tiny_base, RECIPE.model_copy(update={**ruinous, "keep": "validation"}))
    best = min(lines, key=lambda line: line["validation"])["step"]
    _, stopped = told(archive, tiny_base, RECIPE.model_copy(update={**ruinous, "steps": best}))
    assert [line["loss"] for line in stopped] == [line["loss"] for line in lines[:best]]
    kept, last = (
        (archive.catalog.models / artifacts.get_model(archive.catalog, f"v{job}.{archive.people[0].uid[:8]}").path)
        for job in (1, 2)
    )
    ours, theirs = one_of(kept), one_of(last)
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def one_of(path: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return load_file(path)


def test_previews_on_the_way(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze("all", of=1)
    folder, lines = told(
        archive, tiny_base, RECIPE.model_copy(update={"previews": 1, "preview_every": 2, "validation": 0.0})
    )
    name = lines[0]["task"]
    assert {path.name for path in (folder / one.PREVIEWS).iterdir()} <= {f"{name}-000002.png", f"{name}-000004.png"}


def test_likeness_is_a_distance_to_the_person_or_to_anyone(
    archive: SmallArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the detector's and the embedder's answers given: whose faces are compared, and which way is better."""
    from storage import faces

    person, other = archive.people[:2]
    ids = [face.id for face in faces.page(archive.catalog, "f.subject_id = ?", (other.id,))]
    vector = next(iter(faces.vectors(archive.catalog, ids[:1]).values()))
    own, anyone = (Likeness(archive.catalog, "cpu", of) for of in (person.id, None))
    found = Detection((10, 10, 200, 200), 0.99, np.zeros((5, 2), dtype=np.float32))
    for eye in (own, anyone):
        monkeypatch.setattr(eye._detector, "detect", lambda pictures: [[found] for _ in pictures])
        monkeypatch.setattr(eye._embed, "embed", lambda *_: np.asarray(vector, dtype=np.float32)[None])
    picture = Image.new("RGB", (256, 256))
    near, far = anyone.distance([picture]), own.distance([picture])
    assert near is not None
    assert far is not None
    assert near == pytest.approx(0, abs=1e-3)
    assert far > 0.1
    assert own.score(far) > own.score(near)
    assert anyone.score(far) < anyone.score(near)
