"""A baked checkpoint is what peft and diffusers would make of it, and is copied where nothing changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.errors import BadBase, BadLora, BadValue, NotEnoughSpace, WrongArchitecture
from core.merging import blocks, space
from core.merging.bake import bake
from core.merging.deltas import delta
from core.merging.formats import LoraLayer, kohya_name, layers_from_peft, read_lora, write_lora

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def lora(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA on linear and convolution layers of the UNet and on the text encoder, alpha twice its rank."""
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_base)
    torch.manual_seed(5)
    targets = ["to_q", "to_out.0", "conv1", "proj_in", "ff.net.2"]
    pipeline.unet.add_adapter(LoraConfig(r=4, lora_alpha=8, target_modules=targets, init_lora_weights=False))
    layers = layers_from_peft(get_peft_model_state_dict(pipeline.unet), 8)
    for name, weight in pipeline.text_encoder.named_parameters():
        if "_proj.weight" in name:
            out, size = weight.shape
            layers[kohya_name(name, "text_encoder")] = LoraLayer(torch.randn(2, size), torch.randn(out, 2), 1)
    path = tmp_path_factory.mktemp("lora") / "lora.safetensors"
    write_lora(path, layers, {})
    return path


def fused(base: Path, lora: Path, weight: float, dtype: torch.dtype) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(base, dtype=dtype)
    pipeline.load_lora_weights(lora.parent, weight_name=lora.name)
    pipeline.fuse_lora(lora_scale=weight)
    pipeline.unload_lora_weights()
    return pipeline


def weights(pipeline: StableDiffusionPipeline) -> dict[str, Tensor]:
    return {
        f"{part}.{name}": value
        for part in ("unet", "text_encoder", "vae")
        for name, value in getattr(pipeline, part).state_dict().items()
    }


@pytest.mark.parametrize("weight", [1.0, 0.6, -0.5])
def test_it_is_what_diffusers_fuses(tiny_base: Path, lora: Path, tmp_path: Path, weight: float) -> None:
    bake(lora, tiny_base, tmp_path / "baked", weight=weight)
    ours = weights(StableDiffusionPipeline.from_pretrained(tmp_path / "baked"))
    theirs = weights(fused(tiny_base, lora, weight, torch.float32))
    plain = weights(StableDiffusionPipeline.from_pretrained(tiny_base))
    assert ours.keys() == theirs.keys() == plain.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], atol=2e-6, rtol=1e-5)
    moved = [name for name, value in ours.items() if not torch.equal(value, plain[name])]
    assert len(moved) == len(read_lora(lora))


def test_the_arithmetic_is_float32_cast_once(tiny_base: Path, lora: Path, tmp_path: Path) -> None:
    bake(lora, tiny_base, tmp_path / "half", dtype="F16")
    bake(lora, tiny_base, tmp_path / "whole")
    half, whole = load_file(tmp_path / "half" / UNET), load_file(tmp_path / "whole" / UNET)
    before = load_file(tiny_base / UNET)
    layers = read_lora(lora)
    for name, value in half.items():
        assert value.dtype == torch.float16
        assert torch.equal(value, whole[name].half())
        layer = layers.get(kohya_name(name)) if name.endswith(".weight") else None
        wanted = before[name] if layer is None else before[name] + delta(layer)
        assert torch.equal(whole[name], wanted.reshape(value.shape))


def test_a_half_base_stays_half_and_one_rounding_away(tiny_base: Path, lora: Path, tmp_path: Path) -> None:
    StableDiffusionPipeline.from_pretrained(tiny_base, dtype=torch.float16).save_pretrained(tmp_path / "base")
    bake(lora, tmp_path / "base", tmp_path / "baked")
    before, after = load_file(tmp_path / "base" / UNET), load_file(tmp_path / "baked" / UNET)
    layers = read_lora(lora)
    changed = 0
    for name, value in before.items():
        layer = layers.get(kohya_name(name)) if name.endswith(".weight") else None
        wanted = value if layer is None else (value.float() + delta(layer).reshape(value.shape)).half()
        assert torch.equal(after[name], wanted)
        changed += layer is not None
    assert changed > 10
    theirs = fused(tmp_path / "base", lora, 1.0, torch.float16).unet.state_dict()
    for name, value in after.items():
        torch.testing.assert_close(value, theirs[name], atol=4e-3, rtol=4e-3)


