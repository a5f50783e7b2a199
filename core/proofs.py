"""What a root over pictures stands for, and proofs that a photograph is under it, or that it is not.

A leaf is a photograph with the hashes of the pictures taken from it; a picture's hash covers the photograph's content
hash, crop, masks, the grant that permits it and a blind that only its own proof shows. The same tree stands over one
person's pictures and over a whole cohort's. Format, and what a proof tells of others: `docs/proofs.md`. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import merkle
from storage.records import Box, CohortItem


@dataclass(frozen=True, slots=True)
class Tree:
    """The photographs under a root: by content hash their pictures, in the order of their hashes."""

    photographs: Mapping[str, Sequence[CohortItem]]
    secret: bytes

    @property
    def root(self) -> str:
        """Hex."""
        return merkle.root(self.leaves(), self.secret).hex()

    def leaves(self) -> dict[bytes, bytes]:
        """The photographs' hashes by their places."""
        return {
            _place(content): _photograph(content, [bytes.fromhex(item.leaf) for item in items])
            for content, items in self.photographs.items()
        }


def secret_of(salt: str, content_hash: str, crop: Box, masks: Sequence[Box], grant: str) -> str:
    """What blinds a picture, hex; it stays in the catalog. It depends on the person, by their salt, and the picture."""
    text = _text({"content_hash": content_hash, "crop": list(crop), "grant": grant, "masks": [list(m) for m in masks]})
    return hmac.new(salt.encode(), text.encode(), hashlib.sha256).hexdigest()


def leaf(content_hash: str, crop: Box, masks: Sequence[Box], grant: str, secret: str) -> str:
    """The hash of one picture, hex."""
    return _picture(content_hash, _shown(crop, masks, grant, secret)).hex()


def tree(items: Iterable[CohortItem]) -> Tree:
    """The tree over pictures, in whatever order they come."""
    photographs: dict[str, list[CohortItem]] = defaultdict(list)
    for item in sorted(items, key=lambda item: item.leaf):
        photographs[item.content_hash].append(item)
    secrets = sorted(bytes.fromhex(item.secret) for own in photographs.values() for item in own)
    return Tree(photographs, merkle.digest("secret", *secrets))


def prove(whole: Tree, content_hash: str, subject_id: int | None = None) -> dict[str, Any]:
    """What shows that a photograph is under the tree's root, or that it is not, as JSON values.

    Of a photograph of several people, with `subject_id` only that person's pictures are shown; of the others, hashes.
    """
    place, leaves = _place(content_hash), whole.leaves()
    way = merkle.way(leaves, whole.secret, place)
    held = leaves[place] if way.blind is None else merkle.empty(way.blind)
    path, root = [one.hex() for one in way.path], merkle.led_to(place, held, way.path).hex()
    if way.blind is not None:
        return {"absent": way.blind.hex(), "path": path, "root": root}
    pictures = [
        _shown(item.crop, item.masks, item.grant, item.secret)
        if subject_id in (None, item.subject_id)
        else {"hidden": item.leaf}
        for item in whole.photographs[content_hash]
    ]
    return {"path": path, "pictures": pictures, "root": root}


def document(content_hash: str, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is handed on: the photograph and what `prove` gave for one root or several."""
    return {"content_hash": content_hash, "format": merkle.FORMAT, "proofs": [dict(part) for part in parts]}


def written(proof: Mapping[str, Any]) -> str:
    """The one form in which a proof is a file."""
    return json.dumps(proof, indent=2, sort_keys=True) + "\n"


def check(text: str, roots: Collection[str], content_hash: str) -> bool | None:
    """What a written proof shows of a photograph, for all of these roots (hex) and no others.

    True: it is under one of them at least; False: under none; None: nothing is shown. Never an error.
    """
    try:
        proof = json.loads(text)
        if text != written(proof) or set(proof) != {"content_hash", "format", "proofs"}:
            return None
        if (proof["content_hash"], repr(proof["format"])) != (content_hash, repr(merkle.FORMAT)) or not roots:
            return None
        if sorted(part["root"] for part in proof["proofs"]) != sorted(set(roots)):
            return None
        shown = [_shows(content_hash, part) for part in proof["proofs"]]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None
    return None if None in shown else any(shown)


def _shows(content_hash: str, part: Mapping[str, Any]) -> bool | None:
    """Whether the photograph is under the part's root, or None where the part does not show it."""
    _raw(content_hash)
    path = [_raw(one) for one in part["path"]]
    if set(part) == {"absent", "path", "root"} and len(path) <= merkle.DEPTH:
        held, there = merkle.empty(_raw(part["absent"])), False
    elif set(part) == {"path", "pictures", "root"} and len(path) == merkle.DEPTH and part["pictures"]:
        pictures = [
            _raw(one["hidden"]) if set(one) == {"hidden"} else _picture(content_hash, one) for one in part["pictures"]
        ]
        held, there = _photograph(content_hash, pictures), True
    else:
        return None
    return there if merkle.led_to(_place(content_hash), held, path) == _raw(part["root"]) else None


def _shown(crop: Box, masks: Sequence[Box], grant: str, secret: str) -> dict[str, Any]:
    """A picture as its own proof shows it."""
    blind = merkle.digest("blind", bytes.fromhex(secret)).hex()
    return {"blind": blind, "crop": list(crop), "grant": grant, "masks": [list(mask) for mask in masks]}


def _picture(content_hash: str, shown: Mapping[str, Any]) -> bytes:
    return merkle.digest("picture", content_hash.encode(), _text(shown).encode())


def _photograph(content_hash: str, pictures: Sequence[bytes]) -> bytes:
    return merkle.digest("photograph", content_hash.encode(), *pictures)


def _place(content_hash: str) -> bytes:
    return merkle.digest("place", content_hash.encode())


def _text(value: Mapping[str, Any]) -> str:
    """Canonical JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _raw(text: str) -> bytes:
    """32 bytes from 64 lower-case hex digits. Raises ValueError."""
    value = bytes.fromhex(text)
    if len(value) != 32 or value.hex() != text:
        raise ValueError("no hash")
    return value
