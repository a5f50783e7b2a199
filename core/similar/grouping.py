"""Which photographs are alike, and what group each is in: copies, then near-duplicates, then bursts. Pure.

A photograph is a near-duplicate of the first one, by id, that it is alike to and that is itself no near-duplicate.
So everything in a group is alike to that first one, and no chain of small steps swallows an archive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.progress import Report, Step, silent
from core.similar.neighbours import Neighbours
from core.similar.pictures import Pictures
from storage.similar import Likeness

# Measured on the sample archive: of pictures saved again, resized, brightened or cut by 2 % none lies farther from its
# original than 8 of 64 and 58 of 512 bits; two portraits of different people in one pose and light lie 99 apart.
NEAR_KEY = 8
NEAR_DETAIL = 84
# Of a subject that moves by half its width a frame most lie within this, as do 0.2 % of the archive's unlike pairs:
# alone it would be too wide, within seconds of one camera it is not.
BURST_DETAIL = 180
BURST_SECONDS = 3.0  # between one picture and the next

KINDS = (None, Likeness.COPY, Likeness.NEAR_DUPLICATE, Likeness.BURST)
_COPY, _NEAR, _BURST = 1, 2, 3
_BLOCK = 1024
_ROUNDS = 3  # a copy of a near-duplicate of one in a burst

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Group number (0: alone) and place in `KINDS` of each photograph [n]; `moved` [n]: not as it was before."""

    groups: Ints
    kinds: NDArray[np.int8]
    moved: NDArray[np.bool_]
    next_group: int


def arrange(pictures: Pictures, next_group: int, report: Report = silent) -> Arrangement:
    """Find the place of each new photograph. Who is in a group already stays there, and numbers stay.

    One that was alone may get company. New groups are numbered from `next_group`, in order of their first.
    """
    toward = np.full(len(pictures.ids), -1)  # the photograph that each belongs with
    kinds = np.zeros(len(pictures.ids), np.int8)
    _link(toward, kinds, _copies(pictures), _COPY)
    _link(toward, kinds, _near(pictures, toward, report), _NEAR)
    _link(toward, kinds, _bursts(pictures, toward), _BURST)
    return _numbered(pictures, toward, kinds, next_group)


def _link(toward: Ints, kinds: NDArray[np.int8], found: Ints, kind: int) -> None:
    """Note what was found: `found` [n] is -1 for nothing."""
    here = found >= 0
    toward[here], kinds[here] = found[here], kind


def _copies(pictures: Pictures) -> Ints:
    """For each new photograph the first one of the same bytes, known ones first."""
    _, first, whose = np.unique(pictures.contents, return_index=True, return_inverse=True)
    places = np.arange(len(pictures.ids))
    found = first[whose.ravel()]
    return np.where((places >= pictures.known) & (found < places), found, -1)


# Near-duplicates -------------------------------------------------------------------------------------


def _near(pictures: Pictures, toward: Ints, report: Report) -> Ints:
    """For each new photograph the first that it is a near-duplicate of, known ones first."""
    found = np.full(len(pictures.ids), -1)
    places = np.arange(len(pictures.ids))
    fresh = places[pictures.hashed & (toward < 0) & (places >= pictures.known)]
    before = places[pictures.hashed & pictures.anchors & (places < pictures.known)]
    if len(fresh) and len(before):
        index = Neighbours(pictures.keys[before], NEAR_KEY)
        best = np.full(len(fresh), len(before))
        for asked, near in index.of(pictures.keys[fresh]):
            sure = alike(pictures.details, fresh[asked], before[near], NEAR_DETAIL)
            np.minimum.at(best, asked[sure], near[sure])
        joined = best < len(before)
        found[fresh[joined]] = before[best[joined]]
        fresh = fresh[~joined]
    first = firsts(pictures.keys[fresh], pictures.details[fresh], report)
    joined = first >= 0
    found[fresh[joined]] = fresh[first[joined]]
    return found


