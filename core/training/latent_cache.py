"""Encoded pictures kept on disk, a folder for each person, so that a withdrawal can erase all of theirs.

A file is named by all that decides what is in it: the photograph's bytes, crop, masks, size and encoder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from storage.catalog import Catalog
from storage.errors import BadTensorFile
from storage.records import CohortItem
from storage.tensors import TensorSpec, read_header, read_tensor, write_tensors
from storage.whole_files import erase, whole_file

Array = NDArray[np.float32]
Arrays = tuple[Array, Array]
CHECKPOINT = ".checkpoint"  # suffix of what a run keeps in its job's folder
VERSION = 4  # of how a picture is cut and resized; files of another are not read
NAMES = ("latents", "weight")


def folder_of(catalog: Catalog, subject_uid: str) -> Path:
    """Where a person's encoded pictures lie; it may not exist."""
    return catalog.cache / "latents" / subject_uid


def erase_subject(catalog: Catalog, subject_uid: str) -> list[Path]:
    """Remove from disk all encoded pictures of a person, every checkpoint that has seen them and what their LoRA drew.

    A run under way must have been stopped, or it may write them anew until it next looks at consent.
    """
    gone = [path for path in (folder_of(catalog, subject_uid),) if path.exists()]
    gone += catalog.jobs.glob(f"*/previews/*.{subject_uid[:8]}-*.png")  # what their LoRA drew on the way
    for path in catalog.jobs.glob(f"*/*{CHECKPOINT}"):
        try:
            people = read_header(path).metadata.get("people", "").split()
        except BadTensorFile:
            continue
        if subject_uid in people:
            gone.append(path)
    for path in gone:
        erase(path)
    return gone


def path_of(catalog: Catalog, item: CohortItem, size: tuple[int, int], vae_hash: str) -> Path:
    """The file for this picture at this width and height under this encoder."""
    told = json.dumps([VERSION, item.content_hash, item.crop, item.masks, size, vae_hash])
    return folder_of(catalog, item.subject_uid) / f"{blake3(told.encode()).hexdigest()}.safetensors"


def words_path(catalog: Catalog, subject_uid: str, *told: str) -> Path:
    """The file for the words of a text under these encoders: `told` is the encoders' hash, precision and the text.

    It lies with the person's pictures, since a caption may tell where and when they were.
    """
    name = blake3(json.dumps([VERSION, *told]).encode()).hexdigest()
    return folder_of(catalog, subject_uid) / f"{name}.words.safetensors"


def read_named(path: Path) -> dict[str, Array] | None:
    """The float32 arrays in a file; None when it is not there or damaged."""
    try:
        header = read_header(path)
        with path.open("rb") as file:
            return {
                name: np.frombuffer(read_tensor(file, header, name), dtype="<f4").reshape(spec.shape)
                for name, spec in header.specs.items()
            }
    except (BadTensorFile, FileNotFoundError):
        return None


def read(path: Path) -> Arrays | None:
    """Latents and loss weights; None when they are not there or the file is damaged."""
    found = read_named(path)
    return None if found is None or set(found) != set(NAMES) else (found["latents"], found["weight"])


def write(path: Path, latents: Array, weight: Array) -> None:
    """Keep latents float32 [1 or 2, c, h, w] and loss weights float32 [1, h, w], whole or not at all."""
    write_named(path, dict(zip(NAMES, (latents, weight), strict=True)))


def write_named(path: Path, arrays: Mapping[str, Array]) -> None:
    """Keep arrays as float32, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    specs = [TensorSpec(name, "F32", array.shape) for name, array in arrays.items()]
    with whole_file(path) as file:
        write_tensors(file, specs, {}, lambda spec: [np.ascontiguousarray(arrays[spec.name], "<f4").tobytes()])
