"""What we write, diffusers loads at the right strength; what others write, we read so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from core.errors import BadLora
from core.merging.formats import (
    LoraFile,
    LoraLayer,
    kohya_name,
    layers_from_peft,
    read_lora,
    write_lora,
)

TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "conv1", "proj_in"]


def delta(layer: LoraLayer) -> Tensor:
    """The change of weights by definition, in float64."""
    down, up = layer.down.double(), layer.up.double()
    product = up.reshape(up.shape[0], -1) @ down.reshape(down.shape[0], -1)
    return (layer.scale * product).reshape(up.shape[0], *down.shape[1:])


def adapted(base: Path, seed: int, rank: int = 4, alpha: int = 4) -> StableDiffusionPipeline:
    """The base with a random adapter on the UNet."""
    pipeline = StableDiffusionPipeline.from_pretrained(base)
    torch.manual_seed(seed)
    pipeline.unet.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=TARGETS, init_lora_weights=False))
    return pipeline


def changes(before: nn.Module, after: nn.Module) -> dict[str, Tensor]:
    """Weights of `after` minus those of `before`, by the name of the layer; those that changed."""
    old = dict(before.named_parameters())
    found = {}
    for name, new in after.named_parameters():
        moved = (new - old[name]).detach()
        if moved.any():
            found[name] = moved
    return found


@pytest.mark.parametrize(("rank", "alpha"), [(4, 4), (4, 1), (4, 16)])
def test_diffusers_loads_our_file_at_the_strength_it_was_trained_at(
    tiny_base: Path, tmp_path: Path, rank: int, alpha: int
) -> None:
    trained = adapted(tiny_base, 1, rank, alpha)
    layers = layers_from_peft(get_peft_model_state_dict(trained.unet), alpha)
    write_lora(tmp_path / "lora.safetensors", layers, {"modelspec.title": "test"})
    plain = StableDiffusionPipeline.from_pretrained(tiny_base)
    fused = StableDiffusionPipeline.from_pretrained(tiny_base)
    fused.load_lora_weights(tmp_path, weight_name="lora.safetensors")
    fused.fuse_lora()
    fused.unload_lora_weights()
    moved = changes(plain.unet, fused.unet)
    assert len(moved) == len(layers) > 10
    for name, change in moved.items():
        torch.testing.assert_close(change.double(), delta(layers[kohya_name(name)]), atol=2e-6, rtol=1e-4)


def test_text_encoder_layers_load_too(tiny_base: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    encoder = StableDiffusionPipeline.from_pretrained(tiny_base).text_encoder
    names = [name for name, _ in encoder.named_parameters() if name.endswith(("q_proj.weight", "out_proj.weight"))]
    layers = {
        kohya_name(name, "text_encoder"): LoraLayer(torch.randn(2, 16), torch.randn(16, 2), 1.0) for name in names
    }
    assert all(name.startswith("lora_te_text_model_encoder_layers_") for name in layers)
    write_lora(tmp_path / "lora.safetensors", layers, {})
    fused = StableDiffusionPipeline.from_pretrained(tiny_base)
    fused.load_lora_weights(tmp_path, weight_name="lora.safetensors")
    fused.fuse_lora()
    fused.unload_lora_weights()
    moved = changes(encoder, fused.text_encoder)
    assert moved.keys() == set(names)
    for name, change in moved.items():
        torch.testing.assert_close(
            change.double(), delta(layers[kohya_name(name, "text_encoder")]), atol=2e-6, rtol=1e-4
        )


def test_diffusers_own_format_keeps_its_strength(tiny_base: Path, tmp_path: Path) -> None:
    """alpha is half the rank; only the metadata says so."""
    trained = adapted(tiny_base, 2, rank=4, alpha=2)
    layers = layers_from_peft(get_peft_model_state_dict(trained.unet), 2)
    StableDiffusionPipeline.save_lora_weights(
        tmp_path,
        unet_lora_layers=get_peft_model_state_dict(trained.unet),
        unet_lora_adapter_metadata=trained.unet.peft_config["default"].to_dict(),
    )
    read = read_lora(tmp_path / "pytorch_lora_weights.safetensors")
    assert read.keys() == layers.keys()
    for name, layer in read.items():
        torch.testing.assert_close(delta(layer), delta(layers[name]))


def test_alpha_patterns_and_rslora(tmp_path: Path) -> None:
    tensors = {
        f"unet.{path}.{half}.weight": torch.ones(4, 4)
        for path in ("mid.attn.to_q", "mid.attn.to_k")
        for half in ("lora_A", "lora_B")
    }
    settings = {"unet.lora_alpha": 8, "unet.alpha_pattern": {"to_k": 2}}
    save_file(tensors, tmp_path / "f", {"lora_adapter_metadata": json.dumps(settings)})
    assert {name: layer.scale for name, layer in read_lora(tmp_path / "f").items()} == {
        "lora_unet_mid_attn_to_q": 2.0,
        "lora_unet_mid_attn_to_k": 0.5,
    }
    save_file(tensors, tmp_path / "f", {"lora_adapter_metadata": json.dumps(settings | {"unet.use_rslora": True})})
    assert read_lora(tmp_path / "f")["lora_unet_mid_attn_to_q"].scale == 8 / 4**0.5


@pytest.mark.parametrize(
    ("down", "up", "name"),
    [
        (
            "unet.down.0.attn1.processor.to_q_lora.down.weight",
            "unet.down.0.attn1.processor.to_q_lora.up.weight",
            "lora_unet_down_0_attn1_to_q",
        ),
        (
            "unet.down.0.attn1.processor.to_out_lora.down.weight",
            "unet.down.0.attn1.processor.to_out_lora.up.weight",
            "lora_unet_down_0_attn1_to_out_0",
        ),
        (
            "base_model.model.mid.to_out.0.lora_A.default.weight",
            "base_model.model.mid.to_out.0.lora_B.default.weight",
            "lora_unet_mid_to_out_0",
        ),
        (
            "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down.weight",
            "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight",
            "lora_te_text_model_encoder_layers_0_self_attn_q_proj",
        ),
        (
            "text_encoder_2.text_model.encoder.layers.0.mlp.fc1.lora_A.weight",
            "text_encoder_2.text_model.encoder.layers.0.mlp.fc1.lora_B.weight",
            "lora_te2_text_model_encoder_layers_0_mlp_fc1",
        ),
    ],
)
def test_older_and_other_keys(tmp_path: Path, down: str, up: str, name: str) -> None:
    save_file({down: torch.full((2, 3), 1.0), up: torch.full((4, 2), 2.0)}, tmp_path / "f")
    read = read_lora(tmp_path / "f")
    assert list(read) == [name]
    assert (read[name].down.shape, read[name].up.shape, read[name].scale) == ((2, 3), (4, 2), 1.0)


def test_the_file_is_kohyas_and_its_bytes_depend_on_content_alone(tmp_path: Path) -> None:
    layers = {
        f"lora_unet_{name}": LoraLayer(torch.full((2, 3), n), torch.full((4, 2), n), 1.5)
        for n, name in enumerate(("b", "a", "a_b"))
    }
    write_lora(tmp_path / "one", layers, {"k": "v", "a": "b"})
    write_lora(tmp_path / "two", dict(reversed(layers.items())), {"a": "b", "k": "v"})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    tensors = load_file(tmp_path / "one")
    assert sorted(tensors)[:3] == [
        "lora_unet_a.alpha",
        "lora_unet_a.lora_down.weight",
        "lora_unet_a.lora_up.weight",
    ]
    assert tensors["lora_unet_a.alpha"].item() == 1.5
    read = read_lora(tmp_path / "one")
    assert read.keys() == layers.keys()
    assert all(torch.equal(read[name].down, layers[name].down) for name in layers)


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_half_precision_keeps_alpha_whole(tmp_path: Path, dtype: str) -> None:
    layers = {"lora_unet_a": LoraLayer(torch.randn(2, 3), torch.randn(4, 2), 4097.5)}
    write_lora(tmp_path / "f", layers, {}, dtype)
    layer = read_lora(tmp_path / "f")["lora_unet_a"]
    assert layer.alpha == 4097.5
    torch.testing.assert_close(layer.down.float(), layers["lora_unet_a"].down, atol=0.02, rtol=0.02)


HALF = torch.ones(2, 3)


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({"lora_unet_a.lora_down.weight": HALF}, "only one of its two halves"),
        ({"lora_unet_a.lora_down.weight": HALF, "lora_unet_a.lora_up.weight": HALF.clone()}, "halves of shapes"),
        ({"lora_unet_a.lora_mid.weight": HALF}, "belongs to no plain LoRA"),
        ({"lora_unet_a.hada_w1_a": HALF}, "belongs to no plain LoRA"),
        ({"unet.a.lora_magnitude_vector": HALF}, "belongs to no plain LoRA"),
        ({"conv_in.weight": HALF}, "belongs to no plain LoRA"),
        ({}, "no layer in it"),
        (
            {"lora_unet_a.lora_down.weight": HALF.int(), "lora_unet_a.lora_up.weight": torch.ones(4, 2)},
            "I32 numbers",
        ),
    ],
)
def test_what_is_no_lora_is_refused_by_name(tmp_path: Path, tensors: dict[str, Tensor], says: str) -> None:
    save_file(tensors, tmp_path / "odd.safetensors")
    with pytest.raises(BadLora, match=says) as caught:
        LoraFile(tmp_path / "odd.safetensors")
    assert "odd.safetensors" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    broken = torch.ones(2, 3)
    broken[0, 0] = float("nan")
    save_file(
        {"lora_unet_a.lora_down.weight": broken, "lora_unet_a.lora_up.weight": torch.ones(4, 2)},
        tmp_path / "f",
    )
    with pytest.raises(BadLora, match="no numbers"):
        read_lora(tmp_path / "f")


def test_a_missing_file_and_a_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadLora, match="No such file"):
        read_lora(tmp_path / "none")
    (tmp_path / "text").write_text("hello, I am no LoRA")
    with pytest.raises(BadLora, match="no whole safetensors file"):
        read_lora(tmp_path / "text")
