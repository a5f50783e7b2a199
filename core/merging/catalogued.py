"""Merges of the catalog's models: the file, its row, its lineage and shares, made together or not at all.

What is written into a file depends on its ingredients' contents and relative weights alone: it holds no
name, path or time, and nothing of a cohort as a whole. So a merge remade without a person is, byte for
byte, the merge that would have been made had they never been in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core import composition
from core.composition import CHECKPOINTS, LORAS, Input
from core.errors import BadBase, BadValue, NameTaken, Refused, Tainted
from core.merging.average import average
from core.merging.bake import bake
from core.merging.soup import soup
from core.models import require_name
from core.progress import Report, silent
from core.training.recipe import SHARED_TRIGGER
from core.watch import Watch
from storage import artifacts, whole_files
from storage.catalog import Catalog
from storage.errors import BadTensorFile
from storage.records import Model, ModelInput, ModelKind
from storage.tensors import read_header

DTYPES = {"fp32": "F32", "fp16": "F16", "bf16": "BF16"}
ARCHITECTURE = "stable-diffusion-v1"  # of checkpoints and LoRAs; what inputs say of themselves comes first


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge about to be made: the row it will have, and its ingredients."""

    model: Model
    parts: Sequence[Input]


def merge_average(
    catalog: Catalog,
    names: Sequence[str],
    out: str,
    *,
    weights: Sequence[float] | None = None,
    rank: int | None = None,
    dtype: str | None = None,
    report: Report = silent,
) -> Model:
    """The weighted mean of LoRAs as the new model `out`; `rank` None keeps it exact, `dtype` is fp32 unless told.

    Weights are relative, one a name. Raises BadLora, BadValue, CohortTooSmall, ConsentLost, NameTaken,
    NoSuchRecord, Refused, Tainted, WrongArchitecture.
    """
    parts = _parts(catalog, names, weights)
    composition.require_kind([part.model for part in parts], LORAS)
    composition.require_one_base([part.model for part in parts])
    recipe = {"op": "average", "rank": rank, "dtype": _dtype(dtype) or "F32"}
    return _make(catalog, Merge(_new_row(out, ModelKind.AVERAGE, parts, recipe), parts), report)


def merge_bake(
    catalog: Catalog,
    name: str,
    base: Path,
    out: str,
    *,
    weight: float = 1.0,
    dtype: str | None = None,
    report: Report = silent,
) -> Model:
    """A LoRA baked into a base (a folder in diffusers' format) as the new model `out`, a folder.

    A base that is one of the catalog's own models brings its people along. Raises as `merge_average`, and BadBase.
    """
    if not math.isfinite(weight) or weight == 0:
        raise BadValue(f"weight {weight} changes nothing or is no number", "1 is the strength it was trained at")
    parts = _parts(catalog, [name], [weight])
    composition.require_kind([part.model for part in parts], LORAS)
    base_hash = _base_hash(base)
    own = artifacts.with_content(catalog, base_hash)
    if own is not None:
        parts += _parts(catalog, [own.name], None)
    recipe = {"op": "bake", "weight": weight, "dtype": _dtype(dtype)}
    row = replace(_new_row(out, ModelKind.BAKE, parts, recipe), path=out, base=str(base.resolve()), base_hash=base_hash)
    return _make(catalog, Merge(row, parts), report)


def merge_soup(
    catalog: Catalog,
    names: Sequence[str],
    out: str,
    *,
    weights: Sequence[float] | None = None,
    report: Report = silent,
) -> Model:
    """The weighted mean of baked checkpoints as the new model `out`, a folder. Raises as `merge_average`."""
    parts = _parts(catalog, names, weights)
    composition.require_kind([part.model for part in parts], CHECKPOINTS)
    row = replace(_new_row(out, ModelKind.SOUP, parts, {"op": "soup"}), path=out)
    return _make(catalog, Merge(row, parts), report)


def remake(catalog: Catalog, model: Model, report: Report = silent) -> Model:
    """Make a tainted merge anew in its place from what is left of its ingredients; it is `ok` again.

    Raises Refused where what is left may not be a model, or what the merge raises (BadBase, NotEnoughSpace, …).
    """
    watch = Watch(catalog, lambda: _require_unchanged(catalog, merge.parts))
    merge = remaining(catalog, model)
    with whole_files.staged(catalog.models / model.path) as part:
        made = _write(catalog, merge, part, watch.reporting(report))
        with catalog.transaction():
            if artifacts.get_model(catalog, model.id) != model:
                raise Tainted(f"{model.name} was changed meanwhile", "remake it again")
            _require_unchanged(catalog, merge.parts)
            done = artifacts.replace_model(
                catalog, made, inputs=_arrows(merge), shares=composition.flattened(merge.parts)
            )
            whole_files.put_in_place(part, catalog.models / model.path)
    return done


