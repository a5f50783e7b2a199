"""A model's file is held against its record, a merge against its ingredients."""

from __future__ import annotations

import pytest

from core.errors import BadLora
from core.merging.catalogued import merge_average
from core.verification import verify
from storage.catalog import Catalog
from tests.composites import Composite


def test_verify_finds_a_changed_file(catalog: Catalog, three: Composite) -> None:
    for name in ("mean", "baked", three.loras[0]):
        assert verify(catalog, name).ok
    path = catalog.models / "mean.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"kyodaku.people":"3"', b'"kyodaku.people":"1"'))
    assert path.read_bytes() != whole
    found = verify(catalog, "mean")
    assert not found.ok
    assert "was changed" in found.lines()[0]
    path.unlink()
    assert "missing" in verify(catalog, "mean").lines()[0]


def test_verify_finds_that_an_ingredient_was_exchanged(catalog: Catalog, three: Composite) -> None:
    (first, second) = (catalog.models / f"{name}.safetensors" for name in three.loras[:2])
    first.write_bytes(second.read_bytes())
    found = verify(catalog, "mean")
    assert not found.ok
    assert f"comes out differently: weights (changed since: its ingredient {three.loras[0]})" in found.lines()[1]
    assert not verify(catalog, three.loras[0]).ok
    with pytest.raises(BadLora, match="was changed since"):
        merge_average(catalog, three.loras, "another")


@pytest.mark.parametrize("name", ["text_encoder/model.safetensors", "tokenizer/vocab.json", "unet/more.safetensors"])
@pytest.mark.usefixtures("three")
def test_verify_compares_every_file_of_a_checkpoint(catalog: Catalog, name: str) -> None:
    path = catalog.models / "baked" / name
    path.write_bytes(path.read_bytes()[:-1] + b"x" if path.exists() else b"x")
    found = verify(catalog, "baked")
    assert not found.ok
    assert name in found.lines()[1]
