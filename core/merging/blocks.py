"""Weights files written block by block, on every core.

Merging is bound by memory traffic, so values are read, widened, added and cast in blocks that stay in the
processor's cache, in buffers that are used again; ranges that stay as they are go from file to file inside
the kernel. Memory does not grow with the files' size or number. How blocks are cut depends on the tensors'
shapes alone, each is computed on one thread and has its own place in the file: so the bytes do not depend
on how many cores there are, nor on which block is ready first.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from core.merging.formats import TORCH, bytes_of
from storage.errors import BadTensorFile
from storage.tensors import (
    ITEM_BYTES,
    TensorFile,
    TensorSpec,
    file_order,
    header_bytes,
    read_header,
    read_into,
    read_range,
    runs,
)

BLOCK = 524_288  # elements at a time: 2 MB of float32, which stays in the cache
OURS = "kyodaku."  # what it says of a base is not true of what is made of it
COPIED = 64 << 20  # bytes copied at a time
AHEAD = 4  # blocks per thread that may wait, so that what they hold stays small
MOST_THREADS = 8  # memory is no faster with more
FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
CANT_COPY = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})

Rows = Callable[[Tensor, int, int], Tensor]
"""Changes rows `first` to `last` of a tensor: [rows, elements of a row] in float32 or float64, in place or not."""
Change = Callable[[], Rows]
"""Called once when a tensor's turn comes; gives what changes its rows."""
Job = Callable[[], int]
"""Writes something; gives how many bytes."""


@dataclass(frozen=True, slots=True)
class Term:
    """One file of a sum, open for reading, and the factor of each of its tensors by name."""

    file: BinaryIO
    header: TensorFile
    factor: Callable[[str], float]


class _Scratch(threading.local):
    """Memory that each thread uses again for every block."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, torch.dtype], Tensor] = {}

    def take(self, role: str, count: int, dtype: torch.dtype) -> Tensor:
        """Flat, of `count` elements, uninitialised; the same memory for the same role."""
        held = self._held.get((role, dtype))
        if held is None or held.numel() < count:
            held = self._held[role, dtype] = torch.empty(max(count, BLOCK), dtype=dtype)
        return held[:count]

    def read(self, file: BinaryIO, header: TensorFile, name: str, start: int, count: int) -> Tensor:
        """`count` elements of a tensor from `start` on, in the dtype they are stored in."""
        spec = header.specs[name]
        values = self.take("read", count, TORCH[spec.dtype])
        read_into(file, header.offsets[name] + start * ITEM_BYTES[spec.dtype], bytes_of(values))
        return values

    def widened(self, values: Tensor, dtype: torch.dtype) -> Tensor:
        """The same values in `dtype`, in memory of their own unless they are of it."""
        return values if values.dtype == dtype else self.take("widened", values.numel(), dtype).copy_(values)

    def put(self, file: BinaryIO, position: int, values: Tensor, dtype: str) -> int:
        """Write values, cast to `dtype`; gives the number of bytes."""
        if values.dtype != TORCH[dtype]:
            values = self.take("put", values.numel(), TORCH[dtype]).copy_(values.reshape(-1))
        return write_at(file, bytes_of(values), position)


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

    A change gets rows in float32 (float64 if they are stored so); they are cast once. `metadata` is added to
    the file's own, in the place of what Kyodaku wrote there. `done` is told of bytes written. Raises BadTensorFile.
    """
    header = read_header(source)
    kept_texts = {key: text for key, text in header.metadata.items() if metadata is None or not key.startswith(OURS)}
    texts = {**kept_texts, **(metadata or {})}
    specs = [_cast(spec, dtype) for spec in header.specs.values()]
    as_before = specs == list(header.specs.values())  # then the order of the data stays too, in long ranges
    with source.open("rb") as old, target.open("xb") as new:
        if as_before and not changes and texts == header.metadata:
            on_every_core(_copies(old, 0, header.size, new, 0), done)
            return
        ordered = specs if as_before else file_order(specs)
        offsets = _start(new, ordered, texts)
        scratch = _Scratch()
        kept = [spec.name for spec in ordered if spec == header.specs[spec.name] and spec.name not in changes]
        jobs = [
            _copies(old, start, nbytes, new, offsets[part])
            for start, nbytes, part in _neighbours(kept, header, offsets)
        ]
        kept_names = set(kept)
        for spec in ordered:
            if spec.name in changes:
                jobs.append(_changed(old, header, new, spec, offsets[spec.name], changes[spec.name], scratch))
            elif spec.name not in kept_names:
                jobs.append(_recast(old, header, new, spec, offsets[spec.name], scratch))
        on_every_core((job for some in jobs for job in some), done)


def write_sum(
    target: Path,
    terms: Sequence[Term],
    specs: Sequence[TensorSpec],
    metadata: Mapping[str, str],
    done: Callable[[int], None] = lambda _: None,
) -> None:
    """Write the sum of files' tensors, each times its factor, added in float32 in the order of `terms`.

    Tensors of whole numbers are taken from the first file; the caller has seen that they agree.
    """
    scratch = _Scratch()
    with target.open("xb") as new:
        ordered = file_order(specs)
        offsets = _start(new, ordered, metadata)

        def jobs() -> Iterator[Job]:
            for spec in ordered:
                if spec.dtype not in FLOATS:
                    start = terms[0].header.offsets[spec.name]
                    yield from _copies(terms[0].file, start, spec.nbytes, new, offsets[spec.name])
                    continue
                factors = [term.factor(spec.name) for term in terms]
                for start, count in _pieces(spec.count, BLOCK):
                    yield _sum_job(terms, factors, spec, start, count, new, offsets[spec.name], scratch)

        on_every_core(jobs(), done)


