"""One LoRA under training: exact resume with all that a recipe may ask for, memory that runs out, prior pictures."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from core import base_model
from core.base_model import Base
from core.merging.formats import LoraLayer
from core.training import checkpoint
from core.training.adapter import HypernetworkAdapter
from core.training.batches import Group
from core.training.dataset import Picture
from core.training.fit import Fit
from core.training.objective import Diffusion
from core.training.recipe import Recipe

PLAIN: dict[str, Any] = {"rank": 2, "steps": 7, "batch": 2, "warmup": 2, "lr": 1e-2, "checkpoint_every": 1}
ALL_OF_IT = {
    "accumulate": 2,
    "text_encoder_lr": 1e-3,
    "targets": "attention+ff+conv",
    "min_snr_gamma": 5.0,
    "noise_offset": 0.1,
    "caption_shuffle": True,
    "caption_dropout": 0.2,
    "flip": True,
    "ema": 0.9,
    "prior_weight": 0.5,
    "gradient_checkpointing": True,
    "schedule": "restarts",
    "cycles": 2,
}


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> Base:
    return base_model.load(tiny_base, "cpu")


def picture(seed: int, height: int = 16, width: int = 16) -> Picture:
    chance = torch.Generator().manual_seed(seed)
    latent = torch.randn((3, height, width), generator=chance)
    return Picture(
        torch.stack([latent, latent.flip(-1)]), torch.ones((1, height, width)), (32, 32, 0, 0, height * 2, width * 2)
    )


def groups(*shapes: tuple[int, int]) -> list[Group]:
    """Two people, one with two pictures and one with three, of these shapes in turn."""
    shapes = shapes or ((16, 16),)
    made = []
    for number, (uid, count) in enumerate((("aa", 2), ("bb", 3))):
        pictures = [picture(10 * number + at, *shapes[at % len(shapes)]) for at in range(count)]
        captions = [f"{{trigger}}, {at}, b, c" for at in range(count)]
        made.append(Group(uid, f"kyo{uid}", pictures, captions, tuple(f"{uid}{at}" for at in range(count))))
    return made


def fit(base: Base, **fields: Any) -> Fit:
    recipe = Recipe.model_validate({**PLAIN, **fields})
    shapes = [(16, 16), (8, 24)] if recipe.buckets else []
    prior = Group("", "", [picture(90), picture(91)], ["photo of a person"] * 2, ()) if recipe.prior_weight else None
    return Fit(base, recipe, groups(*shapes), "key", prior)


def train(one: Fit, kept: Path | None = None, until: int | None = None) -> dict[str, LoraLayer]:
    """Train to the end, or until so many steps are told of and the process is gone."""
    for told in one.steps(before_epoch=lambda: None, kept=kept):
        if one.recipe.keep != "last":
            one.note(abs(told.step - 3))  # the third is the best
        if told.step == until:
            break
    return layers_of(one)


def layers_of(one: Fit) -> dict[str, LoraLayer]:
    """What would be written."""
    with one.written():
        if isinstance(one.adapter, HypernetworkAdapter):
            return {
                name: LoraLayer(value.clone(), value.clone(), 1.0)
                for name, value in one.adapter.network.tensors().items()
            }
        return one.adapter.layers()


def same(one: Mapping[str, LoraLayer], other: Mapping[str, LoraLayer]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(one[name].down, other[name].down) and torch.equal(one[name].up, other[name].up) for name in one
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"optimiser": "prodigy", "lr": 1.0},
        {"optimiser": "schedule-free"},
        pytest.param(
            {"optimiser": "adamw8bit", "rank": 64},
            marks=pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"),
        ),
        {"optimiser": "schedule-free", "keep": "validation", "validation": 0.1},
        {"precision": "bf16"},
        {"precision": "fp16"},
        {"buckets": True, "batch": 3},
        {"learns": "hypernetwork", "activation": "swish", "ema": 0.9},
        ALL_OF_IT,
        {**ALL_OF_IT, "keep": "validation", "validation": 0.1, "precision": "bf16", "buckets": True},
    ],
    ids=[
        "adamw",
        "prodigy",
        "schedule-free",
        "adamw8bit",
        "best",
        "bf16",
        "fp16",
        "buckets",
        "hypernetwork",
        "all",
        "all-best-bf16",
    ],
)
def test_stopped_at_any_step_it_goes_on_to_the_same_bits(base: Base, tmp_path: Path, fields: dict[str, Any]) -> None:
    steps = 4 if fields else 7
    fields = {**fields, "steps": steps}
    whole = train(fit(base, **fields))
    assert any(layer.up.abs().max() > 0 for layer in whole.values())
    for step in (2,) if steps == 4 else range(1, 7):
        kept = tmp_path / f"{step}.checkpoint"
        train(fit(base, **fields), kept, until=step)
        resumed = fit(base, **fields)
        assert same(train(resumed, kept), whole), f"stopped at step {step}"
        assert kept.exists() or step == 1


def test_what_is_asked_for_makes_a_difference(base: Base) -> None:
    """Each field changes what is learned: none is read and forgotten."""
    plain = train(fit(base, steps=4))
    for name, value in {
        "noise_offset": 0.5, "min_snr_gamma": 1.0, "prior_weight": 1.0, "caption_dropout": 0.9, "shared_trigger": 0.0,
        "ema": 0.5, "accumulate": 2, "clip": 1e-3, "seed": 1, "flip": True, "caption_shuffle": True, "beta1": 0.5,
        "beta2": 0.9, "weight_decay": 0.5, "schedule": "constant", "precision": "bf16", "optimiser": "schedule-free",
    }.items():  # fmt: skip
        assert not same(train(fit(base, **{"steps": 4, name: value})), plain), name
    assert same(train(fit(base, steps=4, gradient_checkpointing=True)), plain)


def test_the_text_encoder_learns_where_asked(base: Base) -> None:
    layers = train(fit(base, text_encoder_lr=1e-2))
    text = [layer for name, layer in layers.items() if name.startswith("lora_te_text_model_encoder_layers_0_self_attn")]
    assert len(text) == 4
    assert all(layer.up.abs().max() > 0 for layer in text)
    assert not any(name.startswith("lora_te") for name in train(fit(base)))


def test_memory_that_runs_out_halves_what_goes_through_at_once(base: Base) -> None:
    """The same effective batch, and the same LoRA but for the order in which gradients are summed."""
    enough = train(fit(base, batch=4))
    one = fit(base, batch=4)
    widths = []

    def only_so_much(_: object, arguments: tuple[torch.Tensor, ...]) -> None:
        widths.append(len(arguments[0]))
        if len(arguments[0]) > 1:
            raise torch.OutOfMemoryError("as a GPU says it")

    hook = base.pipe.unet.register_forward_pre_hook(only_so_much)
    try:
        scarce = train(one)
    finally:
        hook.remove()
    assert one.micro == 1
    assert widths[:3] == [4, 2, 1]
    for name, layer in enough.items():
        torch.testing.assert_close(scarce[name].up, layer.up, rtol=1e-2, atol=2e-3)


def test_not_even_one_picture_fits(base: Base) -> None:
    def nothing(*_: object) -> None:
        raise torch.OutOfMemoryError("as a GPU says it")

    hook = base.pipe.unet.register_forward_pre_hook(nothing)
    try:
        with pytest.raises(torch.OutOfMemoryError):
            train(fit(base))
    finally:
        hook.remove()


def test_a_damaged_checkpoint_gives_way_to_the_one_before(base: Base, tmp_path: Path) -> None:
    whole = train(fit(base))
    kept = tmp_path / "run.checkpoint"
    train(fit(base), kept, until=6)
    raw = bytearray(kept.read_bytes())
    raw[-5] ^= 1  # one bit, and the file is as long as before
    kept.write_bytes(raw)
    one = fit(base)
    steps = [told.step for told in one.steps(before_epoch=lambda: None, kept=kept)]
    assert steps == [5, 6, 7]
    assert same(layers_of(one), whole)
    kept.write_bytes(b"")
    checkpoint.before(kept).write_bytes(b"")
    assert same(train(fit(base), kept), whole)


def test_a_checkpoint_of_another_run_is_not_taken_up(base: Base, tmp_path: Path) -> None:
    kept = tmp_path / "run.checkpoint"
    train(fit(base), kept, until=3)
    other = fit(base, lr=2e-2)
    assert next(other.steps(before_epoch=lambda: None, kept=kept)).step == 1


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import torch
from core.errors import NotEnoughSpace
from core.training import checkpoint
from core.training.checkpoint import Kept
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
checkpoint.save(path, Kept(1, {"a": torch.ones(10)}, {}), fingerprint="f", people=[])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    checkpoint.save(path, Kept(2, {"a": torch.ones(100_000)}, {}), fingerprint="f", people=[])
except NotEnoughSpace as error:
    print(error.message)
print(checkpoint.load(path, "f").step)
"""


