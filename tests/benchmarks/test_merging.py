"""What is claimed of merging can be measured again: both commands run to their end at their smallest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def said(*arguments: str) -> str:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_everyone_leaves_and_is_as_never_there() -> None:
    told = said("benchmarks.unlearning", "--people", "3", "--steps", "1")
    assert "3 of 3 people: all files of 4 merges are those that never held them, byte for byte" in told
    assert "training the other 2 again" in told


@pytest.mark.slow
def test_every_way_of_merging_is_measured() -> None:
    told = said("benchmarks.merging", "--width", "16", "--people", "3", "--repeats", "1").splitlines()[1:]
    steps = [line.split(":")[0] for line in told]
    assert {"bake", "mean of 5 UNets", "mean of LoRAs"} == set(steps)
    assert all(" MB" in line for line in told)
