"""A merge as a job, for callers that must not load torch: what is asked for, checked beforehand, and done.

What is checked beforehand is checked again by the merge itself, which alone decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core import composition
from core.composition import LORAS, Input
from core.counted import counted
from core.errors import BadValue, NoSuchRecord
from core.merging import strengths
from core.merging.layer_names import of_diffusers
from core.merging.methods import Method, dtype_of
from core.models import flat_shares, require_free, require_name
from core.progress import Report
from storage import artifacts
from storage.catalog import Catalog
from storage.records import Job, Model
from storage.tensors import read_header


@dataclass(frozen=True, slots=True)
class AskedAverage:
    """An average that is asked for: as `merge_average`'s arguments, `Method`'s among them."""

    models: Sequence[str]
    out: str
    weights: Sequence[float] | None = None
    method: str = "mean"
    trim: float = 0.1
    density: float = 0.5
    seed: int = 0
    blocks: Mapping[str, float] = field(default_factory=dict)
    rank: int | None = None
    dtype: str = "fp32"
    max_share: float | None = None

    @property
    def how(self) -> Method:
        """The method with what it is asked. Raises BadValue."""
        return Method(self.method, self.trim, self.density, self.seed, self.blocks)

    def foreseen(self, catalog: Catalog) -> str:
        """Who would be in it, in a sentence. Raises what `merge_average` would for names, people, rules or method."""
        method = self.how
        dtype_of(self.dtype)
        parts = composition.named(catalog, self.models, self.weights)
        models = [part.model for part in parts]
        composition.require_kind(models, LORAS)
        composition.require_one_base(models)
        method.require_rank(self.rank)
        method.require_fit([part.weight for part in parts])
        if self.out:
            require_free(catalog, require_name(self.out), f"{self.out}.safetensors")
        if self.method == "geometric-median":  # its shares follow from what is in the files
            composition.require_consent(catalog, parts)
            told = f"{counted(len(parts), 'LoRA')}; shares follow from what is in them"
        else:
            told = _foreseen(catalog, parts, self.max_share)
        _require_blocks(catalog, models, self.blocks)
        return told

    def made(self, catalog: Catalog, report: Report) -> Model:
        """The model. Raises as `merge_average`."""
        from core.merging.catalogued import merge_average  # torch is loaded only where it is used

        return merge_average(
            catalog,
            self.models,
            self.out,
            weights=self.weights,
            method=self.how,
            rank=self.rank,
            dtype=self.dtype,
            max_share=self.max_share,
            report=report,
        )


@dataclass(frozen=True, slots=True)
class AskedBake:
    """A bake that is asked for: as `merge_bake`'s arguments."""

    model: str
    base: str
    out: str
    weight: float = 1.0
    blocks: Mapping[str, float] = field(default_factory=dict)
    dtype: str | None = None
    max_share: float | None = None

    def foreseen(self, catalog: Catalog) -> str:
        """Who would be in it, in a sentence. Raises what `merge_bake` would for names, people or rules.

        That the base is a model of the catalog's own is told by where it lies; the bake tells by what is in it.
        """
        dtype_of(self.dtype)
        parts = composition.named(catalog, [self.model], [self.weight])
        models = [part.model for part in parts]
        composition.require_kind(models, LORAS)
        if self.out:
            made = f"{self.out}.safetensors" if Path(self.base).is_file() else self.out  # as the base is
            require_free(catalog, require_name(self.out), made)
        own = [one for one in artifacts.all_models(catalog) if catalog.models / one.path == Path(self.base).resolve()]
        parts += composition.named(catalog, [one.name for one in own], None) if own else []
        told = _foreseen(catalog, parts, self.max_share)
        _require_blocks(catalog, models, self.blocks)
        return told

    def made(self, catalog: Catalog, report: Report) -> Model:
        """The model. Raises as `merge_bake`."""
        from core.merging.catalogued import merge_bake  # torch is loaded only where it is used

        return merge_bake(
            catalog,
            self.model,
            Path(self.base),
            self.out,
            weight=self.weight,
            blocks=self.blocks,
            dtype=self.dtype,
            max_share=self.max_share,
            report=report,
        )


Asked = AskedAverage | AskedBake
OPS: Mapping[str, type[AskedAverage | AskedBake]] = {"average": AskedAverage, "bake": AskedBake}
"""What a merge's recipe calls each."""


def arguments(asked: Asked) -> dict[str, Any]:
    """A `merge` job's arguments."""
    op = next(name for name, one in OPS.items() if isinstance(asked, one))
    return {"op": op, **asdict(asked)}


def run_job(catalog: Catalog, job: Job, report: Report) -> Mapping[str, Any]:
    """Run a `merge` job: args `op` (average or bake) and that one's fields. Gives `model` and `energy_kept`."""
    given = dict(job.args)
    asked = OPS[given.pop("op")](**given)
    made = _made_before(catalog, asked, job) or asked.made(catalog, report)
    return {"model": made.name, "energy_kept": made.energy_kept}


def rank_of(text: str) -> int | None:
    """A rank as it is written: `exact`, None, or a whole number above 0. Raises BadValue."""
    if text == "exact":
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise BadValue(f"rank {text!r} is neither 'exact' nor a positive whole number")


def weights_of(text: str | None) -> list[float] | None:
    """Weights as they are written, one a model: `0.5,0.3,0.2`; None, all alike, for nothing. Raises BadValue."""
    try:
        return None if not text else [float(part) for part in text.split(",")]
    except ValueError as error:
        raise BadValue(f"weights {text!r} are no list of numbers", "as in 0.5,0.3,0.2") from error


def _foreseen(catalog: Catalog, parts: Sequence[Input], most: float | None) -> str:
    composition.require_consent(catalog, parts)
    composition.require_balance(catalog, parts, most=most)
    return flat_shares(sorted(composition.flattened(parts).values(), reverse=True))


def _require_blocks(catalog: Catalog, models: Sequence[Model], given: Mapping[str, float]) -> None:
    """Raises BadValue for a block that none of these LoRAs has a layer in, as their files' headers tell."""
    if given:
        tensors = [name for model in models for name in read_header(catalog.models / model.path).specs]
        strengths.factors(given, [of_diffusers(name.partition(".")[0]) for name in tensors])


def _made_before(catalog: Catalog, asked: Asked, job: Job) -> Model | None:
    """What this job made before it was interrupted: a model of that name and these ingredients, younger than it."""
    try:
        found = artifacts.get_model(catalog, asked.out)
    except NoSuchRecord:
        return None
    names = asked.models if isinstance(asked, AskedAverage) else [asked.model]
    made_of = {arrow.input_id for arrow in artifacts.inputs_of(catalog, found.id)}
    same = {artifacts.get_model(catalog, name).id for name in names} <= made_of
    return found if same and found.created_at >= job.created_at else None
