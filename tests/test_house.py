"""The house plan at run time: what a floor loads, and what must not be loaded with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "diffusers", "transformers", "peft", "facenet_pytorch", "dlib", "sklearn", "onnxruntime", "faiss")


def loaded_by(*modules: str) -> set[str]:
    """Top-level names in sys.modules after importing these modules in a process of its own."""
    code = f"import sys, {', '.join(modules)}; print('\\n'.join({{name.split('.')[0] for name in sys.modules}}))"
    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize(
    "entry",
    [
        "tui.cli",
        "tui.app",
        "tui.commands.models",
        "tui.commands.pictures",
        "core.jobs",
        "core.withdrawal",
        "core.people",
    ],
)
def test_what_answers_keys_and_commands_loads_no_model_library(entry: str) -> None:
    assert not loaded_by(entry) & set(HEAVY)


@pytest.mark.parametrize("module", ["core.consent", "core.merkle", "core.framing", "core.audit_stats"])
def test_pure_rooms_load_no_database(module: str) -> None:
    assert "sqlite3" not in loaded_by(module)


def test_storage_does_not_know_the_floors_above() -> None:
    names = loaded_by("storage.catalog", "storage.photos", "storage.faces", "storage.ledger", "storage.artifacts")
    assert not names & {"core", "tui"}
