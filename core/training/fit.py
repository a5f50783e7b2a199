"""The training of one model, readable from top to bottom."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from blake3 import blake3
from torch import Tensor

from core.base_model import Base
from core.training import checkpoint
from core.training.adapter import Adapter, adapter_of
from core.training.batches import Batches, Group, Rows
from core.training.checkpoint import Kept
from core.training.objective import Diffusion, errors
from core.training.optimisers import Optimiser, rate
from core.training.order import epoch_steps
from core.training.recipe import SHARED_TRIGGER, Recipe
from core.training.team import Team
from core.training.words import Words

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def loaded_as(recipe: Recipe) -> torch.dtype:
    """The precision that a run's base is loaded in: weights that learn are float32 whatever passes are in."""
    return torch.float32 if recipe.learns == "full" else DTYPES[recipe.precision]


@dataclass(frozen=True, slots=True)
class Told:
    """What one step tells: steps done, the loss, each group's share of it, the gradient's norm and the rate.

    `groups` gives by group number the sum of its pictures' errors and how many they were; prior pictures are not in
    it. The norm is from before it was clipped. `micro` is how many pictures went through at once.
    """

    step: int
    loss: float
    groups: Mapping[int, tuple[float, int]]
    gradient: float
    rate: float
    micro: int


@dataclass(frozen=True, slots=True)
class _Pass:
    """What one pass through the network tells: its share of the loss, and each picture's group and error."""

    loss: float
    seen: list[tuple[int, float]]
    micro: int


