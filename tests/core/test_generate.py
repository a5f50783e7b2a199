"""Pictures: who may be drawn, what is written into them, and that the same seed gives the same picture."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core import base_model, credentials, trial_certificate, withdrawal
from core.errors import BadBase, BadLora, BadValue, NoSuchRecord, PromptRefused, Refused, Tainted, UnreadablePath
from core.generate import add_lora, draw, generate, open_model, run_job
from core.generated_checks import Checker, Seen, _reason
from core.inpaint import staying
from core.merging.catalogued import merge_bake
from core.merging.formats import kohya_name, read_lora
from core.progress import silent
from core.training.loop import train
from core.training.recipe import Recipe, trigger_of
from storage import artifacts, generated, jobs, ledger, subjects
from storage.catalog import Catalog
from storage.records import EventKind, ModelState, Purpose
from storage.whole_files import file_hash
from tests import small_archive
from tests.small_archive import SmallArchive
from tests.tiny_base import SIDE, write_tiny_base

RECIPE = Recipe(rank=2, alpha=1.0, steps=3, batch=2, lr=0.05, warmup=0, previews=0, targets="attention+ff+conv")


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture
def archive(catalog: Catalog, tmp_path: Path) -> SmallArchive:
    return small_archive.build(catalog, tmp_path / "archive", people=1, pictures=2)


@pytest.fixture
def lora(archive: SmallArchive, tiny_base: Path) -> str:
    archive.freeze("one")
    (name,) = train(archive.catalog, "one", tiny_base, "v1", recipe=RECIPE)
    return name


def test_pictures_carry_their_origin(archive: SmallArchive, lora: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    drawn = generate(
        archive.catalog, lora, "photo of {trigger} person", out=out, n=3, seed=5, steps=2, negative="blurry"
    )
    assert [path.name for path in drawn.images] == ["000005.png", "000006.png", "000007.png"]
    assert drawn.prompt == f"photo of {trigger_of(archive.people[0].uid)} person"
    assert drawn.sheet is not None
    with Image.open(drawn.images[0]) as picture:
        assert picture.size == (SIDE, SIDE)
        assert "trainedAlgorithmicMedia" in picture.text["XML:com.adobe.xmp"]  # type: ignore[attr-defined]
        told = json.loads(picture.text["kyodaku"])  # type: ignore[attr-defined]
        assert "Seed: 5" in picture.text["parameters"]  # type: ignore[attr-defined]
    assert told["model_hash"] == artifacts.get_model(archive.catalog, lora).content_hash
    assert set(told["checks"]) == {"nsfw", "ages", "unchecked"}
    assert drawn.images[0].stat().st_mode & 0o777 == 0o600


def test_a_job_draws_beside_the_model_so_that_what_erases_its_traces_erases_them(
    archive: SmallArchive, lora: str
) -> None:
    catalog = archive.catalog
    args = {"model": lora, "prompt": "photo of {trigger} person", "n": 2, "seed": 3, "steps": 2}
    job = jobs.add(catalog, "generate", args, datetime.now(UTC))
    told = run_job(catalog, job, silent)
    folder = catalog.models / f"{lora}.samples" / str(job.id)
    assert told["images"] == [str(folder / "000003.png"), str(folder / "000004.png")]
    assert told["sheet"] == str(folder / "contact-sheet.png")
    assert len(told["unchecked"]) > 0
    assert {one.path for one in generated.of_models(catalog, [artifacts.get_model(catalog, lora).id])} == {
        *folder.iterdir()
    }
    withdrawal.withdraw(catalog, archive.people[0].id, [Purpose.TRAIN_INDIVIDUAL], by="a test")
    assert not folder.parent.exists()


def test_a_seed_gives_its_picture_whatever_the_batch(tiny_base: Path) -> None:
    base = base_model.load(tiny_base, "cpu")
    three = [picture for batch in draw(base, ["a"] * 3, seed=1, steps=2) for picture in batch]
    again = [picture for batch in draw(base, ["a"], seed=3, steps=2) for picture in batch]
    difference = np.asarray(three[2], dtype=int) - np.asarray(again[0], dtype=int)
    assert abs(difference).max() <= 1
    assert np.asarray(three[0]).tobytes() != np.asarray(three[1]).tobytes()


def test_the_lora_is_in_the_weights_exactly(archive: SmallArchive, lora: str, tiny_base: Path) -> None:
    model = artifacts.get_model(archive.catalog, lora)
    path = archive.catalog.models / model.path
    plain, merged = base_model.load(tiny_base, "cpu"), base_model.load(tiny_base, "cpu")
    add_lora(merged, path, model.content_hash)
    layers = read_lora(path)
    weights = {kohya_name(key): (key, value) for key, value in plain.pipe.unet.state_dict().items()}
    after = merged.pipe.unet.state_dict()
    for name, layer in layers.items():
        key, before = weights[name]
        delta = (
            layer.scale * torch.einsum("orhw,rikl->oikl", layer.up, layer.down)
            if layer.up.ndim == 4
            else (layer.scale * layer.up @ layer.down)
        )
        assert layer.scale == 0.5
        assert torch.allclose(after[key], before + delta, atol=1e-5)
    assert len(layers) > 10


def test_image_to_image_says_so(archive: SmallArchive, tiny_base: Path, tmp_path: Path) -> None:
    start = archive.folder / "0-0.png"
    drawn = generate(archive.catalog, str(tiny_base), "photo", out=tmp_path / "o", n=1, steps=4, image=start)
    with Image.open(drawn.images[0]) as picture:
        assert "compositeWithTrainedAlgorithmicMedia" in picture.text["XML:com.adobe.xmp"]  # type: ignore[attr-defined]
    with pytest.raises(BadValue, match="draw nothing"):
        generate(archive.catalog, str(tiny_base), "photo", out=tmp_path / "o", steps=4, image=start, strength=0.2)
    archive.withdraw(archive.people[0], Purpose.TRAIN_INDIVIDUAL)
    with pytest.raises(Refused, match="Person 0"):
        generate(archive.catalog, str(tiny_base), "photo", out=tmp_path / "o", n=1, steps=4, image=start)


def test_what_is_drawn_is_signed_where_there_is_a_certificate(
    archive: SmallArchive, tiny_base: Path, tmp_path: Path
) -> None:
    trial = trial_certificate.make(tmp_path / "c2pa", "M. Roth")
    credentials.use(archive.catalog, trial.certificate, trial.key)
    drawn = generate(archive.catalog, str(tiny_base), "photo", out=tmp_path / "o", n=1, steps=1)
    assert drawn.sheet is not None
    for path in (*drawn.images, drawn.sheet):
        made = credentials.read(path, trial.authority)
        assert (made.state, made.model_hash) == ("Trusted", drawn.model_hash)
    trial.key.unlink()
    with pytest.raises(BadValue, match=r"key\.pem can't be read"):
        generate(archive.catalog, str(tiny_base), "photo", out=tmp_path / "unsigned", n=1, steps=1)
    assert not (tmp_path / "unsigned").exists()


def test_where_the_mask_is_black_the_picture_stays(archive: SmallArchive, tiny_base: Path, tmp_path: Path) -> None:
    start, mask = archive.folder / "0-0.png", tmp_path / "mask.png"
    half = Image.new("L", Image.open(start).size)
    half.paste(255, (0, 0, half.width // 2, half.height))
    half.save(mask)
    model = str(tiny_base)
    drawn = generate(
        archive.catalog, model, "photo", out=tmp_path / "o", n=2, steps=4, image=start, mask=mask, strength=1.0
    )
    was = np.asarray(Image.open(start).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS), dtype=int)
    first, second = (np.asarray(Image.open(path), dtype=int) for path in drawn.images)
    for picture in (first, second):
        assert (picture[:, SIDE // 2 :] == was[:, SIDE // 2 :]).all()
        assert abs(picture[:, : SIDE // 2] - was[:, : SIDE // 2]).mean() > 10
    assert (first != second).any()
    with Image.open(drawn.images[0]) as picture:
        assert "compositeWithTrainedAlgorithmicMedia" in picture.text["XML:com.adobe.xmp"]  # type: ignore[attr-defined]
        assert "Denoising strength: 1" in picture.text["parameters"]  # type: ignore[attr-defined]
        assert json.loads(picture.text["kyodaku"])["start"] == file_hash(start)  # type: ignore[attr-defined]
    with pytest.raises(BadValue, match="a mask without a picture"):
        generate(archive.catalog, model, "photo", out=tmp_path / "o", mask=mask)
    archive.withdraw(archive.people[0], Purpose.TRAIN_INDIVIDUAL)
    with pytest.raises(Refused, match="Person 0"):
        generate(archive.catalog, model, "photo", out=tmp_path / "o", n=1, steps=4, image=start, mask=mask)


def test_what_stays_is_as_noisy_as_the_step_leaves_it(tiny_base: Path) -> None:
    """The picture's own latents with the scheduler's noise, at the last step without; drawn ones are let be."""
    base = base_model.load(tiny_base, "cpu")
    mask = Image.new("L", (SIDE, SIDE))
    mask.putpixel((5, 5), 1)  # of one latent a single pixel
    stays = staying(base, Image.new("RGB", (SIDE, SIDE), (200, 90, 40)), mask, [1, 2])
    assert stays.drawn.sum() == 1
    pipe = base.pipe
    pipe.scheduler.set_timesteps(10)
    pipe._num_timesteps = 4
    latents = torch.full((2, *stays.latents.shape[1:]), 7.0)
    own = stays.drawn[0, 0] == 0
    for step, left in enumerate(pipe.scheduler.timesteps[-3:]):
        level = pipe.scheduler.alphas_cumprod[left]
        wanted = level.sqrt() * stays.latents + (1 - level).sqrt() * stays.noise
        found = stays.put_back(pipe, step, latents)
        assert torch.allclose(found[..., own], wanted[..., own], atol=1e-5)
        assert (found[..., ~own] == 7).all()
    assert torch.equal(stays.put_back(pipe, 3, latents)[..., own], stays.latents.expand_as(latents)[..., own])


@pytest.mark.parametrize(("prompt", "negative"), [("photo of a teenager", ""), ("a person", "nude")])
def test_prompts_are_refused_before_anything_is_loaded(
    catalog: Catalog, tmp_path: Path, prompt: str, negative: str
) -> None:
    with pytest.raises(PromptRefused):
        generate(catalog, "no such model", prompt, negative=negative, out=tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_a_trigger_hides_no_word(catalog: Catalog, tmp_path: Path, tiny_base: Path) -> None:
    with pytest.raises(PromptRefused, match="a minor: 'child'"):
        generate(catalog, str(tiny_base), "photo of a ch{trigger}ild", out=tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_one_person_is_drawn_only_with_their_word_for_it(catalog: Catalog, tmp_path: Path, tiny_base: Path) -> None:
    archive = small_archive.build(
        catalog, tmp_path / "archive", people=1, pictures=2, purposes=(Purpose.TRAIN_COMPOSITE,)
    )
    archive.freeze("one")
    (name,) = train(catalog, "one", tiny_base, "v1", recipe=RECIPE.model_copy(update={"previews": 2}))
    assert not list(catalog.models.glob("*.preview.png"))
    with pytest.raises(Refused, match="train-individual is unknown"):
        open_model(catalog, name)


def test_a_model_is_one_by_its_path_too(catalog: Catalog, tmp_path: Path, tiny_base: Path) -> None:
    """A baked model named by its folder, as a base to draw with or to train on, needs what it needs by name."""
    archive = small_archive.build(
        catalog, tmp_path / "archive", people=1, pictures=2, purposes=(Purpose.TRAIN_COMPOSITE,)
    )
    archive.freeze("one")
    (name,) = train(catalog, "one", tiny_base, "v1", recipe=RECIPE)
    baked = catalog.models / merge_bake(catalog, name, tiny_base, "baked").path
    with pytest.raises(Refused, match="train-individual is unknown"):
        open_model(catalog, str(baked))
    with pytest.raises(Refused, match="train-individual is unknown"):
        train(catalog, "one", baked, "v2", recipe=RECIPE, processes=1)
    ledger.append(
        catalog, kind=EventKind.GRANT, subject_uid=archive.people[0].uid, purposes=(Purpose.TRAIN_INDIVIDUAL,), by="me"
    )
    assert open_model(catalog, str(baked)).model is None


def test_no_share_of_a_minor_is_small_enough(catalog: Catalog, tmp_path: Path, tiny_base: Path) -> None:
    archive = small_archive.build(catalog, tmp_path / "archive", people=3, pictures=1)
    archive.freeze("all")
    (name,) = train(catalog, "all", tiny_base, "v1", mode="pooled", recipe=RECIPE)
    assert open_model(catalog, name).model is not None
    subjects.edit(catalog, replace(archive.people[2], adult_attested_by=None, adult_attested_how=None))
    with pytest.raises(Refused, match="Person 2 is in model 'v1': age-unsettled"):
        open_model(catalog, name)


def test_previews_where_they_are_allowed(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze("one")
    train(archive.catalog, "one", tiny_base, "v1", recipe=RECIPE.model_copy(update={"previews": 2}))
    assert len(list(archive.catalog.models.glob("*.preview.png"))) == 1


def test_what_can_not_be_drawn_with(archive: SmallArchive, lora: str, tiny_base: Path, tmp_path: Path) -> None:
    model = artifacts.get_model(archive.catalog, lora)
    with pytest.raises(NoSuchRecord):
        open_model(archive.catalog, "nothing")
    with pytest.raises(BadBase, match="no diffusion checkpoint"):
        open_model(archive.catalog, str(archive.folder))
    with pytest.raises(BadValue, match="multiple of 4"):
        generate(archive.catalog, str(tiny_base), "photo", out=tmp_path / "o", size=33)
    (tmp_path / "file").write_text("")
    with pytest.raises(UnreadablePath):
        generate(archive.catalog, str(tiny_base), "photo", out=tmp_path / "file", n=1, steps=1)
    path = archive.catalog.models / model.path
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BadLora, match="not the file that was made"):
        open_model(archive.catalog, lora)
    artifacts.set_state(archive.catalog, [model.id], ModelState.QUARANTINED, "Person 0 withdrew")
    with pytest.raises(Tainted, match="Person 0 withdrew"):
        open_model(archive.catalog, lora)


def test_the_checks() -> None:
    seen = Checker().look([Image.new("RGB", (64, 64), (90, 120, 200))])
    assert seen == [Seen(seen[0].nsfw, (), None)]
    assert seen[0].nsfw < 0.1
    assert _reason(0.9, ()) is not None
    assert _reason(0.0, (30.0, 12.0)) == "a face looks under 18 (about 12)"
    assert _reason(0.0, (18.0,)) is None


def test_bad_bases(tmp_path: Path, tiny_base: Path) -> None:
    with pytest.raises(BadBase, match="is not there"):
        base_model.load(tmp_path / "none")
    (tmp_path / "one.safetensors").write_bytes(b"")  # a single file
    with pytest.raises(BadBase, match="shorter than its header"):
        base_model.load(tmp_path / "one.safetensors")
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(BadBase, match="is a FluxPipeline"):
        base_model.check(tmp_path)
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(BadBase, match="lacks unet/"):
        base_model.unet_hash(tmp_path)
    with pytest.raises(BadBase, match="device"):
        base_model.load(tiny_base, "abacus")
