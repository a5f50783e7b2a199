"""Sparse trees: every place's way leads to the root, and what stands beside a way tells nothing."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import merkle

SECRET = b"s" * 32


def place(number: int) -> bytes:
    return hashlib.sha256(f"place {number}".encode()).digest()


def leaf(number: int) -> bytes:
    return hashlib.sha256(f"leaf {number}".encode()).digest()


def leaves(count: int) -> dict[bytes, bytes]:
    return {place(n): leaf(n) for n in range(count)}


def close_to(known: bytes, shared: int) -> bytes:
    """A place that goes `shared` bits together with another."""
    bits = int.from_bytes(known) ^ 1 << (255 - shared)
    return bits.to_bytes(32)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 1000])
def test_ways_from_taken_and_empty_places_lead_to_the_root(count: int) -> None:
    tree = leaves(count)
    root = merkle.root(tree, SECRET)
    for number in (*range(min(count, 5)), *range(count - 2, count), 5000, 5001, 5002):
        way = merkle.way(tree, SECRET, place(number))
        assert (way.blind is None) == (place(number) in tree)
        held = leaf(number) if way.blind is None else merkle.empty(way.blind)
        assert len(way.path) == merkle.DEPTH or way.blind is not None
        assert merkle.led_to(place(number), held, way.path) == root
        assert merkle.led_to(place(number), leaf(7777), way.path) != root


@given(st.integers(0, merkle.DEPTH - 1), st.booleans())
def test_places_that_go_together_for_long_are_told_apart(shared: int, both: bool) -> None:
    tree = leaves(3)
    near = close_to(place(1), shared)
    if both:
        tree[near] = leaf(9)
    root = merkle.root(tree, SECRET)
    way = merkle.way(tree, SECRET, near)
    assert (way.blind is None) == both
    assert merkle.led_to(near, leaf(9) if way.blind is None else merkle.empty(way.blind), way.path) == root
    own = merkle.way(tree, SECRET, place(1))
    assert own.blind is None
    assert merkle.led_to(place(1), leaf(1), own.path) == root


def test_one_place_for_two_keys_is_an_error_not_a_loss() -> None:
    twin = close_to(place(1), merkle.DEPTH)
    with pytest.raises(ValueError, match="one place"):
        merkle.root({**leaves(2), twin: leaf(3)}, SECRET)


def test_a_root_is_of_its_leaves_and_secret_in_any_order() -> None:
    tree = leaves(50)
    root = merkle.root(tree, SECRET)
    assert merkle.root(dict(reversed(tree.items())), SECRET) == root
    assert merkle.root(tree, b"t" * 32) != root
    assert len({merkle.root(leaves(n), SECRET) for n in range(40)}) == 40


def test_siblings_do_not_tell_taken_from_empty() -> None:
    """Of all ways to one place in trees with and without a neighbour, all but the height of the branch look alike."""
    own, other = place(1), place(2)
    alone = merkle.way({own: leaf(1)}, SECRET, own).path
    beside = merkle.way({own: leaf(1), other: leaf(2)}, b"another secret", own).path
    assert len(alone) == len(beside) == merkle.DEPTH
    assert not set(alone) & set(beside)
    assert leaf(2) not in beside
    guesses = {merkle.empty(bytes(32)), merkle.empty(b""), hashlib.sha256(b"").digest(), bytes(32)}
    assert not guesses & set(alone)


def test_what_is_empty_is_almost_always_shown_at_one_height() -> None:
    tree = leaves(1000)
    heights = [len(merkle.way(tree, SECRET, place(n)).path) for n in range(5000, 5040)]
    assert heights.count(12) >= 24  # 4,096 places for 1,000 leaves: a quarter, at most, are taken
    assert min(heights) == 12
