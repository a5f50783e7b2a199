"""Merges of the catalog's models: the file, its row, its lineage and shares, made together or not at all.

What is written into a file depends on its ingredients' contents and relative weights alone: it holds no
name, path or time, and nothing of a cohort as a whole. So a merge remade without a person is, byte for
byte, the merge that would have been made had they never been in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core import composition
from core.composition import CHECKPOINTS, LORAS, Input
from core.errors import BadBase, BadLora, BadValue, Refused, Tainted
from core.merging.average import average, median_parts
from core.merging.bake import bake
from core.merging.metadata import file_metadata
from core.merging.methods import MEAN, Method, dtype_of
from core.merging.soup import add_difference, soup
from core.models import file_problem, require_free, require_name
from core.progress import Report, silent
from core.training.recipe import SHARED_TRIGGER
from core.watch import Watch
from storage import artifacts, whole_files
from storage.catalog import Catalog
from storage.errors import BadTensorFile
from storage.records import Model, ModelInput, ModelKind

DIFFERENCE = "add-difference"
FILES_AT_ONCE = 4  # hashed side by side


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge about to be made: the row it will have, and its ingredients with the weights as they were given.

    `counted` are these with the weights that they come to in the file, which people's shares follow.
    """

    model: Model
    parts: Sequence[Input]
    counted: Sequence[Input]

    @property
    def shares(self) -> dict[int, float]:
        """Each person's share, by subject id."""
        return composition.flattened(self.counted)


def merge_average(
    catalog: Catalog,
    names: Sequence[str],
    out: str,
    *,
    weights: Sequence[float] | None = None,
    method: Method = MEAN,
    rank: int | None = None,
    dtype: str | None = None,
    max_share: float | None = None,
    report: Report = silent,
) -> Model:
    """The average of LoRAs as the new model `out`; `rank` None keeps it exact, `dtype` is fp32 unless told.

    Weights are relative, one a name. Nobody may have more than `max_share` of it, through all merges below, now
    and whenever it is remade. Raises BadLora, BadValue, CohortTooSmall, ConsentLost, NameTaken,
    NoSuchRecord, Refused, Tainted, WrongArchitecture.
    """
    parts = composition.named(catalog, names, weights)
    composition.require_kind([part.model for part in parts], LORAS)
    composition.require_one_base([part.model for part in parts])
    recipe = {"op": "average", "rank": rank, "dtype": dtype_of(dtype) or "F32", **method.recipe, **_cap(max_share)}
    return _make(catalog, _new_row(out, ModelKind.AVERAGE, parts, recipe), parts, report)


def merge_bake(
    catalog: Catalog,
    name: str,
    base: Path,
    out: str,
    *,
    weight: float = 1.0,
    dtype: str | None = None,
    blocks: Mapping[str, float] | None = None,
    max_share: float | None = None,
    report: Report = silent,
) -> Model:
    """A LoRA baked into a base (a folder in diffusers' format, or a file) as the new model `out`, a folder or a file.

    `blocks` are strengths by block, times `weight` (`core.merging.strengths`). A base that is one of the
    catalog's own models brings its people along. Raises as `merge_average`, and BadBase.
    """
    if not math.isfinite(weight) or weight == 0:
        raise BadValue(f"weight {weight} changes nothing or is no number", "1 is the strength it was trained at")
    parts = composition.named(catalog, [name], [weight])
    composition.require_kind([part.model for part in parts], LORAS)
    base_hash = _base_hash(base)
    own = artifacts.with_content(catalog, base_hash)
    if own is not None:
        parts += composition.named(catalog, [own.name], None)
    recipe = {
        "op": "bake",
        "weight": weight,
        "dtype": dtype_of(dtype),
        **Method(blocks=blocks or {}).recipe,
        **_cap(max_share),
    }
    row = _new_row(out, ModelKind.BAKE, parts, recipe)
    row = replace(row, path=_named_as(base, out), base=str(base.resolve()), base_hash=base_hash)
    return _make(catalog, row, parts, report)


