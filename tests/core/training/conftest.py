"""What tests of the trainer start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.catalog import Catalog
from tests import small_archive
from tests.small_archive import SmallArchive
from tests.tiny_base import write_tiny_base


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of random weights, in diffusers' layout."""
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture
def archive(catalog: Catalog, tmp_path: Path) -> SmallArchive:
    """Three people with three pictures each, who allow training."""
    return small_archive.build(catalog, tmp_path / "archive")
