"""Training of a UNet's own weights: exact resume, the same gate, a checkpoint like a bake, and what withdrawal does."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from torch import Tensor

from core import base_model, composition, models, proving, verification, withdrawal
from core.base_model import Base
from core.errors import BadRecipe, ConsentLost, NotEnoughSpace, Refused, Tainted
from core.generate import open_model
from core.merging.catalogued import merge_bake, merge_difference, merge_soup
from core.merging.checkpoints import WHOLE
from core.progress import Step
from core.training import recipe as recipes
from core.training import retrain
from core.training.fit import Fit
from core.training.loop import train
from core.training.needs import disk, require_disk
from core.training.recipe import Recipe
from core.training.rehearsal import rehearse
from core.training.whole import _places
from storage import artifacts, jobs
from storage.catalog import Catalog
from storage.records import Model, ModelKind, ModelState, Purpose
from storage.tensors import read_header
from storage.whole_files import differing, weights_file
from tests.core.merging.test_layer_names import original_names
from tests.core.training.test_fit import groups
from tests.core.training.test_loop import Stop
from tests.journeys.driver import Kyodaku
from tests.small_archive import BOTH, GRANTED, SmallArchive

RECIPE = Recipe(learns="full", steps=4, batch=2, lr=1e-3, warmup=1, checkpoint_every=1, previews=0)


def fit(tiny_base: Path, **fields: object) -> Fit:
    """On a base of its own: training changes it."""
    recipe = Recipe.model_validate({**RECIPE.model_dump(), **fields})
    return Fit(base_model.load(tiny_base, "cpu"), recipe, groups(), "key")


def run(one: Fit, kept: Path | None = None, until: int | None = None) -> dict[str, Tensor]:
    for told in one.steps(before_epoch=lambda: None, kept=kept):
        if one.recipe.keep != "last":
            one.note(abs(told.step - 3))
        if told.step == until:
            break
    with one.written():
        return {name: value.detach().clone() for name, value in one.adapter.named.items()}


def folder(catalog: Catalog, name: str) -> Path:
    return catalog.models / artifacts.get_model(catalog, name).path


@pytest.mark.parametrize(
    "fields",
    [{}, {"precision": "bf16", "gradient_checkpointing": True, "ema": 0.9}, {"optimiser": "schedule-free"},
     {"accumulate": 2, "keep": "validation", "validation": 0.1, "precision": "fp16"}],
    ids=["adamw", "bf16-ema", "schedule-free", "best-fp16"],
)  # fmt: skip
def test_stopped_at_any_step_it_goes_on_to_the_same_bits(
    tiny_base: Path, tmp_path: Path, fields: dict[str, object]
) -> None:
    before = {name: value.clone() for name, value in base_model.load(tiny_base, "cpu").pipe.unet.named_parameters()}
    whole = run(fit(tiny_base, **fields))
    assert whole.keys() == before.keys()
    moved = [name for name, value in whole.items() if not torch.equal(value, before[name])]
    assert len(moved) == len(whole), "all of the UNet learns"
    assert all(value.dtype is torch.float32 for value in whole.values())
    for step in (2,) if fields else (1, 2, 3):
        kept = tmp_path / f"{step}.checkpoint"
        run(fit(tiny_base, **fields), kept, until=step)
        again = run(fit(tiny_base, **fields), kept)
        assert all(torch.equal(again[name], value) for name, value in whole.items()), f"stopped at step {step}"


def test_a_checkpoint_a_person(archive: SmallArchive, tiny_base: Path) -> None:
    """Each is what it would be alone, whoever came before, and holds the base's other parts as they are."""
    catalog = archive.catalog
    archive.freeze()
    made = train(catalog, "all", tiny_base, "v1", recipe=RECIPE, processes=1)
    job = jobs.add(catalog, "train", {}, GRANTED).id
    with pytest.raises(KeyboardInterrupt):
        train(catalog, "all", tiny_base, "v2", recipe=RECIPE, processes=1, job=job, report=Stop(8))
    again = train(catalog, "all", tiny_base, "v2", recipe=RECIPE, processes=1, job=job)  # the second comes first
    for one, other in zip(made, again, strict=True):
        assert differing(folder(catalog, one), folder(catalog, other)) == []
    model = artifacts.get_model(catalog, made[0])
    assert (model.kind, model.path) == (ModelKind.FULL, made[0])
    assert artifacts.shares_of(catalog, model.id) == {archive.people[0].id: 1.0}
    changed = differing(folder(catalog, made[0]), tiny_base)
    assert changed == ["unet/diffusion_pytorch_model.safetensors"]
    told = read_header(weights_file(folder(catalog, made[0]))).metadata
    assert (told["kyodaku.kind"], told["kyodaku.people"]) == ("full", "1")
    assert told["modelspec.architecture"] == "stable-diffusion-v1"
    assert "kyodaku.subject_root" in told
    secrets = [archive.people[0].name, archive.people[0].uid, str(tiny_base), str(archive.folder)]
    for file in folder(catalog, made[0]).rglob("*"):
        assert file.is_dir() or not any(secret.encode() in file.read_bytes() for secret in secrets)


