"""The faces nearest to a vector: all are looked at, in codes of one byte a dimension, and the best again exactly.

The codes are the dimensions themselves, scaled to -128..127, in faiss' `IndexScalarQuantizer`: a quarter of the bytes,
and of its quantizers the one that compares fastest (`QT_8bit_direct_signed`). The index is kept beside the matrix
(`storage.face_matrix`) and read by mapping it. Rows behind those it knows are searched as they are,
so that new faces are found at once; when they are many, they are added to it.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.progress import Report, Step, silent
from storage.catalog import Catalog
from storage.face_matrix import Matrix, matrix
from storage.whole_files import whole_file

PLAIN = 16_384  # rows that are searched without an index
AGAIN = 4  # times as many as asked for are looked at exactly …
AT_LEAST = 200  # … but not fewer
A_PART = 100_000  # rows that a thread of their own is worth
_ROOM = 1.25  # times the largest number of the first rows is the largest that a code can tell


@dataclass(frozen=True, slots=True)
class Nearest:
    """A search over the faces of one space, marked ones too.

    `index` covers the first rows, None covers none; `scale` is what its codes are multiplied by.
    """

    matrix: Matrix
    index: Any = None
    scale: float = 1.0

    def search(self, vector: NDArray[np.float32], number: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids and Euclidean distances of the `number` nearest faces to a vector [d], the nearest first."""
        if not len(self.matrix.ids):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        rows = np.empty(0, np.int64)
        known = 0
        if self.index is not None:
            known = int(self.index.ntotal)
            rows = _closest(self.index, _codes(vector[None], self.scale), min(known, max(AT_LEAST, AGAIN * number)))
        rows = np.concatenate([rows, np.arange(known, len(self.matrix.ids))])
        apart = self.matrix.vectors[rows] - vector
        distances = np.sqrt(np.einsum("ij,ij->i", apart, apart))
        best = np.argsort(distances, kind="stable")[:number]
        return self.matrix.ids[rows[best]], distances[best]


def _closest(index: Any, code: NDArray[np.float32], number: int) -> NDArray[np.int64]:
    """The `number` rows whose codes are closest to `code` [1, d], in no order: a thread for each stretch of them.

    faiss shares out queries over cores, and here is one.
    """
    import faiss

    total = int(index.ntotal)
    parts = min(len(os.sched_getaffinity(0)), 1 + total // A_PART)
    if parts == 1:
        found: NDArray[np.int64] = index.search(code, number)[1][0]
        return found
    bounds = [total * at // parts for at in range(parts + 1)]

    def search(first: int, end: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        only = faiss.SearchParameters(sel=faiss.IDSelectorRange(first, end))  # type: ignore[call-arg]
        apart, rows = index.search(code, min(number, end - first), params=only)
        return apart[0], rows[0]

    with ThreadPoolExecutor(parts) as threads:
        several = list(threads.map(search, bounds[:-1], bounds[1:]))
    apart = np.concatenate([one for one, _ in several])
    rows = np.concatenate([one for _, one in several])
    best: NDArray[np.int64] = rows[np.argpartition(apart, number - 1)[:number]]
    return best


def nearest(catalog: Catalog, space: str, report: Report = silent) -> Nearest:
    """The search over a space, its index brought up to date where it pays."""
    held = matrix(catalog, space)
    index = _read(held)
    known = 0 if index is None else int(index.ntotal)
    if len(held.ids) - known > PLAIN:
        _write(held, known, report)
        index = _read(held)
    return Nearest(held) if index is None else Nearest(held, index, _scale(held))


def _read(held: Matrix) -> Any:
    """The index on disk; None without one, or with one that can't be read or isn't of these rows."""
    import faiss

    if not held.codes.exists():
        return None
    try:
        index = faiss.read_index(str(held.codes), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError:  # cut short, or by a faiss that writes otherwise: it is made anew
        return None
    return index if index.d == held.vectors.shape[1] and index.ntotal <= len(held.ids) else None


def _write(held: Matrix, known: int, report: Report = silent) -> None:
    """Write an index of all rows; of the one on disk the first `known` are taken over."""
    import faiss

    number, size = held.vectors.shape
    scale = _scale(held)
    if known:
        index = faiss.read_index(str(held.codes))
    else:
        index = faiss.IndexScalarQuantizer(size, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_L2)
    for start in range(known, number, PLAIN):
        index.add(_codes(held.vectors[start : start + PLAIN], scale))
        report(Step("index", int(index.ntotal), number))
    with whole_file(held.codes) as file:
        faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))  # type: ignore[attr-defined]


def _scale(held: Matrix) -> float:
    """What the dimensions are multiplied by. It follows from the first rows, which never change as rows are added."""
    largest = float(np.abs(held.vectors[:PLAIN]).max(initial=0))
    return 127 / (_ROOM * largest) if largest > 0 else 1.0


def _codes(vectors: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Vectors as the numbers that their codes can tell."""
    codes: NDArray[np.float32] = np.rint(vectors * np.float32(scale)).clip(-128, 127)
    return codes