def merge_difference(
    catalog: Catalog,
    name: str,
    minus: Path,
    base: Path,
    out: str,
    *,
    weight: float = 1.0,
    blocks: Mapping[str, float] | None = None,
    max_share: float | None = None,
    report: Report = silent,
) -> Model:
    """`base + weight * (model - minus)` as the new model `out`: a baked model's change in another base.

    `minus` and `base` have the model's form, a folder or a file, and are not the catalog's own. Raises as `merge_bake`.
    """
    if not math.isfinite(weight) or weight == 0:
        raise BadValue(f"weight {weight} changes nothing or is no number", "1 adds the whole difference")
    parts = composition.named(catalog, [name], [weight])
    composition.require_kind([part.model for part in parts], CHECKPOINTS)
    hashes = [_base_hash(folder) for folder in (minus, base)]
    for folder, digest in zip((minus, base), hashes, strict=True):
        if artifacts.with_content(catalog, digest) is not None:
            raise BadValue(f"{folder} is a model of the catalog's own", "take the base it was made on")
    own = {"minus": str(minus.resolve()), "minus_hash": hashes[0]}
    asked = {"weight": weight, **Method(blocks=blocks or {}).recipe, **_cap(max_share)}
    row = _new_row(out, ModelKind.BAKE, parts, {"op": DIFFERENCE, **asked, **own})
    row = replace(row, path=_named_as(base, out), base=str(base.resolve()), base_hash=hashes[1])
    return _make(catalog, row, parts, report)


def merge_soup(
    catalog: Catalog,
    names: Sequence[str],
    out: str,
    *,
    weights: Sequence[float] | None = None,
    max_share: float | None = None,
    report: Report = silent,
) -> Model:
    """The weighted mean of baked checkpoints as the new model `out`, in their form. Raises as `merge_average`."""
    parts = composition.named(catalog, names, weights)
    composition.require_kind([part.model for part in parts], CHECKPOINTS)
    row = _new_row(out, ModelKind.SOUP, parts, {"op": "soup", **_cap(max_share)})
    row = replace(row, path=_named_as(catalog.models / parts[0].model.path, out))
    return _make(catalog, row, parts, report)


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
            done = artifacts.replace_model(catalog, made, inputs=_arrows(merge), shares=merge.shares)
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
    row = replace(model, trigger=_trigger(left))
    if model.kind is ModelKind.BAKE:
        row = replace(row, base_hash=_same_base(model, left))
    else:
        on = _on_base_of(left)
        row = replace(row, base=on.base, base_hash=on.base_hash)
    return _allowed(catalog, row, left)


def made_again(catalog: Catalog, model: Model, report: Report = silent) -> list[str]:
    """The files of a merge that come out otherwise when it is made again, beside it, from its ingredients.

    They are named as in the model's folder; `weights` stands for the file of a model that is one. Compared byte
    for byte, and the weights with the hash on record too. Raises as `remake`.
    """
    arrows = artifacts.inputs_of(catalog, model.id)
    models = artifacts.get_models(catalog, [arrow.input_id for arrow in arrows])
    composition.require_ok(models)
    parts = composition.inputs(catalog, models, [arrow.weight for arrow in arrows])
    if model.kind is ModelKind.BAKE:
        _same_base(model, parts)
    merge = Merge(model, parts, _counted(catalog, model, parts))
    with whole_files.staged(catalog.models / model.path) as part:
        made = _write(catalog, merge, part, report)
        differing = whole_files.differing(part, catalog.models / model.path)
    if not differing and made.content_hash != model.content_hash:
        return ["weights"]
    return differing


def _new_row(out: str, kind: ModelKind, parts: Sequence[Input], recipe: Mapping[str, Any]) -> Model:
    on = _on_base_of(parts)
    return Model(
        id=0,
        name=require_name(out),
        kind=kind,
        path=f"{out}.safetensors",
        content_hash="",
        base=on.base,
        base_hash=on.base_hash,
        trigger=_trigger(parts),
        cohort_id=None,
        recipe=recipe,
        created_at=datetime.now(UTC),
    )


def _on_base_of(parts: Sequence[Input]) -> Model:
    """The ingredient on whose base a merge is said to be: their contents choose it."""
    return min(parts, key=lambda part: part.model.content_hash).model


def _make(catalog: Catalog, row: Model, parts: Sequence[Input], report: Report) -> Model:
    """Check the rules, write the file, and add the row in one transaction that checks them again."""
    path = catalog.models / row.path
    require_free(catalog, row.name, row.path)

    def look() -> None:
        _require_unchanged(catalog, merge.parts)
        composition.require_consent(catalog, merge.parts)

    watch = Watch(catalog, look)
    merge = _allowed(catalog, row, parts)
    composition.require_consent(catalog, merge.parts)
    with whole_files.staged(path) as part:
        made = _write(catalog, merge, part, watch.reporting(report))
        with catalog.transaction():
            # A withdrawal comes before this and is seen here, or after and sees the row.
            look()
            added = artifacts.add_model(catalog, made, inputs=_arrows(merge), shares=merge.shares)
            whole_files.put_in_place(part, path)
    return added


