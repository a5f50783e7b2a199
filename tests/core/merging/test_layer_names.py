"""Files of others: kohya's names of SDXL's blocks, convolutions and both text encoders; and ours in diffusers' keys."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file, save_file

from core.merging.formats import LoraLayer, kohya_name, read_lora
from core.merging.layer_names import dotted, of_diffusers
from core.merging.peft_keys import write_peft
from storage.tensors import read_header


def unet_on_meta(family: str) -> UNet2DConditionModel:
    folder = files("core").joinpath("base_files", family, "unet")
    with torch.device("meta"):
        return UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(str(folder)))


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_every_block_of_the_original_code_is_diffusers_block(family: str) -> None:
    """diffusers' own conversion of a checkpoint says which is which, on full-size meta tensors."""
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    unet = unet_on_meta(family)
    theirs = {name: torch.empty(0) for name in original_names(unet)}
    marked = {f"model.diffusion_model.{name}": torch.tensor(number) for number, name in enumerate(theirs)}
    converted = convert_ldm_unet_checkpoint(dict(marked), dict(unet.config))
    assert converted.keys() == unet.state_dict().keys()
    order = list(theirs)
    for name, number in converted.items():
        original = f"lora_unet_{order[int(number)].rpartition('.')[0].replace('.', '_')}"
        assert of_diffusers(original) == kohya_name(name.rpartition(".")[0]), name


def original_names(unet: UNet2DConditionModel) -> list[str]:
    """The names of a UNet's tensors in the original code, found by asking for each which block it is."""
    modules = {kohya_name(name.rpartition(".")[0]): name for name in unet.state_dict()}
    ends = {name.rpartition(".")[0]: [] for name in unet.state_dict()}
    for name in unet.state_dict():
        ends[name.rpartition(".")[0]].append(name.rpartition(".")[2])
    found = []
    inner = [
        "in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3", "skip_connection", "op", "conv",
    ]  # fmt: skip
    inner += sorted({path.split(".", 4)[4] for path in ends if ".attentions." in path and path.startswith("down")})
    inner += sorted({path.split(".", 3)[3] for path in ends if path.startswith("mid_block.attentions")})
    rooms = [
        f"{side}_blocks.{number}.{part}" for side in ("input", "output") for number in range(12) for part in range(3)
    ]
    rooms += [f"middle_block.{part}" for part in range(3)]
    outside = ["time_embed.0", "time_embed.2", "label_emb.0.0", "label_emb.0.2", "input_blocks.0.0", "out.0", "out.2"]
    for path in [*outside, *(f"{room}.{part}" for room in rooms for part in dict.fromkeys(inner))]:
        name = of_diffusers(f"lora_unet_{path.replace('.', '_')}")
        if name in modules and name not in {known for _, known in found}:
            if path.endswith((".op", ".conv")) and not _ends_its_level(unet, path):
                continue
            found.append((path, name))
    return [f"{path}.{end}" for path, name in found for end in ends[modules[name].rpartition(".")[0]]]