def test_it_is_used_as_a_bake_is(archive: SmallArchive, tiny_base: Path) -> None:
    """Drawn with, verified, proved, averaged, its change taken elsewhere, a LoRA trained on it, one baked in."""
    catalog = archive.catalog
    archive.freeze()
    made = train(catalog, "all", tiny_base, "v1", recipe=RECIPE, processes=1)
    opened = open_model(catalog, made[0], "cpu")
    bare = base_model.load(tiny_base, "cpu")
    assert not torch.equal(answer(opened.base), answer(bare))
    assert opened.base.unet_hash == artifacts.get_model(catalog, made[0]).content_hash
    assert verification.verify(catalog, made[0]).ok
    assert models.expand(catalog, ["v1.*"]) == made
    photo = next(iter(archive.folder.glob("0-*.png")))
    others = next(iter(archive.folder.glob("1-*.png")))
    assert proving.of_model(catalog, made[0], str(photo)).included
    assert not proving.of_model(catalog, made[0], str(others)).included
    merge_difference(catalog, made[0], tiny_base, tiny_base, "moved", weight=0.5)
    small = Recipe(rank=2, steps=1, batch=1, previews=0)
    lora = train(catalog, "all", tiny_base, "lora", recipe=small, processes=1)[1]
    merge_bake(catalog, lora, folder(catalog, made[0]), "both")
    told = read_header(weights_file(folder(catalog, "both"))).metadata
    assert told["kyodaku.people"] == "2"
    assert "kyodaku.subject_root" not in told
    assert proving.of_model(catalog, "both", str(others)).included
    (on_it,) = train(catalog, "all", folder(catalog, made[0]), "on", mode="pooled", recipe=small)
    assert artifacts.get_model(catalog, on_it).base_hash == artifacts.get_model(catalog, made[0]).content_hash


def test_weights_that_hold_people_are_trained_no_further(archive: SmallArchive, tiny_base: Path) -> None:
    """Those of the model would be in what came of it without a share, where no withdrawal would find them."""
    catalog = archive.catalog
    archive.freeze("alone", of=1)
    archive.freeze()
    (first,) = train(catalog, "alone", tiny_base, "v1", recipe=RECIPE)
    before = artifacts.all_models(catalog)
    for mode in ("pooled", "per-subject"):
        with pytest.raises(Refused, match="unrecorded"):
            train(catalog, "all", folder(catalog, first), "v2", mode=mode, recipe=RECIPE, processes=1)
    asked = {"cohort": "all", "base": str(folder(catalog, first)), "name": "v2", "mode": "pooled", "recipe": None,
             "overrides": {"learns": "full"}, "device": "cpu"}  # fmt: skip
    with pytest.raises(Refused, match="unrecorded"):
        rehearse(catalog, asked)
    assert artifacts.all_models(catalog) == before


def test_a_soup_of_checkpoints_is_remade_without_whoever_withdraws(archive: SmallArchive, tiny_base: Path) -> None:
    """To the bytes that the soup of the others has: a checkpoint a person is averaged as LoRAs are."""
    catalog = archive.catalog
    archive.freeze()
    made = train(catalog, "all", tiny_base, "v1", recipe=RECIPE, processes=1)
    merge_soup(catalog, made, "soup")
    merge_soup(catalog, made[1:], "without")
    assert differing(folder(catalog, "soup"), folder(catalog, "without"))
    done = withdrawal.withdraw(catalog, archive.people[0].id, BOTH, by="test")
    assert (list(done.quarantined), list(done.remade), list(done.retraining)) == ([made[0]], ["soup"], [])
    assert differing(folder(catalog, "soup"), folder(catalog, "without")) == []
    assert not folder(catalog, made[0]).exists()


