"""A base in one .safetensors file, as A1111, ComfyUI and kohya's tools keep it: SD 1.x, SD 2.x or SDXL, without a hub.

The file holds weights alone; shapes and the tokenizer's merges come with us (core/base_files).
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from core.errors import BadBase
from storage.errors import BadTensorFile
from storage.tensors import TensorFile, TensorSpec, read_header

WORDS = 49408
_UNET = "model.diffusion_model."
_FIRST = f"{_UNET}input_blocks.0.0.weight"
_TEXT = {  # a tensor of the text encoder that tells which it is, and its width
    "sdxl": ("conditioner.embedders.1.model.ln_final.weight", 1280),
    "sd2": ("cond_stage_model.model.ln_final.weight", 1024),
    "sd1": ("cond_stage_model.transformer.text_model.final_layer_norm.weight", 768),
}
_PREDICTIONS = {"v": "v_prediction", "v_prediction": "v_prediction", "epsilon": "epsilon", "eps": "epsilon"}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file holds: `family` is sd1, sd2 or sdxl; `prediction` as diffusers calls it; pixels a side."""

    family: str
    prediction: str
    zero_terminal_snr: bool
    resolution: int


def kind_of(path: Path) -> Kind:
    """What a checkpoint file holds, from its header alone. Raises BadBase."""
    try:
        header = read_header(path)
    except BadTensorFile as error:
        raise BadBase(error.message, "name a checkpoint: a .safetensors file, or a folder") from error
    family = _family(path, header.specs)
    return Kind(family, _prediction(path, header, family), "ztsnr" in header.specs, _resolution(header, family))


def load(path: Path, dtype: torch.dtype) -> Any:
    """diffusers' pipeline with the file's weights. Raises BadBase."""
    import diffusers

    kind = kind_of(path)
    folder = files("core").joinpath("base_files", kind.family)
    name = "StableDiffusionXLPipeline" if kind.family == "sdxl" else "StableDiffusionPipeline"
    extra: dict[str, Any] = {"tokenizer": tokenizer("!" if kind.family == "sd2" else "<|endoftext|>")}
    if kind.family == "sdxl":
        extra["tokenizer_2"] = tokenizer("!")
    else:
        extra |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipe = getattr(diffusers, name).from_single_file(
        str(path), config=str(folder), local_files_only=True, torch_dtype=dtype, **extra
    )
    settings: dict[str, Any] = {"prediction_type": kind.prediction}
    if kind.zero_terminal_snr:
        settings |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    pipe.scheduler = type(pipe.scheduler).from_config({**pipe.scheduler.config, **settings})
    pipe.unet.register_to_config(sample_size=kind.resolution // 8)
    return pipe


def tokenizer(padding: str) -> Any:
    """CLIP's tokenizer, as each of its users pads: the same ids as openai/CLIP's."""
    from transformers import CLIPTokenizer

    vocabulary, merges = _vocabulary()
    made = CLIPTokenizer(vocab=dict(vocabulary), merges=list(merges), pad_token=padding, model_max_length=77)
    if len(made) != WORDS:
        raise BadBase(f"the tokenizer knows {len(made)} words, not {WORDS}", "install Kyodaku again")
    return made


@cache
def _vocabulary() -> tuple[Mapping[str, int], tuple[tuple[str, str], ...]]:
    """CLIP's words by number, and its merges in order (Radford et al., 2021: byte pairs, 48,894 merges)."""
    raw = files("core").joinpath("base_files", "bpe_simple_vocab_16e6.txt.gz").read_bytes()
    lines = gzip.decompress(raw).decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]
    merges = tuple((left, right) for left, right in (line.split() for line in lines))
    letters = _letters()
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return {word: number for number, word in enumerate(words)}, merges


def _letters() -> list[str]:
    """A printable letter for each byte, in CLIP's order: the printable ones themselves, then the others."""
    own = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(byte) for byte in own] + [chr(256 + number) for number in range(256 - len(own))]


def _family(path: Path, specs: Mapping[str, TensorSpec]) -> str:
    if _FIRST not in specs:
        raise BadBase(f"{path} holds no Stable Diffusion UNet", "name a whole checkpoint, not a LoRA or a part")
    if (channels := specs[_FIRST].shape[1]) != 4:
        raise BadBase(f"{path} takes {channels} channels: an inpainting model", "name a text-to-image checkpoint")
    for family, (name, width) in _TEXT.items():
        if name in specs:
            if specs[name].shape != (width,):
                raise BadBase(f"{path}: its text encoder is {specs[name].shape[0]} wide, not {width}", "name another")
            return family
    raise BadBase(f"{path} holds no text encoder of SD 1.x, SD 2.x or SDXL", "name a whole checkpoint")


def _prediction(path: Path, header: TensorFile, family: str) -> str:
    """By the file's marks, its modelspec, the .yaml beside it that A1111 reads; else v for SD 2.x, else epsilon."""
    if "v_pred" in header.specs:
        return "v_prediction"
    told = header.metadata.get("modelspec.prediction_type", "")
    if told in _PREDICTIONS:
        return _PREDICTIONS[told]
    beside = path.with_suffix(".yaml")
    if beside.is_file():
        v = re.search(r"^\s*parameterization\s*:\s*[\"']?v[\"']?\s*$", beside.read_text(errors="replace"), re.MULTILINE)
        return "v_prediction" if v else "epsilon"
    return "v_prediction" if family == "sd2" else "epsilon"


def _resolution(header: TensorFile, family: str) -> int:
    told = re.fullmatch(r"(\d{2,4})x\1", header.metadata.get("modelspec.resolution", ""))
    if told:
        return int(told[1])
    return {"sd1": 512, "sd2": 768, "sdxl": 1024}[family]