def on_every_core(jobs: Iterable[Job], done: Callable[[int], None] = lambda _: None) -> None:
    """Run jobs, a few ahead of each other, on one thread a core; `done` is told what each wrote, in their order.

    The first error is raised, when the jobs that run have ended; those that wait are not begun.
    """
    threads = min(len(os.sched_getaffinity(0)), MOST_THREADS)
    waiting: deque[Future[int]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(job))
                if len(waiting) >= AHEAD * threads:
                    done(waiting.popleft().result())
            while waiting:
                done(waiting.popleft().result())
        finally:
            for one in waiting:
                one.cancel()


def write_at(file: BinaryIO, data: bytes | memoryview, position: int) -> int:
    """Write all of `data` at a position of the file, whatever its own position; gives the number of bytes."""
    view = memoryview(data)
    total = view.nbytes
    while view.nbytes:
        wrote = os.pwrite(file.fileno(), view, position)
        view, position = view[wrote:], position + wrote
    return total


def copy_range(source: BinaryIO, start: int, nbytes: int, target: BinaryIO, at: int) -> int:
    """Copy bytes from file to file, inside the kernel where the file systems can; gives their number."""
    done = 0
    while done < nbytes:
        try:
            got = os.copy_file_range(source.fileno(), target.fileno(), nbytes - done, start + done, at + done)
        except OSError as error:
            if error.errno not in CANT_COPY:
                raise
            got = min(nbytes - done, 1 << 20)
            write_at(target, memoryview(read_range(source, start + done, got)), at + done)
        if got == 0:
            raise BadTensorFile(f"{source.name} became shorter while it was read", "read it again")
        done += got
    return nbytes


def _start(new: BinaryIO, ordered: Sequence[TensorSpec], metadata: Mapping[str, str]) -> dict[str, int]:
    """Write the header of a new file and give it its full length; gives where each tensor goes."""
    head, offsets = header_bytes(ordered, metadata)
    write_at(new, head, 0)
    new.truncate(len(head) + sum(spec.nbytes for spec in ordered))
    return offsets


def _cast(spec: TensorSpec, dtype: str | None) -> TensorSpec:
    return replace(spec, dtype=dtype) if dtype and spec.dtype in FLOATS else spec


def _pieces(total: int, size: int) -> Iterator[tuple[int, int]]:
    """Start and length of each piece of at most `size`."""
    for start in range(0, total, size):
        yield start, min(size, total - start)


def _neighbours(names: Sequence[str], header: TensorFile, offsets: Mapping[str, int]) -> Iterator[tuple[int, int, str]]:
    """Ranges of tensors that lie side by side before and after: start, number of bytes, name of the first."""
    for start, nbytes, members in runs(names, header):
        shift = offsets[members[0]] - start
        if all(offsets[name] - header.offsets[name] == shift for name in members):
            yield start, nbytes, members[0]
        else:
            yield from ((header.offsets[name], header.specs[name].nbytes, name) for name in members)


def _copies(old: BinaryIO, start: int, nbytes: int, new: BinaryIO, at: int) -> Iterator[Job]:
    for done, count in _pieces(nbytes, COPIED):
        yield partial(copy_range, old, start + done, count, new, at + done)


def _recast(
    old: BinaryIO, header: TensorFile, new: BinaryIO, spec: TensorSpec, at: int, scratch: _Scratch
) -> Iterator[Job]:
    width = ITEM_BYTES[spec.dtype]

    def job(start: int, count: int) -> int:
        return scratch.put(new, at + start * width, scratch.read(old, header, spec.name, start, count), spec.dtype)

    for start, count in _pieces(spec.count, BLOCK):
        yield partial(job, start, count)


def _changed(
    old: BinaryIO, header: TensorFile, new: BinaryIO, spec: TensorSpec, at: int, change: Change, scratch: _Scratch
) -> Iterator[Job]:
    rows, width = change(), ITEM_BYTES[spec.dtype]
    wide = torch.float64 if header.specs[spec.name].dtype == "F64" else torch.float32
    length = spec.count // spec.shape[0] if spec.count else 1

    def job(first: int, count: int) -> int:
        values = scratch.read(old, header, spec.name, first * length, count * length)
        changed = rows(scratch.widened(values, wide).view(count, length), first, first + count)
        return scratch.put(new, at + first * length * width, changed, spec.dtype)

    for first, count in _pieces(spec.shape[0], max(1, BLOCK // length)):
        yield partial(job, first, count)


def _sum_job(
    terms: Sequence[Term],
    factors: Sequence[float],
    spec: TensorSpec,
    start: int,
    count: int,
    new: BinaryIO,
    at: int,
    scratch: _Scratch,
) -> Job:
    wide = torch.float64 if spec.dtype == "F64" else torch.float32

    def job() -> int:
        total = scratch.take("total", count, wide)
        for number, (term, factor) in enumerate(zip(terms, factors, strict=True)):
            values = scratch.widened(scratch.read(term.file, term.header, spec.name, start, count), wide)
            if number == 0:
                torch.mul(values, factor, out=total)
            else:
                total.add_(values, alpha=factor)
        return scratch.put(new, at + start * ITEM_BYTES[spec.dtype], total, spec.dtype)

    return job
