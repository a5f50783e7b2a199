"""Steps on bases as people have them: one file of full size, SDXL's two encoders, and a compiled UNet."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from core import base_model, single_file, textual_inversion
from core.base_model import Base
from core.membership import losses
from core.merging.bake import bake
from core.merging.formats import read_lora
from core.progress import silent
from core.training import memory
from core.training.batches import Group
from core.training.dataset import Picture
from core.training.fit import Fit, Told
from core.training.recipe import Recipe
from core.training.whole import WholeAdapter
from core.training.words import encode
from storage.tensors import read_header

pytestmark = pytest.mark.slow
NARROW = {"block_out_channels": [32, 64, 64], "cross_attention_dim": 48, "norm_num_groups": 16}
SMALL_TEXT = {"hidden_size": 24, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}


def steps_of(base: Base, side: int, **fields: Any) -> tuple[Fit, list[Told]]:
    """Two steps on one made-up picture of so many latents a side."""
    channels = base.pipe.unet.config.in_channels
    latents = torch.randn((1, channels, side, side), generator=torch.Generator().manual_seed(1))
    picture = Picture(latents, torch.ones((1, side, side)), (512, 512, 0, 0, 8 * side, 8 * side))
    group = Group("aa", "kyoaa", [picture], ["photo of {trigger} person"], ())
    fit = Fit(base, Recipe.model_validate({"rank": 2, "steps": 2, "batch": 1, **fields}), [group], "key")
    return fit, list(fit.steps(before_epoch=lambda: None, kept=None))


def learned(fit: Fit, told: list[Told], unread: str = "nothing") -> None:
    """Every upper half moved, but those of layers that the UNet is told nothing of."""
    assert [each.step for each in told] == [1, 2]
    assert all(0 < each.loss < 100 and 0 < each.gradient < float("inf") for each in told)
    for name, parameter in fit.adapter.named.items():
        assert torch.isfinite(parameter).all(), name
        if "lora_B" in name:
            assert (parameter.abs().max() > 0) == (unread not in name), name


def write_single_file(path: Path) -> None:
    """SD 1.5 of full size in one file, fp16, with made-up weights, by the names of the original code."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
    from transformers import CLIPTextConfig, CLIPTextModel

    from tests.core.merging.test_layer_names import original_names

    folder = files("core").joinpath("base_files", "sd1")
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(str(folder / "unet")))
        vae = AutoencoderKL.from_config(AutoencoderKL.load_config(str(folder / "vae")))
        text = CLIPTextModel(CLIPTextConfig.from_pretrained(str(folder / "text_encoder")))
    names = {f"model.diffusion_model.{name}": name for name in original_names(unet)}
    numbers = {name: torch.tensor(number) for number, name in enumerate(names)}
    order = list(names)
    unets = convert_ldm_unet_checkpoint(numbers, dict(unet.config))
    shapes = {order[int(number)]: unet.state_dict()[own].shape for own, number in unets.items()}
    vaes = {f"first_stage_model.{vae_name(name)}": value.shape for name, value in vae.state_dict().items()}
    known = convert_ldm_vae_checkpoint({name: torch.empty(shape) for name, shape in vaes.items()}, dict(vae.config))
    assert known.keys() == vae.state_dict().keys()
    shapes |= vaes
    for name, value in text.state_dict().items():
        shapes[f"cond_stage_model.transformer.text_model.{name.removeprefix('text_model.')}"] = value.shape
    chance = torch.Generator().manual_seed(0)
    tensors = {}
    for name, shape in shapes.items():
        scale = shape.numel() ** -0.5 if len(shape) == 1 else (shape[1:].numel()) ** -0.5
        tensors[name] = (torch.randn(shape, generator=chance) * scale).half()
    save_file(tensors, path)


