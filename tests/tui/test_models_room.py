"""The models room: marking, averaging, drawing; what is refused is said in the form, and no job is begun."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console
from textual.pilot import Pilot
from textual.widgets import Input, Static

from core import jobs as work
from core.merging.catalogued import merge_average
from storage import artifacts, jobs, ledger
from storage import catalog as catalogs
from storage.catalog import open_catalog
from storage.records import CohortRules, EventKind, ModelState, Purpose
from tests import composites
from tests.composites import Composite
from tests.tiny_base import write_tiny_base
from tests.tui.conftest import Settle
from tui.app import KyodakuApp
from tui.screens.dialogs import Form
from tui.screens.models import ModelsRoom
from tui.terminal import Preview

NAMES = ("Ann Example", "Ben Example", "Kim Example")


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture
def three(tmp_path: Path, tiny_base: Path) -> Composite:
    """Three people with a LoRA each, in a catalog of their own."""
    with catalogs.create(tmp_path / "three") as catalog:
        return composites.build(catalog, tiny_base, NAMES, CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=3))


@pytest.fixture
def folder(three: Composite, tmp_path: Path) -> Path:
    assert three.people
    return tmp_path / "three"


@pytest.fixture
def room_app(folder: Path, unhurried: None) -> KyodakuApp:  # noqa: ARG001
    return KyodakuApp(folder, Preview("off", "a test"))


async def entered(pilot: Pilot[None], settle: Settle) -> ModelsRoom:
    await pilot.press("f6")
    await settle(pilot)
    assert isinstance(pilot.app.screen, ModelsRoom)
    return pilot.app.screen


def fill(form: object, **answers: str) -> None:
    assert isinstance(form, Form)
    for name, value in answers.items():
        form.query_one(f"#field-{name}", Input).value = value


def read(room: ModelsRoom) -> str:
    """What is told of the model under the cursor, on lines as long as they are."""
    written = StringIO()
    Console(file=written, width=300).print(room.query_one("#facts Static", Static).content)
    return written.getvalue()


async def refused(pilot: Pilot[None], settle: Settle) -> str:
    """What the form says to its answers, staying where it is."""
    form = pilot.app.screen
    await pilot.press("ctrl+s")
    await settle(pilot)
    assert pilot.app.screen is form
    return str(form.query_one(".error", Static).content)


async def test_marked_loras_are_averaged_as_a_job(
    room_app: KyodakuApp, settle: Settle, three: Composite, folder: Path
) -> None:
    async with room_app.run_test(size=(140, 40)) as pilot:
        room = await entered(pilot, settle)
        await pilot.press("m")
        assert "no LoRA is marked" in room.status.message
        await pilot.press("space")
        assert len(room.marked) == 1
        assert room.table.cursor == 1, "the cursor goes on"
        await pilot.press("k", "space")
        assert not room.marked, "a mark is taken off again"
        await pilot.press("space", "m")
        await settle(pilot)
        form = room_app.screen
        assert "it would be of 1 person where 3 are needed" in str(form.query_one(".about", Static).content)
        fill(form, name="mean")
        assert "it would be of 1 person where 3 are needed" in await refused(pilot, settle)
        await pilot.press("escape")
        await settle(pilot)
        await pilot.press("escape")
        assert not room.marked, "Esc lets go of the marks"
        await pilot.press("percent_sign")
        assert {one.name for one in room.marked} == set(three.loras)
        await pilot.press("m")
        await settle(pilot)
        form = room_app.screen
        assert "as it stands: 3 people, each 33.3%" in str(form.query_one(".about", Static).content)
        for answers, told in (
            ({}, "give the model a name"),
            ({"name": three.loras[0]}, "there is a model"),
            ({"name": "mean", "rank": "many"}, "rank 'many'"),
            ({"rank": "exact", "method": "ties"}, "ties gives no change of low rank"),
            ({"rank": "2", "density": "1.5"}, "density 1.5 is no part of one"),
            ({"density": "0.5", "trim": "0.2"}, "ties reads no trim (leave it empty, or take trimmed-mean)"),
            ({"density": "", "method": "trimmed-mean", "trim": "some"}, "trim is a number"),
            ({"trim": "0.6"}, "trim 0.6 is not between 0 and 0.5"),
            ({"trim": "", "method": "dare", "seed": "x"}, "the seed is a whole number"),
            ({"seed": "", "method": "mean", "blocks": "middle=1"}, "block weight 'middle=1' makes no sense"),
            ({"blocks": "down.9=1"}, "there is no block down.9 in it"),
            ({"blocks": "", "rank": "exact", "dtype": "fp8"}, "dtype 'fp8' is unknown"),
            ({"dtype": "fp32", "max_share": "0.2"}, "33.3% of it where 20.0% is the most"),
            ({"max_share": "0.5", "weights": "1,1"}, "2 weights for 3 models"),
        ):
            fill(form, **answers)
            assert told in await refused(pilot, settle)
        with open_catalog(folder, readonly=True) as catalog:
            assert not jobs.newest(catalog), "nothing was started"
        fill(form, weights="")
        await pilot.press("ctrl+s")
        await settle(pilot)
        with open_catalog(folder, readonly=True) as catalog:
            (job,) = jobs.newest(catalog)
            assert work.result_of(work.follow(catalog, job.id, every=0.01))["model"] == "mean"
        await room.ticked()
        await settle(pilot)
        assert room.status.message == "mean is made"
        assert room.model is not None
        assert room.model.name == "mean"
        shown = read(room)
        assert f"─ 33.3% {three.loras[2]} x 1: lora" in shown, "its lineage, as a tree"
        assert room.why_not("mark") is None, "an average is a LoRA too"


async def test_what_can_not_be_baked_is_said_before_a_job(
    room_app: KyodakuApp, settle: Settle, three: Composite, folder: Path
) -> None:
    with open_catalog(folder) as catalog:
        merge_average(catalog, three.loras, "mean")
    async with room_app.run_test(size=(140, 40)) as pilot:
        await entered(pilot, settle)
        await pilot.press("b")
        await settle(pilot)
        assert "as it stands: 3 people, each 33.3%" in str(room_app.screen.query_one(".about", Static).content)
        for answers, told in (
            ({"base": "/nowhere"}, "name the base"),
            ({"base": str(three.base)}, "give the model a name"),
            ({"name": "baked", "weight": "much"}, "strength is a number"),
            ({"name": "mean", "weight": "1"}, "there is a model 'mean' already"),
            ({"name": "baked", "blocks": "up.7=1"}, "there is no block up.7 in it"),
            ({"blocks": "", "max_share": "0.2"}, "33.3% of it where 20.0% is the most"),
        ):
            fill(room_app.screen, **answers)
            assert told in await refused(pilot, settle)
        fill(room_app.screen, max_share="")
        await pilot.press("ctrl+s")
        await settle(pilot)
    with open_catalog(folder) as catalog:
        (job,) = jobs.newest(catalog)
        assert work.result_of(work.follow(catalog, job.id, every=0.01))["model"] == "baked"


async def test_what_may_not_be_drawn_is_said_before_a_job(
    room_app: KyodakuApp, settle: Settle, three: Composite, folder: Path
) -> None:
    with open_catalog(folder) as catalog:
        uid, own = three.people[2].uid, (Purpose.TRAIN_INDIVIDUAL,)
        ledger.append(catalog, kind=EventKind.WITHDRAWAL, subject_uid=uid, purposes=own, by="a test")
    async with room_app.run_test(size=(140, 40)) as pilot:
        room = await entered(pilot, settle)
        await pilot.press("d")
        await settle(pilot)
        for answers, told in (
            ({"prompt": "a schoolgirl"}, "the prompt asks for a minor"),
            ({"prompt": "photo of {trigger}", "negative": "nude"}, "the prompt asks for sexual content"),
            ({"negative": "", "n": "0"}, "the number of pictures is a whole number of 1 or more"),
            ({"n": "2", "steps": "many"}, "the number of steps is a whole number of 1 or more"),
            ({"steps": "2"}, f"draws {three.people[2].name} alone: train-individual is withdrawn"),
        ):
            fill(room_app.screen, **answers)
            assert told in await refused(pilot, settle)
        await pilot.press("escape")
        await settle(pilot)
        await pilot.press("a")
        await settle(pilot)
        assert "alone: train-individual is withdrawn" in await refused(pilot, settle)
        await pilot.press("escape")
        await settle(pilot)
        await pilot.press("r")
        assert room.status.message == "no model is tainted"
    with open_catalog(folder, readonly=True) as catalog:
        assert not jobs.newest(catalog)


async def test_models_out_of_use_say_why(room_app: KyodakuApp, settle: Settle, three: Composite, folder: Path) -> None:
    with open_catalog(folder) as catalog:
        lost = artifacts.get_model(catalog, three.loras[2])
        artifacts.set_state(catalog, [lost.id], ModelState.QUARANTINED, "Kim Example withdrew")
    async with room_app.run_test(size=(140, 40)) as pilot:
        room = await entered(pilot, settle)
        for key in ("space", "percent_sign", "b", "d", "a", "v"):
            await pilot.press(key)
            assert room.status.message == f"{lost.name} is quarantined: Kim Example withdrew"
        await pilot.press("j", "percent_sign")
        assert {one.name for one in room.marked} == set(three.loras[:2])
    assert not list((folder / "jobs").iterdir())


async def test_the_newest_sheet_is_shown_with_what_it_is(
    room_app: KyodakuApp, settle: Settle, three: Composite, folder: Path
) -> None:
    with open_catalog(folder) as catalog:
        model = artifacts.get_model(catalog, three.loras[2])
    drawn = folder / "models" / f"{model.name}.samples" / "7"
    audit = folder / "models" / f"{model.name}.audit"
    for path in (drawn / "000000.png", audit / "sheet.png"):
        path.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(path)
    report = {
        "verdict": "nobody", "why": ["0 of 9 faces match"], "model_hash": model.content_hash, "faces": 9, "images": 10,
        "rate": 0.0, "upper_bound95": 0.28, "nearest": [],
    }  # fmt: skip
    (audit / "report.json").write_text(json.dumps(report))
    async with room_app.run_test(size=(140, 40)) as pilot:
        room = await entered(pilot, settle)
        assert "picture 1 of 2: from the audit" in read(room)
        assert "verdict: nobody" in read(room)
        await pilot.press("s")
        await settle(pilot)
        assert "picture 2 of 2: drawn by job 7: 000000.png" in read(room)
