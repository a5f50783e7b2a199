"""The safetensors format without torch: read a header, read ranges of bytes, write a file in one pass.

Format (https://github.com/huggingface/safetensors#format): 8 bytes, little-endian, length of the header;
the header, JSON, padded with blanks so that the data starts at a multiple of 8; the tensors' bytes without
gaps, little-endian, row-major. What is written here depends on names, shapes, values and metadata alone:
the same content gives the same bytes.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from storage.errors import BadTensorFile

ITEM_BYTES: Mapping[str, int] = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"), 1),
}
MAX_HEADER = 100_000_000  # bytes; the limit of the reference implementation
ALIGNMENT = 8


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, dtype (one of `ITEM_BYTES`) and shape of one tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of elements; 1 for a scalar."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.count * ITEM_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class TensorFile:
    """What a file's header says. `specs` is in the order of the data; offsets count from the file's start."""

    path: Path
    specs: Mapping[str, TensorSpec]
    offsets: Mapping[str, int]
    metadata: Mapping[str, str]
    size: int


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in its header")
    return found


def _parse_entry(name: str, entry: Any) -> tuple[TensorSpec, int, int]:
    """Spec, begin and end of one header entry. Raises ValueError, KeyError or TypeError for nonsense."""
    dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    numbers = [*shape, begin, end]
    if dtype not in ITEM_BYTES or not all(type(n) is int and n >= 0 for n in numbers):
        raise ValueError(f"the entry of {name!r} makes no sense")
    spec = TensorSpec(name, dtype, tuple(shape))
    if end - begin != spec.nbytes:
        raise ValueError(f"{name!r} has {end - begin} bytes where its shape needs {spec.nbytes}")
    return spec, begin, end


def _parse_header(raw: bytes, data_bytes: int) -> tuple[list[tuple[TensorSpec, int]], dict[str, str]]:
    """Specs with begin offsets in file order, and the metadata. Raises ValueError when it doesn't hold."""
    header = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_doubles)
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("its metadata are not texts")
    placed: list[tuple[TensorSpec, int]] = []
    expected = 0
    entries = (_parse_entry(name, entry) for name, entry in header.items())
    for spec, begin, end in sorted(entries, key=lambda entry: (entry[1], entry[2])):
        if begin != expected:
            raise ValueError(f"the data of {spec.name!r} overlap or leave a gap")
        placed.append((spec, begin))
        expected = end
    if expected != data_bytes:
        raise ValueError(f"it holds {data_bytes} bytes of data where its header says {expected}")
    return placed, metadata


def read_header(path: Path) -> TensorFile:
    """The header of a safetensors file, checked against the file's size. Raises BadTensorFile."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, MAX_HEADER):
                raise ValueError("it is shorter than its header says")
            placed, metadata = _parse_header(file.read(length), size - 8 - length)
    except OSError as error:
        raise BadTensorFile(f"{path} can't be read: {error.strerror}", "check the path") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadTensorFile(f"{path} is no whole safetensors file: {error}", "fetch or make the file again") from error
    specs = {spec.name: spec for spec, _ in placed}
    offsets = {spec.name: 8 + length + begin for spec, begin in placed}
    return TensorFile(path, specs, offsets, metadata, size)


def read_range(file: BinaryIO, start: int, nbytes: int) -> bytearray:
    """`nbytes` bytes from `start`, whatever the file's position. Raises BadTensorFile where it ends."""
    buffer = bytearray(nbytes)
    read_into(file, start, memoryview(buffer))
    return buffer


def read_into(file: BinaryIO, start: int, view: memoryview) -> None:
    """Fill `view` (of bytes) from `start` on, whatever the file's position. Raises BadTensorFile where it ends."""
    done = 0
    while done < view.nbytes:
        got = os.preadv(file.fileno(), [view[done:]], start + done)
        if got == 0:
            raise BadTensorFile(f"{file.name} became shorter while it was read", "read it again")
        done += got


def read_tensor(file: BinaryIO, header: TensorFile, name: str) -> bytearray:
    """All bytes of one tensor. Raises BadTensorFile when the file doesn't hold it."""
    if name not in header.specs:
        raise BadTensorFile(f"{header.path} holds no tensor {name!r}")
    return read_range(file, header.offsets[name], header.specs[name].nbytes)


def file_order(specs: Iterable[TensorSpec]) -> list[TensorSpec]:
    """Widest dtype first, then by name, as the reference implementation does: every tensor lies aligned."""
    return sorted(specs, key=lambda spec: (-ITEM_BYTES[spec.dtype], spec.name))


def header_bytes(ordered: Sequence[TensorSpec], metadata: Mapping[str, str]) -> tuple[bytes, dict[str, int]]:
    """The file's first bytes (length and header), and where each tensor starts in it.

    Keys are sorted; the data lie in the order of `ordered`.
    """
    entries: dict[str, Any] = {}
    position = 0
    for spec in ordered:
        entries[spec.name] = {
            "data_offsets": [position, position + spec.nbytes],
            "dtype": spec.dtype,
            "shape": list(spec.shape),
        }
        position += spec.nbytes
    starts = {name: entry["data_offsets"][0] for name, entry in entries.items()}
    if metadata:
        entries["__metadata__"] = dict(metadata)
    text = json.dumps(entries, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % ALIGNMENT)
    offsets = {name: 8 + len(text) + start for name, start in starts.items()}
    return len(text).to_bytes(8, "little") + text, offsets


def write_tensors(
    file: BinaryIO,
    specs: Iterable[TensorSpec],
    metadata: Mapping[str, str],
    blocks: Callable[[TensorSpec], Iterable[bytes | bytearray | memoryview]],
) -> None:
    """Write a safetensors file in one pass: `blocks(spec)` gives each tensor's bytes, in pieces of any size.

    Raises ValueError when a tensor's pieces do not add up to its size.
    """
    ordered = file_order(specs)
    head, _ = header_bytes(ordered, metadata)
    file.write(head)
    for spec in ordered:
        written = 0
        for block in blocks(spec):
            written += file.write(block)
        if written != spec.nbytes:
            raise ValueError(f"{spec.name}: {written} bytes given, {spec.nbytes} needed")


def runs(names: Iterable[str], header: TensorFile) -> Iterator[tuple[int, int, list[str]]]:
    """Neighbouring tensors among `names` joined to ranges: (start, number of bytes, names), by position."""
    start, nbytes, members = 0, 0, list[str]()
    for name in sorted(names, key=lambda name: header.offsets[name]):
        if members and header.offsets[name] != start + nbytes:
            yield start, nbytes, members
            members = []
        if not members:
            start, nbytes = header.offsets[name], 0
        members.append(name)
        nbytes += header.specs[name].nbytes
    if members:
        yield start, nbytes, members
