"""Made-up weights of full size, written without being built in memory: a UNet's, or those of a whole base."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch

from core import single_file
from core.merging.formats import bytes_of
from storage.tensors import TensorSpec, write_tensors

PERIOD = 1_000_003  # elements after which made-up weights repeat
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")


def write_weights(path: Path, module: Any, seed: int) -> None:
    """A new file of fp16 tensors with the names and shapes of a module, which may be on torch's meta device."""
    values = torch.randn(PERIOD, generator=torch.Generator().manual_seed(seed)).mul_(0.02).half()
    specs = [TensorSpec(name, "F16", tuple(value.shape)) for name, value in module.state_dict().items()]

    def blocks(spec: TensorSpec) -> Iterable[memoryview]:
        for start in range(0, spec.count, PERIOD):
            yield bytes_of(values[: min(PERIOD, spec.count - start)])

    with path.open("xb") as file:
        write_tensors(file, specs, {"format": "pt"}, blocks)


def write_base(folder: Path, family: str = "sd1") -> Path:
    """The base `sd1`, `sd2` or `sdxl` in diffusers' layout, in a new folder, which it gives."""
    with as_file(files("core").joinpath("base_files", family)) as shapes:
        shutil.copytree(shapes, folder)
    for part, module in _parts(folder):
        text = part.startswith("text_encoder")
        stem = "model" if text else "diffusion_pytorch_model"
        write_weights(folder / part / f"{stem}.safetensors", module, 0)
        if text:
            padding = "<|endoftext|>" if family != "sd2" and part == "text_encoder" else "!"
            single_file.tokenizer(padding).save_pretrained(folder / part.replace("text_encoder", "tokenizer"))
    return folder


def _parts(folder: Path) -> Iterator[tuple[str, Any]]:
    """Each part that has weights, its shapes alone."""
    import diffusers
    import transformers

    index = json.loads((folder / "model_index.json").read_text())
    for part in PARTS:
        if part not in index:
            continue
        library, kind = index[part]
        made = getattr(transformers if library == "transformers" else diffusers, kind)
        with torch.device("meta"):
            if library == "transformers":
                module = made(made.config_class.from_pretrained(folder / part))
            else:
                module = made.from_config(made.load_config(folder / part))
        yield part, module
