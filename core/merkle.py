"""Merkle trees over SHA-256, as in RFC 6962 (section 2.1): roots, inclusion proofs and their check.

Leaves and nodes are hashed under different first bytes, so that no node passes for a leaf. Pure; a proof
is checked with nothing but this module and the root.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf, 32 bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Root over leaf hashes in their order, 32 bytes; the hash of nothing for no leaves.

    Joins subtrees of equal size as leaves come, which gives RFC 6962's tree in one pass.
    """
    if not leaves:
        return EMPTY
    stack: list[tuple[int, bytes]] = []  # (leaves below, hash), sizes falling
    for leaf in leaves:
        size, held = 1, leaf
        while stack and stack[-1][0] == size:
            _, left = stack.pop()
            size, held = size * 2, _node(left, held)
        stack.append((size, held))
    _, held = stack.pop()
    while stack:
        _, left = stack.pop()
        held = _node(left, held)
    return held


def proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of the leaf at `index`: sibling hashes from the leaf up. Raises IndexError."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*proof(leaves[:split], index), root(leaves[split:])]
    return [*proof(leaves[split:], index - split), root(leaves[:split])]


def root_from(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an audit path leads to from a leaf hash; None where the path is not of that tree's shape.

    RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size:
        return None
    place, last, held = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            held = _node(sibling, held)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            held = _node(held, sibling)
        place, last = place >> 1, last >> 1
    return held if last == 0 else None
