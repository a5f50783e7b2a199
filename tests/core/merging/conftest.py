"""What tests of merging start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_base import write_tiny_base


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of random weights, in diffusers' layout."""
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")
