"""Training: bytes that one person's pictures decide, exact resume, and consent looked at all along."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from core.errors import BadImage, BadValue, ConsentLost, NameTaken, Refused, Tainted
from core.merging.formats import LoraFile, LoraLayer, read_lora, write_lora
from core.progress import Step
from core.training import adapter, latent_cache
from core.training.batches import Rows
from core.training.fit import Fit
from core.training.loop import train
from core.training.recipe import Recipe, trigger_of
from storage import artifacts, jobs, ledger
from storage.catalog import Catalog
from storage.records import EventKind, ModelKind, Purpose
from tests.small_archive import BOTH, GRANTED, SmallArchive

RECIPE = Recipe(rank=2, steps=6, batch=2, accumulate=2, lr=1e-2, warmup=2, checkpoint_every=2, previews=0)


def bytes_of(catalog: Catalog, name: str) -> bytes:
    return (catalog.models / artifacts.get_model(catalog, name).path).read_bytes()


class Stop:
    """A report that raises after so many calls, as a worker's does when it is asked to stop."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, _: Step, /) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_one_lora_a_person(archive: SmallArchive, tiny_base: Path) -> None:
    cohort = archive.freeze()
    seen: list[Step] = []
    made = train(archive.catalog, "all", tiny_base, "v1", recipe=RECIPE, report=seen.append, processes=1)
    assert made == [f"v1.{person.uid[:8]}" for person in archive.people]
    assert (seen[-1].done, seen[-1].total) == (18, 18)
    model = artifacts.get_model(archive.catalog, made[0])
    assert (model.kind, model.cohort_id, model.trigger) == (
        ModelKind.LORA,
        cohort.id,
        trigger_of(archive.people[0].uid),
    )
    assert artifacts.shares_of(archive.catalog, model.id) == {archive.people[0].id: 1.0}
    layers = read_lora(archive.catalog.models / model.path)
    assert all(layer.rank == 2 and layer.up.abs().max() > 0 for layer in layers.values())
    assert any("attn2_to_k" in name for name in layers)


