"""Merkle trees against the published test vectors of Certificate Transparency, and proofs that lie."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import merkle

# The leaves and roots of certificate-transparency's reference tests (RFC 6962 trees of 1 to 8 leaves).
INPUTS = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [merkle.leaf_hash(bytes.fromhex(text)) for text in INPUTS]


@pytest.mark.parametrize("size", range(1, 9))
def test_published_roots(size: int) -> None:
    assert merkle.root(LEAVES[:size]).hex() == ROOTS[size - 1]


def test_nothing_has_the_root_of_nothing() -> None:
    assert merkle.root([]) == hashlib.sha256(b"").digest()


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(str(n).encode()) for n in range(count)]


@given(st.integers(1, 70), st.data())
def test_every_proof_leads_to_the_root(count: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, count - 1))
    tree = leaves(count)
    path = merkle.proof(tree, index)
    assert merkle.root_from(tree[index], index, count, path) == merkle.root(tree)


@given(st.integers(2, 40), st.data())
def test_a_proof_that_lies_leads_elsewhere(count: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, count - 1))
    tree = leaves(count)
    path = merkle.proof(tree, index)
    root = merkle.root(tree)
    other = merkle.leaf_hash(b"other")
    broken = data.draw(st.integers(0, len(path) - 1))
    assert merkle.root_from(other, index, count, path) != root
    assert merkle.root_from(tree[index], index, count, path[:-1]) != root
    assert merkle.root_from(tree[index], index, count, [*path, other]) is None
    assert merkle.root_from(tree[index], index, count, [*path[:broken], other, *path[broken + 1 :]]) != root


def test_an_index_outside_the_tree() -> None:
    assert merkle.root_from(LEAVES[0], 1, 1, []) is None
    assert merkle.root_from(LEAVES[0], -1, 1, []) is None
    with pytest.raises(IndexError):
        merkle.proof(LEAVES, 8)


def test_no_node_passes_for_a_leaf() -> None:
    pair = b"".join(LEAVES[:2])
    assert merkle.leaf_hash(pair) != merkle.root(LEAVES[:2])


def test_roots_of_all_sizes_differ() -> None:
    roots = [merkle.root(leaves(n)) for n in range(20)]
    assert len(set(roots)) == 20
    assert all(a != b for a, b in pairwise(roots))