def _allowed(catalog: Catalog, row: Model, parts: Sequence[Input]) -> Merge:
    """The merge, if its ingredients are what was recorded and its people enough, none with too large a share."""
    _require_recorded(catalog, parts)
    counted = _counted(catalog, row, parts)
    composition.require_balance(catalog, counted, most=row.recipe.get("max_share"))
    return Merge(row, parts, counted)


def _counted(catalog: Catalog, row: Model, parts: Sequence[Input]) -> Sequence[Input]:
    """Ingredients with the weights they come to: those given, unless the method finds them in the files."""
    if row.recipe.get("method") != "geometric-median":
        return parts
    found = median_parts([catalog.models / part.model.path for part in parts], [part.weight for part in parts])
    return [replace(part, weight=weight) for part, weight in zip(parts, found, strict=True)]


def _require_recorded(catalog: Catalog, parts: Sequence[Input]) -> None:
    """Raises BadLora or BadBase where an ingredient's file is not the recorded one: who is in it nobody knows."""
    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        found = pool.map(lambda part: file_problem(catalog, part.model), parts)
        for part, problem in zip(parts, found, strict=True):
            if problem:
                wrong = BadLora if part.model.kind in LORAS else BadBase
                raise wrong(f"{part.model.name}: {problem}", "put it back from a backup, or make it again")


def _cap(max_share: float | None) -> dict[str, float]:
    """A limit of shares as it stands in a recipe. Raises BadValue."""
    if max_share is None:
        return {}
    if not 0 < max_share <= 1:
        raise BadValue(f"max-share {max_share:g} is no part of one", "as in 0.1 for a tenth")
    return {"max_share": max_share}


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
    words = {_word(part.model) for part in parts if part.model.trigger is not None}
    return words.pop() if len(words) == 1 else SHARED_TRIGGER if words else None


def _word(model: Model) -> str | None:
    """What a model answers to in a merge, which takes no learned tokens along."""
    return SHARED_TRIGGER if model.recipe.get("token_vectors") else model.trigger


def _named_as(base: Path, out: str) -> str:
    """What a checkpoint made of another is called: a folder or a file, as that is."""
    return f"{out}.safetensors" if base.is_file() else out


def _base_hash(base: Path) -> str:
    try:
        return whole_files.file_hash(whole_files.weights_file(base))
    except (BadTensorFile, OSError) as error:
        raise BadBase(f"{base} is no base Kyodaku reads: {error}", "name a folder or a .safetensors file") from error


def _base_part(model: Model, parts: Sequence[Input]) -> Input | None:
    """The ingredient that a bake's base is, where it is one of the catalog's models."""
    if model.recipe["op"] == DIFFERENCE:
        return None
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
    own = _base_part(model, parts)
    if own is not None:
        return own.model.content_hash
    if _base_hash(Path(model.base)) != model.base_hash:
        raise BadBase(f"{model.base} is not what {model.name} was baked into", "put the base back as it was")
    if model.recipe["op"] == DIFFERENCE and _base_hash(Path(model.recipe["minus"])) != model.recipe["minus_hash"]:
        raise BadBase(f"{model.recipe['minus']} is not what {model.name} was made with", "put it back as it was")
    return model.base_hash


def _write(catalog: Catalog, merge: Merge, target: Path, report: Report) -> Model:
    """Write the merge's file or folder as `target`; gives the row it shall have."""
    model, recipe = merge.model, merge.model.recipe
    sources = [catalog.models / part.model.path for part in merge.parts]
    weights = [part.weight for part in merge.counted]
    metadata = file_metadata(catalog, model, merge.counted)
    energy: float | None = None
    if model.kind is ModelKind.AVERAGE:
        energy = average(
            sources,
            weights,
            target,
            method=Method.of(recipe),
            rank=recipe["rank"],
            metadata=metadata,
            dtype=recipe["dtype"],
            report=report,
        ).energy_kept
    elif recipe["op"] == DIFFERENCE:
        add_difference(
            sources[0],
            Path(recipe["minus"]),
            Path(model.base),
            target,
            weight=weights[0],
            blocks=recipe.get("blocks", {}),
            metadata=metadata,
            report=report,
        )
    elif model.kind is ModelKind.BAKE:
        lora = next(part for part in merge.parts if part.model.kind in LORAS)
        own = _base_part(model, merge.parts)
        bake(
            catalog.models / lora.model.path,
            Path(model.base) if own is None else catalog.models / own.model.path,
            target,
            weight=lora.weight,
            blocks=recipe.get("blocks", {}),
            dtype=recipe["dtype"],
            metadata=metadata,
            report=report,
        )
    else:
        soup(sources, weights, target, metadata=metadata, report=report)
    digest = whole_files.file_hash(whole_files.weights_file(target))
    return replace(model, content_hash=digest, energy_kept=energy)