def _ends_its_level(unet: UNet2DConditionModel, path: str) -> bool:
    """Whether a change of size stands where the original code has it: last of its level, after any attention."""
    side, number, part, _ = path.split(".")
    if side == "input_blocks":
        return int(number) % 3 == 0 and part == "0"
    attention = hasattr(unet.up_blocks[int(number) // 3], "attentions")
    return int(number) % 3 == 2 and part == ("2" if attention else "1")


def test_dotted_paths_come_back(tiny_base: Path) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(tiny_base)
    for part, modules in (("unet", unet_on_meta("sdxl")), ("text_encoder", pipe.text_encoder)):
        for name, module in modules.named_modules():
            if isinstance(module, torch.nn.Linear | torch.nn.Conv2d):
                own, path = dotted(kohya_name(name, part))
                assert own == part
                assert path.removeprefix("text_model.") == name.removeprefix("text_model.")


def test_a_file_of_kohyas_scripts_is_read(tmp_path: Path) -> None:
    """SDXL's block names, a LoCon's convolution with its own rank and alpha, and both text encoders."""
    names = {
        "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q": (
            "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q", (4, 6), (5, 4)),
        "lora_unet_output_blocks_2_2_conv": ("lora_unet_up_blocks_0_upsamplers_0_conv", (2, 3, 3, 3), (3, 2, 1, 1)),
        "lora_unet_middle_block_2_in_layers_2": ("lora_unet_mid_block_resnets_1_conv1", (2, 3, 3, 3), (3, 2, 1, 1)),
        "lora_te1_text_model_encoder_layers_0_mlp_fc1": (
            "lora_te1_text_model_encoder_layers_0_mlp_fc1", (4, 6), (5, 4)),
        "lora_te2_text_model_encoder_layers_31_self_attn_out_proj": (
            "lora_te2_text_model_encoder_layers_31_self_attn_out_proj", (4, 6), (5, 4)),
    }  # fmt: skip
    tensors = {}
    for name, (_, down, up) in names.items():
        tensors[f"{name}.lora_down.weight"] = torch.randn(down)
        tensors[f"{name}.lora_up.weight"] = torch.randn(up)
        tensors[f"{name}.alpha"] = torch.tensor(down[0] / 2)
    save_file(tensors, tmp_path / "theirs.safetensors", {"ss_network_module": "lycoris.kohya"})
    read = read_lora(tmp_path / "theirs.safetensors")
    assert read.keys() == {own for own, _, _ in names.values()}
    assert all(layer.scale == 0.5 for layer in read.values())


@pytest.mark.parametrize("alpha", [1.0, 4.0])
def test_diffusers_and_peft_give_the_same_outputs(tiny_base: Path, tmp_path: Path, alpha: float) -> None:
    torch.manual_seed(4)
    pipe = StableDiffusionPipeline.from_pretrained(tiny_base)
    plain = StableDiffusionPipeline.from_pretrained(tiny_base)
    layers, changed = {}, []
    for name, module in pipe.unet.named_modules():
        if name.endswith(("to_q", "to_out.0", "conv1")):
            rank = 2 if name.endswith("conv1") else 4
            down = torch.randn(rank, *module.weight.shape[1:]) / 8
            up = torch.randn(module.weight.shape[0], rank, *([1, 1] if down.ndim == 4 else [])) / 8
            layers[kohya_name(name)] = LoraLayer(down, up, alpha)
            change = (up.reshape(up.shape[0], rank) @ down.reshape(rank, -1)).reshape(module.weight.shape)
            module.weight.data += alpha / rank * change
            changed.append(name)
    path = tmp_path / "lora.safetensors"
    write_peft(path, layers, {"modelspec.title": "test"})
    inputs = torch.randn(1, 3, 16, 16), torch.tensor([300]), torch.randn(1, 16, 16)
    with torch.no_grad():
        expected = pipe.unet(*inputs).sample
        plain.load_lora_weights(tmp_path, weight_name=path.name)
        by_diffusers = plain.unet(*inputs).sample
        config = LoraConfig(
            r=4, lora_alpha=4, target_modules=changed, rank_pattern={"conv1": 2}, alpha_pattern={"conv1": 2}
        )
        bare = get_peft_model(StableDiffusionPipeline.from_pretrained(tiny_base).unet, config)
        keys = {f"base_model.model.{key.removeprefix('unet.')}": value for key, value in load_file(path).items()}
        assert not set_peft_model_state_dict(bare, keys).unexpected_keys
        by_peft = bare(*inputs).sample
    torch.testing.assert_close(by_diffusers, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(by_peft, expected, atol=1e-5, rtol=1e-5)
    read = read_lora(path)
    for name, layer in layers.items():
        torch.testing.assert_close(read[name].up * read[name].scale, layer.up * layer.scale)
    settings = json.loads(read_header(path).metadata["lora_adapter_metadata"])
    assert not any("base_model" in key for key in settings)
