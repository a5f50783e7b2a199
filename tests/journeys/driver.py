"""Drives the program as its user does: one process a command, through the installed command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "sample_data"


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Kyodaku:
    """The program on one catalog."""

    catalog: Path

    def __call__(self, *arguments: str | Path) -> Said:
        """Run one command to its end, whatever its status."""
        command = [sys.executable, "-P", "-m", "tui.cli", "-C", self.catalog, *arguments]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert "Traceback" not in ran.stderr, ran.stderr
        return Said(ran.returncode, ran.stdout, ran.stderr)

    def json(self, *arguments: str | Path, expect: Sequence[int] = (0,)) -> Any:
        """Run one command with --json; its one document."""
        said = self(*arguments, "--json")
        assert said.status in expect, said
        return said.document if said.out else None
