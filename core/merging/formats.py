"""LoRA files: read what kohya's tools, diffusers and peft write; write what all of them read.

A layer is named the way kohya's sd-scripts names it: `lora_unet_` (or `lora_te_`, `lora_te1_`, `lora_te2_`
for text encoders) and the module's path with underscores for dots. Files are written in that format with
`alpha`, because diffusers' own key format carries no alpha: a LoRA whose alpha is not its rank comes back
at another strength. Metadata never holds names, paths or times unless the caller puts them there.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import torch
from torch import Tensor

from core.errors import BadLora
from core.merging.layer_names import of_diffusers
from storage.errors import BadTensorFile
from storage.tensors import TensorFile, TensorSpec, read_header, read_tensor, write_tensors
from storage.whole_files import whole_file

TORCH: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
}

_KOHYA = re.compile(r"(lora_(?:unet|te\d?)_.+)\.(lora_down\.weight|lora_up\.weight|alpha)")
_PEFT = re.compile(
    r"(?:base_model\.model\.)?(?:(unet|text_encoder(?:_2)?)\.)?(?P<path>.+?)"
    r"(?P<old>_lora)?\.(?:lora\.|lora_linear_layer\.)?(?P<part>lora_A|lora_B|down|up)(?:\.\w+)?\.weight"
)
BUNDLED = "bundle_emb."  # of a learned token that lies beside a LoRA: no part of what it does to weights
_PARTS = {"lora_A": "down", "down": "down", "lora_B": "up", "up": "up"}


@dataclass(frozen=True, slots=True)
class LoraLayer:
    """One layer's low-rank change of weights: `alpha / rank * up @ down`.

    `down` is [rank, in] or [rank, in, kh, kw], `up` is [out, rank] or [out, rank, 1, 1].
    """

    down: Tensor
    up: Tensor
    alpha: float

    @property
    def rank(self) -> int:
        return int(self.down.shape[0])

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """Shapes and alpha of a layer that will be written."""

    down: tuple[int, ...]
    up: tuple[int, ...]
    alpha: float


@dataclass(slots=True)
class _Keys:
    """Where a layer's parts stand in a file; `alpha` holds the value where the keys carry none."""

    down: str = ""
    up: str = ""
    alpha_key: str = ""
    alpha: float | None = None


def tensor_of(raw: bytearray, spec: TensorSpec) -> Tensor:
    """The bytes of a tensor as a torch tensor that shares them."""
    if not raw:
        return torch.empty(spec.shape, dtype=TORCH[spec.dtype])
    return torch.frombuffer(raw, dtype=TORCH[spec.dtype]).reshape(spec.shape)


def bytes_of(tensor: Tensor) -> memoryview:
    """The values of a tensor, row-major, as they stand in a file."""
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return memoryview(flat.numpy().data)


def kohya_name(path: str, part: str = "unet", *, two_encoders: bool = False) -> str:
    """A module's dotted path in the UNet or a text encoder as the name of its layer.

    `part` is `unet`, `text_encoder` or `text_encoder_2`; `path` may carry the ending `.weight`.
    """
    flat = path.removesuffix(".weight").replace(".", "_")
    if part == "unet":
        return f"lora_unet_{flat}"
    # transformers from 5.6 on drops "text_model." from the keys of a CLIPTextModel; LoRA files keep it.
    flat = flat if flat.startswith("text_model_") else f"text_model_{flat}"
    number = "2" if part == "text_encoder_2" else "1" if two_encoders else ""
    return f"lora_te{number}_{flat}"


