"""What a frozen cohort's Merkle root stands for, and proofs that need no catalog to be checked.

A leaf is the canonical JSON of one picture: `content_hash`, `crop`, `grant` (hash of the ledger event that
permits it) and `masks`; no name stands in it. A person's leaves, sorted, have a root of their own; the
cohort's root is that of the persons' roots, sorted, each hashed as a leaf (`core.merkle`). Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from core import merkle
from storage.records import Box, CohortItem

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Tree:
    """Every leaf under a cohort's root: by person's root, sorted, that person's leaf hashes, sorted."""

    people: Mapping[bytes, Sequence[bytes]]

    @property
    def root(self) -> bytes:
        return merkle.root(_upper(self.people))


def leaf_text(content_hash: str, crop: Box, masks: Sequence[Box], grant: str) -> str:
    """The canonical JSON that a leaf is the hash of."""
    picture = {"content_hash": content_hash, "crop": list(crop), "grant": grant, "masks": [list(box) for box in masks]}
    return json.dumps(picture, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def leaf(content_hash: str, crop: Box, masks: Sequence[Box], grant: str) -> str:
    """The leaf hash of one picture, hex."""
    return merkle.leaf_hash(leaf_text(content_hash, crop, masks, grant).encode()).hex()


def person_root(leaves: Iterable[str]) -> bytes:
    """The root over one person's leaves (hex, in any order): it depends on that person's pictures alone."""
    return merkle.root(sorted(map(bytes.fromhex, leaves)))


def tree(items: Iterable[CohortItem]) -> Tree:
    """The tree over a cohort's pictures, in whatever order they come."""
    by_person = sorted((item.subject_uid, item.leaf) for item in items)
    people = {}
    for _, group in groupby(by_person, key=lambda pair: pair[0]):
        leaves = [digest for _, digest in group]
        people[person_root(leaves)] = [bytes.fromhex(digest) for digest in leaves]
    return Tree(dict(sorted(people.items())))


def prove(whole: Tree, item: CohortItem) -> dict[str, Any]:
    """A proof, as JSON values, that a picture is under the tree's root; `check` checks it alone."""
    digest = bytes.fromhex(item.leaf)
    person, leaves = next((root, leaves) for root, leaves in whole.people.items() if digest in leaves)
    index, place = leaves.index(digest), list(whole.people).index(person)
    return {
        "format": FORMAT,
        "picture": json.loads(leaf_text(item.content_hash, item.crop, item.masks, item.grant)),
        "leaf": item.leaf,
        "person": _path(leaves, index),
        "person_root": person.hex(),
        "cohort": _path(_upper(whole.people), place),
        "root": whole.root.hex(),
    }


def check(proof: Mapping[str, Any], root: str) -> bool:
    """Whether a proof shows that its picture is under `root` (hex). False for nonsense, never an error."""
    try:
        picture = proof["picture"]
        digest = merkle.leaf_hash(
            leaf_text(picture["content_hash"], picture["crop"], picture["masks"], picture["grant"]).encode()
        )
        person = _led_to(digest, proof["person"])
        top = _led_to(merkle.leaf_hash(person), proof["cohort"]) if person is not None else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return top is not None and top.hex() == root


def _upper(people: Mapping[bytes, Sequence[bytes]]) -> list[bytes]:
    return [merkle.leaf_hash(root) for root in people]


def _path(leaves: Sequence[bytes], index: int) -> dict[str, Any]:
    return {"index": index, "size": len(leaves), "path": [one.hex() for one in merkle.proof(leaves, index)]}


def _led_to(digest: bytes, way: Mapping[str, Any]) -> bytes | None:
    return merkle.root_from(digest, way["index"], way["size"], [bytes.fromhex(one) for one in way["path"]])
