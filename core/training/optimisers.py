"""The optimisers a recipe can name, each from its own library, and their state as tensors and plain numbers."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from core.errors import BadRecipe
from core.training.recipe import LIBRARIES, Recipe, require_optimiser

Named = Mapping[str, torch.nn.Parameter]


class Optimiser:
    """An optimiser over named parameters, its rate set before each step; what it remembers can be kept and restored."""

    def __init__(self, recipe: Recipe, parts: Mapping[str, tuple[Named, float]]) -> None:
        """`parts` gives, by name, parameters and their learning rate at its height.

        Raises MissingDependency when the library is not installed.
        """
        self._recipe = recipe
        self._heights = [rate for _, rate in parts.values()]
        self.named: dict[str, torch.nn.Parameter] = {}
        groups = []
        for named, rate in parts.values():
            self.named.update(named)
            groups.append({"params": list(named.values()), "lr": rate})
        self.inner: Any = _made(recipe, groups)

    @property
    def own_rate(self) -> float:
        """The first group's rate, with what Prodigy found."""
        group = self.inner.param_groups[0]
        return float(group["lr"]) * float(group.get("d", 1.0))

    def step(self, number: int, scaler: Any = None) -> None:
        """Take step `number`, counted from 0, with the gradients that are there."""
        share = rate(self._recipe, number)
        for group, height in zip(self.inner.param_groups, self._heights, strict=True):
            group["lr"] = height * share
        if scaler is None:
            self.inner.step()
        else:
            scaler.step(self.inner)

    def clear(self) -> None:
        """Forget the gradients."""
        self.inner.zero_grad(set_to_none=True)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the block the parameters are those to be used, where the optimiser learns with others.

        Afterwards they are what they were, to the bit. (Schedule-free learns at a point between its two sequences:
        Defazio et al., "The Road Less Scheduled", 2024.)
        """
        if not hasattr(self.inner, "eval") or not self.inner.state:
            yield
            return
        before = {name: parameter.detach().clone() for name, parameter in self.named.items()}
        self.inner.eval()
        try:
            yield
        finally:
            self.inner.train()
            for name, parameter in self.named.items():
                parameter.data.copy_(before[name])

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What it remembers: tensors by `parameter/key` or `group/number/key`, and the rest as JSON values."""
        tensors: dict[str, Tensor] = {}
        plain: dict[str, Any] = {}
        for place, values in self._places():
            for key, value in values.items():
                if key == "params":
                    continue
                if torch.is_tensor(value):
                    tensors[f"{place}/{key}"] = value
                else:
                    plain[f"{place}/{key}"] = value
        return tensors, plain

    def restore(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Remember what `state` gave."""
        groups = self.inner.param_groups
        for key, value in [*tensors.items(), *plain.items()]:
            place, _, name = key.rpartition("/")
            if place.startswith("group/"):
                group = groups[int(place.removeprefix("group/"))]
                group[name] = _like(value, group.get(name))
            else:
                parameter = self.named[place]
                kept = value.to(parameter.device) if torch.is_tensor(value) else value
                self.inner.state[parameter][name] = kept

    def _places(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for number, group in enumerate(self.inner.param_groups):
            yield f"group/{number}", group
        for name, parameter in self.named.items():
            yield name, self.inner.state.get(parameter, {})


def rate(recipe: Recipe, step: int) -> float:
    """The learning rate's share of its height at a step, 0..1: up over the warm-up, then as the schedule says."""
    if recipe.optimiser == "schedule-free":
        return 1.0  # it warms up by itself, and needs no fall
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    if recipe.schedule == "constant":
        return 1.0
    passed = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    if recipe.schedule == "linear":
        return 1 - passed
    if recipe.schedule == "restarts":
        passed = passed * recipe.cycles % 1.0
    return 0.5 * (1 + math.cos(math.pi * passed))


def _made(recipe: Recipe, groups: list[dict[str, Any]]) -> Any:
    require_optimiser(recipe)
    library = importlib.import_module(LIBRARIES.get(recipe.optimiser, "torch"))
    shared: dict[str, Any] = {"betas": (recipe.beta1, recipe.beta2), "weight_decay": recipe.weight_decay}
    try:
        match recipe.optimiser:
            case "adamw8bit":
                return library.optim.AdamW8bit(groups, lr=recipe.peak_lr, **shared)
            case "prodigy":
                return library.Prodigy(
                    groups, lr=recipe.peak_lr, use_bias_correction=True, safeguard_warmup=True, **shared
                )
            case "schedule-free":
                made = library.AdamWScheduleFree(groups, lr=recipe.peak_lr, warmup_steps=recipe.warmup, **shared)
                made.train()
                return made
            case _:
                return torch.optim.AdamW(groups, lr=recipe.peak_lr, fused=True, **shared)
    except ValueError as error:
        raise BadRecipe(f"optimiser {recipe.optimiser!r} refuses the recipe: {error}", "change it") from error


def _like(value: Any, before: Any) -> Any:
    """A group's value as it was: JSON knows no tuples, and a tensor has its device."""
    if isinstance(before, tuple):
        return tuple(value)
    return value.to(before.device) if torch.is_tensor(value) and torch.is_tensor(before) else value
