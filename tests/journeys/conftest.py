"""A fresh catalog for each journey."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.driver import Kyodaku


@pytest.fixture
def kyodaku(tmp_path: Path) -> Kyodaku:
    """The program on a fresh catalog."""
    program = Kyodaku(tmp_path / "catalog")
    assert program("init").status == 0
    return program
