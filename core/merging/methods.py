"""Ways to average LoRAs, with what each is asked, as they stand in a merge's recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import BadValue

METHODS = {
    "mean": "the weighted mean of the changes",
    "geometric-median": "the point nearest to all: one odd LoRA pulls it little; weights follow from the LoRAs",
    "trimmed-mean": "at each weight the mean without the lowest and highest --trim of the values; needs --rank",
    "slerp": "two LoRAs, along the arc between them, so that the strength is kept",
    "ties": "the --density largest values of each, then the mean of those that agree in sign; needs --rank",
    "dare": "a random --density of each one's values, made up for, then the mean; needs --rank",
    "dare-ties": "the values of dare, then the mean of those that agree in sign; needs --rank",
}
DENSE = frozenset({"trimmed-mean", "ties", "dare", "dare-ties"})  # they give changes of no low rank
READS = {
    "trimmed-mean": ("trim",),
    "ties": ("density",),
    "dare": ("density", "seed"),
    "dare-ties": ("density", "seed"),
}
"""What of `Rule` a method reads; the others read nothing."""
DTYPES = {"fp32": "F32", "fp16": "F16", "bf16": "BF16"}
"""How numbers are written, by the names that users give."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How changes are merged weight by weight.

    `trim` is the part of the values left out at either end, `density` the part of each input's values that is
    kept, `seed` decides which those are in DARE.
    """

    method: str
    trim: float = 0.1
    density: float = 0.5
    seed: int = 0


def dtype_of(name: str | None) -> str | None:
    """What safetensors calls a dtype of `DTYPES`; None for None. Raises BadValue."""
    if name is not None and name not in DTYPES:
        raise BadValue(f"dtype {name!r} is unknown", f"one of: {', '.join(DTYPES)}")
    return None if name is None else DTYPES[name]


def cut(trim: float, count: int) -> int:
    """How many values are left out at either end. Raises BadValue where none would be left."""
    number = math.ceil(trim * count - 1e-9)
    if not 0 < trim < 0.5 or count - 2 * number < 1:
        raise BadValue(
            f"trimming {trim:g} of {count} values at either end leaves none, or leaves nothing out",
            "take three models or more, and a part between 0 and 0.5",
        )
    return number


@dataclass(frozen=True, slots=True)
class Method:
    """One way, and what it was asked: see `METHODS` and `Rule`. `blocks` maps a block to its strength."""

    name: str = "mean"
    trim: float = 0.1
    density: float = 0.5
    seed: int = 0
    blocks: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in METHODS:
            raise BadValue(f"method {self.name!r} is unknown", f"one of: {', '.join(METHODS)}")
        if not 0 < self.density <= 1:
            raise BadValue(f"density {self.density:g} is no part of one", "as in 0.5")
        if not 0 < self.trim < 0.5:
            raise BadValue(f"trim {self.trim:g} is not between 0 and 0.5", "as in 0.1")
        if not all(map(math.isfinite, self.blocks.values())):
            raise BadValue("a block's strength is no number", "as in mid=0.5")

    @property
    def rule(self) -> Rule:
        """What a merge weight by weight is asked."""
        return Rule(self.name, self.trim, self.density, self.seed)

    @property
    def recipe(self) -> dict[str, Any]:
        """What stands in a recipe: nothing for the plain mean, and only what the method reads."""
        own = {} if self.name == "mean" else {"method": self.name}
        asked = {key: getattr(self, key) for key in READS.get(self.name, ())}
        return {**own, **asked, **({"blocks": dict(sorted(self.blocks.items()))} if self.blocks else {})}

    @staticmethod
    def of(recipe: Mapping[str, Any]) -> Method:
        """The method that a recipe names."""
        keys = ("trim", "density", "seed", "blocks")
        return Method(recipe.get("method", "mean"), **{key: recipe[key] for key in keys if key in recipe})

    def require_rank(self, rank: int | None) -> None:
        """Raises BadValue where so low a rank, or none, can't be had this way."""
        if rank is not None and rank < 1:
            raise BadValue(f"rank {rank} is below 1", "give a positive whole number, or take the exact mean")
        if rank is None and self.name in DENSE:
            raise BadValue(f"{self.name} gives no change of low rank", "say what rank to keep, as in --rank 32")

    def require_fit(self, parts: Sequence[float]) -> None:
        """Raises BadValue where so many inputs, or inputs of these parts, can't be averaged this way."""
        if self.name == "slerp" and len(parts) != 2:
            raise BadValue(f"slerp is between two models, and {len(parts)} are named", "take another method")
        if self.name == "trimmed-mean":
            cut(self.trim, len(parts))
            if max(parts) - min(parts) > 1e-9:
                raise BadValue("a trimmed mean counts every model alike", "leave the weights out")


MEAN = Method()