@dataclass(slots=True)
class Fit:
    """One model under training on a base that other runs use after it (but `full`). `step` counts what is done.

    `trigger` is the word that is learned, where the recipe asks for one.
    `micro` is how many pictures go through the network at once: the recipe's batch, or less since memory ran out.
    `best` is the score that the weights kept as the best had, None before there is one.
    """

    base: Base
    recipe: Recipe
    groups: Sequence[Group]
    key: str
    prior: Group | None = None
    team: Team = field(default_factory=Team)
    trigger: str = SHARED_TRIGGER
    step: int = 0
    micro: int = 0
    best: float | None = None
    adapter: Adapter = field(init=False)
    optimiser: Optimiser = field(init=False)
    batches: Batches = field(init=False)
    diffusion: Diffusion = field(init=False)
    scaler: Any = None
    _mean: dict[str, Tensor] = field(default_factory=dict)
    _best: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        recipe = self.recipe
        self.adapter = adapter_of(self.base, recipe, self.trigger)
        self.adapter.initialise(self.key, recipe.seed)
        self.optimiser = Optimiser(recipe, self.adapter.rates())
        self.batches = Batches(self.base, recipe, self.groups, self.key, self.prior, learns_words=self.adapter.text)
        self.diffusion = Diffusion.of(self.base.pipe.scheduler)
        self.micro = recipe.batch
        if recipe.precision == "fp16":
            self.scaler = torch.amp.GradScaler(self.base.device.type)
        if recipe.ema is not None:
            self._mean = {name: parameter.detach().clone() for name, parameter in self.adapter.named.items()}
        unet = self.base.pipe.unet
        if recipe.gradient_checkpointing:
            unet.enable_gradient_checkpointing()
        else:
            unet.disable_gradient_checkpointing()  # of a run before
        if recipe.compile:
            unet.compile()

    @property
    def fingerprint(self) -> str:
        """What a checkpoint must agree on to be this run's."""
        people = [[group.uid, *group.leaves, *group.captions] for group in self.groups]
        hashes = [self.base.unet_hash, self.base.vae_hash, self.base.text_hash]
        told = [self.recipe.told(), *hashes, self.key, people]
        return str(blake3(json.dumps(told, sort_keys=True).encode()).hexdigest())

    @property
    def epoch(self) -> int:
        """Steps between two looks at consent: one pass over the pictures."""
        return epoch_steps([len(g.pictures) for g in self.groups], self.recipe.batch * self.recipe.accumulate)

    def steps(self, *, before_epoch: Callable[[], None], kept: Path | None) -> Iterator[Told]:
        """Train to the last step, from the checkpoint at `kept` if it is this run's; tells of each step.

        `before_epoch` is called before the first step, on resume too, and before each pass over the pictures; what it
        raises stops the run. A checkpoint is written when the step has been told of, so that it holds what the caller
        made of it (`note`).
        """
        if kept is not None:
            self._resume(kept)
        before_epoch()
        while self.step < self.recipe.steps:
            if self.step and self.step % self.epoch == 0:
                before_epoch()
            told = self._step()
            yield told
            due = self.step < self.recipe.steps and self.step % self.recipe.checkpoint_every == 0
            if kept is not None and self.team.leads and due:
                people = [group.uid for group in self.groups]
                checkpoint.save(kept, self._state(), fingerprint=self.fingerprint, people=people)

    def note(self, score: float) -> bool:
        """Keep the weights as they are if this score is the least yet; tells whether it is."""
        if self.best is not None and score >= self.best:
            return False
        self.best = score
        with self.in_use():
            self._best = {name: parameter.detach().clone() for name, parameter in self.adapter.named.items()}
        return True

    @contextmanager
    def written(self) -> Iterator[None]:
        """Within the block the weights are those that are written at the end: the best noted, else those in use."""
        with self._holding(self._best) if self._best else self.in_use():
            yield

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Within the block the weights are those that would be written now; then again what they were, to the bit."""
        if self._mean:
            with self._holding(self._mean):
                yield
        else:
            with self.optimiser.averaged():
                yield

    @torch.no_grad()
    def error_of(self, rows: Rows) -> list[float]:
        """How wrong the weights in use are about pictures that are not learned from, each."""
        with self.in_use():
            return [float(each) for each in self._errors(rows)]

    @contextmanager
    def _holding(self, values: Mapping[str, Tensor]) -> Iterator[None]:
        before = {name: parameter.detach().clone() for name, parameter in self.adapter.named.items()}
        self._put(values)
        try:
            yield
        finally:
            self._put(before)

    def _put(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self.adapter.named.items():
            parameter.data.copy_(values[name])

    def _step(self) -> Told:
        parameters = list(self.adapter.named.values())
        passes = self._gradients(parameters)
        if self.scaler is not None:
            self.scaler.unscale_(self.optimiser.inner)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.recipe.clip)
        self.optimiser.step(self.step, self.scaler)
        if self.scaler is not None:
            self.scaler.update()
        self.step += 1
        self._follow()
        by_group: dict[int, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
        for group, error in (seen for each in passes for seen in each.seen):
            by_group[group] = (by_group[group][0] + error, by_group[group][1] + 1)
        loss, micro = sum(each.loss for each in passes), min(each.micro for each in passes)
        return Told(self.step, loss, dict(by_group), float(norm), self.optimiser.own_rate, micro)

    def _gradients(self, parameters: Sequence[torch.nn.Parameter]) -> list[_Pass]:
        """Leave the gradients of one step: its passes' summed in their order, and so rounded alike by any team."""
        accumulate = self.recipe.accumulate
        first = self.step * accumulate
        passes: list[_Pass] = []
        total: Tensor | None = None
        for number in range(first, first + accumulate, self.team.count):
            passes += self.team.from_each([self._pass(number + self.team.rank)])
            if accumulate == 1:
                break
            used = [parameter for parameter in parameters if parameter.grad is not None]
            own = torch.cat([parameter.grad.flatten() for parameter in used if parameter.grad is not None])
            for each in self.team.tensor_of_each(own):
                total = each.clone() if total is None else total.add_(each)
        if total is not None:
            for parameter, values in zip(used, torch.split(total, [each.numel() for each in used]), strict=True):
                parameter.grad = values.view_as(parameter)
        return passes

    def _pass(self, number: int) -> _Pass:
        """Leave the gradients of one pass; it is taken apart where memory or shapes ask for it."""
        pictures = self.recipe.batch * self.recipe.accumulate
        while True:
            self.optimiser.clear()
            seen: list[tuple[int, Tensor]] = []
            total = torch.zeros((), device=self.base.device)
            try:
                for rows, weight in self.batches.parts(number, self.micro):
                    each = self._errors(rows)
                    loss = each.sum() * (weight / pictures)
                    (loss if self.scaler is None else self.scaler.scale(loss)).backward()
                    total += loss.detach()
                    seen += [(group, error) for group, error in zip(rows.groups, each.detach(), strict=True)]
                break
            except torch.OutOfMemoryError:
                if self.micro == 1:
                    raise
                self._halve()
        values = torch.stack([total, *(error for _, error in seen)]).tolist()
        people = [(group, error) for (group, _), error in zip(seen, values[1:], strict=True) if group >= 0]
        return _Pass(values[0], people, self.micro)

    def _errors(self, rows: Rows) -> Tensor:
        """The denoising loss of each picture [n], weighed by its noise level."""
        noisy, signal = self.diffusion.noisy(rows.latents, rows.noise, rows.when)
        dtype = DTYPES[self.recipe.precision]
        with torch.autocast(self.base.device.type, dtype=dtype, enabled=dtype is not torch.float32):
            words = self.batches.words_of(rows)
            told = self.base.pipe.unet(
                noisy, rows.when.to(noisy.device), words.tokens, added_cond_kwargs=_added(words, rows)
            ).sample
        each = errors(told, self.diffusion.target(rows.latents, rows.noise, signal), rows.weights)
        return each * self.diffusion.weights(self.recipe.min_snr_gamma, signal)

    def _halve(self) -> None:
        """Half as many pictures at once: the same step in more passes."""
        self.optimiser.clear()  # before the memory is given back
        self.micro = (self.micro + 1) // 2
        if self.base.device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.no_grad()
    def _follow(self) -> None:
        """Let the running mean follow; it starts quickly, as diffusers' does."""
        keep = min(self.recipe.ema or 0.0, (1 + self.step) / (10 + self.step))
        for name, mean in self._mean.items():
            mean.lerp_(self.adapter.named[name].data, 1 - keep)

    def _state(self) -> Kept:
        tensors = {f"value/{name}": parameter.data for name, parameter in self.adapter.named.items()}
        tensors |= {f"mean/{name}": mean for name, mean in self._mean.items()}
        tensors |= {f"best/{name}": value for name, value in self._best.items()}
        memory, plain = self.optimiser.state()
        tensors |= {f"optimiser/{name}": value for name, value in memory.items()}
        scaler = None if self.scaler is None else self.scaler.state_dict()
        told = {"optimiser": plain, "scaler": scaler, "micro": self.micro, "best": self.best}
        return Kept(self.step, tensors, told)

    def _resume(self, kept: Path) -> None:
        found = checkpoint.load(kept, self.fingerprint)
        if found is None:
            return
        self.step, device = found.step, self.base.device
        parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for name, tensor in found.tensors.items():
            part, _, rest = name.partition("/")
            parts[part][rest] = tensor
        self._put(parts["value"])
        self._mean = {name: tensor.to(device) for name, tensor in parts["mean"].items()}
        self._best = {name: tensor.to(device) for name, tensor in parts["best"].items()}
        self.optimiser.restore(parts["optimiser"], found.plain["optimiser"])
        if self.scaler is not None:
            self.scaler.load_state_dict(found.plain["scaler"])
        self.micro, self.best = found.plain["micro"], found.plain["best"]


def _added(words: Words, rows: Rows) -> dict[str, Tensor] | None:
    """What SDXL's UNet is told beside the words."""
    if words.pooled is None:
        return None
    return {"text_embeds": words.pooled, "time_ids": rows.frames}


__all__ = ["Fit", "Group", "Told", "rate"]
