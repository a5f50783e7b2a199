"""The questions of the Models room: what they ask, and the job's arguments that come of the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core import composition, prompts
from core.errors import BadValue, KyodakuError
from core.merging import job as merging
from core.merging.job import AskedAverage, AskedBake, rank_of, weights_of
from core.merging.methods import DTYPES, METHODS, READS
from core.merging.strengths import single
from core.training.recipe import SHARED_TRIGGER
from storage import artifacts
from storage.catalog import Catalog
from storage.records import Model
from tui.screens.dialogs import Answers, Field

Arguments = Mapping[str, Any]
NUMBERS = (("n", "the number of pictures", 1), ("seed", "the seed", 0), ("steps", "the number of steps", 1))

BLOCKS = Field("blocks", "Blocks", help="as in text=0,down.0=0.5,mid=1; empty: 1 each")
MAX_SHARE = Field("max_share", "Most of one", help="0.1: refuse if anybody were more; empty: none")
AVERAGE = (
    Field("name", "Name", help="what the average is called"),
    Field("method", "Method", value="mean", suggestions=list(METHODS), help=", ".join(METHODS)),
    Field("rank", "Rank", value="exact", help="exact (ranks add up), or the rank to keep"),
    Field("weights", "Weights", help="one a model, as in 0.5,0.3,0.2; empty: all alike"),
    Field("trim", "Trim", help="trimmed-mean: left out at each end; empty: 0.1"),
    Field("density", "Density", help="ties, dare: part of values kept; empty: 0.5"),
    Field("seed", "Seed", help="dare: which values are kept; empty: 0"),
    BLOCKS,
    MAX_SHARE,
    Field("dtype", "Numbers", value="fp32", suggestions=list(DTYPES), help=", ".join(DTYPES)),
)
DRAW = (
    Field("prompt", "Prompt", value="photo of {trigger} person", help="{trigger} stands for the model's word"),
    Field("negative", "Not", help="what shall not be in it"),
    Field("n", "Pictures", value="8"),
    Field("seed", "Seed", value="0"),
    Field("steps", "Steps", value="25"),
)
AUDIT = (
    Field("n", "Pictures", value="64", help="the more, the surer the verdict"),
    Field("seed", "Seed", value="0"),
)


def bake_fields(model: Model) -> list[Field]:
    """What is asked before a LoRA is baked."""
    return [
        Field("name", "Name", help="what the checkpoint is called"),
        Field("base", "Base", value=model.base, suggestions=[model.base], help="a diffusers folder, or a file"),
        Field("weight", "Strength", value="1", help="1 is as it was trained, below 0 takes away"),
        BLOCKS,
        MAX_SHARE,
        Field("dtype", "Numbers", suggestions=list(DTYPES), help=f"{', '.join(DTYPES)}; empty: the base's"),
    ]


def averaging(models: Sequence[str], answers: Answers, catalog: Catalog) -> Arguments:
    """A `merge` job's arguments for an average. Raises what the merge would for names, people and rules; BadValue."""
    asked = AskedAverage(
        list(models),
        _named(answers),
        weights=weights_of(answers["weights"]),
        method=answers["method"],
        **_read_by(answers["method"], answers),
        blocks=single(answers["blocks"]),
        rank=rank_of(answers["rank"]),
        dtype=answers["dtype"],
        max_share=_share(answers),
    )
    asked.foreseen(catalog)
    return merging.arguments(asked)


def _read_by(method: str, answers: Answers) -> dict[str, Any]:
    """What the method is asked, of the fields that not all of them read. Raises BadValue for one that it doesn't."""
    given = [name for name in ("trim", "density", "seed") if answers[name]]
    for name in given:
        if method in METHODS and name not in READS.get(method, ()):
            readers = ", ".join(one for one, reads in READS.items() if name in reads)
            raise BadValue(f"{method} reads no {name}", f"leave it empty, or take {readers}")
    return {
        name: _whole(answers, name, "the seed", 0) if name == "seed" else _number(answers, name, name) for name in given
    }


def baking(model: str, answers: Answers, catalog: Catalog) -> Arguments:
    """A `merge` job's arguments for a bake. Raises what the merge would for names, people and rules; BadValue."""
    base = Path(answers["base"]).expanduser()
    if not answers["base"] or not base.exists():
        raise BadValue("name the base: a diffusers folder or a .safetensors file")
    asked = AskedBake(
        model,
        str(base.resolve()),
        _named(answers),
        _number(answers, "weight", "strength"),
        blocks=single(answers["blocks"]),
        dtype=answers["dtype"] or None,
        max_share=_share(answers),
    )
    asked.foreseen(catalog)
    return merging.arguments(asked)


def outlook(asked: merging.Asked, catalog: Catalog) -> str:
    """What would be made of it as it stands, or why nothing would."""
    try:
        return f"as it stands: {asked.foreseen(catalog)}"
    except KyodakuError as error:
        return f"not as it stands: {error}"


def drawing(model: Model, answers: Answers, catalog: Catalog) -> Arguments:
    """A `generate` job's arguments. Raises PromptRefused, Tainted, Refused for what would not be drawn, BadValue."""
    prompt, negative = answers["prompt"], answers["negative"]
    if not prompt:
        raise BadValue("say what to draw")
    prompts.check(prompt, negative, prompt.replace("{trigger}", model.trigger or SHARED_TRIGGER))
    numbers = {name: _whole(answers, name, label, least) for name, label, least in NUMBERS}
    composition.permit(catalog, artifacts.get_model(catalog, model.id))
    return {"model": model.name, "prompt": prompt, "negative": negative, **numbers}


def auditing(model: Model, answers: Answers, catalog: Catalog) -> Arguments:
    """An `audit` job's arguments. Raises Tainted, Refused, BadValue."""
    numbers = {name: _whole(answers, name, label, least) for name, label, least in NUMBERS[:2]}
    composition.permit(catalog, artifacts.get_model(catalog, model.id))
    return {"model": model.name, **numbers}


def _named(answers: Answers) -> str:
    if not answers["name"]:
        raise BadValue("give the model a name")
    return answers["name"]


def _share(answers: Answers) -> float | None:
    return _number(answers, "max_share", "the most of one person") if answers["max_share"] else None


def _whole(answers: Answers, name: str, label: str, least: int) -> int:
    text = answers[name]
    if not text.isdecimal() or int(text) < least:
        raise BadValue(f"{label} is a whole number of {least} or more")
    return int(text)


def _number(answers: Answers, name: str, label: str) -> float:
    try:
        return float(answers[name])
    except ValueError as error:
        raise BadValue(f"{label} is a number, as in 0.5") from error