def test_the_file_names_nobody(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze()
    (name, *_) = train(archive.catalog, "all", tiny_base, "weddings", recipe=RECIPE, processes=1)
    raw = bytes_of(archive.catalog, name)
    for secret in (
        archive.people[0].name,
        str(tiny_base),
        str(archive.folder),
        archive.people[0].uid,
        "weddings",
        "2026-",
    ):
        assert secret.encode() not in raw
    with LoraFile(archive.catalog.models / artifacts.get_model(archive.catalog, name).path) as lora:
        assert lora.metadata["kyodaku.people"] == "1"


def test_a_lora_depends_on_its_own_person_alone(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze("all")
    archive.freeze("alone", of=1)
    all_, alone = (
        train(archive.catalog, cohort, tiny_base, cohort, recipe=RECIPE, processes=1)[0] for cohort in ("all", "alone")
    )
    assert bytes_of(archive.catalog, all_) == bytes_of(archive.catalog, alone)


def test_several_processes_give_the_same_bytes(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze()
    one = train(archive.catalog, "all", tiny_base, "one", recipe=RECIPE, processes=1)
    two = train(archive.catalog, "all", tiny_base, "two", recipe=RECIPE, processes=2)
    assert [bytes_of(archive.catalog, name) for name in one] == [bytes_of(archive.catalog, name) for name in two]


@pytest.mark.parametrize("stopped_after", [3, 5, 8])
def test_resumed_equals_uninterrupted(archive: SmallArchive, tiny_base: Path, stopped_after: int) -> None:
    archive.freeze()
    whole = train(archive.catalog, "all", tiny_base, "whole", recipe=RECIPE, processes=1)
    job = jobs.add(archive.catalog, "train", {}, GRANTED).id
    with pytest.raises(KeyboardInterrupt):
        train(archive.catalog, "all", tiny_base, "cut", recipe=RECIPE, processes=1, job=job, report=Stop(stopped_after))
    resumed = train(archive.catalog, "all", tiny_base, "cut", recipe=RECIPE, processes=1, job=job)
    assert [bytes_of(archive.catalog, name) for name in resumed] == [bytes_of(archive.catalog, name) for name in whole]
    assert not list(jobs.folder_of(archive.catalog, job).glob("*.checkpoint"))


def test_resume_takes_up_the_checkpoint(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze("alone", of=1)
    job = jobs.add(archive.catalog, "train", {}, GRANTED).id
    with pytest.raises(KeyboardInterrupt):
        train(archive.catalog, "alone", tiny_base, "cut", recipe=RECIPE, job=job, report=Stop(5))
    steps: list[Step] = []
    train(archive.catalog, "alone", tiny_base, "cut", recipe=RECIPE, job=job, report=steps.append)
    assert steps[0].done == 5  # step 4 was kept


def test_pooled(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze()
    made = train(archive.catalog, "all", tiny_base, "pool", mode="pooled", recipe=RECIPE)
    again = train(archive.catalog, "all", tiny_base, "pool2", mode="pooled", recipe=RECIPE)
    assert made == ["pool"]
    model = artifacts.get_model(archive.catalog, "pool")
    assert model.kind is ModelKind.POOLED
    assert artifacts.shares_of(archive.catalog, model.id) == pytest.approx({p.id: 1 / 3 for p in archive.people})
    assert bytes_of(archive.catalog, made[0]) == bytes_of(archive.catalog, again[0])


def test_a_team_trains_the_same_lora_and_one_process_goes_on_with_it(archive: SmallArchive, tiny_base: Path) -> None:
    """Two processes share out the passes of each step, over Gloo: the bytes are those of one."""
    archive.freeze()
    recipe = RECIPE.model_copy(update={"prior_weight": 0.5, "prior_pictures": 2})  # parts that don't go through as one
    (whole,) = train(archive.catalog, "all", tiny_base, "one", mode="pooled", recipe=recipe)
    job = jobs.add(archive.catalog, "train", {}, GRANTED).id
    with pytest.raises(KeyboardInterrupt):
        train(
            archive.catalog, "all", tiny_base, "team", mode="pooled", recipe=recipe, processes=2, job=job,
            report=Stop(5),
        )  # fmt: skip
    seen: list[Step] = []
    (made,) = train(
        archive.catalog, "all", tiny_base, "team", mode="pooled", recipe=recipe, job=job, report=seen.append
    )
    assert seen[0].done == 5  # after the checkpoint of the fourth
    assert bytes_of(archive.catalog, made) == bytes_of(archive.catalog, whole)


@pytest.mark.slow
def test_a_team_goes_on_where_one_process_was_stopped(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze()
    (whole,) = train(archive.catalog, "all", tiny_base, "whole", mode="pooled", recipe=RECIPE, processes=2)
    job = jobs.add(archive.catalog, "train", {}, GRANTED).id
    with pytest.raises(KeyboardInterrupt):
        train(archive.catalog, "all", tiny_base, "cut", mode="pooled", recipe=RECIPE, job=job, report=Stop(3))
    (made,) = train(archive.catalog, "all", tiny_base, "cut", mode="pooled", recipe=RECIPE, processes=2, job=job)
    assert bytes_of(archive.catalog, made) == bytes_of(archive.catalog, whole)


@pytest.mark.slow
def test_a_withdrawal_ends_a_team(archive: SmallArchive, tiny_base: Path) -> None:
    """Whichever of them sees it first, what is told is why."""
    archive.freeze()

    def withdraws(step: Step, /) -> None:
        if step.done == 2:
            archive.withdraw(archive.people[0])

    recipe = RECIPE.model_copy(update={"steps": 500})
    with pytest.raises(ConsentLost):
        train(archive.catalog, "all", tiny_base, "team", mode="pooled", recipe=recipe, processes=2, report=withdraws)
    assert artifacts.all_models(archive.catalog) == []


def test_devices_that_a_step_cannot_be_shared_out_among(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze()
    with pytest.raises(BadValue, match="accumulate = 2: so many passes can't be shared out among 3 devices"):
        train(archive.catalog, "all", tiny_base, "v1", mode="pooled", recipe=RECIPE, device="cpu,cpu,cpu")


def test_memory_that_runs_out_is_told(archive: SmallArchive, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.freeze("alone", of=1)
    plain = Fit._errors

    def only_one(self: Fit, rows: Rows) -> Tensor:
        if len(rows.latents) > 1:
            raise torch.OutOfMemoryError("as a GPU says it")
        return plain(self, rows)

    monkeypatch.setattr(Fit, "_errors", only_one)
    seen: list[Step] = []
    train(archive.catalog, "alone", tiny_base, "v1", recipe=RECIPE, processes=1, report=seen.append)
    assert "memory ran out: 1 of 2 pictures go through at once, slower, in the same steps" in seen[0].note


def test_one_lora_of_several_takes_their_word_for_composites(archive: SmallArchive, tiny_base: Path) -> None:
    """A grant for a model of oneself is none for a model of many."""
    archive.freeze("own", purpose=Purpose.TRAIN_INDIVIDUAL)
    with pytest.raises(Refused, match="composite"):
        train(archive.catalog, "own", tiny_base, "v1", mode="pooled", recipe=RECIPE, processes=1)
    archive.freeze("alone", of=1, purpose=Purpose.TRAIN_INDIVIDUAL)
    assert train(archive.catalog, "alone", tiny_base, "v1", mode="pooled", recipe=RECIPE, processes=1) == ["v1"]


def test_a_withdrawal_during_the_run_stops_it(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze()
    job = jobs.add(archive.catalog, "train", {}, GRANTED).id

    done: list[int] = []

    def withdraw_at_step_4(step: Step, /) -> None:
        done.append(step.done)
        if step.done == 4:
            archive.withdraw(archive.people[0])

    with pytest.raises(ConsentLost, match="Person 0"):
        train(archive.catalog, "all", tiny_base, "v1", recipe=RECIPE, processes=1, job=job, report=withdraw_at_step_4)
    assert done[-1] == 4, "the next pass over the pictures was not begun"
    assert artifacts.all_models(archive.catalog) == []
    assert not latent_cache.folder_of(archive.catalog, archive.people[0].uid).exists()
    assert not list(jobs.folder_of(archive.catalog, job).glob("*.checkpoint"))


def test_a_grant_that_ends_during_the_run_stops_it_before_the_next_pass(archive: SmallArchive, tiny_base: Path) -> None:
    """Nobody says a word, and nothing is taken out of use: only the rules, asked anew, tell."""
    first, _, third = archive.people
    ends = datetime(2100, 1, 1, tzinfo=UTC)
    ledger.append(
        archive.catalog, kind=EventKind.GRANT, subject_uid=first.uid, purposes=BOTH, valid_until=ends, by="me"
    )
    archive.freeze()
    done: list[int] = []

    def time_passes_at_step_4(step: Step, /) -> None:
        done.append(step.done)
        if step.done == 4:
            ledger.append(archive.catalog, kind=EventKind.GRANT, subject_uid=third.uid, purposes=BOTH, by="me", at=ends)

    with pytest.raises(ConsentLost, match="Person 0"):
        train(archive.catalog, "all", tiny_base, "v1", recipe=RECIPE, processes=1, report=time_passes_at_step_4)
    assert done[-1] == 4, "the next pass over the pictures was not begun"


def test_a_withdrawal_while_the_file_is_written_keeps_it_off_the_record(
    archive: SmallArchive, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last look at consent, and before the model is on record, a withdrawal still comes in time."""
    archive.freeze()

    def written_and_withdrawn(path: Path, layers: dict[str, LoraLayer], metadata: dict[str, str], **more: Any) -> None:
        write_lora(path, layers, metadata, **more)
        archive.withdraw(archive.people[0])

    monkeypatch.setattr(adapter, "write_lora", written_and_withdrawn)
    with pytest.raises(ConsentLost, match="Person 0"):
        train(archive.catalog, "all", tiny_base, "v1", recipe=RECIPE, processes=1)
    assert artifacts.all_models(archive.catalog) == []
    assert not list(archive.catalog.models.iterdir())


def test_a_withdrawal_between_stop_and_resume(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze()
    job = jobs.add(archive.catalog, "train", {}, GRANTED).id
    with pytest.raises(KeyboardInterrupt):
        train(archive.catalog, "all", tiny_base, "v1", recipe=RECIPE, processes=1, job=job, report=Stop(3))
    archive.withdraw(archive.people[2])
    with pytest.raises(ConsentLost, match="Person 2"):
        train(archive.catalog, "all", tiny_base, "v1", recipe=RECIPE, processes=1, job=job)


def test_what_withdrew_before_is_never_read(archive: SmallArchive, tiny_base: Path) -> None:
    """Nor is anybody else's picture, though the turn of Person 0 would come first."""
    archive.freeze()
    archive.withdraw(archive.people[1])
    with pytest.raises(ConsentLost, match="Person 1"):
        train(archive.catalog, "all", tiny_base, "v1", recipe=RECIPE, processes=1)
    assert not (archive.catalog.cache / "latents").exists()


def test_consent_is_asked_before_a_picture_is_read(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze()

    def withdraw_the_next(step: Step, /) -> None:
        if step.done == 2:
            archive.withdraw(archive.people[1])
            for path in archive.folder.glob("1-*.png"):
                path.write_bytes(b"")  # reading it would say so

    with pytest.raises(ConsentLost, match="Person 1"):
        train(archive.catalog, "all", tiny_base, "v1", recipe=RECIPE, processes=1, report=withdraw_the_next)
    assert len(artifacts.all_models(archive.catalog)) == 1


@pytest.mark.parametrize("processes", [1, 2])
def test_what_was_not_registered_leaves_no_file(archive: SmallArchive, tiny_base: Path, processes: int) -> None:
    """However a run ends, what stands in the models' folder is on record, and so within a withdrawal's reach."""
    archive.freeze()

    with pytest.raises(KeyboardInterrupt):
        train(archive.catalog, "all", tiny_base, "v1", recipe=RECIPE, processes=processes, report=Stop(8))

    def withdraw_at_the_end(step: Step, /) -> None:
        if step.done == 17:
            archive.withdraw(archive.people[2])

    with pytest.raises(ConsentLost, match="Person 2"):
        train(archive.catalog, "all", tiny_base, "v2", recipe=RECIPE, processes=1, report=withdraw_at_the_end)
    known = {model.path for model in artifacts.all_models(archive.catalog)}
    assert {path.name for path in archive.catalog.models.iterdir()} == known
    assert len([path for path in known if path.startswith("v2.")]) == 2


def test_a_name_taken_meanwhile_is_not_overwritten(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze("alone", of=1)
    (first,) = train(archive.catalog, "alone", tiny_base, "other", recipe=RECIPE)
    model = artifacts.get_model(archive.catalog, first)
    name = first.replace("other", "v1")
    theirs = archive.catalog.models / f"{name}.safetensors"

    def take_the_name(step: Step, /) -> None:
        if step.done == 1:
            theirs.write_bytes(b"another's")
            artifacts.add_model(archive.catalog, replace(model, name=name, path=theirs.name), shares={})

    with pytest.raises(NameTaken):
        train(archive.catalog, "alone", tiny_base, "v1", recipe=RECIPE, processes=1, report=take_the_name)
    assert theirs.read_bytes() == b"another's"
    assert len(list(archive.catalog.models.iterdir())) == 2


def test_a_photograph_that_changed_is_not_trained_on(archive: SmallArchive, tiny_base: Path) -> None:
    """Neither its size nor its time says so."""
    archive.freeze()
    other, *_, path = sorted(archive.folder.glob("0-*.png"), key=lambda each: each.stat().st_size)
    before = path.stat()
    path.write_bytes(other.read_bytes().ljust(before.st_size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(BadImage, match="changed since the cohort was frozen"):
        train(archive.catalog, "all", tiny_base, "v1", recipe=RECIPE, processes=1)


def test_refusals(archive: SmallArchive, tiny_base: Path) -> None:
    cohort = archive.freeze("alone", of=1)
    with pytest.raises(BadValue, match="no way of training"):
        train(archive.catalog, "alone", tiny_base, "v1", mode="at once", recipe=RECIPE)
    train(archive.catalog, "alone", tiny_base, "v1", recipe=RECIPE)
    with pytest.raises(NameTaken):
        train(archive.catalog, "alone", tiny_base, "v1", recipe=RECIPE)
    artifacts.taint_cohorts(archive.catalog, [cohort.id])
    with pytest.raises(Tainted):
        train(archive.catalog, "alone", tiny_base, "v2", recipe=RECIPE)


def test_erasing_a_person(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze()
    job = jobs.add(archive.catalog, "train", {}, GRANTED).id
    with pytest.raises(KeyboardInterrupt):
        train(archive.catalog, "all", tiny_base, "v1", recipe=RECIPE, processes=1, job=job, report=Stop(3))
    assert len(latent_cache.erase_subject(archive.catalog, archive.people[0].uid)) == 2
    assert latent_cache.erase_subject(archive.catalog, archive.people[0].uid) == []
