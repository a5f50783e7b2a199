"""Bases of all three families, offline: a file's kind from its header, full shapes, the tokenizer."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from core import base_model, single_file
from core.errors import BadBase

MARKS = {
    "sd1": ("cond_stage_model.transformer.text_model.final_layer_norm.weight", 768),
    "sd2": ("cond_stage_model.model.ln_final.weight", 1024),
    "sdxl": ("conditioner.embedders.1.model.ln_final.weight", 1280),
}
PARAMETERS = {  # of UNet, VAE and text encoders, as published
    "sd1": (859_520_964, 83_653_863, 123_060_480),
    "sd2": (865_910_724, 83_653_863, 340_387_840),
    "sdxl": (2_567_463_684, 83_653_863, 123_060_480, 694_659_840),
}


def header_of(path: Path, family: str, *more: str, channels: int = 4, metadata: dict[str, str] | None = None) -> Path:
    """A file with the tensors that tell a family, and no others."""
    name, width = MARKS[family]
    tensors = {
        "model.diffusion_model.input_blocks.0.0.weight": torch.zeros(1, channels, 1, 1),
        name: torch.zeros(width),
    }
    save_file({**tensors, **{key: torch.zeros(0) for key in more}}, path, metadata)
    return path


def test_a_file_says_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "base.safetensors"
    expected = {"sd1": ("epsilon", 512), "sd2": ("v_prediction", 768), "sdxl": ("epsilon", 1024)}
    for family, (prediction, side) in expected.items():
        assert single_file.kind_of(header_of(path, family)) == single_file.Kind(family, prediction, False, side)
    marked = single_file.kind_of(header_of(path, "sdxl", "v_pred", "ztsnr"))
    assert (marked.prediction, marked.zero_terminal_snr) == ("v_prediction", True)
    told = {"modelspec.prediction_type": "epsilon", "modelspec.resolution": "512x512"}
    kind = single_file.kind_of(header_of(path, "sd2", metadata=told))
    assert (kind.prediction, kind.resolution) == ("epsilon", 512)
    path.with_suffix(".yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
    assert single_file.kind_of(header_of(path, "sd1")).prediction == "v_prediction"


def test_files_that_are_no_base(tmp_path: Path) -> None:
    path = tmp_path / "base.safetensors"
    with pytest.raises(BadBase, match="9 channels: an inpainting model"):
        base_model.check(header_of(path, "sd1", channels=9))
    save_file({"lora_unet_x.alpha": torch.ones(1)}, path)
    with pytest.raises(BadBase, match="no Stable Diffusion UNet"):
        base_model.check(path)
    save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(1, 4, 1, 1)}, path)
    with pytest.raises(BadBase, match="no text encoder"):
        base_model.check(path)
    path.write_bytes(b"")
    with pytest.raises(BadBase, match="shorter than its header"):
        base_model.check(path)


@pytest.mark.parametrize("family", list(PARAMETERS))
def test_shapes_are_the_published_ones(family: str) -> None:
    """On meta tensors: every parameter of the full-size models, none allocated."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    folder = files("core").joinpath("base_files", family)
    made: list[Any] = []
    with torch.device("meta"):
        for kind, part in ((UNet2DConditionModel, "unet"), (AutoencoderKL, "vae")):
            made.append(kind.from_config(kind.load_config(str(folder / part))))
        made.append(CLIPTextModel(CLIPTextConfig.from_pretrained(str(folder / "text_encoder"))))
        if family == "sdxl":
            config = CLIPTextConfig.from_pretrained(str(folder / "text_encoder_2"))
            made.append(CLIPTextModelWithProjection(config))
    assert tuple(sum(p.numel() for p in module.parameters()) for module in made) == PARAMETERS[family]


def test_the_tokenizer_is_clips() -> None:
    """Numbers that openai/CLIP gives (its README shows a diagram, a dog and a cat)."""
    words = single_file.tokenizer("<|endoftext|>")
    assert len(words) == single_file.WORDS
    assert words(["a diagram", "a dog"]).input_ids == [[49406, 320, 22697, 49407], [49406, 320, 1929, 49407]]
    padded = single_file.tokenizer("!")(["a cat"], padding="max_length", max_length=6).input_ids
    assert padded == [[49406, 320, 2368, 49407, 0, 0]]