def vae_name(name: str) -> str:
    """A tensor of diffusers' autoencoder in the original code."""
    for theirs, ours in (
        ("encoder.down_blocks.", "encoder.down."), ("mid_block.attentions.0.", "mid.attn_1."),
        ("mid_block.resnets.0.", "mid.block_1."), ("mid_block.resnets.1.", "mid.block_2."),
        (".resnets.", ".block."), ("downsamplers.0", "downsample"), ("upsamplers.0", "upsample"),
        ("conv_shortcut", "nin_shortcut"), ("conv_norm_out", "norm_out"), ("group_norm", "norm"), ("to_q", "q"),
        ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out"),
    ):  # fmt: skip
        name = name.replace(theirs, ours)
    if name.startswith("decoder.up_blocks."):
        level, rest = name.removeprefix("decoder.up_blocks.").split(".", 1)
        name = f"decoder.up.{3 - int(level)}.{rest}"
    return name


def test_a_full_size_base_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "sd15.safetensors"
    write_single_file(path)
    base = base_model.load(path, "cpu")
    assert (base.family, base.resolution, base.predicts) == ("sd1", 512, "epsilon")
    fit, told = steps_of(base, 16)
    learned(fit, told)
    fit.adapter.write(tmp_path / "lora.safetensors", {})
    bake(tmp_path / "lora.safetensors", path, tmp_path / "baked.safetensors", weight=20)
    del base, fit
    _is_written_whole(path, tmp_path / "whole.safetensors")
    _are_fused(path, tmp_path / "lora.safetensors", tmp_path / "baked.safetensors", 20)


def _is_written_whole(path: Path, out: Path) -> None:
    """A UNet whose weights moved comes back from a file of the same tensors, the rest of which are the base's."""
    base = base_model.load(path, "cpu")
    whole = WholeAdapter(base, Recipe(learns="full"), "")
    for parameter in whole.named.values():
        parameter.data.mul_(2)
    whole.write(out, {"kyodaku.kind": "full"})
    assert read_header(out).metadata["kyodaku.kind"] == "full"
    assert read_header(out).specs == read_header(path).specs
    again = base_model.load(out, "cpu")
    for name, value in whole.named.items():
        assert torch.equal(value, again.pipe.unet.get_parameter(name)), name
    for part in ("vae", "text_encoder"):
        for name, value in getattr(base.pipe, part).named_parameters():
            assert torch.equal(value, getattr(again.pipe, part).get_parameter(name)), name


def _are_fused(plain: Path, lora: Path, baked: Path, weight: float) -> None:
    """A baked file holds what diffusers fuses."""
    before = {name: tensor.clone() for name, tensor in base_model.load(plain, "cpu").pipe.unet.state_dict().items()}
    theirs = base_model.load(plain, "cpu").pipe
    theirs.load_lora_weights(lora.parent, weight_name=lora.name)
    theirs.fuse_lora(lora_scale=weight)
    theirs.unload_lora_weights()
    ours = base_model.load(baked, "cpu").pipe.unet.state_dict()
    for name, tensor in theirs.unet.state_dict().items():
        torch.testing.assert_close(ours[name], tensor, rtol=2e-3, atol=2e-5)
    moved = [name for name, tensor in ours.items() if not torch.equal(tensor, before[name])]
    layers = len(read_lora(lora))
    assert 0.9 * layers < len(moved) <= layers  # a change of two steps may be less than fp16 tells apart


def test_sdxl(tmp_path: Path) -> None:
    """SDXL's own shapes but narrow, its two encoders learning too."""
    base = base_model.load(write_narrow_sdxl(tmp_path / "sdxl"), "cpu")
    assert base.family == "sdxl"
    learned(*steps_of(base, 16))
    fit, told = steps_of(base, 16, text_encoder_lr=1e-3, targets="attention+ff+conv", buckets=True)
    learned(fit, told, unread="text_encoder.encoder.layers.1.")  # SDXL reads the last but one
    assert {name.split(".")[0] for name in fit.adapter.named} == {"unet", "text_encoder", "text_encoder_2"}
    picture = Image.linear_gradient("L").convert("RGB").resize((128, 128))
    shown = (picture, picture, picture.rotate(90))
    one, same, other = (losses(base, [[each]], "kyoaa", 0, silent, "loss")[0][0] for each in shown)
    assert 0 < one == same != other


