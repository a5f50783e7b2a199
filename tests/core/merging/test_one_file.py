"""Checkpoints in one file, by the names of the original code: baked into, averaged, and added to one another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from core.errors import BadBase, BadValue, WrongArchitecture
from core.merging.bake import bake
from core.merging.formats import LoraLayer, write_lora
from core.merging.soup import add_difference, soup
from storage.tensors import read_header
from tests.one_file import CONV, FUSED, KEY, MIDDLE, NARROWER, OUT, QUERY, SHAPES, WIDER, write_checkpoint

TE2 = "lora_te2_text_model_encoder_layers_0"


def layer(out: int, *inputs: int) -> LoraLayer:
    up = (out, 2) if len(inputs) == 1 else (out, 2, 1, 1)
    return LoraLayer(torch.randn(2, *inputs), torch.randn(up), 1.0)


def change(of: LoraLayer) -> Tensor:
    return of.scale * of.up.reshape(of.up.shape[0], -1) @ of.down.reshape(of.down.shape[0], -1)


@pytest.fixture
def layers() -> dict[str, LoraLayer]:
    torch.manual_seed(2)
    return {
        "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q": layer(6, 6),
        "lora_unet_mid_block_attentions_0_proj_in": layer(6, 6, 1, 1),
        "lora_unet_up_blocks_0_resnets_2_conv1": layer(5, 6, 3, 3),
        "lora_te1_text_model_encoder_layers_0_self_attn_k_proj": layer(4, 4),
        f"{TE2}_self_attn_q_proj": layer(4, 4),
        f"{TE2}_self_attn_v_proj": layer(4, 4),
        f"{TE2}_self_attn_out_proj": layer(4, 4),
        f"{TE2}_mlp_fc1": layer(16, 4),
        f"{TE2}_mlp_fc2": layer(4, 16),
    }


@pytest.fixture
def lora(layers: dict[str, LoraLayer], tmp_path: Path) -> Path:
    write_lora(tmp_path / "lora.safetensors", layers, {})
    return tmp_path / "lora.safetensors"


def test_every_layer_is_baked_where_it_lies(layers: dict[str, LoraLayer], lora: Path, tmp_path: Path) -> None:
    before = write_checkpoint(tmp_path / "base.safetensors", 1)
    bake(lora, tmp_path / "base.safetensors", tmp_path / "out.safetensors", weight=0.5, metadata={"ours": "yes"})
    after = load_file(tmp_path / "out.safetensors")
    assert read_header(tmp_path / "out.safetensors").metadata == {"modelspec.title": "theirs", "ours": "yes"}
    named = list(layers.values())
    fused = torch.zeros(12, 4)
    fused[0:4], fused[8:12] = change(named[4]), change(named[5])  # query, key, value
    moved = {
        QUERY: change(named[0]), MIDDLE: change(named[1]), CONV: change(named[2]), KEY: change(named[3]), FUSED: fused,
        OUT: change(named[6]), WIDER: change(named[7]), NARROWER: change(named[8]),
    }  # fmt: skip
    assert after.keys() == before.keys()
    for name, value in before.items():
        expected = value
        if name in moved:
            expected = (value.float() + 0.5 * moved[name].reshape(value.shape)).half()
        torch.testing.assert_close(after[name], expected, atol=0, rtol=2e-3)
        assert torch.equal(after[name], value) == (name not in moved), name
    assert torch.equal(after[FUSED][4:8], before[FUSED][4:8])


def test_blocks_are_called_as_in_a_folder(lora: Path, tmp_path: Path) -> None:
    before = write_checkpoint(tmp_path / "base.safetensors", 1)
    only = {"down.1": 1.0, "mid": 0.0, "up.0": 0.0, "text": 0.0}
    bake(lora, tmp_path / "base.safetensors", tmp_path / "out.safetensors", blocks=only)
    after = load_file(tmp_path / "out.safetensors")
    assert [name for name in before if not torch.equal(before[name], after[name])] == [QUERY]


def test_a_mean_and_a_difference(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.safetensors" for number in range(3)]
    one, two, three = (write_checkpoint(path, seed) for seed, path in enumerate(files))
    soup(files, [1, 1, 2], tmp_path / "mean.safetensors", metadata={"ours": "yes"})
    mean = load_file(tmp_path / "mean.safetensors")
    add_difference(*files, tmp_path / "moved.safetensors", weight=0.5, blocks={"up.0": 0.0, "text": 2.0})
    moved = load_file(tmp_path / "moved.safetensors")
    for name in SHAPES:
        first, second, third = (values[name].float() for values in (one, two, three))
        torch.testing.assert_close(mean[name].float(), (first + second + 2 * third) / 4, atol=2e-3, rtol=2e-3)
        factor = {CONV: 0.0}.get(name, 1.0 if name.startswith("conditioner") else 0.5)
        torch.testing.assert_close(moved[name].float(), third + factor * (first - second), atol=4e-3, rtol=2e-3)
    assert read_header(tmp_path / "mean.safetensors").metadata["ours"] == "yes"
    again = tmp_path / "again.safetensors"
    soup([files[2], files[0], files[1]], [2, 1, 1], again, metadata={"ours": "yes"})
    assert again.read_bytes() == (tmp_path / "mean.safetensors").read_bytes()


def test_what_does_not_fit_is_said(lora: Path, tmp_path: Path, tiny_base: Path) -> None:
    base, out = tmp_path / "base.safetensors", tmp_path / "out.safetensors"
    write_checkpoint(base, 1)
    with pytest.raises(BadBase, match="holds no Stable Diffusion UNet"):
        bake(lora, lora, out)
    with pytest.raises(WrongArchitecture, match="different parts"):
        soup([base, tiny_base], [1, 1], out)
    with pytest.raises(BadValue, match=r"no block down\.3"):
        bake(lora, base, out, blocks={"down.3": 1.0})
    write_lora(tmp_path / "wide.safetensors", {f"{TE2}_self_attn_k_proj": layer(5, 4)}, {})
    with pytest.raises(WrongArchitecture, match=r"k_proj of wide.safetensors is 5 x"):
        bake(tmp_path / "wide.safetensors", base, out)
    assert not out.exists()
    assert not list(tmp_path.glob(".*.part"))
