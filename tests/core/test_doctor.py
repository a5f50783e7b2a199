"""The doctor finds what is wrong with a catalog, and says nothing of one that is well."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from core import consent_actions, doctor, withdrawal
from storage import artifacts, subjects
from storage.catalog import Catalog
from storage.records import CohortRules, Purpose
from tests import composites
from tests.composites import Composite
from tests.tiny_base import write_tiny_base


@pytest.fixture
def made(catalog: Catalog, tmp_path: Path) -> Composite:
    base = write_tiny_base(tmp_path / "base")
    return composites.build(catalog, base, ["Ann", "Ben"], CohortRules(Purpose.TRAIN_INDIVIDUAL))


def complaints(catalog: Catalog) -> list[str]:
    return [finding.what for finding in doctor.examine(catalog) if not finding.ok]


def test_a_catalog_that_is_well(catalog: Catalog, made: Composite) -> None:
    findings = doctor.examine(catalog)
    assert all(finding.ok for finding in findings)
    assert {f"model {name}" for name in made.loras} <= {finding.what for finding in findings}


def test_a_changed_and_a_missing_model_file(catalog: Catalog, made: Composite) -> None:
    changed, missing = (catalog.models / artifacts.get_model(catalog, name).path for name in made.loras)
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(bytes(content))
    missing.unlink()
    assert complaints(catalog) == [
        f"model {made.loras[0]}: its file was changed since it was recorded",
        f"model {made.loras[1]}: its file is missing",
    ]


def test_a_file_that_no_model_names(catalog: Catalog, made: Composite) -> None:
    known = [f"{made.loras[0]}.preview.png", ".a.safetensors.1.0a1b2c3d.part"]
    for name in (*known, "stray.safetensors", "old.preview.png"):
        (catalog.models / name).write_bytes(b"weights")
    assert complaints(catalog) == [
        "models: unknown file old.preview.png: remove it",
        "models: unknown file stray.safetensors: remove it",
    ]


def test_files_that_others_may_read(catalog: Catalog) -> None:
    catalog.ledger_path.chmod(0o644)
    assert complaints(catalog) == ["open to other users: ledger.jsonl"]


def test_a_changed_ledger_file(catalog: Catalog) -> None:
    subjects.add(catalog, "Ann", minor=True)
    text = catalog.ledger_path.read_text(encoding="utf-8")
    catalog.ledger_path.write_text(text.replace("age", "aga", 1), encoding="utf-8")
    assert complaints(catalog) == ["ledger: broken at event 1: event 1 of ledger.jsonl was changed"]


def test_evidence_that_was_changed(catalog: Catalog, tmp_path: Path) -> None:
    subjects.add(catalog, "Ann", born=date(1980, 1, 1))
    release = tmp_path / "release.pdf"
    release.write_bytes(b"signed")
    consent_actions.grant(catalog, ["Ann"], [Purpose.PRINT], by="me", evidence=release, keep_evidence=True)
    assert complaints(catalog) == []
    [kept] = catalog.evidence.iterdir()
    kept.write_bytes(b"forged")
    assert complaints(catalog) == [f"evidence: changed since it was kept: {kept.name}"]


@pytest.mark.usefixtures("made")
def test_what_a_withdrawal_quarantined_is_no_complaint(catalog: Catalog) -> None:
    withdrawal.withdraw(catalog, "Ann", [Purpose.TRAIN_INDIVIDUAL], by="me")
    assert complaints(catalog) == []