def test_one_on_everybodys_pictures_is_quarantined_and_waits_to_be_trained_again(
    archive: SmallArchive, tiny_base: Path
) -> None:
    catalog = archive.catalog
    archive.freeze()
    (name,) = train(catalog, "all", tiny_base, "pool", mode="pooled", recipe=RECIPE)
    model = artifacts.get_model(catalog, name)
    assert model.kind is ModelKind.FULL
    assert artifacts.shares_of(catalog, model.id) == pytest.approx({person.id: 1 / 3 for person in archive.people})
    composition.permit(catalog, model)
    foreseen = withdrawal.reach(catalog, archive.people[2].id, BOTH)
    assert list(foreseen.retrained) == [name]
    done = withdrawal.withdraw(catalog, archive.people[2].id, BOTH, by="test")
    assert list(done.quarantined) == [name]
    assert state_of(catalog, name) is ModelState.QUARANTINED
    assert not (catalog.models / model.path).exists()
    with pytest.raises(Tainted):
        open_model(catalog, name, "cpu")
    (waiting,) = done.retraining
    (again,) = retrain.run_job(catalog, jobs.get(catalog, waiting), lambda _: None)["models"]
    two = artifacts.get_model(catalog, again)
    assert two.kind is ModelKind.FULL
    assert artifacts.shares_of(catalog, two.id).keys() == {person.id for person in archive.people[:2]}


def test_resumed_as_a_job_it_is_the_same_bytes_and_nothing_is_left(archive: SmallArchive, tiny_base: Path) -> None:
    catalog = archive.catalog
    archive.freeze()
    (whole,) = train(catalog, "all", tiny_base, "whole", mode="pooled", recipe=RECIPE)
    job = jobs.add(catalog, "train", {}, GRANTED).id
    with pytest.raises(KeyboardInterrupt):
        train(catalog, "all", tiny_base, "cut", mode="pooled", recipe=RECIPE, job=job, report=Stop(3))
    (kept, *_) = jobs.folder_of(catalog, job).glob("*.checkpoint")
    size = disk(tiny_base, RECIPE, sum(spec.count for spec in read_header(unet_of(tiny_base)).specs.values()), 1)
    assert size.checkpoints / 2 == pytest.approx(kept.stat().st_size, rel=0.2)  # with a header, large for a toy
    (resumed,) = train(catalog, "all", tiny_base, "cut", mode="pooled", recipe=RECIPE, job=job)
    assert differing(folder(catalog, resumed), folder(catalog, whole)) == []
    assert sum(file.stat().st_size for file in folder(catalog, whole).rglob("*.safetensors")) == pytest.approx(
        size.models, rel=0.05
    )
    assert not list(jobs.folder_of(catalog, job).glob("*.checkpoint"))
    assert not list(catalog.models.glob(".*"))


def test_consent_is_looked_at_all_along(archive: SmallArchive, tiny_base: Path) -> None:
    catalog = archive.catalog
    archive.freeze()

    def withdraws(step: Step, /) -> None:
        if step.done == 2:
            archive.withdraw(archive.people[0])

    with pytest.raises(ConsentLost):
        train(
            catalog, "all", tiny_base, "v1", mode="pooled", recipe=RECIPE.model_copy(update={"steps": 40}),
            report=withdraws,
        )  # fmt: skip
    assert artifacts.all_models(catalog) == []
    assert not list(catalog.models.iterdir())
    with pytest.raises(ConsentLost):
        train(catalog, "all", tiny_base, "v1", recipe=RECIPE)


def test_what_somebody_left_is_trained_on_no_more(archive: SmallArchive, tiny_base: Path, tmp_path: Path) -> None:
    catalog = archive.catalog
    archive.freeze("alone", of=1)
    archive.freeze("others")
    (name,) = train(catalog, "alone", tiny_base, "v1", recipe=RECIPE)
    kept = folder(catalog, name).rename(tmp_path / "copy")  # as a user may have one
    withdrawal.withdraw(catalog, archive.people[0].id, (Purpose.TRAIN_INDIVIDUAL,), by="test")
    with pytest.raises((Tainted, Refused)):
        train(catalog, "others", kept, "v2", recipe=RECIPE, processes=1)


