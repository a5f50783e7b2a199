"""What a merge's file says of itself: recipe, ingredients, people's shares, and the consent it rests on.

All of it follows from the ingredients and their weights: no name, path or time, and nothing of a cohort as a
whole or of the ledger beyond what its people rest on. So a merge remade without a person says nothing of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from core import composition
from core.composition import Input
from storage import artifacts, ledger, whole_files
from storage.catalog import Catalog
from storage.records import Model, ModelKind
from storage.tensors import read_header

VERSION = "2"
PATHS = frozenset({"minus"})  # of a recipe: where something lies on this machine is nobody's business
ARCHITECTURE = "stable-diffusion-v1"  # of checkpoints and LoRAs; what inputs say of themselves comes first


def file_metadata(catalog: Catalog, model: Model, parts: Sequence[Input]) -> dict[str, str]:
    """The texts of a merge's header (docs/formats.md); `parts` with the weights that they come to."""
    total = math.fsum(abs(part.weight) for part in parts)
    sources = [catalog.models / part.model.path for part in parts]
    told = [read_header(whole_files.weights_file(source)).metadata for source in sources]
    ingredients = sorted((part.model.content_hash, part.weight / total) for part in parts)
    shares = sorted(composition.flattened(parts).values(), reverse=True)
    noun = "person" if len(shares) == 1 else "people"
    return {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": _agreed(told, "modelspec.architecture", f"{ARCHITECTURE}/lora")
        if model.kind is ModelKind.AVERAGE
        else ARCHITECTURE,
        "modelspec.implementation": "https://github.com/huggingface/diffusers",
        "modelspec.title": f"{model.kind.capitalize()} of {len(shares)} {noun}, made by Kyodaku",
        "modelspec.resolution": _agreed(told, "modelspec.resolution", "512x512"),
        **({"modelspec.trigger_phrase": model.trigger} if model.trigger else {}),
        "kyodaku.version": VERSION,
        "kyodaku.kind": model.kind.value,
        "kyodaku.recipe": _json({key: value for key, value in model.recipe.items() if key not in PATHS}),
        "kyodaku.base": model.base_hash,
        "kyodaku.people": str(len(shares)),
        "kyodaku.shares": _json(shares),
        "kyodaku.inputs": _json([{"hash": digest, "share": share} for digest, share in ingredients]),
        "kyodaku.roots": _json(_roots(parts, told, total)),
        "kyodaku.ledger_head": _ledger_head(catalog, parts),
    }


def _ledger_head(catalog: Catalog, parts: Sequence[Input]) -> str:
    """Hash of the newest event that the people in the merge rest on; nothing where none is on record.

    The ledger's head of the day would tell of events of others, and differ without the person who left.
    """
    ids = [part.model.id for part in parts]
    grants: set[str] = set()
    for model in artifacts.get_models(catalog, sorted({*ids, *artifacts.ancestors(catalog, ids)})):
        if model.cohort_id is not None:
            grants.update(artifacts.grants_of(catalog, model.cohort_id, artifacts.shares_of(catalog, model.id)))
    events = ledger.by_hash(catalog, grants).values()
    return max(events, key=lambda event: event.seq).hash if events else ""


def _roots(parts: Sequence[Input], told: Sequence[Mapping[str, str]], total: float) -> dict[str, float]:
    """Share of the merge by the Merkle root of the pictures it comes from, through all merges below."""
    found: dict[str, list[float]] = {}
    for part, metadata in zip(parts, told, strict=True):
        below = json.loads(metadata.get("kyodaku.roots", "{}"))
        own = metadata.get("kyodaku.subject_root") or metadata.get("kyodaku.cohort_root")
        for root, share in ({own: 1.0} if own else below).items():
            found.setdefault(root, []).append(abs(part.weight) / total * share)
    return {root: math.fsum(shares) for root, shares in sorted(found.items())}


def _agreed(told: Sequence[Mapping[str, str]], key: str, default: str) -> str:
    """What all ingredients say, or the default."""
    values = {metadata.get(key) for metadata in told}
    only = values.pop() if len(values) == 1 else None
    return only or default


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
