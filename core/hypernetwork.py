"""Hypernetworks: small networks through which an attention's context goes before its keys and values are made of it.

The layout is A1111's (stable-diffusion-webui, `modules/hypernetworks`): for each width of context a pair of networks,
for keys and for values, whose answer is added to the context. A file is safetensors: `WIDTH.0.linear.N.weight` and
`.bias` for keys, `WIDTH.1.…` for values, and A1111's settings in the metadata.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from core.errors import BadLora
from core.merging.formats import bytes_of, tensor_of
from storage.errors import BadTensorFile
from storage.tensors import TensorSpec, read_header, read_tensor, write_tensors
from storage.whole_files import whole_file

STRUCTURE = (1, 2, 1)  # widths of the layers, in those of the context: A1111's default
ACTIVATIONS: Mapping[str, Callable[[], torch.nn.Module]] = {
    "linear": torch.nn.Identity,
    "relu": torch.nn.ReLU,
    "leakyrelu": torch.nn.LeakyReLU,
    "elu": torch.nn.ELU,
    "swish": torch.nn.Hardswish,  # which is what A1111 calls so
    "tanh": torch.nn.Tanh,
    "sigmoid": torch.nn.Sigmoid,
}
_KEY = re.compile(r"\d+\.[01]\.linear\.\d+\.(weight|bias)")
_SETTINGS = "kyodaku.hypernetwork"
_worn: WeakKeyDictionary[Any, list[Any]] = WeakKeyDictionary()  # hooks, by UNet


class Half(torch.nn.Module):
    """The network for keys or for values: what it answers is added to the context [n, tokens, width]."""

    def __init__(self, width: int, activation: str) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        for number, (inputs, outputs) in enumerate(pairwise(STRUCTURE)):
            layers.append(torch.nn.Linear(width * inputs, width * outputs))
            if activation != "linear" and number < len(STRUCTURE) - 2:  # not after the last
                layers.append(ACTIVATIONS[activation]())
        self.linear = torch.nn.Sequential(*layers)

    def forward(self, context: Tensor) -> Tensor:
        """The context to make keys or values of."""
        return context + torch.as_tensor(self.linear(context.float())).to(context.dtype)


class Hypernetwork(torch.nn.Module):
    """Pairs of networks by the width of the context they are for; `activation` is one of ACTIVATIONS."""

    def __init__(self, widths: list[int], activation: str) -> None:
        super().__init__()
        self.activation = activation
        self.pairs = torch.nn.ModuleDict(
            {str(width): torch.nn.ModuleList([Half(width, activation), Half(width, activation)]) for width in widths}
        )

    def halves(self, width: str) -> list[torch.nn.Module]:
        """The networks for keys and for values of contexts of this width."""
        return list(self.pairs[width].children())

    def tensors(self) -> dict[str, Tensor]:
        """The weights by their names in a file, sorted."""
        return {name.removeprefix("pairs."): value for name, value in sorted(self.state_dict().items())}


def widths_of(unet: Any) -> list[int]:
    """The widths of context that a UNet's attentions have, ascending."""
    return sorted({attention.to_k.in_features for attention in _attentions(unet)})


def put_on(unet: Any, network: Hypernetwork) -> None:
    """Have the UNet's attentions make keys and values through the network, instead of one it wore before."""
    take_off(unet)
    hooks = []
    for attention in _attentions(unet):
        width = str(attention.to_k.in_features)
        if width not in network.pairs:
            continue
        for layer, half in zip((attention.to_k, attention.to_v), network.halves(width), strict=True):
            hooks.append(layer.register_forward_pre_hook(_through(half)))
    _worn[unet] = hooks


def take_off(unet: Any) -> None:
    """Leave the UNet as it was without one."""
    for hook in _worn.pop(unet, ()):
        hook.remove()


def is_one(path: Path) -> bool:
    """Whether a safetensors file holds a hypernetwork; none that can't be read does."""
    try:
        return all(_KEY.fullmatch(name) for name in read_header(path).specs)
    except BadTensorFile:
        return False


def read(path: Path) -> Hypernetwork:
    """The hypernetwork in a file that `write` wrote. Raises BadLora."""
    try:
        header = read_header(path)
        settings = json.loads(header.metadata[_SETTINGS])
        network = Hypernetwork(sorted({int(name.split(".")[0]) for name in header.specs}), settings["activation_func"])
        with path.open("rb") as file:
            tensors = {
                f"pairs.{name}": tensor_of(read_tensor(file, header, name), spec) for name, spec in header.specs.items()
            }
        network.load_state_dict(tensors)
    except (BadTensorFile, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise BadLora(f"{path} holds no hypernetwork that Kyodaku made", "train it again") from error
    return network.requires_grad_(False)


def write(path: Path, network: Hypernetwork, metadata: Mapping[str, str]) -> None:
    """Write the network, whole or not at all; the same weights and metadata give the same bytes."""
    settings = {
        "layer_structure": list(STRUCTURE),
        "activation_func": network.activation,
        "is_layer_norm": False,
        "activate_output": False,
        "use_dropout": False,
    }
    tensors = network.tensors()
    specs = [TensorSpec(name, "F32", tuple(value.shape)) for name, value in tensors.items()]
    with whole_file(path) as file:
        told = {**metadata, _SETTINGS: json.dumps(settings, sort_keys=True)}
        write_tensors(file, specs, told, lambda spec: [bytes_of(tensors[spec.name])])


def _attentions(unet: Any) -> Iterator[Any]:
    for name, module in unet.named_modules():
        if name.endswith((".attn1", ".attn2")):
            yield module


def _through(half: torch.nn.Module) -> Callable[[Any, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    def before(_layer: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (half(inputs[0]), *inputs[1:])

    return before