def test_sdxl_learns_a_token_with_both_encoders(tmp_path: Path) -> None:
    """And diffusers reads each from the file, as it reads those of others."""
    folder = write_narrow_sdxl(tmp_path / "sdxl")
    base = base_model.load(folder, "cpu")
    fit, told = steps_of(base, 16, learns="embedding", token_vectors=2, token_lr=1e-2)
    assert [each.step for each in told] == [1, 2]
    start = textual_inversion.start_of(base_model.load(folder, "cpu").pipe, "person", 2)
    assert fit.adapter.named.keys() == {f"word.{part}" for part in start}
    for part, values in start.items():
        assert ((fit.adapter.named[f"word.{part}"] - values).abs().amax(dim=1) > 0).all()
    fit.adapter.write(tmp_path / "word.safetensors", {"modelspec.trigger_phrase": "kyodaku"})
    tensors = load_file(tmp_path / "word.safetensors")
    theirs = base_model.load(folder, "cpu")
    for number, name in (("", "clip_l"), ("_2", "clip_g")):
        encoder, tokenizer = (getattr(theirs.pipe, f"{part}{number}") for part in ("text_encoder", "tokenizer"))
        theirs.pipe.load_textual_inversion(tensors[name], "kyodaku", text_encoder=encoder, tokenizer=tokenizer)
    ours = base_model.load(folder, "cpu")
    textual_inversion.put_on(ours.pipe, *textual_inversion.read(tmp_path / "word.safetensors"))
    one, other = (encode(each, ["photo of kyodaku"]) for each in (theirs, ours))
    assert torch.equal(one.tokens, other.tokens)
    assert one.pooled is not None
    assert other.pooled is not None
    assert torch.equal(one.pooled, other.pooled)


def test_sdxl_is_trained_whole(tmp_path: Path) -> None:
    folder = write_narrow_sdxl(tmp_path / "sdxl")
    fit, told = steps_of(base_model.load(folder, "cpu"), 16, learns="full", lr=1e-3)
    assert [each.step for each in told] == [1, 2]
    fit.adapter.write(tmp_path / "whole", {})
    again = base_model.load(tmp_path / "whole", "cpu")
    for name, value in fit.adapter.named.items():
        assert torch.equal(value, again.pipe.unet.get_parameter(name)), name
    foreseen = memory.of_run(folder, Recipe(learns="full", resolution=128))
    assert foreseen.learned == sum(value.numel() for value in fit.adapter.named.values())


def write_narrow_sdxl(folder: Path) -> Path:
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    shapes = files("core").joinpath("base_files", "sdxl")

    def config(part: str, name: str = "config") -> dict[str, Any]:
        told: dict[str, Any] = json.loads((shapes / part / f"{name}.json").read_text())
        return told

    torch.manual_seed(0)
    unet = config("unet") | NARROW | {
        "attention_head_dim": [2, 4, 4], "transformer_layers_per_block": [1, 1, 2],
        "projection_class_embeddings_input_dim": 6 * 256 + 24, "sample_size": 16,
    }  # fmt: skip
    vae = config("vae") | {"block_out_channels": [16, 16, 16, 16], "norm_num_groups": 8}
    text = CLIPTextConfig(**config("text_encoder") | SMALL_TEXT)
    text_2 = CLIPTextConfig(**config("text_encoder_2") | SMALL_TEXT | {"projection_dim": 24})
    StableDiffusionXLPipeline(
        vae=AutoencoderKL.from_config(vae), text_encoder=CLIPTextModel(text),
        text_encoder_2=CLIPTextModelWithProjection(text_2), tokenizer=single_file.tokenizer("<|endoftext|>"),
        tokenizer_2=single_file.tokenizer("!"), unet=UNet2DConditionModel.from_config(unet),
        scheduler=EulerDiscreteScheduler.from_config(config("scheduler", "scheduler_config")),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def test_a_compiled_unet_learns_the_same(tiny_base: Path) -> None:
    """torch.compile: the same steps, but for rounding; the next LoRA on the base is trained as well."""
    plain, _ = steps_of(base_model.load(tiny_base, "cpu"), 16)
    base = base_model.load(tiny_base, "cpu")
    for _ in range(2):
        compiled, told = steps_of(base, 16, compile=True)
        learned(compiled, told)
        for name, parameter in plain.adapter.named.items():
            torch.testing.assert_close(compiled.adapter.named[name], parameter, rtol=1e-2, atol=1e-4)
