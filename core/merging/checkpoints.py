"""A checkpoint, a folder in diffusers' format or one file: its weights, what else is in it, its place in a sum."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from blake3 import blake3

from core import single_file
from core.errors import BadBase
from core.merging.formats import kohya_name
from core.merging.layer_names import of_checkpoint
from storage.errors import BadTensorFile
from storage.tensors import read_range
from storage.whole_files import file_hash, weights_file

COMPONENTS = ("unet", "text_encoder", "text_encoder_2", "vae")
WHOLE = "checkpoint"  # the one component of a checkpoint in one file
MAIN = ("unet", WHOLE)  # components whose files tell of the model
SAMPLES, SAMPLED = 64, 4096  # pieces of a file, and bytes of each, that tell it from others
WEIGHT_SUFFIXES = frozenset({".safetensors", ".bin", ".ckpt", ".pt", ".msgpack", ".onnx", ".onnx_data", ".h5"})

T = TypeVar("T")


def components(base: Path) -> dict[str, Path]:
    """The weights file of each component of a checkpoint. Raises BadBase for what is none."""
    if base.is_file():
        single_file.kind_of(base)
        return {WHOLE: base}
    if not (base / "model_index.json").is_file():
        raise BadBase(f"{base} is no folder in diffusers' format", "name one, or a .safetensors file")
    found = {}
    for component in COMPONENTS:
        try:
            if (base / component).is_dir() or component == "unet":
                found[component] = weights_file(base, component)
        except BadTensorFile as error:
            raise BadBase(error.message, error.hint) from error
    return found


def layers_of(tensor: str, component: str, *, two_encoders: bool = False) -> tuple[str, ...]:
    """Names of the layers that a tensor of a component belongs to, in the order of its rows: one, three or none."""
    if component == WHOLE:
        return of_checkpoint(tensor)
    return (kohya_name(tensor, component, two_encoders=two_encoders),)


def copy_rest(base: Path, out: Path) -> None:
    """Copy what is no weights (configurations, tokenizer, licence) into the new folder `out`, and make it.

    Weights in other formats or variants are left behind: they would not be those of the new checkpoint. A checkpoint
    in one file has nothing else.
    """
    if base.is_file():
        return
    for folder, subfolders, names in os.walk(base):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        target = out / Path(folder).relative_to(base)
        target.mkdir()
        for name in names:
            if Path(name).suffix not in WEIGHT_SUFFIXES and not name.startswith("."):
                shutil.copyfile(Path(folder) / name, target / name)


def target_of(source: Path, base: Path, out: Path) -> Path:
    """Where the weights file `source` of `base` goes in `out`: without a variant in its name; one file is `out`."""
    if source == base:
        return out
    return out / source.relative_to(base).with_name(source.name.replace(".fp16.", "."))


def in_order(found: Sequence[tuple[Mapping[str, Path], float, T]]) -> list[tuple[Mapping[str, Path], float, T]]:
    """Checkpoints (weights files by component, weight, anything) in an order that their contents alone decide.

    Files are told apart by samples of them, and read whole only where these are the same; copies of one
    checkpoint go by weight.
    """
    ordered = []
    for _, alike in groupby(sorted(found, key=_sampled), key=_sampled):
        group = list(alike)
        if len(group) > 1:
            group.sort(key=lambda one: ([file_hash(one[0][name]) for name in sorted(one[0])], one[1]))
        ordered += group
    return ordered


def _sampled(one: tuple[Mapping[str, Path], float, T]) -> list[str]:
    """A digest of each weights file's length and of pieces all over it, the header's beginning among them."""
    return [_samples(one[0][name]) for name in sorted(one[0])]


def _samples(path: Path) -> str:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest = blake3(size.to_bytes(8, "little"))
        last = max(0, size - SAMPLED)
        for number in range(SAMPLES):
            digest.update(read_range(file, last * number // (SAMPLES - 1), min(size, SAMPLED)))
    return digest.hexdigest()
