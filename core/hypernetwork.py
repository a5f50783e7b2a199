"""Hypernetworks: small networks through which an attention's context goes before its keys and values are made of it.

The layout is A1111's (stable-diffusion-webui, `modules/hypernetworks`): for each width of context a pair of networks,
for keys and for values, whose answer is added to the context. Ours are safetensors: `WIDTH.0.linear.N.weight` and
`.bias` for keys, `WIDTH.1.…` for values, and A1111's settings in the metadata. A1111's own are pickles of its settings
and, by width, the two networks' weights; they are read by torch's loader of numbers alone, which runs nothing in them.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from core.errors import BadLora
from core.merging.formats import bytes_of, tensor_of
from storage.errors import BadTensorFile
from storage.tensors import TensorSpec, read_header, read_tensor, write_tensors
from storage.whole_files import whole_file

PICKLED = ".pt"  # ending of A1111's files, which are no safetensors
MOST_LAYERS = 32
ACTIVATIONS: Mapping[str, Callable[[], torch.nn.Module]] = {
    "linear": torch.nn.Identity,
    "relu": torch.nn.ReLU,
    "leakyrelu": torch.nn.LeakyReLU,
    "elu": torch.nn.ELU,
    "swish": torch.nn.Hardswish,  # which is what A1111 calls so
    "tanh": torch.nn.Tanh,
    "sigmoid": torch.nn.Sigmoid,
    "gelu": torch.nn.GELU,
    "mish": torch.nn.Mish,
    "silu": torch.nn.SiLU,
    "softsign": torch.nn.Softsign,
}
_KEY = re.compile(r"\d+\.[01]\.linear\.\d+\.(weight|bias)")
_SETTINGS = "kyodaku.hypernetwork"
_OLD_NAMES = {"linear1.": "linear.0.", "linear2.": "linear.1."}  # of A1111's first version
_worn: WeakKeyDictionary[Any, list[Any]] = WeakKeyDictionary()  # hooks, by UNet


@dataclass(frozen=True, slots=True)
class Design:
    """How a half is built, by A1111's settings: `structure` is its layers' widths in those of the context.

    `gaps` are the layers after which A1111 drops values while it trains; here nothing happens there, but layers count.
    """

    structure: tuple[float, ...] = (1, 2, 1)  # A1111's default
    activation: str = "linear"
    normed: bool = False
    active_end: bool = False
    gaps: tuple[bool, ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Design:
        """As settings of a file say. Raises ValueError."""
        structure = tuple(float(width) for width in settings.get("layer_structure") or (1, 2, 1))
        if not 2 <= len(structure) <= MOST_LAYERS or not all(math.isfinite(width) and width > 0 for width in structure):
            raise ValueError("its layers' widths make no sense")
        activation = settings.get("activation_func") or "linear"
        if activation not in ACTIVATIONS:
            raise ValueError(f"its activation {activation!r} is not known")
        dropped = settings.get("dropout_structure")
        if dropped is None:  # A1111's rule where only that it dropped is told
            used, last = bool(settings.get("use_dropout")), bool(settings.get("last_layer_dropout"))
            dropped = [0, *[0.3 * used] * (len(structure) - 3), 0.3 * used * last, 0] if len(structure) > 2 else [0, 0]
        gaps = tuple(float(share) > 0 for share in dropped[1:])
        return cls(
            structure,
            activation,
            bool(settings.get("is_layer_norm")),
            bool(settings.get("activate_output", True)),
            gaps,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """As A1111 calls them, of a design without gaps."""
        return {
            "layer_structure": [int(width) if width == int(width) else width for width in self.structure],
            "activation_func": self.activation,
            "is_layer_norm": self.normed,
            "activate_output": self.active_end,
            "use_dropout": False,
        }


class Half(torch.nn.Module):
    """The network for keys or for values: what it answers is added to the context [n, tokens, width]."""

    def __init__(self, width: int, design: Design) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        widths = [int(width * share) for share in design.structure]
        for number, (inputs, outputs) in enumerate(pairwise(widths)):
            layers.append(torch.nn.Linear(inputs, outputs))
            if design.activation != "linear" and (design.active_end or number < len(widths) - 2):
                layers.append(ACTIVATIONS[design.activation]())
            if design.normed:
                layers.append(torch.nn.LayerNorm(outputs))
            if number < len(design.gaps) and design.gaps[number]:
                layers.append(torch.nn.Identity())
        self.linear = torch.nn.Sequential(*layers)

    def forward(self, context: Tensor) -> Tensor:
        """The context to make keys or values of."""
        return context + torch.as_tensor(self.linear(context.float())).to(context.dtype)


class Hypernetwork(torch.nn.Module):
    """Pairs of networks by the width of the context they are for."""

    def __init__(self, widths: list[int], design: Design) -> None:
        super().__init__()
        self.design = design
        self.pairs = torch.nn.ModuleDict(
            {str(width): torch.nn.ModuleList([Half(width, design), Half(width, design)]) for width in widths}
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
    """Whether a file is a hypernetwork, or a pickle by its name: Kyodaku reads no other kind of those."""
    if path.suffix.lower() == PICKLED:
        return path.is_file()
    try:
        return all(_KEY.fullmatch(name) for name in read_header(path).specs)
    except BadTensorFile:
        return False


def read(path: Path) -> Hypernetwork:
    """The hypernetwork in a file: one that `write` wrote, or A1111's pickle. Raises BadLora."""
    settings, tensors = _pickled(path) if path.suffix.lower() == PICKLED else _written(path)
    try:
        # What a file says of its widths takes no memory before its tensors agree.
        with torch.device("meta"), warnings.catch_warnings(action="ignore"):
            network = Hypernetwork(sorted({int(name.split(".")[0]) for name in tensors}), Design.of(settings))
        network.load_state_dict({f"pairs.{name}": value for name, value in tensors.items()}, assign=True)
    except (KeyError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise BadLora(f"{path} holds no hypernetwork: {_line(error)}", "fetch or train it again") from error
    if not tensors or not all(torch.isfinite(value).all() for value in tensors.values()):
        raise BadLora(f"{path} holds values that are no numbers, or none", "train it again")
    return network.requires_grad_(False)


def write(path: Path, network: Hypernetwork, metadata: Mapping[str, str]) -> None:
    """Write the network, whole or not at all; the same weights and metadata give the same bytes."""
    tensors = network.tensors()
    specs = [TensorSpec(name, "F32", tuple(value.shape)) for name, value in tensors.items()]
    with whole_file(path) as file:
        told = {**metadata, _SETTINGS: json.dumps(network.design.settings, sort_keys=True)}
        write_tensors(file, specs, told, lambda spec: [bytes_of(tensors[spec.name])])


def _written(path: Path) -> tuple[Mapping[str, Any], dict[str, Tensor]]:
    """Settings and tensors of a safetensors file. Raises BadLora."""
    try:
        header = read_header(path)
        settings = json.loads(header.metadata[_SETTINGS])
        with path.open("rb") as file:
            tensors = {name: tensor_of(read_tensor(file, header, name), spec) for name, spec in header.specs.items()}
    except (BadTensorFile, KeyError, ValueError) as error:
        raise BadLora(f"{path} holds no hypernetwork that Kyodaku made", "train it again") from error
    return settings, tensors


def _pickled(path: Path) -> tuple[Mapping[str, Any], dict[str, Tensor]]:
    """Settings and tensors of A1111's file, by the names that ours have. Raises BadLora for what is anything else."""
    odd = f"{path} holds no hypernetwork in A1111's layout"
    try:
        with warnings.catch_warnings(action="ignore"):  # it wonders about other protocols: one line is enough
            told = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise BadLora(f"{path} is refused: it is a pickle of more than numbers", "take one in safetensors") from error
    except Exception as error:  # of a damaged file torch's reader raises whatever its parts do
        raise BadLora(f"{odd}: {_line(error)}", "fetch it again") from error
    try:
        pairs = {int(width): halves for width, halves in told.items() if str(width).isdecimal()}
        tensors = {
            f"{width}.{half}.{_new_name(name)}": value.float()
            for width, halves in pairs.items()
            for half, weights in enumerate(halves)
            for name, value in weights.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise BadLora(f"{odd}: {_line(error)}", "fetch it again") from error
    return {str(name): value for name, value in told.items() if not str(name).isdecimal()}, tensors


def _new_name(name: str) -> str:
    for old, new in _OLD_NAMES.items():
        name = name.replace(old, new) if name.startswith(old) else name
    return name


def _line(error: Exception) -> str:
    """What an error says, on one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _attentions(unet: Any) -> Iterator[Any]:
    for name, module in unet.named_modules():
        if name.endswith((".attn1", ".attn2")):
            yield module


def _through(half: torch.nn.Module) -> Callable[[Any, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    def before(_layer: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (half(inputs[0]), *inputs[1:])

    return before