def remaining(catalog: Catalog, model: Model) -> Merge:
    """A merge as it is to be remade: without the ingredients whose people are lost.

    Raises Tainted where an ingredient waits to be remade, Refused (or another kind of it) where none are left,
    too few, or one can't be had without the lost.
    """
    arrows = artifacts.inputs_of(catalog, model.id)
    models = artifacts.get_models(catalog, [arrow.input_id for arrow in arrows])
    parts = composition.inputs(catalog, models, [arrow.weight for arrow in arrows])
    left = composition.without_lost(catalog, parts)
    if model.kind is ModelKind.BAKE:
        left = _bakeable(model, parts, left)
    composition.require_balance(catalog, left)
    row = replace(model, trigger=_trigger(left))
    if model.kind is ModelKind.BAKE:
        row = replace(row, base_hash=_same_base(model, left))
    return Merge(row, left)


def remade_hash(catalog: Catalog, model: Model, report: Report = silent) -> str:
    """The content hash that a merge has when it is made again from its ingredients, beside it and then removed."""
    arrows = artifacts.inputs_of(catalog, model.id)
    models = artifacts.get_models(catalog, [arrow.input_id for arrow in arrows])
    composition.require_ok(models)
    parts = composition.inputs(catalog, models, [arrow.weight for arrow in arrows])
    with whole_files.staged(catalog.models / model.path) as part:
        return _write(catalog, Merge(model, parts), part, report).content_hash


def _parts(catalog: Catalog, names: Sequence[str], weights: Sequence[float] | None) -> list[Input]:
    if not names:
        raise BadValue("no model is named", "name at least one")
    models = [artifacts.get_model(catalog, name) for name in names]
    composition.require_ok(models)
    return composition.inputs(catalog, models, [1.0] * len(models) if weights is None else weights)


def _new_row(out: str, kind: ModelKind, parts: Sequence[Input], recipe: Mapping[str, Any]) -> Model:
    first = min(parts, key=lambda part: part.model.content_hash).model
    return Model(
        id=0,
        name=require_name(out),
        kind=kind,
        path=f"{out}.safetensors",
        content_hash="",
        base=first.base,
        base_hash=first.base_hash,
        trigger=_trigger(parts),
        cohort_id=None,
        recipe=recipe,
        created_at=datetime.now(UTC),
    )


def _make(catalog: Catalog, merge: Merge, report: Report) -> Model:
    """Check the rules, write the file, and add the row in one transaction that checks them again."""
    path = catalog.models / merge.model.path
    if path.exists() or merge.model.name in {one.name for one in artifacts.all_models(catalog)}:
        raise NameTaken(f"there is a model {merge.model.name!r} already", "choose another name")

    def look() -> None:
        _require_unchanged(catalog, merge.parts)
        composition.require_consent(catalog, merge.parts)

    watch = Watch(catalog, look)
    composition.require_balance(catalog, merge.parts)
    composition.require_consent(catalog, merge.parts)
    with whole_files.staged(path) as part:
        made = _write(catalog, merge, part, watch.reporting(report))
        with catalog.transaction():
            # A withdrawal comes before this and is seen here, or after and sees the row.
            look()
            added = artifacts.add_model(catalog, made, inputs=_arrows(merge), shares=composition.flattened(merge.parts))
            whole_files.put_in_place(part, path)
    return added


def _require_unchanged(catalog: Catalog, parts: Sequence[Input]) -> None:
    now = artifacts.get_models(catalog, [part.model.id for part in parts])
    composition.require_ok(now)
    for part, model in zip(parts, now, strict=True):
        if model.content_hash != part.model.content_hash:
            raise Tainted(f"{model.name} was made anew meanwhile", "do it again")


def _arrows(merge: Merge) -> list[ModelInput]:
    return [ModelInput(part.model.id, part.weight) for part in merge.parts]


def _trigger(parts: Sequence[Input]) -> str | None:
    """The word that all ingredients answer to."""
    words = {part.model.trigger for part in parts if part.model.trigger is not None}
    return words.pop() if len(words) == 1 else SHARED_TRIGGER if words else None