def _adapter_settings(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What diffusers' `lora_adapter_metadata` says, by `part.setting`; empty where the file has none."""
    try:
        settings = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except ValueError as error:
        raise BadLora("its lora_adapter_metadata is no JSON", "save the LoRA again") from error
    if not isinstance(settings, dict):
        raise BadLora("its lora_adapter_metadata is no JSON object", "save the LoRA again")
    return settings


def _pattern(settings: Mapping[str, Any], key: str, path: str, default: Any) -> Any:
    """peft's rule: a pattern names a module by the end of its path."""
    for ending, value in settings.get(key, {}).items():
        if re.fullmatch(rf"(.*\.)?({ending})", path):
            return value
    return default


def _peft_alpha(settings: Mapping[str, Any], part: str, path: str, rank: int) -> float:
    """alpha of a layer in peft's format; its rank (a scale of 1) where the file doesn't say."""
    own = {key.removeprefix(f"{part}."): value for key, value in settings.items() if key.startswith(f"{part}.")}
    alpha = _pattern(own, "alpha_pattern", path, own.get("lora_alpha"))
    if alpha is None:
        return float(rank)
    return float(alpha) * math.sqrt(rank) if own.get("use_rslora") else float(alpha)


def _peft_place(key: str) -> tuple[str, str, str] | None:
    """Part (unet, text_encoder, …), dotted module path and `down` or `up` of a key in peft's format."""
    match = _PEFT.fullmatch(key)
    if match is None:
        return None
    path = match["path"]
    if match["old"]:  # diffusers before 0.22: ….attn1.processor.to_q_lora.down.weight
        path = path.replace(".processor.", ".")
        path = f"{path}.0" if path.endswith(".to_out") else path
    return match[1] or "unet", path, _PARTS[match["part"]]


def _find_layers(header: TensorFile) -> dict[str, _Keys]:
    """Which tensors of a file make which layer, by the layer's name. Raises BadLora."""
    places = {key: _peft_place(key) for key in header.specs}
    two = any(place is not None and place[0] == "text_encoder_2" for place in places.values())
    settings = _adapter_settings(header.metadata)
    found: dict[str, _Keys] = {}
    for key, spec in header.specs.items():
        if key.startswith(BUNDLED):
            continue
        if match := _KOHYA.fullmatch(key):
            keys = found.setdefault(of_diffusers(match[1]), _Keys())
            kind = match[2]
            if kind == "alpha":
                keys.alpha_key = key
            else:
                setattr(keys, kind.removeprefix("lora_").removesuffix(".weight"), key)
        elif place := places[key]:
            part, path, side = place
            keys = found.setdefault(kohya_name(path, part, two_encoders=two), _Keys())
            setattr(keys, side, key)
            if side == "down" and spec.shape:
                keys.alpha = _peft_alpha(settings, part, path, spec.shape[0])
        else:
            raise BadLora(
                f"{key!r} belongs to no plain LoRA", "DoRA, LoHa, LoKr, embeddings and hypernetworks are not read"
            )
    if not found:
        raise BadLora("there is no layer in it", "name a LoRA file")
    return dict(sorted(found.items()))


def _check_layer(name: str, keys: _Keys, specs: Mapping[str, TensorSpec]) -> None:
    """Raises BadLora unless both halves are there and fit each other."""
    if not keys.down or not keys.up:
        raise BadLora(f"layer {name} has only one of its two halves", "fetch or make the file again")
    down, up = specs[keys.down], specs[keys.up]
    fits = (
        len(down.shape) in (2, 4)
        and len(up.shape) == len(down.shape)
        and up.shape[1] == down.shape[0] > 0
        and set(up.shape[2:]) <= {1}
    )
    if not fits:
        raise BadLora(f"layer {name} has halves of shapes {down.shape} and {up.shape}", "fetch or make the file again")
    if not {down.dtype, up.dtype} <= {"F64", "F32", "F16", "BF16"}:
        raise BadLora(f"layer {name} holds {down.dtype} numbers", "save it as fp32, fp16 or bf16")


class LoraFile:
    """An open LoRA file: its layers' names, sorted, and each layer when asked for.

    Use it in a `with` block. Raises BadLora, naming the file, for what is no whole LoRA.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.header = read_header(path)
            self._keys = _find_layers(self.header)
            for name, keys in self._keys.items():
                _check_layer(name, keys, self.header.specs)
        except BadTensorFile as error:
            raise BadLora(error.message, error.hint) from error
        except BadLora as error:
            raise BadLora(f"{path} is no LoRA Kyodaku reads: {error.message}", error.hint) from error
        self._stack = ExitStack()
        self._file: BinaryIO = self._stack.enter_context(path.open("rb"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def layers(self) -> list[str]:
        return list(self._keys)

    def __contains__(self, name: object) -> bool:
        return name in self._keys

    @property
    def metadata(self) -> Mapping[str, str]:
        return self.header.metadata

    def shapes(self, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of `down` and `up` of a layer."""
        keys = self._keys[name]
        return self.header.specs[keys.down].shape, self.header.specs[keys.up].shape

    def _tensor(self, key: str) -> Tensor:
        tensor = tensor_of(read_tensor(self._file, self.header, key), self.header.specs[key])
        if not torch.isfinite(tensor).all():
            raise BadLora(f"{self.path}: {key} holds values that are no numbers", "train it again")
        return tensor

    def layer(self, name: str) -> LoraLayer:
        """One layer, in the dtype it is stored in. Raises BadLora for values that are not finite."""
        keys = self._keys[name]
        down, up = self._tensor(keys.down), self._tensor(keys.up)
        alpha = float(down.shape[0]) if keys.alpha is None else keys.alpha
        if keys.alpha_key:
            alpha = float(self._tensor(keys.alpha_key).reshape(-1)[0])
        return LoraLayer(down, up, alpha)


def read_lora(path: Path) -> dict[str, LoraLayer]:
    """All layers of a LoRA file by name, sorted. Raises BadLora."""
    with LoraFile(path) as lora:
        return {name: lora.layer(name) for name in lora.layers}


def layers_from_peft(
    state: Mapping[str, Tensor], alpha: float, part: str = "unet", *, two_encoders: bool = False
) -> dict[str, LoraLayer]:
    """Layers from what peft's `get_peft_model_state_dict(module)` gives, all with the same `alpha`.

    `part` says which module it is, as in `kohya_name`. Raises BadLora for a key that is no half of a LoRA layer.
    """
    halves: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        place = _peft_place(key)
        if place is None:
            raise BadLora(f"{key!r} belongs to no plain LoRA", "train without DoRA and biases")
        halves.setdefault(kohya_name(place[1], part, two_encoders=two_encoders), {})[place[2]] = tensor
    return {name: LoraLayer(both["down"], both["up"], alpha) for name, both in sorted(halves.items())}


def write_planned(
    path: Path,
    plan: Mapping[str, LayerPlan],
    layer_of: Callable[[str], LoraLayer],
    metadata: Mapping[str, str],
    dtype: str = "F32",
    beside: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a LoRA file in kohya's format, whole or not at all, asking for one layer at a time.

    `beside` are float32 tensors of other names that lie in it too. `dtype` is F32, F16 or BF16. The same layers and
    metadata give the same bytes, in whatever order given.
    """
    held: dict[str, LoraLayer] = {}

    def pieces(spec: TensorSpec) -> Iterable[memoryview]:
        if beside is not None and spec.name in beside:
            return [bytes_of(beside[spec.name])]
        name, _, part = spec.name.partition(".")
        if part == "alpha":
            return [bytes_of(torch.tensor(plan[name].alpha, dtype=torch.float32))]
        if name not in held:  # both halves of a layer lie side by side in the file
            held.clear()
            held[name] = layer_of(name)
        half = held[name].down if part.startswith("lora_down") else held[name].up
        return [bytes_of(half.to(TORCH[dtype]))]

    specs = [
        spec
        for name, layer in plan.items()
        for spec in (
            TensorSpec(f"{name}.lora_down.weight", dtype, layer.down),
            TensorSpec(f"{name}.lora_up.weight", dtype, layer.up),
            TensorSpec(f"{name}.alpha", "F32", ()),  # never half: fp16 would round an alpha above 2048
        )
    ]
    specs += [TensorSpec(name, "F32", tuple(tensor.shape)) for name, tensor in (beside or {}).items()]
    with whole_file(path) as file:
        write_tensors(file, specs, metadata, pieces)


def write_lora(
    path: Path,
    layers: Mapping[str, LoraLayer],
    metadata: Mapping[str, str],
    dtype: str = "F32",
    beside: Mapping[str, Tensor] | None = None,
) -> None:
    """Write layers held in memory as a LoRA file in kohya's format (see `write_planned`)."""
    plan = {
        name: LayerPlan(tuple(layer.down.shape), tuple(layer.up.shape), layer.alpha) for name, layer in layers.items()
    }
    write_planned(path, plan, layers.__getitem__, metadata, dtype, beside)