def test_what_a_recipe_can_not_ask_for() -> None:
    for fields in ({"text_encoder_lr": 1e-5}, {"format": "diffusers"}):
        with pytest.raises(BadRecipe, match="full trains the UNet alone"):
            recipes.load(overrides={"learns": "full", **fields})
    assert recipes.load(overrides={"learns": "full"}).peak_lr == 1e-5
    assert recipes.load(overrides={"learns": "full", "lr": 3e-6}).peak_lr == 3e-6
    assert recipes.load(overrides={"optimiser": "prodigy"}).peak_lr == 1.0


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_each_weight_has_its_place_in_a_base_in_one_file(family: str) -> None:
    """All of the UNet's, each in one tensor, of the shape that it has there."""
    with torch.device("meta"):
        config = UNet2DConditionModel.load_config(str(files("core") / "base_files" / family / "unet"))
        unet = UNet2DConditionModel.from_config(config)
    theirs = [f"model.diffusion_model.{name}" for name in original_names(unet)]
    named = dict(unet.named_parameters())
    found = _places([*theirs, "first_stage_model.decoder.conv_in.weight", "v_pred"], WHOLE, named)
    assert list(found) == theirs
    assert sorted(found.values()) == sorted(named)
    numbers = {name: torch.tensor(number) for number, name in enumerate(theirs)}
    converted = convert_ldm_unet_checkpoint(numbers, dict(unet.config))
    assert {theirs[int(number)]: name for name, number in converted.items()} == found


def test_room_is_looked_for_first(archive: SmallArchive, tiny_base: Path) -> None:
    with pytest.raises(NotEnoughSpace, match="MB are needed"):
        require_disk(archive.catalog, tiny_base, RECIPE, models=10**9, at_once=1)
    require_disk(archive.catalog, tiny_base, RECIPE, models=3, at_once=2)


def test_a_rehearsal_asks_all_and_trains_nothing(archive: SmallArchive, tiny_base: Path) -> None:
    catalog = archive.catalog
    archive.freeze()
    asked = {"cohort": "all", "base": str(tiny_base), "name": "v1", "mode": "pooled", "recipe": None,
             "overrides": {"learns": "full"}, "device": "cpu"}  # fmt: skip
    told = rehearse(catalog, asked)
    assert (told.models, told.people, told.pictures, told.lr) == (["v1"], 3, 9, 1e-5)
    assert told.memory.learned == sum(spec.count for spec in read_header(unet_of(tiny_base)).specs.values())
    assert told.memory.kept == pytest.approx(8 * told.memory.learned, rel=0.001)  # AdamW's two
    assert told.memory_otherwise.step < told.memory.step  # with gradient checkpointing
    assert any("a step" in line for line in told.lines())
    assert artifacts.all_models(catalog) == []
    assert not (catalog.cache / "latents").exists()
    archive.withdraw(archive.people[0])
    with pytest.raises(ConsentLost, match="Person 0"):
        rehearse(catalog, asked)


def test_the_command_line_rehearses(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze()
    kyodaku = Kyodaku(archive.catalog.folder)
    told = kyodaku.json("train", "all", "--base", tiny_base, "--name", "v1", "--full", "--pooled", "--dry-run")
    assert (told["models"], told["pictures"], told["lr"]) == (["v1"], 9, 1e-5)
    assert told["memory"]["weights"] > 0
    said = kyodaku("train", "all", "--base", tiny_base, "--name", "v1", "--full", "--rank", "4")
    assert said.status == 2
    assert "which have no --rank" in said.err


def unet_of(base: Path) -> Path:
    return weights_file(base)


def state_of(catalog: Catalog, name: str) -> ModelState:
    model: Model = artifacts.get_model(catalog, name)
    return model.state


@torch.no_grad()
def answer(base: Base) -> Tensor:
    words = torch.linspace(-1, 1, 5 * 16).view(1, 5, 16)
    return torch.as_tensor(base.pipe.unet(torch.ones(1, 3, 16, 16), torch.tensor([300]), words).sample)