def firsts(keys: Words, details: Words, report: Report = silent) -> Ints:
    """For each of these hashes [n], [n, 8] the first *head* that it is near to; -1 for a head, near to none before it.

    Exact, and a later hash changes nothing for the earlier ones.
    """
    number = len(keys)
    first = np.full(number, number)
    index = Neighbours(keys, NEAR_KEY)
    for start in range(0, number, _BLOCK):
        end = min(start + _BLOCK, number)
        waiting = start + np.flatnonzero(first[start:end] == number)
        _within(keys, details, waiting, first)
        heads = waiting[first[waiting] == number]
        for asked, found in index.of(keys[heads]):
            later = found >= end
            one, other = heads[asked[later]], found[later]
            sure = alike(details, one, other, NEAR_DETAIL)
            np.minimum.at(first, other[sure], one[sure])
        report(Step("compare", end, number))
    return np.where(first == number, -1, first)


def _within(keys: Words, details: Words, places: Ints, first: Ints) -> None:
    """The same among a few, all pairs of them."""
    own = keys[places]
    close = np.bitwise_count(own[:, None] ^ own) <= NEAR_KEY
    for row in np.flatnonzero(close.sum(1) > 1):
        head = places[row]
        if first[head] == len(first):
            others = places[row + 1 :][close[row, row + 1 :]]
            others = others[first[others] == len(first)]
            first[others[alike(details, np.full(len(others), head), others, NEAR_DETAIL)]] = head


def alike(details: Words, one: Ints, other: Ints, most: int) -> NDArray[np.bool_]:
    """Whether the details of each pair of places differ in at most so many bits."""
    differing: NDArray[np.int64] = np.bitwise_count(details[one] ^ details[other]).sum(1, dtype=np.int64)
    return differing <= most


# Bursts ----------------------------------------------------------------------------------------------


def _bursts(pictures: Pictures, toward: Ints) -> Ints:
    """For each photograph without a group, new or not, the one it makes a burst with."""
    found = np.full(len(pictures.ids), -1)
    own = pictures.hashed & pictures.anchors & (toward < 0)
    for run in _runs(pictures):
        for burst in _alike_in(pictures, run, own):
            if burst.max() < pictures.known:
                continue
            grouped = burst[pictures.groups[burst] > 0]
            if len(grouped):
                target = grouped[np.lexsort((pictures.ids[grouped], pictures.groups[grouped]))[0]]
            else:
                target = burst.min()
            free = burst[(pictures.groups[burst] == 0) & (burst != target)]
            found[free] = target
    return found


def _runs(pictures: Pictures) -> list[Ints]:
    """Photographs of one camera, each within `BURST_SECONDS` of the one before it; runs of one are left out."""
    timed = np.flatnonzero((pictures.cameras >= 0) & ~np.isnan(pictures.taken))
    order = timed[np.lexsort((pictures.ids[timed], pictures.taken[timed], pictures.cameras[timed]))]
    goes_on = (np.diff(pictures.taken[order]) <= BURST_SECONDS) & (np.diff(pictures.cameras[order]) == 0)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], goes_on, [False])).astype(np.int8)))
    return [order[begin : end + 1] for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def _alike_in(pictures: Pictures, run: Ints, own: NDArray[np.bool_]) -> list[Ints]:
    """The bursts of a run: each goes on as long as pictures are like its first."""
    places = run[own[run]]
    bursts, begin = [], 0
    while begin < len(places):
        rest = places[begin:]
        like = alike(pictures.details, np.full(len(rest), rest[0]), rest, BURST_DETAIL)
        end = begin + (len(rest) if like.all() else int(np.argmin(like)))
        if end - begin > 1:
            bursts.append(places[begin:end])
        begin = end
    return bursts


# Numbers ---------------------------------------------------------------------------------------------


def _numbered(pictures: Pictures, toward: Ints, kinds: NDArray[np.int8], next_group: int) -> Arrangement:
    """Everybody gets the number of the one they belong with in the end."""
    places = np.arange(len(toward))
    root = np.where(toward < 0, places, toward)
    for _ in range(_ROUNDS):
        root = root[root]
    groups = pictures.groups.copy()
    begun = np.unique(root[(root != places)])
    begun = begun[groups[begun] == 0]
    begun = begun[np.argsort(pictures.ids[begun])]
    groups[begun] = next_group + np.arange(len(begun))
    linked = toward >= 0
    groups[linked] = groups[root[linked]]
    moved = (groups != pictures.groups) | (places >= pictures.known)
    return Arrangement(groups, kinds, moved, next_group + len(begun))