def test_what_is_no_weights_is_copied_and_variants_are_left_behind(tiny_base: Path, lora: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    (base / "LICENSE").write_text("a licence")
    (base / ".cache").mkdir()
    for stale in (
        "unet/diffusion_pytorch_model.bin",
        "v1-5.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
    ):
        (base / stale).write_bytes(b"weights without the LoRA")
    bake(lora, base, tmp_path / "baked", metadata={"kyodaku.recipe": "{}"})
    files = {str(file.relative_to(tmp_path / "baked")) for file in (tmp_path / "baked").rglob("*") if file.is_file()}
    wanted = {str(file.relative_to(tiny_base)) for file in tiny_base.rglob("*") if file.is_file()}
    assert files == wanted | {"LICENSE"}
    for name in files - {UNET, "text_encoder/model.safetensors", "LICENSE"}:
        assert (tmp_path / "baked" / name).read_bytes() == (tiny_base / name).read_bytes(), name
    with safe_open(tmp_path / "baked" / UNET, "pt") as file:
        assert file.metadata() == {"format": "pt", "kyodaku.recipe": "{}"}


def test_the_only_variant_is_taken_and_named_plainly(tiny_base: Path, lora: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    StableDiffusionPipeline.from_pretrained(tiny_base).save_pretrained(base, variant="fp16")
    bake(lora, base, tmp_path / "baked")
    bake(lora, tiny_base, tmp_path / "plain")
    ours, theirs = load_file(tmp_path / "baked" / UNET), load_file(tmp_path / "plain" / UNET)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_bytes_repeat_whatever_the_number_of_threads(tiny_base: Path, lora: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    made = set()
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        bake(lora, tiny_base, tmp_path / str(threads))
        made.add((tmp_path / str(threads) / UNET).read_bytes())
    torch.set_num_threads(before)
    assert len(made) == 1


def test_where_the_kernel_cannot_copy_we_do(
    tiny_base: Path, lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bake(lora, tiny_base, tmp_path / "one")

    def refuse(*_: int) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(blocks.os, "copy_file_range", refuse)
    bake(lora, tiny_base, tmp_path / "two")
    assert (tmp_path / "one" / UNET).read_bytes() == (tmp_path / "two" / UNET).read_bytes()


def test_a_lora_of_another_base_is_refused_and_leaves_nothing(tiny_base: Path, tmp_path: Path) -> None:
    name = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
    for wrong in (
        {name: LoraLayer(torch.ones(2, 99), torch.ones(16, 2), 1)},
        {"lora_unet_other": LoraLayer(torch.ones(2, 16), torch.ones(16, 2), 1)},
        {"lora_te2_text_model_x": LoraLayer(torch.ones(2, 16), torch.ones(16, 2), 1)},
    ):
        write_lora(tmp_path / "wrong", wrong, {})
        with pytest.raises(WrongArchitecture, match="lora_"):
            bake(tmp_path / "wrong", tiny_base, tmp_path / "baked")
        assert [file.name for file in tmp_path.iterdir()] == ["wrong"]


def test_a_base_that_is_none(tiny_base: Path, lora: Path, tmp_path: Path) -> None:
    with pytest.raises(BadBase, match="no folder in diffusers' format"):
        bake(lora, tmp_path, tmp_path / "baked")
    (tmp_path / "model_index.json").write_text(json.dumps({}))
    with pytest.raises(BadBase, match="no unet"):
        bake(lora, tmp_path, tmp_path / "baked")
    base = tmp_path / "cut"
    shutil.copytree(tiny_base, base)
    (base / UNET).write_bytes((base / UNET).read_bytes()[:-10])
    with pytest.raises(BadBase, match="no whole safetensors file"):
        bake(lora, base, tmp_path / "baked")
    with pytest.raises(BadLora):
        bake(tmp_path / "none", tiny_base, tmp_path / "baked")
    with pytest.raises(BadValue, match="weight nan"):
        bake(lora, tiny_base, tmp_path / "baked", weight=float("nan"))
    assert not (tmp_path / "baked").exists()


def test_a_full_disk_is_seen_before_writing(
    tiny_base: Path, lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "SPARE", 1 << 60)
    with pytest.raises(NotEnoughSpace):
        bake(lora, tiny_base, tmp_path / "baked")
    assert list(tmp_path.iterdir()) == []


def test_whole_numbers_and_zero_sized_tensors_survive_a_cast(tmp_path: Path) -> None:
    tensors = {
        "ids": torch.arange(5),
        "empty": torch.zeros(0, 3),
        "bytes": torch.arange(4, dtype=torch.uint8),
        "x": torch.randn(3, 4),
    }
    save_file(tensors, tmp_path / "a")
    blocks.rewrite(tmp_path / "a", tmp_path / "b", {"x": lambda: lambda rows, *_: rows * 2}, dtype="BF16")
    after = load_file(tmp_path / "b")
    assert torch.equal(after["ids"], tensors["ids"])
    assert torch.equal(after["bytes"], tensors["bytes"])
    assert after["empty"].shape == (0, 3)
    assert torch.equal(after["x"], (tensors["x"] * 2).bfloat16())
