"""The exact search against counting every pair."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.similar import neighbours
from core.similar.grouping import NEAR_DETAIL, NEAR_KEY, firsts
from core.similar.neighbours import Neighbours

WORD = st.integers(0, 2**64 - 1)


@st.composite
def hashes(draw: st.DrawFn) -> np.ndarray:
    """A few centres and hashes some bits away from them: near and just not near pairs are common."""
    centres = draw(st.lists(WORD, min_size=1, max_size=3))
    made = []
    for _ in range(draw(st.integers(1, 40))):
        bits = draw(st.lists(st.integers(0, 63), max_size=12, unique=True))
        made.append(draw(st.sampled_from(centres)) ^ sum(1 << bit for bit in bits))
    return np.array(made, np.uint64)


def pairs(index: Neighbours, queries: np.ndarray) -> set[tuple[int, int]]:
    return {pair for asked, found in index.of(queries) for pair in zip(asked.tolist(), found.tolist(), strict=True)}


@given(hashes(), hashes(), st.integers(0, 10))
@settings(deadline=None, max_examples=60)
def test_finds_exactly_those_within_the_radius(known: np.ndarray, queries: np.ndarray, radius: int) -> None:
    wanted = {
        (asked, found)
        for asked, query in enumerate(queries.tolist())
        for found, other in enumerate(known.tolist())
        if (query ^ other).bit_count() <= radius
    }
    assert pairs(Neighbours(known, radius), queries) == wanted


def test_portions_give_the_same(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    draws = np.random.default_rng(3)
    known = draws.integers(0, 2**64, 40, dtype=np.uint64).repeat(10)
    known[::2] ^= np.uint64(5)
    whole = pairs(Neighbours(known, 8), known)
    monkeypatch.setattr(neighbours, "_QUERIES", 7)
    monkeypatch.setattr(neighbours, "_CANDIDATES", 3)
    assert pairs(Neighbours(known, 8), known) == whole
    assert len(whole) >= 40 * 100


def one_after_another(keys: list[int], details: list[list[int]]) -> list[int]:
    """The definition: each joins the first head before it that it is near to, else it is a head."""
    first: list[int] = []
    for place, key in enumerate(keys):
        near = (
            head
            for head in range(place)
            if first[head] < 0
            and (keys[head] ^ key).bit_count() <= NEAR_KEY
            and sum((a ^ b).bit_count() for a, b in zip(details[head], details[place], strict=True)) <= NEAR_DETAIL
        )
        first.append(next(near, -1))
    return first


@given(hashes(), st.integers(0, 2**32), st.sampled_from([1, 3, 1024]))
@settings(deadline=None, max_examples=60)
def test_heads_are_those_of_the_definition(keys: np.ndarray, seed: int, block: int) -> None:
    from core.similar import grouping

    draws = np.random.default_rng(seed)
    details = np.zeros((len(keys), 8), np.uint64)
    details[draws.random(len(keys)) < 0.3, :2] = 2**64 - 1  # 128 bits away from the others
    before, grouping._BLOCK = grouping._BLOCK, block
    try:
        found = firsts(keys, details)
    finally:
        grouping._BLOCK = before
    assert found.tolist() == one_after_another(keys.tolist(), details.tolist())


def test_no_chain_swallows_an_archive() -> None:
    """Each differs from the one before it by four bits: groups are of those near their first."""
    steps = [sum(1 << bit for bit in range(4 * step)) for step in range(16)]
    keys = np.array(steps, np.uint64)
    assert firsts(keys, np.zeros((16, 8), np.uint64)).tolist() == [
        -1 if place % 3 == 0 else place - place % 3 for place in range(16)
    ]
