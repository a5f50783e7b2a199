"""Sparse Merkle trees over SHA-256 whose proofs tell of one key whether it is there, and of no other key anything.

A key's place is 256 bits, of which the first DEPTH lead from the top to it. What lies beside the way is hashed with a
blind, whether there is something or not, so that a sibling in a proof does not tell which. Every place down to the
full levels is written out, so that almost all ways to an empty place are of the same length too. The exact format,
and what a proof still tells: `docs/proofs.md`. Pure; a proof is checked with nothing but this module and the root.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FORMAT = 2
DEPTH = 128  # two keys made to meet in all of it cost 2**64 hashes
ROOM = 4  # places written out for each key, at the least
LEAST_LEVELS = 4

_NODE = f"kyodaku/{FORMAT}/node\n".encode()
_EMPTY = f"kyodaku/{FORMAT}/empty\n".encode()


@dataclass(frozen=True, slots=True)
class Way:
    """From a place to the top: sibling hashes, the lowest first. `blind` opens an empty place; None: a leaf."""

    path: Sequence[bytes]
    blind: bytes | None


def digest(kind: str, *parts: bytes) -> bytes:
    """SHA-256 of the parts behind a line that says what they are, 32 bytes: nothing passes for another kind."""
    return hashlib.sha256(f"kyodaku/{FORMAT}/{kind}\n".encode() + b"".join(parts)).digest()


def root(leaves: Mapping[bytes, bytes], secret: bytes) -> bytes:
    """The root over leaf hashes by their places (32 bytes each). `secret` blinds what is empty."""
    return digest("root", _Tree(leaves, secret, None).top())


def way(leaves: Mapping[bytes, bytes], secret: bytes, place: bytes) -> Way:
    """What leads from a place, taken or empty, to the root."""
    tree = _Tree(leaves, secret, place)
    tree.top()
    return Way(tuple(tree.path), tree.blind)


def empty(blind: bytes) -> bytes:
    """The hash of a place, or of all below one, where there is nothing."""
    return hashlib.sha256(_EMPTY + blind).digest()


def led_to(place: bytes, held: bytes, path: Sequence[bytes]) -> bytes:
    """The root that a path leads to from the hash held at a place."""
    bits = _bits(place)
    for level, sibling in zip(range(len(path) - 1, -1, -1), path, strict=True):
        held = _node(sibling, held) if bits >> (DEPTH - 1 - level) & 1 else _node(held, sibling)
    return digest("root", held)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()


def _bits(place: bytes) -> int:
    return int.from_bytes(place[: DEPTH // 8])


@dataclass(slots=True)
class _Tree:
    """One tree, folded from below; leaves behind what lies beside the way from `sought`."""

    leaves: Mapping[bytes, bytes]
    secret: bytes
    sought: bytes | None
    path: list[bytes] = field(default_factory=list)
    blind: bytes | None = None

    def top(self) -> bytes:
        levels = max(LEAST_LEVELS, (ROOM * len(self.leaves) - 1).bit_length())
        places: dict[int, list[bytes]] = defaultdict(list)
        for place in self.leaves:
            places[_bits(place) >> (DEPTH - levels)].append(place)
        way = None if self.sought is None else _bits(self.sought) >> (DEPTH - levels)
        row = [self._below(places.get(n, ()), levels, n, n == way) for n in range(1 << levels)]
        while len(row) > 1:
            if way is not None:
                self.path.append(row[way ^ 1])
                way >>= 1
            row = [_node(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
        return row[0]

    def _below(self, places: Sequence[bytes], level: int, prefix: int, on_way: bool) -> bytes:
        """The hash of all at and below a place; `prefix` is the way to it, `level` bits long."""
        if not places:
            blind = hashlib.sha256(self.secret + level.to_bytes(2) + prefix.to_bytes(DEPTH // 8)).digest()
            if on_way:
                self.blind = blind
            return empty(blind)
        if len(places) == 1:
            return self._line(places[0], level, on_way)
        if level == DEPTH:
            raise ValueError("two keys have one place")
        shift = DEPTH - 1 - level
        halves: tuple[list[bytes], list[bytes]] = ([], [])
        for place in places:
            halves[_bits(place) >> shift & 1].append(place)
        turn = None if self.sought is None or not on_way else _bits(self.sought) >> shift & 1
        left, right = (self._below(halves[bit], level + 1, prefix << 1 | bit, turn == bit) for bit in (0, 1))
        if turn is not None:
            self.path.append(left if turn else right)
        return _node(left, right)

    def _line(self, place: bytes, level: int, on_way: bool) -> bytes:
        """The hash of what is below a place where one leaf is: its way down to DEPTH, with nothing beside it."""
        blinds = hashlib.shake_256(self.secret + place).digest(32 * (DEPTH - level))
        bits, held = _bits(place), self.leaves[place]
        shared = -1  # levels that the way sought goes together with this one
        if on_way and self.sought is not None:
            shared = DEPTH - (bits ^ _bits(self.sought)).bit_length()
        for at in range(DEPTH - 1, level - 1, -1):
            blind = blinds[32 * (at - level) : 32 * (at - level + 1)]
            beside = hashlib.sha256(_EMPTY + blind).digest()
            if at < shared:
                self.path.append(beside)
            elif at == shared:
                self.path.append(held)
                self.blind = blind
            held = _node(beside, held) if bits >> (DEPTH - 1 - at) & 1 else _node(held, beside)
        return held
