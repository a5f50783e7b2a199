"""Learned tokens: trained through the same gate, exact on resume, read by diffusers, and never part of a merge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from core import base_model, textual_inversion, withdrawal
from core.base_model import Base
from core.errors import BadLora, BadRecipe, ConsentLost, PromptRefused
from core.generate import draw, open_model
from core.merging.catalogued import merge_average
from core.merging.formats import read_lora
from core.progress import Step
from core.textual_inversion import learn, put_on, start_of, take_off
from core.training import recipe as recipes
from core.training.fit import Fit
from core.training.loop import train
from core.training.recipe import SHARED_TRIGGER, Recipe, trigger_of
from core.training.words import encode, encode_each
from storage import artifacts, jobs
from storage.catalog import Catalog
from storage.records import ModelKind, ModelState
from storage.tensors import read_header
from tests import small_archive
from tests.core.training.test_fit import groups
from tests.core.training.test_loop import Stop
from tests.small_archive import BOTH, GRANTED, SmallArchive
from tests.tiny_base import write_tiny_base

WORD = "kyoaa"
ALONE: dict[str, Any] = {"learns": "embedding", "token_vectors": 3, "token_init": "a", "steps": 4, "batch": 2,
                         "token_lr": 1e-2, "warmup": 1, "checkpoint_every": 1, "previews": 0}  # fmt: skip
BESIDE = {**ALONE, "learns": "lora", "rank": 2, "lr": 1e-2}


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> Base:
    return base_model.load(tiny_base, "cpu")


@pytest.fixture
def archive(catalog: Catalog, tmp_path: Path) -> SmallArchive:
    return small_archive.build(catalog, tmp_path / "archive")


def vectors(count: int = 3) -> Tensor:
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(5))


def told(base: Base, text: str) -> Tensor:
    return encode_each(base, [text])[text].tokens


def test_a_word_is_known_and_forgotten_to_the_bit(base: Base) -> None:
    bare = told(base, f"photo of {WORD} b")
    words = len(base.pipe.tokenizer)
    put_on(base.pipe, WORD, {"text_encoder": vectors()})
    known = told(base, f"photo of {WORD} b")
    put_on(base.pipe, WORD, {"text_encoder": vectors() + 1})  # instead of the one before
    assert not torch.equal(told(base, f"photo of {WORD} b"), known)
    assert torch.equal(told(base, "photo of b"), told(base_of(base), "photo of b"))
    take_off(base.pipe)
    assert not torch.equal(known, bare)
    assert torch.equal(told(base, f"photo of {WORD} b"), bare)
    assert len(base.pipe.tokenizer) == words == base.pipe.text_encoder.config.vocab_size


def base_of(base: Base) -> Base:
    """The same base, loaded anew."""
    return base_model.load(base.path, "cpu")


def test_what_learns_is_what_is_taken_on_afterwards(base: Base) -> None:
    start = start_of(base.pipe, "a b", 3)
    table = base.pipe.text_encoder.get_input_embeddings().weight
    ids = base.pipe.tokenizer("a b", add_special_tokens=False).input_ids
    assert torch.equal(start["text_encoder"], table[[ids[0], ids[1], ids[0]]])
    learned = learn(base.pipe, WORD, start)["text_encoder"]
    learned.data.copy_(vectors())
    while_learning = encode(base, [f"a {WORD}"]).tokens
    while_learning.sum().backward()
    assert learned.grad is not None
    assert (learned.grad.abs().sum(dim=1) > 0).all(), "each of its vectors learns"
    put_on(base.pipe, WORD, {"text_encoder": vectors()})
    assert torch.equal(told(base, f"a {WORD}"), while_learning)
    take_off(base.pipe)
    with pytest.raises(BadRecipe, match="says nothing"):
        start_of(base.pipe, " ", 1)


@pytest.mark.parametrize("count", [1, 3])
def test_diffusers_reads_the_file(tiny_base: Path, base: Base, tmp_path: Path, count: int) -> None:
    """By `load_textual_inversion`, from the path, with no word told: the same pictures to the bit."""
    path = tmp_path / "word.safetensors"
    textual_inversion.write(path, WORD, {"text_encoder": vectors(count)}, {"modelspec.title": "test"})
    assert textual_inversion.is_one(path)
    pipe = base_model.load(tiny_base, "cpu").pipe
    pipe.load_textual_inversion(str(path.parent), weight_name=path.name, local_files_only=True)
    word, read = textual_inversion.read(path)
    assert word == WORD
    put_on(base.pipe, word, read)
    try:
        theirs = pipe(f"a {WORD}", num_inference_steps=1, output_type="pt", generator=torch.manual_seed(1)).images
        ours = base.pipe(f"a {WORD}", num_inference_steps=1, output_type="pt", generator=torch.manual_seed(1)).images
    finally:
        take_off(base.pipe)
    bare = base.pipe(f"a {WORD}", num_inference_steps=1, output_type="pt", generator=torch.manual_seed(1)).images
    assert torch.equal(torch.as_tensor(theirs), torch.as_tensor(ours))
    assert not torch.equal(torch.as_tensor(bare), torch.as_tensor(ours))


def test_two_encoders_have_a_tensor_each(base: Base, tmp_path: Path) -> None:
    both = {"text_encoder": vectors(), "text_encoder_2": torch.ones(3, 24)}
    path = tmp_path / "word.safetensors"
    textual_inversion.write(path, WORD, both, {"modelspec.trigger_phrase": WORD})
    assert load_file(path).keys() == {"clip_l", "clip_g"}
    word, again = textual_inversion.read(path)
    assert word == WORD
    assert all(torch.equal(again[part], value) for part, value in both.items())
    lora, words = textual_inversion.unbundle({"x": vectors(), **textual_inversion.bundle(WORD, both)})
    assert lora.keys() == {"x"}
    assert torch.equal(words[WORD]["text_encoder_2"], both["text_encoder_2"])
    with pytest.raises(BadLora, match="learned with 2 text encoders"):
        put_on(base.pipe, WORD, both)
    with pytest.raises(BadLora, match="can't be taken on"):
        put_on(base.pipe, WORD, {"text_encoder": torch.ones(1, 8)})
    assert told(base, "a").shape == (1, 16, 16)


def values(one: Fit) -> dict[str, Tensor]:
    with one.written():
        return {name: parameter.detach().clone() for name, parameter in one.adapter.named.items()}


def run(base: Base, fields: dict[str, Any], kept: Path | None = None, until: int | None = None) -> dict[str, Tensor]:
    made = [group for group in groups() if group.uid == "aa"]
    one = Fit(base, Recipe.model_validate(fields), made, "key", trigger=WORD)
    for step in one.steps(before_epoch=lambda: None, kept=kept):
        if step.step == until:
            break
    return values(one)


@pytest.mark.parametrize(
    "fields",
    [ALONE, BESIDE, {**BESIDE, "text_encoder_lr": 1e-3, "ema": 0.9, "precision": "bf16"}],
    ids=["alone", "beside", "beside-text-bf16"],
)
def test_stopped_at_any_step_it_goes_on_to_the_same_bits(base: Base, tmp_path: Path, fields: dict[str, Any]) -> None:
    whole = run(base, fields)
    start = start_of(base_of(base).pipe, "a", 3)["text_encoder"]
    assert not torch.equal(whole["word.text_encoder"], start)
    assert (len(whole) == 1) == (fields["learns"] == "embedding")
    for step in (1, 2, 3) if len(whole) == 1 else (2,):
        kept = tmp_path / f"{step}.checkpoint"
        run(base, fields, kept, until=step)
        again = run(base, fields, kept)
        assert all(torch.equal(again[name], value) for name, value in whole.items()), f"stopped at step {step}"
    plain = run(base, {**BESIDE, "token_vectors": 0})
    assert "word.text_encoder" not in plain
    assert WORD not in base.pipe.tokenizer.get_vocab()


def test_a_word_alone_is_trained_drawn_with_and_taken_out_of_use(archive: SmallArchive, tiny_base: Path) -> None:
    catalog, recipe = archive.catalog, Recipe.model_validate(ALONE)
    archive.freeze()
    made = train(catalog, "all", tiny_base, "v1", recipe=recipe, processes=1)
    again = train(catalog, "all", tiny_base, "v2", recipe=recipe, processes=1)
    paths = [catalog.models / artifacts.get_model(catalog, name).path for name in (*made, *again)]
    assert [path.read_bytes() for path in paths[:3]] == [path.read_bytes() for path in paths[3:]]
    trigger = trigger_of(archive.people[0].uid)
    assert load_file(paths[0])[trigger].shape == (3, 16)
    assert read_header(paths[0]).metadata["modelspec.architecture"] == "stable-diffusion-v1/textual-inversion"
    assert artifacts.get_model(catalog, made[0]).kind is ModelKind.LORA
    opened = open_model(catalog, made[0], "cpu")
    assert not torch.equal(told(opened.base, trigger), told(base_model.load(tiny_base, "cpu"), trigger))
    with pytest.raises(BadLora, match="hypernetworks are not read"):
        merge_average(catalog, made, "mean")
    withdrawal.withdraw(catalog, archive.people[0].id, BOTH, by="test")
    assert artifacts.get_model(catalog, made[0]).state is ModelState.QUARANTINED
    assert not paths[0].exists()


def test_beside_a_lora_it_lies_in_its_file_and_goes_into_no_merge(archive: SmallArchive, tiny_base: Path) -> None:
    catalog, recipe = archive.catalog, Recipe.model_validate(BESIDE)
    archive.freeze()
    made = train(catalog, "all", tiny_base, "v1", recipe=recipe, processes=1)
    trigger = trigger_of(archive.people[0].uid)
    path = catalog.models / artifacts.get_model(catalog, made[0]).path
    bundled = load_file(path)[f"bundle_emb.{trigger}.string_to_param.*"]
    assert bundled.shape == (3, 16)
    assert all(layer.rank == 2 for layer in read_lora(path).values())
    opened = open_model(catalog, made[0], "cpu")
    drawn = next(draw(opened.base, [opened.prompt("{trigger}")], seed=1, steps=2))
    without = path.with_name("without.safetensors")
    save_file({name: value for name, value in load_file(path).items() if "bundle_emb" not in name}, without)
    bare = base_model.load(tiny_base, "cpu")
    bare.pipe.load_lora_weights(str(without.parent), weight_name=without.name, local_files_only=True)
    assert drawn != next(draw(bare, [opened.prompt("{trigger}")], seed=1, steps=2))
    bare.pipe.load_textual_inversion({trigger: bundled})
    bare.pipe.fuse_lora()
    bare.pipe.unload_lora_weights()
    assert drawn == next(draw(bare, [opened.prompt("{trigger}")], seed=1, steps=2)), "as diffusers puts both on"
    mean = merge_average(catalog, made, "mean")
    assert mean.trigger == SHARED_TRIGGER
    assert merge_average(catalog, made[:1], "one").trigger == SHARED_TRIGGER
    assert not any("bundle_emb" in name for name in load_file(catalog.models / mean.path))


def test_a_composite_learns_its_own_word(archive: SmallArchive, tiny_base: Path) -> None:
    """On everybody's pictures the shared word learns; people's own stay words like others. Resumed, the same bytes."""
    catalog, recipe = archive.catalog, Recipe.model_validate(BESIDE)
    archive.freeze()
    (whole,) = train(catalog, "all", tiny_base, "whole", mode="pooled", recipe=recipe)
    job = jobs.add(catalog, "train", {}, GRANTED).id
    with pytest.raises(KeyboardInterrupt):
        train(catalog, "all", tiny_base, "cut", mode="pooled", recipe=recipe, job=job, report=Stop(3))
    (cut,) = train(catalog, "all", tiny_base, "cut", mode="pooled", recipe=recipe, job=job)
    one, other = (catalog.models / artifacts.get_model(catalog, name).path for name in (whole, cut))
    assert one.read_bytes() == other.read_bytes()
    bundles = [name for name in load_file(one) if name.startswith("bundle_emb")]
    assert bundles == [f"bundle_emb.{SHARED_TRIGGER}.string_to_param.*"]


def test_consent_is_looked_at_all_along(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze("alone", of=1)

    def withdraws(step: Step, /) -> None:
        if step.done == 2:
            archive.withdraw(archive.people[0])

    with pytest.raises(ConsentLost):
        train(archive.catalog, "alone", tiny_base, "v1", recipe=Recipe.model_validate(ALONE), report=withdraws)
    assert artifacts.all_models(archive.catalog) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"learns": "embedding"}, "needs token_vectors above 0"),
        ({"learns": "full", "token_vectors": 1}, "beside a LoRA, or alone"),
        ({"learns": "embedding", "token_vectors": 1, "text_encoder_lr": 1e-4}, "no text_encoder_lr"),
        ({"token_vectors": 1, "format": "diffusers"}, 'format = "kohya"'),
        ({"token_vectors": 33}, "token_vectors: .*less than or equal to 32"),
    ],
)
def test_what_a_recipe_can_not_ask_for(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRecipe, match=said):
        recipes.load(overrides=fields)


def test_a_word_starts_from_nothing_that_no_prompt_may_ask_for() -> None:
    with pytest.raises(PromptRefused, match="token_init: it names a minor"):
        recipes.load(overrides={"token_vectors": 1, "token_init": "child"})
