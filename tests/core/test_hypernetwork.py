"""Hypernetworks: A1111's formula and layout, trained through the same gate, drawn with, and never averaged."""

from __future__ import annotations

import pickle
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.nn.functional import linear

from core import base_model, hypernetwork, withdrawal
from core.errors import BadLora, BadValue, ConsentLost
from core.generate import add_lora, open_model
from core.hypernetwork import ACTIVATIONS, Design, Hypernetwork, put_on, take_off, widths_of
from core.merging.formats import read_lora
from core.progress import Step
from core.training.loop import train
from core.training.recipe import Recipe
from storage import artifacts, whole_files
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
    network = Hypernetwork(widths, Design(activation=activation)).requires_grad_(False)
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
    assert again.design.activation == "leakyrelu"
    assert all(torch.equal(value, again.tensors()[name]) for name, value in network.tensors().items())
    with pytest.raises(BadLora, match="hypernetworks are not read"):
        read_lora(path)
    save_file({"16.0.linear.0.weight": torch.zeros(32, 16)}, path)
    with pytest.raises(BadLora, match="holds no hypernetwork"):
        hypernetwork.read(path)
    path.write_bytes(b"")
    assert not hypernetwork.is_one(path)


class Theirs(torch.nn.Module):
    """A half as A1111 builds and uses it: for the comparison, written down by its documented settings."""

    def __init__(
        self, width: int, structure: list[float], *, norm: bool, active_end: bool, dropped: list[float]
    ) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        for at in range(len(structure) - 1):
            layers.append(torch.nn.Linear(int(width * structure[at]), int(width * structure[at + 1])))
            if at < len(structure) - 2 or active_end:
                layers.append(torch.nn.ReLU())
            if norm:
                layers.append(torch.nn.LayerNorm(int(width * structure[at + 1])))
            if dropped[at + 1] > 0:
                layers.append(torch.nn.Dropout(dropped[at + 1]))
        self.linear = torch.nn.Sequential(*layers)

    def forward(self, context: torch.Tensor) -> torch.Tensor:
        return context + torch.as_tensor(self.linear(context))


def pickled(path: Path, *, norm: bool, active_end: bool, dropped: list[float] | None) -> list[Theirs]:
    """A file as A1111 saves it, and the two networks in it."""
    structure = [1, 2, 1.5, 1]
    torch.manual_seed(3)
    halves = [
        Theirs(16, structure, norm=norm, active_end=active_end, dropped=dropped or [0, 0.3, 0, 0]).eval()
        for _ in range(2)
    ]
    told = {
        16: tuple(dict(half.state_dict()) for half in halves), "step": 7, "name": "theirs",
        "layer_structure": structure,
        "activation_func": "relu", "is_layer_norm": norm, "weight_initialization": "Normal", "sd_checkpoint": None,
        "sd_checkpoint_name": None, "activate_output": active_end, "use_dropout": True, "last_layer_dropout": False,
        "optional_info": None, **({} if dropped is None else {"dropout_structure": dropped}),
    }  # fmt: skip
    torch.save(told, path)
    return halves


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("active_end", [False, True])
@pytest.mark.parametrize("dropped", [None, [0, 0.1, 0.2, 0]])
def test_a1111s_files_are_read(tmp_path: Path, norm: bool, active_end: bool, dropped: list[float] | None) -> None:
    path = tmp_path / "theirs.pt"
    theirs = pickled(path, norm=norm, active_end=active_end, dropped=dropped)
    assert hypernetwork.is_one(path)
    network = hypernetwork.read(path)
    for half, told in zip(network.halves("16"), theirs, strict=True):
        torch.testing.assert_close(half(CONTEXTS), told(CONTEXTS))


