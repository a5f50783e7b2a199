"""What a root stands for, and that a proof holds for its own photograph and root alone, here and in docs/."""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import merkle, proofs
from storage.records import CohortItem

SCRIPT = Path(__file__).parents[2] / "docs" / "verify_proof.py"
SAYS = {"INCLUDED": True, "NOT INCLUDED": False}
MASKS = ((1, 2, 3, 4),)
GRANT = "ab" * 32


def content(number: int) -> str:
    return hashlib.sha256(f"photograph {number}".encode()).hexdigest()


def item(person: str, number: int, salt: str | None = None) -> CohortItem:
    crop = (0, 0, number + 1, 9 + ord(person))
    secret = proofs.secret_of(salt or f"salt of {person}", content(number), crop, MASKS, GRANT)
    leaf = proofs.leaf(content(number), crop, MASKS, GRANT, secret)
    return CohortItem(number, number, ord(person), person, content(number), crop, MASKS, GRANT, leaf, secret)


ITEMS = [item(person, n) for person, numbers in (("a", (0, 1, 2)), ("b", (3,)), ("c", (2, 4, 5, 6))) for n in numbers]
TREE = proofs.tree(ITEMS)
ROOT = TREE.root
TAKEN, ABSENT = content(2), content(99)  # 2: of both a and c


def proof(photograph: str, tree: proofs.Tree = TREE, subject: int | None = None) -> dict[str, Any]:
    return proofs.document(photograph, [proofs.prove(tree, photograph, subject)])


def script_says(text: str, root: str, photograph: str, folder: Path, *flags: str) -> bool | None:
    """What the script in docs, in a process of its own, proves; None with exit status 1."""
    (folder / "proof.json").write_text(text)
    command = [sys.executable, "-I", *flags, str(SCRIPT), str(folder / "proof.json"), root, photograph]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ran.returncode in (0, 1)
    assert (ran.returncode == 0) == (ran.stdout.strip() in SAYS)
    assert "Traceback" not in ran.stderr
    return SAYS[ran.stdout.strip()] if ran.returncode == 0 else None


def test_the_script_is_short_and_needs_python_alone() -> None:
    source = SCRIPT.read_text()
    assert len(source.splitlines()) <= 60
    imported = {
        alias.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {node.module or "" for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}
    assert imported == {"hashlib", "json", "sys", "pathlib"}
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(source)))  # python -O leaves them out


@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000])
def test_every_size_proves_both_ways(size: int, tmp_path: Path) -> None:
    tree = proofs.tree([item("a", n) for n in range(size)])
    for photograph, included in ((content(size - 1), size > 0), (content(size), False), ("00" * 32, False)):
        text = proofs.written(proof(photograph, tree))
        assert proofs.check(text, [tree.root], photograph) is included
        assert script_says(text, tree.root, photograph, tmp_path, "-O") is included


def test_a_root_does_not_depend_on_order_and_a_persons_on_them_alone() -> None:
    assert proofs.tree(reversed(ITEMS)).root == ROOT
    own = [one for one in ITEMS if one.subject_uid == "c"]
    assert proofs.tree(own).root == proofs.tree([one for one in reversed(ITEMS) if one.subject_uid == "c"]).root != ROOT


def test_all_a_picture_is_stands_in_its_leaf() -> None:
    one = ITEMS[0]
    parts = (one.content_hash, one.crop, one.masks, one.grant, one.secret)
    other = (content(9), (0, 0, 1, 1), (), "cd" * 32, "ef" * 32)
    leaves = {proofs.leaf(*(parts[:at] + other[at : at + 1] + parts[at + 1 :])) for at in range(5)}
    assert len(leaves | {one.leaf}) == 6
    assert proofs.tree([*ITEMS[1:], replace(one, leaf="00" * 32)]).root != ROOT


def test_a_photograph_of_two_shows_both_or_one(tmp_path: Path) -> None:
    both, one = proof(TAKEN), proof(TAKEN, subject=ord("c"))
    assert [set(shown) for shown in both["proofs"][0]["pictures"]] == [{"blind", "crop", "grant", "masks"}] * 2
    hidden = [shown for shown in one["proofs"][0]["pictures"] if "hidden" in shown]
    assert hidden == [{"hidden": next(it.leaf for it in ITEMS if it.content_hash == TAKEN and it.subject_uid == "a")}]
    for given_on in (both, one):
        assert proofs.check(proofs.written(given_on), [ROOT], TAKEN) is True
        assert script_says(proofs.written(given_on), ROOT, TAKEN, tmp_path) is True


def test_a_proof_tells_nothing_of_other_photographs() -> None:
    """Whoever has another photograph, and knows all of it but its blind, finds no trace of it."""
    for photograph in (TAKEN, ABSENT, content(3)):
        text = proofs.written(proof(photograph))
        for other in ITEMS:
            if other.content_hash == photograph:
                continue
            digest = merkle.digest("photograph", other.content_hash.encode(), bytes.fromhex(other.leaf)).hex()
            for trace in (other.content_hash, other.leaf, other.secret, digest):
                assert trace not in text
            assert merkle.digest("place", other.content_hash.encode()).hex() not in text
        assert not any(secret.secret in text for secret in ITEMS)
        assert '"a"' not in text
    again = proofs.tree([item(one.subject_uid, one.photo_id, "other salt") for one in ITEMS])
    assert not set(proof(ABSENT)["proofs"][0]["path"]) & set(proof(ABSENT, again)["proofs"][0]["path"])


