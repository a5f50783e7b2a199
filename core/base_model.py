"""The base: a Stable Diffusion checkpoint loaded from disk, without a hub."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from blake3 import blake3

from core.errors import BadBase

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
WEIGHTS = "diffusion_pytorch_model"


@dataclass(frozen=True, slots=True)
class Base:
    """A loaded checkpoint. `pipe` is diffusers' StableDiffusionPipeline, its weights frozen.

    `resolution` is what the UNet was trained at, in pixels a side; `unet_hash`, `vae_hash` and `text_hash` are
    blake3 of the weight files, hex.
    """

    path: Path
    pipe: Any
    unet_hash: str
    vae_hash: str
    text_hash: str
    resolution: int
    device: torch.device

    @property
    def pixels_a_latent(self) -> int:
        """Pixels a side that one latent stands for."""
        return int(self.pipe.vae_scale_factor)

    @property
    def predicts(self) -> str:
        """What the UNet predicts: `epsilon`, `v_prediction` or `sample`."""
        return str(self.pipe.scheduler.config.prediction_type)


def pick_device(name: str = "auto") -> torch.device:
    """`auto`: the GPU where there is one. Raises BadBase for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadBase(
            f"device {name!r} can't be used: {str(error).splitlines()[0]}", "use --device auto or cpu"
        ) from error
    return device


def weight_files(path: Path, part: str) -> list[Path]:
    """The safetensors files of one part of a base in diffusers' folder layout, in order. Raises BadBase."""
    folder = path / part
    stem = "model" if part == "text_encoder" else WEIGHTS
    for pattern in (f"{stem}.safetensors", f"{stem}-*.safetensors", f"{stem}.fp16.safetensors"):
        if found := sorted(folder.glob(pattern)):
            return found
    raise BadBase(f"{path} has no weights in {part}/ as safetensors", "name a folder in diffusers' layout")


def unet_hash(path: Path) -> str:
    """blake3 of the base's UNet weights, hex. Raises BadBase."""
    check(path)
    return _hash(weight_files(path, "unet"))


def check(path: Path) -> None:
    """Raises BadBase, in one line, unless the folder looks like a Stable Diffusion checkpoint."""
    if not path.exists():
        raise BadBase(f"{path} is not there", "name a base: a folder in diffusers' layout")
    if path.is_file():
        raise BadBase(f"{path} is a single file", "convert it to a folder in diffusers' layout and name that")
    try:
        index = json.loads((path / "model_index.json").read_text(encoding="utf-8"))
        kind = index["_class_name"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadBase(
            f"{path} is no diffusion checkpoint: no model_index.json that can be read", "name a base"
        ) from error
    if kind != "StableDiffusionPipeline":
        raise BadBase(f"{path} is a {kind}", "name a StableDiffusionPipeline: SD 1.x or 2.x")
    for part in PARTS:
        if not (path / part).is_dir():
            raise BadBase(f"{path} lacks {part}/", "fetch the whole checkpoint")


def load(path: Path, device: str = "auto", dtype: torch.dtype = torch.float32) -> Base:
    """Load a checkpoint for drawing or training; nothing is fetched. Raises BadBase."""
    check(path)
    unet, vae, text = (_hash(weight_files(path, part)) for part in ("unet", "vae", "text_encoder"))
    where = pick_device(device)
    pipe = _pipeline(path, dtype)
    if len(pipe.tokenizer) != pipe.text_encoder.config.vocab_size:
        raise BadBase(
            f"{path}: its tokenizer knows {len(pipe.tokenizer)} words, its text encoder "
            f"{pipe.text_encoder.config.vocab_size}",
            "fetch the tokenizer/ folder again",
        )
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        part.requires_grad_(False).eval()
    pipe.set_progress_bar_config(disable=True)
    pipe.to(where)
    sample = pipe.unet.config.sample_size
    side = int(sample if isinstance(sample, int) else min(sample))
    return Base(path, pipe, unet, vae, text, side * int(pipe.vae_scale_factor), where)


def _pipeline(path: Path, dtype: torch.dtype) -> Any:
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    try:
        return diffusers.StableDiffusionPipeline.from_pretrained(
            path,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, ImportError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadBase(f"{path} can't be loaded: {reason}", "fetch the whole checkpoint again") from error


def _hash(files: list[Path]) -> str:
    digest = blake3()
    for file in files:
        digest.update_mmap(file)
    return str(digest.hexdigest())