def test_a_full_disk_is_an_error_and_the_last_checkpoint_stays(tmp_path: Path) -> None:
    """The system's own limit on a file's size stands for the disk's: writing fails in the middle."""
    path = tmp_path / "run.checkpoint"
    environment = {**os.environ, "PYTHONPATH": str(Path(checkpoint.__file__).parents[2])}
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True, env=environment
    )
    assert ran.stdout.splitlines() == [f"no room for a checkpoint in {tmp_path}", "1"]
    assert {file.name for file in tmp_path.iterdir()} <= {path.name, checkpoint.before(path).name}


def test_noise_is_as_the_scheduler_was_configured(base: Base) -> None:
    from diffusers import PNDMScheduler

    scheduler = base.pipe.scheduler
    zero = type(scheduler).from_config({**scheduler.config, "rescale_betas_zero_snr": True})
    assert float(Diffusion.of(zero).levels[-1]) == 0.0
    assert float(Diffusion.of(scheduler).levels[-1]) > 0.0
    # a sampler that knows nothing of it, as many SD checkpoints name, changes nothing
    blind = PNDMScheduler.from_config({**scheduler.config, "rescale_betas_zero_snr": True})
    assert float(Diffusion.of(blind).levels[-1]) == 0.0
    latents, noise = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    diffusion = Diffusion.of(zero)
    noisy, signal = diffusion.noisy(latents, noise, torch.tensor([999, 0]))
    assert torch.equal(noisy[0], noise[0])
    assert torch.equal(diffusion.target(latents, noise, signal)[0], -latents[0])
    assert torch.isfinite(diffusion.weights(5.0, signal)).all()