def test_for_another_photograph_or_root_it_proves_nothing(tmp_path: Path) -> None:
    other = proofs.tree(ITEMS[:-1]).root
    for photograph, wrong in ((TAKEN, content(0)), (ABSENT, content(98)), (TAKEN, ABSENT), (ABSENT, TAKEN)):
        text = proofs.written(proof(photograph))
        moved = proofs.written({**proof(photograph), "content_hash": wrong})
        for told, root, asked in ((text, ROOT, wrong), (moved, ROOT, wrong), (text, other, photograph)):
            assert proofs.check(told, [root], asked) is None
            assert script_says(told, root, asked, tmp_path) is None


def test_all_roots_must_be_shown_and_no_others() -> None:
    own = {person: proofs.tree([one for one in ITEMS if one.subject_uid == person]) for person in "abc"}
    roots = [tree.root for tree in own.values()]
    for photograph, included in ((content(3), True), (ABSENT, False)):
        parts = [proofs.prove(tree, photograph) for tree in own.values()]
        text = proofs.written(proofs.document(photograph, parts))
        assert proofs.check(text, roots, photograph) is included
        assert proofs.check(text, roots[:2], photograph) is None
        assert proofs.check(text, [*roots, ROOT], photograph) is None
        assert proofs.check(proofs.written(proofs.document(photograph, parts[:2])), roots, photograph) is None
        assert (
            proofs.check(proofs.written(proofs.document(photograph, [*parts[:2], parts[0]])), roots, photograph) is None
        )
    assert proofs.check(proofs.written(proofs.document(TAKEN, [])), [], TAKEN) is None


def claimed_absent(one: dict[str, Any]) -> None:
    [shown] = one.pop("pictures")
    one["absent"] = shown["blind"]


def claimed_included(one: dict[str, Any]) -> None:
    one["pictures"] = [{"blind": one.pop("absent"), "crop": [0, 0, 1, 1], "grant": GRANT, "masks": []}]


LIES: list[tuple[int, Callable[[dict[str, Any]], Any]]] = [
    (3, claimed_absent),
    (99, claimed_included),
    (99, lambda one: one.update(pictures=[{"hidden": one.pop("absent")}])),
    (99, lambda one: one.update(pictures=[])),
    (99, lambda one: one["path"].pop(0)),
    (99, lambda one: one["path"].insert(0, "00" * 32)),
    (99, lambda one: one["path"].extend(["00" * 32] * 130)),
    (99, lambda one: one.update(path=3)),
    (3, lambda one: one.update(pictures=[])),
    (3, lambda one: one["pictures"].append({"hidden": "00" * 32})),
    (3, lambda one: one["pictures"][0].update(crop=[0, 0, 4.0, 107])),
    (3, lambda one: one["pictures"][0].update(masks=[])),
    (3, lambda one: one["pictures"][0].update(grant="cd" * 32)),
    (3, lambda one: one["pictures"][0].update(content_hash=content(3))),
    (3, lambda one: one["path"].reverse()),
    (3, lambda one: one.pop("path")),
    (3, lambda one: one.update(root=one["root"].upper())),
    (3, lambda one: one.update(pictures=None)),
]


@pytest.mark.parametrize(("number", "lie"), LIES)
def test_lies_prove_nothing(number: int, lie: Callable[[dict[str, Any]], Any], tmp_path: Path) -> None:
    told = proof(content(number))
    assert proofs.check(proofs.written(told), [ROOT], content(number)) is (number == 3)
    lie(told["proofs"][0])
    assert proofs.check(proofs.written(told), [ROOT], content(number)) is None
    assert script_says(proofs.written(told), ROOT, content(number), tmp_path) is None


def mutated(text: bytes, at: int, how: str, byte: int) -> bytes:
    at %= len(text)
    middle = {"change": bytes([byte]), "insert": bytes([byte]) + text[at : at + 1], "remove": b""}[how]
    return text[:at] + middle + text[at + 1 :]


MUTATION = st.tuples(st.integers(0, 20_000), st.sampled_from(["change", "insert", "remove"]), st.integers(0, 255))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([TAKEN, ABSENT]), MUTATION)
def test_any_changed_byte_ends_it(photograph: str, mutation: tuple[int, str, int]) -> None:
    written = proofs.written(proof(photograph)).encode()
    changed = mutated(written, *mutation)
    shown = proofs.check(changed.decode("latin-1"), [ROOT], photograph)
    assert shown is ((photograph == TAKEN) if changed == written else None)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(photograph=st.sampled_from([TAKEN, ABSENT]), mutation=MUTATION)
def test_any_changed_byte_ends_it_for_the_script(
    photograph: str, mutation: tuple[int, str, int], tmp_path: Path
) -> None:
    written = proofs.written(proof(photograph))
    changed = mutated(written.encode(), *mutation).decode("latin-1")
    if changed.isascii():
        shown = script_says(changed, ROOT, photograph, tmp_path)
        assert shown is ((photograph == TAKEN) if changed == written else None)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 63), st.sampled_from("0123456789abcdefABCDEF \n"))
def test_any_changed_digit_of_the_root_ends_it(at: int, digit: str) -> None:
    root = ROOT[:at] + digit + ROOT[at + 1 :]
    for photograph in (TAKEN, ABSENT):
        shown = proofs.check(proofs.written(proof(photograph)), [root], photograph)
        assert shown is ((photograph == TAKEN) if root == ROOT else None)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["content_hash", "format", "proofs", "path", "root", "pictures", "absent"]), inner
            )
        ),
    )
)
def test_nonsense_is_no_error(value: Any) -> None:
    assert proofs.check(json.dumps(value), [ROOT], TAKEN) is None
    assert proofs.check(proofs.written({"content_hash": TAKEN, "format": 2, "proofs": [value]}), [ROOT], TAKEN) is None
