"""All hashes within a few bits of another: exact, in memory that grows with n alone.

Multi-index hashing (Norouzi, Punjani, Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", 2012): 64 bits
cut in three bands; of two hashes that differ in at most r bits, one band differs in at most r // 3. So a query looks
up every key that close to its own in each band, and what it finds there is counted out in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

BANDS = 3
_QUERIES = 1024  # looked up together: their keys stay in the cache
_CANDIDATES = 1 << 21  # counted out together

Keys = NDArray[np.uint64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Band:
    """One band of all hashes: places in order of the band's value, and where each value begins among them."""

    shift: int
    mask: int
    flips: NDArray[np.int64]  # what turns a value into each that is close enough
    order: NDArray[np.int32]
    starts: NDArray[np.int32]

    def value(self, hashes: Keys) -> NDArray[np.int64]:
        return _value(hashes, self.shift, self.mask)


class Neighbours:
    """Hashes [n] in which those within `radius` bits of others are looked up."""

    def __init__(self, hashes: Keys, radius: int) -> None:
        self._hashes = hashes
        self._radius = radius
        edges = [64 * band // BANDS for band in range(BANDS + 1)]
        self._bands = [_band(hashes, low, high - low, radius // BANDS) for low, high in pairwise(edges)]

    def of(self, queries: Keys) -> Iterator[tuple[Ints, Ints]]:
        """Pairs (place among the queries, place among the hashes), in portions; a pair may come more than once."""
        for start in range(0, len(queries), _QUERIES):
            some = queries[start : start + _QUERIES]
            for band in self._bands:
                for asked, found in self._in_band(band, some):
                    yield asked + start, found

    def _in_band(self, band: _Band, queries: Keys) -> Iterator[tuple[Ints, Ints]]:
        wanted = (band.value(queries)[:, None] ^ band.flips).ravel()
        begin = band.starts[wanted]
        many = band.starts[wanted + 1] - begin
        full = np.flatnonzero(many)
        begin, many, asked = begin[full].astype(np.int64), many[full].astype(np.int64), full // len(band.flips)
        ends = np.cumsum(many)
        first = 0
        while first < len(full):
            last = max(first + 1, int(np.searchsorted(ends, ends[first] - many[first] + _CANDIDATES, "right")))
            part = slice(first, last)
            whose = np.repeat(asked[part], many[part])
            before = np.repeat(ends[part] - many[part] - (ends[first] - many[first]) - begin[part], many[part])
            found = band.order[np.arange(len(whose)) - before].astype(np.int64)
            near = np.bitwise_count(queries[whose] ^ self._hashes[found]) <= self._radius
            yield whose[near], found[near]
            first = last


def _band(hashes: Keys, shift: int, bits: int, flips: int) -> _Band:
    mask = (1 << bits) - 1
    value = _value(hashes, shift, mask)
    starts = np.zeros((1 << bits) + 1, np.int32)
    np.cumsum(np.bincount(value, minlength=1 << bits), out=starts[1:])
    masks = [sum(1 << bit for bit in chosen) for many in range(flips + 1) for chosen in combinations(range(bits), many)]
    order = np.argsort(value, kind="stable").astype(np.int32)
    return _Band(shift, mask, np.array(masks, np.int64), order, starts)


def _value(hashes: Keys, shift: int, mask: int) -> NDArray[np.int64]:
    return ((hashes >> np.uint64(shift)) & np.uint64(mask)).astype(np.int64)
