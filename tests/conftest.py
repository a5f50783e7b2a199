"""Fixtures that every floor's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from storage import catalog as catalogs
from storage.catalog import Catalog

settings.register_profile("same every time", derandomize=True)  # a run that failed fails again, wherever it runs
settings.load_profile("same every time")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """A fresh, empty catalog."""
    with catalogs.create(tmp_path / "catalog") as fresh:
        yield fresh
