"""A checkpoint as a folder in diffusers' format: what holds its weights, and how to write them changed.

Weights are streamed: ranges that stay as they are go from file to file inside the kernel, tensors that
change are read, changed in float32 and cast once, casts of the rest go in blocks that stay in the
processor's cache. Memory is bounded by the largest changed tensor.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from core.errors import BadBase
from core.merging.formats import TORCH, bytes_of, tensor_of
from storage.errors import BadTensorFile
from storage.tensors import (
    ITEM_BYTES,
    TensorFile,
    TensorSpec,
    header_bytes,
    read_header,
    read_range,
    read_tensor,
    runs,
    write_tensors,
)
from storage.whole_files import weights_file

COMPONENTS = ("unet", "text_encoder", "text_encoder_2", "vae")
BLOCK = 524_288  # elements converted at a time: 2 MB of float32, which stays in the cache
FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
WEIGHT_SUFFIXES = frozenset({".safetensors", ".bin", ".ckpt", ".pt", ".msgpack", ".onnx", ".onnx_data", ".h5"})
CANT_COPY = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})

Change = Callable[[Tensor], Tensor]


def components(base: Path) -> dict[str, Path]:
    """The weights file of each component of a checkpoint. Raises BadBase for what is no such folder."""
    if not (base / "model_index.json").is_file():
        raise BadBase(f"{base} is no folder in diffusers' format", "it holds model_index.json and unet/")
    found = {}
    for component in COMPONENTS:
        try:
            if (base / component).is_dir() or component == "unet":
                found[component] = weights_file(base, component)
        except BadTensorFile as error:
            raise BadBase(error.message, error.hint) from error
    return found


def copy_rest(base: Path, out: Path) -> None:
    """Copy what is no weights (configurations, tokenizer, licence) into the new folder `out`, and make it.

    Weights in other formats or variants are left behind: they would not be those of the new checkpoint.
    """
    for folder, subfolders, names in os.walk(base):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        target = out / Path(folder).relative_to(base)
        target.mkdir()
        for name in names:
            if Path(name).suffix not in WEIGHT_SUFFIXES and not name.startswith("."):
                shutil.copyfile(Path(folder) / name, target / name)


def target_of(source: Path, base: Path, out: Path) -> Path:
    """Where the weights file `source` of `base` goes in `out`: without a variant in its name."""
    return out / source.relative_to(base).with_name(source.name.replace(".fp16.", "."))


def copy_range(source: BinaryIO, start: int, nbytes: int, target: BinaryIO, at: int) -> None:
    """Copy bytes from file to file, inside the kernel where the file systems can."""
    done = 0
    while done < nbytes:
        try:
            got = os.copy_file_range(source.fileno(), target.fileno(), nbytes - done, start + done, at + done)
        except OSError as error:
            if error.errno not in CANT_COPY:
                raise
            got = min(nbytes - done, 1 << 22)
            _write_at(target, read_range(source, start + done, got), at + done)
        if got == 0:
            raise BadTensorFile(f"{source.name} became shorter while it was read", "read it again")
        done += got


def _write_at(file: BinaryIO, data: bytes | bytearray | memoryview, position: int) -> None:
    view = memoryview(data)
    while view.nbytes:
        wrote = os.pwrite(file.fileno(), view, position)
        view, position = view[wrote:], position + wrote


def rewrite(
    source: Path,
    target: Path,
    changes: Mapping[str, Change],
    *,
    dtype: str | None = None,
    metadata: Mapping[str, str] | None = None,
    done: Callable[[int], None] = lambda _: None,
) -> None:
    """Write a weights file anew with some tensors changed and, where `dtype` is given, all floats cast.

    A change gets the tensor in float32 (float64 if it is stored so) and gives it back; it is cast once.
    `metadata` is added to the file's own. `done` is told of bytes written. Raises BadTensorFile.
    """
    header = read_header(source)
    texts = {**header.metadata, **(metadata or {})}
    specs = [_cast(spec, dtype) for spec in header.specs.values()]
    with source.open("rb") as old, target.open("xb") as new:
        if not changes and texts == header.metadata and specs == list(header.specs.values()):
            copy_range(old, 0, header.size, new, 0)
            done(header.size)
        elif all(spec == header.specs[spec.name] for spec in specs):
            _copy_changed(old, new, header, texts, changes, done)
        else:
            write_tensors(new, specs, texts, lambda spec: _cast_blocks(old, header, spec, changes.get(spec.name), done))


def _cast(spec: TensorSpec, dtype: str | None) -> TensorSpec:
    return replace(spec, dtype=dtype) if dtype and spec.dtype in FLOATS else spec


def _copy_changed(
    old: BinaryIO,
    new: BinaryIO,
    header: TensorFile,
    metadata: Mapping[str, str],
    changes: Mapping[str, Change],
    done: Callable[[int], None],
) -> None:
    """Same order of tensors, same sizes: only the header's length and the changed tensors differ."""
    head, offsets = header_bytes(list(header.specs.values()), metadata)
    _write_at(new, head, 0)
    for start, nbytes, names in runs((name for name in header.specs if name not in changes), header):
        copy_range(old, start, nbytes, new, offsets[names[0]])
        done(nbytes)
    for name, change in changes.items():
        block = _changed(old, header, header.specs[name], change)
        _write_at(new, block, offsets[name])
        done(block.nbytes)


def _changed(old: BinaryIO, header: TensorFile, spec: TensorSpec, change: Change) -> memoryview:
    """A tensor read, changed and cast to the dtype of `spec`."""
    tensor = tensor_of(read_tensor(old, header, spec.name), header.specs[spec.name])
    wide = tensor if tensor.dtype == torch.float64 else tensor.float()
    return bytes_of(change(wide).to(TORCH[spec.dtype]))


def _cast_blocks(
    old: BinaryIO, header: TensorFile, spec: TensorSpec, change: Change | None, done: Callable[[int], None]
) -> Iterable[memoryview]:
    if change is not None:
        block = _changed(old, header, spec, change)
        done(block.nbytes)
        yield block
        return
    for values in blocks_of(old, header, spec.name):
        block = bytes_of(values.to(TORCH[spec.dtype])) if spec.dtype in TORCH else memoryview(values.numpy().data)
        done(block.nbytes)
        yield block


def blocks_of(file: BinaryIO, header: TensorFile, name: str) -> Iterator[Tensor]:
    """A tensor's elements in their order, flat, at most BLOCK at a time; bytes for dtypes torch doesn't add."""
    spec = header.specs[name]
    width = ITEM_BYTES[spec.dtype]
    start, end = header.offsets[name], header.offsets[name] + spec.nbytes
    for position in range(start, end, BLOCK * width):
        raw = read_range(file, position, min(BLOCK * width, end - position))
        yield torch.frombuffer(raw, dtype=TORCH.get(spec.dtype, torch.uint8))
