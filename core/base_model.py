"""The base: a Stable Diffusion checkpoint loaded from disk, without a hub."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from blake3 import blake3

from core import single_file
from core.errors import BadBase

PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
MORE_PARTS = ("text_encoder_2", "tokenizer_2")  # of SDXL
PIPELINES = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
WEIGHTS = "diffusion_pytorch_model"


@dataclass(frozen=True, slots=True)
class Base:
    """A loaded checkpoint. `pipe` is diffusers' StableDiffusionPipeline or that of SDXL, its weights frozen.

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
    def family(self) -> str:
        """`sd1`, `sd2` or `sdxl`, by how wide the words are that its UNet is told; a toy counts as SD 1.x."""
        if getattr(self.pipe, "text_encoder_2", None) is not None:
            return "sdxl"
        return "sd2" if self.pipe.unet.config.cross_attention_dim == 1024 else "sd1"

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


def devices_of(names: str = "auto") -> tuple[str, ...]:
    """The devices in a list set apart by commas; `auto`: all GPUs, or the CPU. Raises BadBase as `pick_device` does."""
    if names == "auto" and torch.cuda.is_available():
        return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))
    return tuple(str(pick_device(name.strip())) for name in names.split(","))


def weight_files(path: Path, part: str) -> list[Path]:
    """The safetensors files that hold one part of a base, in order: a single file holds all. Raises BadBase."""
    if path.is_file():
        return [path]
    folder = path / part
    stem = "model" if part.startswith("text_encoder") else WEIGHTS
    for pattern in (f"{stem}.safetensors", f"{stem}-*.safetensors", f"{stem}.fp16.safetensors"):
        if found := sorted(folder.glob(pattern)):
            return found
    raise BadBase(f"{path} has no weights in {part}/ as safetensors", "name a folder in diffusers' layout")


def unet_hash(path: Path) -> str:
    """blake3 of the base's UNet weights, hex. Raises BadBase."""
    check(path)
    return _hash(weight_files(path, "unet"))


def check(path: Path) -> None:
    """Raises BadBase, in one line, unless the folder or file looks like a Stable Diffusion checkpoint."""
    if not path.exists():
        raise BadBase(f"{path} is not there", "name a base: a .safetensors file, or a folder in diffusers' layout")
    if path.is_file():
        single_file.kind_of(path)
        return
    try:
        index = json.loads((path / "model_index.json").read_text(encoding="utf-8"))
        kind = index["_class_name"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadBase(
            f"{path} is no diffusion checkpoint: no model_index.json that can be read", "name a base"
        ) from error
    if kind not in PIPELINES:
        raise BadBase(f"{path} is a {kind}", f"name a {' or '.join(PIPELINES)}: SD 1.x, SD 2.x or SDXL")
    for part in (*PARTS, *(MORE_PARTS if kind == PIPELINES[1] else ())):
        if not (path / part).is_dir():
            raise BadBase(f"{path} lacks {part}/", "fetch the whole checkpoint")


def load(path: Path, device: str = "auto", dtype: torch.dtype = torch.float32) -> Base:
    """Load a checkpoint for drawing or training; nothing is fetched. Raises BadBase.

    `dtype` is the UNet's and the text encoders'; the VAE is float32, since SDXL's gives no numbers in less.
    """
    check(path)
    unet, vae, text = _hashes(path)
    where = pick_device(device)
    pipe = _pipeline(path, dtype)
    for number in ("", "_2"):
        encoder = getattr(pipe, f"text_encoder{number}", None)
        if encoder is None:
            continue
        known = len(getattr(pipe, f"tokenizer{number}"))
        if known != encoder.config.vocab_size:
            raise BadBase(
                f"{path}: its tokenizer knows {known} words, its text encoder {encoder.config.vocab_size}",
                f"fetch the tokenizer{number}/ folder again",
            )
        encoder.requires_grad_(False).eval()
    for part in (pipe.unet, pipe.vae):
        part.requires_grad_(False).eval()
    pipe.vae.to(torch.float32)
    pipe.set_progress_bar_config(disable=True)
    pipe.to(where)
    sample = pipe.unet.config.sample_size
    side = int(sample if isinstance(sample, int) else min(sample))
    return Base(path, pipe, unet, vae, text, side * int(pipe.vae_scale_factor), where)


def quieten() -> None:
    """Have the libraries that load bases say nothing but errors."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()


def _pipeline(path: Path, dtype: torch.dtype) -> Any:
    import diffusers

    quieten()
    try:
        if path.is_file():
            return single_file.load(path, dtype)
        kind = diffusers.DiffusionPipeline.load_config(path, local_files_only=True)["_class_name"]
        extra: dict[str, Any] = {}
        if kind == PIPELINES[0]:
            extra = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        return getattr(diffusers, kind).from_pretrained(
            path, dtype=dtype, local_files_only=True, use_safetensors=True, **extra
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, ImportError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadBase(f"{path} can't be loaded: {reason}", "fetch the whole checkpoint again") from error


def _hashes(path: Path) -> tuple[str, str, str]:
    """blake3 of the weights of UNet, VAE and text encoders; of a single file, the file's thrice."""
    if path.is_file():
        whole = _hash([path])
        return whole, whole, whole
    encoders = [file for part in ("text_encoder", "text_encoder_2") if (path / part).is_dir()
                for file in weight_files(path, part)]  # fmt: skip
    return _hash(weight_files(path, "unet")), _hash(weight_files(path, "vae")), _hash(encoders)


def _hash(files: list[Path]) -> str:
    digest = blake3()
    for file in files:
        digest.update_mmap(file)
    return str(digest.hexdigest())
