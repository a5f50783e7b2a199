"""The training room: trainings, their curves as they are written, and starting one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from textual.widgets import Checkbox, Input, Static

from core import cohort as cohorts
from core import jobs as work
from storage import artifacts, jobs
from storage import catalog as catalogs
from storage.catalog import open_catalog
from storage.records import CohortRules, JobState, Purpose
from tests import small_archive
from tests.tiny_base import write_tiny_base
from tests.tui.conftest import Settle
from tui.app import KyodakuApp
from tui.screens.dialogs import Form
from tui.screens.training import TrainingRoom
from tui.terminal import Preview

AT = datetime(2026, 1, 1, tzinfo=UTC)


def written(steps: range, task: str) -> str:
    """Lines as training writes them."""
    told = [{"task": task, "step": step, "loss": 1 / (step + 1), "rate": 1e-4, "seconds": 0.25} for step in steps]
    return "".join(json.dumps(one) + "\n" for one in told)


async def test_curves_are_followed_as_they_are_written(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    with open_catalog(sample) as catalog:
        job = jobs.add(catalog, "train", {"cohort": "friends", "name": "kin"}, AT)
        jobs.add(catalog, "audit", {"model": "kin"}, AT)
        lock = jobs.take_lock(catalog, job.id)
        assert lock is not None
        jobs.started(catalog, job.id, 1, AT)
        metrics = jobs.folder_of(catalog, job.id) / "metrics.jsonl"
    metrics.write_text(written(range(1, 50), "kin.00000001"))
    async with app.run_test(size=(140, 40)) as pilot:
        await pilot.press("f5")
        await settle(pilot)
        room = app.screen
        assert isinstance(room, TrainingRoom)
        assert room.table.count == 1, "an audit is no training"
        shown = room.query_one("#curves", Static)
        assert "kin.00000001: step 49, 0.25 s a step, loss 0.0200" in str(shown.content)
        with metrics.open("a") as more:
            more.write(written(range(1, 9), "kin.00000002"))
        await room.ticked()
        await settle(pilot)
        assert "kin.00000002: step 8" in str(shown.content)
        await pilot.press("c")
        await settle(pilot)
        assert "kin.00000001: step 49" in str(shown.content)
        assert room.why_not("resume") == f"job {job.id} is {JobState.RUNNING}"


async def test_what_can_not_train_is_told_in_the_form(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    with open_catalog(sample) as catalog:
        rules = CohortRules(Purpose.TRAIN_INDIVIDUAL, min_subjects=1)
        cohorts.create(catalog, "friends", "subject:Noy", rules)
        made = artifacts.get_cohort(catalog, "friends")
        artifacts.freeze_cohort(catalog, made.id, [], merkle_root="0" * 64, ledger_head="0" * 64, frozen_at=AT)
    async with app.run_test(size=(140, 40)) as pilot:
        await pilot.press("f5", "t")
        await settle(pilot)
        form = app.screen
        assert isinstance(form, Form)
        assert form.query_one("#field-cohort", Input).value == "friends"
        error = form.query_one(".error", Static)
        for field, value, told in (
            ("base", "/nowhere", "name the base"),
            ("base", str(sample), "give the models a name"),
            ("name", "kin", ""),
            ("rank", "many", "rank is a whole number"),
            ("rank", "0", "rank: "),
        ):
            form.query_one(f"#field-{field}", Input).value = value
            if told:
                await pilot.press("ctrl+s")
                assert app.screen is form
                assert told in str(error.content)
        await pilot.press("escape")
    with open_catalog(sample, readonly=True) as catalog:
        assert not jobs.newest(catalog), "nothing was started"


async def test_whole_weights_are_gone_through_dry_and_then_trained(
    tmp_path: Path,
    settle: Settle,
    unhurried: None,  # noqa: ARG001
) -> None:
    """The form asks for what `train --full --pooled --dry-run` does; its job's words stand beside the list."""
    with catalogs.create(tmp_path / "catalog") as catalog:
        archive = small_archive.build(catalog, tmp_path / "archive", people=3, pictures=2)
        archive.freeze("all")
    base = write_tiny_base(tmp_path / "base")
    app = KyodakuApp(tmp_path / "catalog", Preview("off", "a test"))
    async with app.run_test(size=(140, 40)) as pilot:
        await pilot.press("f5", "t")
        await settle(pilot)
        form = app.screen
        for field, value in (("cohort", "all"), ("base", str(base)), ("name", "kin"), ("rank", "4")):
            form.query_one(f"#field-{field}", Input).value = value
        for field in ("pooled", "full", "dry_run"):
            form.query_one(f"#field-{field}", Checkbox).value = True
        await pilot.press("ctrl+s")
        assert "whole checkpoints have no rank" in str(form.query_one(".error", Static).content)
        form.query_one("#field-rank", Input).value = ""
        await pilot.press("ctrl+s")
        await settle(pilot)
        room = app.screen
        assert isinstance(room, TrainingRoom)
        with open_catalog(tmp_path / "catalog", readonly=True) as catalog:
            (job,) = jobs.newest(catalog)
            assert (job.kind, job.args["mode"], job.args["overrides"]) == ("rehearse", "pooled", {"learns": "full"})
            assert work.follow(catalog, job.id).state is JobState.DONE
        await room.load()
        await settle(pilot)
        told = str(room.query_one("#curves", Static).content)
        assert "1 model: kin" in told
        assert "memory on cpu: about" in told
        with open_catalog(tmp_path / "catalog", readonly=True) as catalog:
            assert not artifacts.all_models(catalog), "nothing was trained"
