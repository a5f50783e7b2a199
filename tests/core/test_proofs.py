"""What the cohort's root stands for, and that a proof holds for its own picture and root alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core import proofs
from storage.records import CohortItem


def item(person: str, number: int) -> CohortItem:
    content, crop, masks, grant = f"{person}{number}", (0, 0, number + 1, 9), ((1, 2, 3, 4),), f"grant of {person}"
    return CohortItem(
        number, number, ord(person), person, content, crop, masks, grant, proofs.leaf(content, crop, masks, grant)
    )


ITEMS = [item(person, n) for person, count in (("a", 3), ("b", 1), ("c", 5)) for n in range(count)]
ROOT = proofs.tree(ITEMS).root.hex()


def test_the_root_does_not_depend_on_order() -> None:
    assert proofs.tree(reversed(ITEMS)).root.hex() == ROOT


def test_a_persons_root_depends_on_that_person_alone() -> None:
    own = [one.leaf for one in ITEMS if one.subject_uid == "c"]
    assert proofs.person_root(own) in proofs.tree(ITEMS).people
    assert proofs.person_root(reversed(own)) in proofs.tree([one for one in ITEMS if one.subject_uid != "a"]).people


@pytest.mark.parametrize("one", ITEMS, ids=lambda one: one.content_hash)
def test_every_picture_is_proved_through_json(one: CohortItem) -> None:
    proof = json.loads(json.dumps(proofs.prove(proofs.tree(ITEMS), one)))
    assert proofs.check(proof, ROOT)
    assert not proofs.check(proof, "0" * 64)
    assert one.subject_uid not in proof.get("picture")


def changed(proof: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    copied = copy.deepcopy(proof)
    change(copied)
    return copied


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: proof["picture"].update(content_hash="other"),
        lambda proof: proof["picture"].update(crop=[0, 0, 1, 1]),
        lambda proof: proof["picture"].update(masks=[]),
        lambda proof: proof["picture"].update(grant="other"),
        lambda proof: proof["person"].update(index=1 - min(1, proof["person"]["index"])),
        lambda proof: proof["person"]["path"].reverse(),
        lambda proof: proof["person"]["path"].pop(),
        lambda proof: proof["person"]["path"].append("zz"),
        lambda proof: proof["cohort"].update(size=1),
        lambda proof: proof["cohort"].update(path=3),
        lambda proof: proof.pop("person"),
        lambda proof: proof.update(picture=None),
        lambda proof: proof.update(picture={}),
    ],
)
def test_a_proof_that_was_changed_proves_nothing(change: Callable[[dict[str, Any]], Any]) -> None:
    proof = proofs.prove(proofs.tree(ITEMS), ITEMS[-1])
    assert proofs.check(proof, ROOT)
    assert not proofs.check(changed(proof, change), ROOT)


def test_another_grant_or_crop_is_another_leaf() -> None:
    one = ITEMS[0]
    leaves = {
        proofs.leaf(one.content_hash, one.crop, one.masks, one.grant),
        proofs.leaf(one.content_hash, one.crop, one.masks, "later grant"),
        proofs.leaf(one.content_hash, (0, 0, 1, 1), one.masks, one.grant),
        proofs.leaf(one.content_hash, one.crop, (), one.grant),
    }
    assert len(leaves) == 4
    assert proofs.tree([*ITEMS[1:], replace(one, leaf="00" * 32)]).root.hex() != ROOT
