"""Where a run stands, written whole or not at all, and read only by the run it belongs to.

The one before the newest is kept beside it: if the newest is damaged, that one is taken up.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3
from torch import Tensor

from core.errors import NotEnoughSpace
from core.merging.formats import TORCH, bytes_of, tensor_of
from storage.errors import BadTensorFile
from storage.tensors import TensorSpec, read_header, read_tensor, write_tensors
from storage.whole_files import erase, whole_file

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # the disk, the user's share of it, or a file's limit
_NAMES = {dtype: name for name, dtype in TORCH.items()}


@dataclass(frozen=True, slots=True)
class Kept:
    """What a checkpoint holds: steps done, tensors by name, and JSON values by name."""

    step: int
    tensors: Mapping[str, Tensor]
    plain: Mapping[str, Any]


def before(path: Path) -> Path:
    """Where the checkpoint before the one at `path` is kept."""
    return path.with_name(f"{path.stem}.before{path.suffix}")


def save(path: Path, kept: Kept, *, fingerprint: str, people: Sequence[str]) -> None:
    """Make this the newest checkpoint at `path`; those before stay if this one can't be written.

    `people` are the pseudonyms of whose pictures it has seen. Raises NotEnoughSpace when the disk is full.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in kept.tensors.items()}
    specs = [TensorSpec(name, _NAMES[tensor.dtype], tuple(tensor.shape)) for name, tensor in tensors.items()]
    metadata = {
        "step": str(kept.step),
        "fingerprint": fingerprint,
        "people": " ".join(people),
        "plain": json.dumps(kept.plain, sort_keys=True),
    }
    metadata["digest"] = _digest(metadata, tensors)
    try:
        _keep_the_last(path)
        with whole_file(path) as file:
            write_tensors(file, specs, metadata, lambda spec: [bytes_of(tensors[spec.name])])
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise NotEnoughSpace(f"no room for a checkpoint in {path.parent}", "make room, then resume the job") from error


def load(path: Path, fingerprint: str) -> Kept | None:
    """The newest whole checkpoint at `path`; None when there is none of this very run."""
    found = (_read(candidate, fingerprint) for candidate in (path, before(path)))
    return next((kept for kept in found if kept is not None), None)


def erase_all(path: Path) -> None:
    """Remove what is kept at `path`."""
    for kept in (path, before(path)):
        erase(kept)


def _keep_the_last(path: Path) -> None:
    """A second name for the newest, which the next writing takes the first name from."""
    if path.exists():
        before(path).unlink(missing_ok=True)
        os.link(path, before(path))


def _read(path: Path, fingerprint: str) -> Kept | None:
    if not path.exists():
        return None
    try:
        header = read_header(path)
        metadata = dict(header.metadata)
        if metadata.get("fingerprint") != fingerprint:
            return None
        with path.open("rb") as file:
            tensors = {
                name: tensor_of(read_tensor(file, header, name), spec).clone() for name, spec in header.specs.items()
            }
    except BadTensorFile:
        return None
    if metadata.pop("digest", None) != _digest(metadata, tensors):
        return None
    return Kept(int(metadata["step"]), tensors, json.loads(metadata["plain"]))


def _digest(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """blake3 of all that a checkpoint says, hex: a bit that flipped on disk is noticed."""
    digest = blake3(json.dumps(metadata, sort_keys=True).encode())
    for piece in _pieces(tensors):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    for name, tensor in sorted(tensors.items()):
        yield name.encode()
        yield bytes_of(tensor)