def test_a1111s_first_files_are_read(tmp_path: Path) -> None:
    weights = {f"linear{at}.{end}": torch.randn(shape) / 9 for at, end, shape in (
        (1, "weight", (32, 16)), (1, "bias", (32,)), (2, "weight", (16, 32)), (2, "bias", (16,)))}  # fmt: skip
    path = tmp_path / "old.pt"
    torch.save({16: (weights, dict(weights))}, path)
    (keys, values) = hypernetwork.read(path).halves("16")
    first = linear(CONTEXTS, weights["linear1.weight"], weights["linear1.bias"])
    expected = CONTEXTS + linear(first, weights["linear2.weight"], weights["linear2.bias"])
    torch.testing.assert_close(keys(CONTEXTS), expected)
    torch.testing.assert_close(values(CONTEXTS), expected)


class Hostile:
    """A pickle that would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.write_text, (self.path, "it ran"))


def test_a_pickle_that_would_run_is_refused_in_a_line(tmp_path: Path) -> None:
    path, ran = tmp_path / "hostile.pt", tmp_path / "ran"
    torch.save({16: ({}, {}), "name": Hostile(ran)}, path)
    with pytest.raises(BadLora, match="is refused: it is a pickle of more than numbers") as refused:
        hypernetwork.read(path)
    assert "\n" not in refused.value.message
    assert not ran.exists()
    path.write_bytes(pickle.dumps(Hostile(ran)))
    with pytest.raises(BadLora):
        hypernetwork.read(path)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"activation_func": "softmax"}, "'softmax' is not known"),
        ({"layer_structure": [1, 1e12, 1]}, "holds no hypernetwork"),
        ({"layer_structure": [1] * 1000}, "widths"),
        ({"layer_structure": "wide"}, "holds no hypernetwork"),
        ({"is_layer_norm": True}, "holds no hypernetwork"),
        ({"dropout_structure": 3}, "holds no hypernetwork"),
        ({32: "nothing"}, "holds no hypernetwork"),
        ({10**400: ({"linear.0.weight": torch.zeros(2, 1)}, {})}, "holds no hypernetwork"),
    ],
)
def test_settings_that_do_not_fit_are_told(tmp_path: Path, more: dict[object, object], said: str) -> None:
    path = tmp_path / "odd.pt"
    pickled(path, norm=False, active_end=False, dropped=None)
    told = torch.load(path, weights_only=True) | more
    torch.save(told, path)
    with pytest.raises(BadLora, match=said):
        hypernetwork.read(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 3000), bytes_=st.binary(min_size=1, max_size=8), cut=st.booleans(), zipped=st.booleans())
def test_damaged_pickles_are_refused_or_read(tmp_path: Path, at: int, bytes_: bytes, cut: bool, zipped: bool) -> None:
    path = tmp_path / "damaged.pt"
    pickled(path, norm=False, active_end=False, dropped=None)
    torch.save(torch.load(path, weights_only=True), path, _use_new_zipfile_serialization=zipped)
    raw = path.read_bytes()
    at %= len(raw)
    path.write_bytes(raw[:at] if cut else raw[:at] + bytes_ + raw[at + len(bytes_) :])
    with suppress(BadLora):
        assert hypernetwork.read(path).halves("16")


def test_anothers_is_drawn_with_on_a_base(archive: SmallArchive, tiny_base: Path, tmp_path: Path) -> None:
    catalog, path = archive.catalog, tmp_path / "theirs.pt"
    pickled(path, norm=False, active_end=False, dropped=None)
    with pytest.raises(BadValue, match="which is drawn with on a base"):
        open_model(catalog, str(path), "cpu")
    opened = open_model(catalog, str(path), "cpu", tiny_base)
    assert opened.content_hash == whole_files.file_hash(path)
    assert not torch.equal(_answer(opened.base), _answer(base_model.load(tiny_base, "cpu")))
    archive.freeze()
    (name,) = train(catalog, "all", tiny_base, "net", mode="pooled", recipe=RECIPE)
    own = catalog.models / artifacts.get_model(catalog, name).path
    with pytest.raises(BadValue, match="the catalog's own 'net'"):
        open_model(catalog, str(own), "cpu", tiny_base)


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
