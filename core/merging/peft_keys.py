"""LoRA files with the keys of diffusers and peft, for programs that take no others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from core.merging.formats import TORCH, LoraLayer, bytes_of
from core.merging.layer_names import dotted
from storage.tensors import TensorSpec, write_tensors
from storage.whole_files import whole_file


def write_peft(path: Path, layers: Mapping[str, LoraLayer], metadata: Mapping[str, str], dtype: str = "F32") -> None:
    """Write layers, by kohya's names, with the keys of diffusers' `save_lora_weights`, whole or not at all.

    Those keys carry no alpha, so the scale is folded into the upper half, and the adapter's settings in the metadata
    say alpha = rank for each layer: every reader gives the strength that was trained. No path of a base is written.
    """
    tensors = {}
    ranks: dict[str, dict[str, int]] = {}
    for name, layer in sorted(layers.items()):
        part, module = dotted(name)
        tensors[f"{part}.{module}.lora_A.weight"] = layer.down
        tensors[f"{part}.{module}.lora_B.weight"] = layer.up * layer.scale
        ranks.setdefault(part, {})[module] = layer.rank
    settings = {
        f"{part}.{field}": value for part, modules in ranks.items() for field, value in _settings(modules).items()
    }
    told = {**metadata, "format": "pt", "lora_adapter_metadata": json.dumps(settings, sort_keys=True)}
    specs = [TensorSpec(name, dtype, tuple(tensor.shape)) for name, tensor in tensors.items()]
    with whole_file(path) as file:
        write_tensors(file, specs, told, lambda spec: [bytes_of(tensors[spec.name].to(TORCH[dtype]))])


def _settings(ranks: Mapping[str, int]) -> dict[str, object]:
    """peft's LoraConfig for these modules: the most usual rank, and those that differ by name."""
    usual = max(sorted(set(ranks.values())), key=list(ranks.values()).count)
    other = {module: rank for module, rank in sorted(ranks.items()) if rank != usual}
    return {
        "peft_type": "LORA",
        "r": usual,
        "lora_alpha": usual,
        "rank_pattern": other,
        "alpha_pattern": other,
        "target_modules": sorted(ranks),
        "bias": "none",
    }
