"""Hypernetworks: A1111's formula and layout, trained through the same gate, drawn with, and never averaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import linear

from core import base_model, hypernetwork, withdrawal
from core.errors import BadLora, ConsentLost
from core.generate import add_lora
from core.hypernetwork import ACTIVATIONS, Hypernetwork, put_on, take_off, widths_of
from core.merging.formats import read_lora
from core.progress import Step
from core.training.loop import train
from core.training.recipe import Recipe
from storage import artifacts
from storage.records import ModelKind, ModelState, Purpose
from storage.tensors import read_header
from tests import small_archive
from tests.small_archive import SmallArchive
from tests.tiny_base import write_tiny_base

RECIPE = Recipe(learns="hypernetwork", activation="relu", steps=4, batch=2, lr=1e-2, previews=0)
CONTEXTS = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> base_model.Base:
    return base_model.load(tiny_base, "cpu")


@pytest.fixture
def archive(catalog: small_archive.Catalog, tmp_path: Path) -> SmallArchive:
    return small_archive.build(catalog, tmp_path / "archive")


def seeded(widths: list[int], activation: str) -> Hypernetwork:
    network = Hypernetwork(widths, activation).requires_grad_(False)
    for number, parameter in enumerate(network.parameters()):
        values = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
        parameter.copy_(values / 10)
    return network


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_keys_and_values_are_made_through_it(base: base_model.Base, activation: str) -> None:
    """As A1111 has it: k = to_k(c + W2 act(W1 c + b1) + b2), and v by weights of its own."""
    unet = base.pipe.unet
    network = seeded(widths_of(unet), activation)
    attention = next(module for name, module in unet.named_modules() if name.endswith("attn2"))
    before = attention.to_k(CONTEXTS)
    put_on(unet, network)
    tensors = network.tensors()
    last = 1 if activation == "linear" else 2
    for half, layer in enumerate((attention.to_k, attention.to_v)):
        w1, b1, w2, b2 = (tensors[f"16.{half}.linear.{at}.{end}"] for at in (0, last) for end in ("weight", "bias"))
        told = linear(ACTIVATIONS[activation]()(linear(CONTEXTS, w1, b1)), w2, b2)
        expected = linear(CONTEXTS + told, layer.weight)
        torch.testing.assert_close(layer(CONTEXTS), expected)
    put_on(unet, network)  # again: it is worn once
    assert not torch.equal(attention.to_k(CONTEXTS), before)
    take_off(unet)
    assert torch.equal(attention.to_k(CONTEXTS), before)


def test_a_file_comes_back(tmp_path: Path) -> None:
    network = seeded([16, 32], "leakyrelu")
    path = tmp_path / "network.safetensors"
    hypernetwork.write(path, network, {"modelspec.title": "test"})
    assert hypernetwork.is_one(path)
    assert {"16.0.linear.0.weight", "16.1.linear.2.bias", "32.1.linear.2.weight"} <= load_file(path).keys()
    again = hypernetwork.read(path)
    assert again.activation == "leakyrelu"
    assert all(torch.equal(value, again.tensors()[name]) for name, value in network.tensors().items())
    with pytest.raises(BadLora, match="hypernetworks are not read"):
        read_lora(path)
    save_file({"16.0.linear.0.weight": torch.zeros(32, 16)}, path)
    with pytest.raises(BadLora, match="holds no hypernetwork"):
        hypernetwork.read(path)
    path.write_bytes(b"")
    assert not hypernetwork.is_one(path)


def test_it_is_trained_put_on_record_and_taken_out_of_use(archive: SmallArchive, tiny_base: Path) -> None:
    catalog = archive.catalog
    archive.freeze()
    (name,) = train(catalog, "all", tiny_base, "net", mode="pooled", recipe=RECIPE)
    model = artifacts.get_model(catalog, name)
    path = catalog.models / model.path
    assert model.kind is ModelKind.POOLED
    assert artifacts.shares_of(catalog, model.id) == pytest.approx({person.id: 1 / 3 for person in archive.people})
    told = read_header(path).metadata
    assert told["modelspec.architecture"].endswith("/hypernetwork")
    assert "ss_network_module" not in told
    own = base_model.load(tiny_base, "cpu")
    add_lora(own, path, model.content_hash)
    bare, worn = (_answer(replace(own, pipe=pipe)) for pipe in (base_model.load(tiny_base, "cpu").pipe, own.pipe))
    assert not torch.equal(bare, worn)
    withdrawal.withdraw(catalog, archive.people[0].id, (Purpose.TRAIN_COMPOSITE,), by="test")
    assert artifacts.get_model(catalog, name).state is not ModelState.OK


def test_consent_is_looked_at_all_along(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze("alone", of=1)

    def withdraws(step: Step, /) -> None:
        if step.done == 2:
            archive.withdraw(archive.people[0])

    with pytest.raises(ConsentLost):
        train(archive.catalog, "alone", tiny_base, "net", recipe=RECIPE, processes=1, report=withdraws)
    assert artifacts.all_models(archive.catalog) == []


@torch.no_grad()
def _answer(base: base_model.Base) -> torch.Tensor:
    latents = torch.ones(1, 3, 16, 16)
    return torch.as_tensor(base.pipe.unet(latents, torch.tensor([300]), CONTEXTS[:1]).sample)
