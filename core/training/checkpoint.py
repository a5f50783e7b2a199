"""Where a run stands, written whole or not at all, and read only by the run it belongs to."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from core.errors import NotEnoughSpace
from core.merging.formats import bytes_of, tensor_of
from storage.errors import BadTensorFile
from storage.tensors import TensorSpec, read_header, read_tensor, write_tensors
from storage.whole_files import whole_file


def save(path: Path, tensors: Mapping[str, Tensor], *, step: int, fingerprint: str, people: Sequence[str]) -> None:
    """Replace the checkpoint at `path`; the one before stays if this one can't be written.

    `tensors` are float32; `people` are the pseudonyms of whose pictures it has seen. Raises NotEnoughSpace when the
    disk is full.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    specs = [TensorSpec(name, "F32", tuple(tensor.shape)) for name, tensor in tensors.items()]
    metadata = {"step": str(step), "fingerprint": fingerprint, "people": " ".join(people)}
    try:
        with whole_file(path) as file:
            write_tensors(file, specs, metadata, lambda spec: [bytes_of(tensors[spec.name])])
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise NotEnoughSpace(f"no room for a checkpoint in {path.parent}", "make room, then resume the job") from error


def load(path: Path, fingerprint: str) -> tuple[int, dict[str, Tensor]] | None:
    """Step and tensors of the checkpoint at `path`; None when there is none of this very run."""
    if not path.exists():
        return None
    try:
        header = read_header(path)
        if header.metadata.get("fingerprint") != fingerprint:
            return None
        with path.open("rb") as file:
            tensors = {
                name: tensor_of(read_tensor(file, header, name), spec).clone() for name, spec in header.specs.items()
            }
    except BadTensorFile:
        return None
    return int(header.metadata["step"]), tensors