def _dtype(name: str | None) -> str | None:
    if name is not None and name not in DTYPES:
        raise BadValue(f"dtype {name!r} is unknown", f"one of: {', '.join(DTYPES)}")
    return None if name is None else DTYPES[name]


def _base_hash(base: Path) -> str:
    try:
        return whole_files.file_hash(whole_files.weights_file(base))
    except (BadTensorFile, OSError) as error:
        raise BadBase(f"{base} is no base Kyodaku reads: {error}", "name a folder in diffusers' format") from error


def _base_part(parts: Sequence[Input]) -> Input | None:
    """The ingredient that a bake's base is, where it is one of the catalog's models."""
    return next((part for part in parts if part.model.kind in CHECKPOINTS), None)


def _bakeable(model: Model, parts: Sequence[Input], left: Sequence[Input]) -> list[Input]:
    """Both the LoRA and the base must be left of a bake. Raises Refused."""
    gone = {part.model.id for part in parts} - {part.model.id for part in left}
    if gone:
        lost = next(part.model for part in parts if part.model.id in gone)
        raise Refused(f"{model.name} can't be had without {lost.name}", "bake another one")
    return list(left)


def _same_base(model: Model, parts: Sequence[Input]) -> str:
    """Hash of a bake's base, which must be what it was. Raises BadBase."""
    own = _base_part(parts)
    if own is not None:
        return own.model.content_hash
    if _base_hash(Path(model.base)) != model.base_hash:
        raise BadBase(f"{model.base} is not what {model.name} was baked into", "put the base back as it was")
    return model.base_hash


def _write(catalog: Catalog, merge: Merge, target: Path, report: Report) -> Model:
    """Write the merge's file or folder as `target`; gives the row it shall have."""
    model, recipe = merge.model, merge.model.recipe
    sources = [catalog.models / part.model.path for part in merge.parts]
    weights = [part.weight for part in merge.parts]
    metadata = _metadata(merge, sources)
    energy: float | None = None
    if model.kind is ModelKind.AVERAGE:
        result = average(
            sources, weights, target, rank=recipe["rank"], metadata=metadata, dtype=recipe["dtype"], report=report
        )
        energy = result.energy_kept
    elif model.kind is ModelKind.BAKE:
        lora = next(part for part in merge.parts if part.model.kind in LORAS)
        own = _base_part(merge.parts)
        base = Path(model.base) if own is None else catalog.models / own.model.path
        bake(
            catalog.models / lora.model.path,
            base,
            target,
            weight=lora.weight,
            dtype=recipe["dtype"],
            metadata=metadata,
            report=report,
        )
    else:
        soup(sources, weights, target, metadata=metadata, report=report)
    digest = whole_files.file_hash(whole_files.weights_file(target))
    return replace(model, content_hash=digest, energy_kept=energy)


def _metadata(merge: Merge, sources: Sequence[Path]) -> dict[str, str]:
    """What the file says of itself: recipe, ingredients by content hash, pictures by their Merkle roots, shares."""
    total = math.fsum(abs(part.weight) for part in merge.parts)
    told = [read_header(whole_files.weights_file(source)).metadata for source in sources]
    ingredients = sorted((part.model.content_hash, part.weight / total) for part in merge.parts)
    people = len(composition.flattened(merge.parts))
    noun = "person" if people == 1 else "people"
    return {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": _agreed(told, "modelspec.architecture", f"{ARCHITECTURE}/lora")
        if merge.model.kind is ModelKind.AVERAGE
        else ARCHITECTURE,
        "modelspec.implementation": "https://github.com/huggingface/diffusers",
        "modelspec.title": f"{merge.model.kind.capitalize()} of {people} {noun}, made by Kyodaku",
        "modelspec.resolution": _agreed(told, "modelspec.resolution", "512x512"),
        **({"modelspec.trigger_phrase": merge.model.trigger} if merge.model.trigger else {}),
        "kyodaku.version": "1",
        "kyodaku.kind": merge.model.kind.value,
        "kyodaku.recipe": _json(merge.model.recipe),
        "kyodaku.base": merge.model.base_hash,
        "kyodaku.people": str(people),
        "kyodaku.inputs": _json([{"hash": digest, "share": share} for digest, share in ingredients]),
        "kyodaku.roots": _json(_roots(merge, told, total)),
    }


def _roots(merge: Merge, told: Sequence[Mapping[str, str]], total: float) -> dict[str, float]:
    """Share of the merge by the Merkle root of the pictures it comes from, through all merges below."""
    found: dict[str, list[float]] = {}
    for part, metadata in zip(merge.parts, told, strict=True):
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
