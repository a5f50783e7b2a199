"""The training of one LoRA, readable from top to bottom."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from blake3 import blake3
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import Tensor

from core.base_model import Base
from core.errors import BadBase
from core.merging.formats import LoraLayer, layers_from_peft
from core.training import checkpoint
from core.training.dataset import Pictures, embed_captions
from core.training.order import epoch_steps, pick, seed_of
from core.training.recipe import SHARED_TRIGGER, Recipe

ADAPTER = "kyodaku"
LAYERS = {
    "attention": ("to_q", "to_k", "to_v", "to_out.0"),
    "ff": ("ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"),
    "conv": ("conv1", "conv2"),
}
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True)
class Group:
    """One person's share of a run: their pictures and the word that stands for them."""

    uid: str
    trigger: str
    pictures: Pictures
    leaves: tuple[str, ...]  # what the pictures are, for the checkpoint to know its run


@dataclass(slots=True)
class Fit:
    """One LoRA under training on a base that other runs use after it. `step` counts what is done."""

    base: Base
    recipe: Recipe
    groups: Sequence[Group]
    key: str
    step: int = 0
    parameters: dict[str, Tensor] = field(default_factory=dict)
    optimiser: Any = None
    captions: Tensor = field(default_factory=lambda: torch.empty(0))
    levels: Tensor = field(default_factory=lambda: torch.empty(0))

    def __post_init__(self) -> None:
        _attach(self.base, self.recipe)
        unet = self.base.pipe.unet
        self.parameters = {name: p for name, p in sorted(unet.named_parameters()) if p.requires_grad}
        self._initialise()
        recipe = self.recipe
        self.optimiser = torch.optim.AdamW(
            list(self.parameters.values()), lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True
        )
        texts = [recipe.caption.format(trigger=group.trigger) for group in self.groups]
        texts += [recipe.caption.format(trigger=SHARED_TRIGGER), ""]
        self.captions = embed_captions(self.base, texts)
        self.levels = self.base.pipe.scheduler.alphas_cumprod.float()

    @property
    def fingerprint(self) -> str:
        """What a checkpoint must agree on to be this run's."""
        people = [[group.uid, *group.leaves] for group in self.groups]
        told = [self.recipe.model_dump(), self.base.unet_hash, self.base.vae_hash, self.key, people]
        return str(blake3(json.dumps(told, sort_keys=True).encode()).hexdigest())

    @property
    def epoch(self) -> int:
        """Steps between two looks at consent: one pass over the pictures."""
        return epoch_steps([len(g.pictures) for g in self.groups], self.recipe.batch * self.recipe.accumulate)

    def steps(self, *, before_epoch: Callable[[], None], kept: Path | None) -> Iterator[tuple[int, float]]:
        """Train to the last step, from the checkpoint at `kept` if it is this run's; gives steps done and the loss.

        `before_epoch` is called before the first step, on resume too, and before each pass over the pictures; what it
        raises stops the run.
        """
        if kept is not None:
            self._resume(kept)
        before_epoch()
        while self.step < self.recipe.steps:
            if self.step and self.step % self.epoch == 0:
                before_epoch()
            loss = self._step()
            self.step += 1
            if kept is not None and self.step < self.recipe.steps and self.step % self.recipe.checkpoint_every == 0:
                people = [group.uid for group in self.groups]
                checkpoint.save(kept, self._state(), step=self.step, fingerprint=self.fingerprint, people=people)
            yield self.step, loss

    def layers(self) -> dict[str, LoraLayer]:
        """The LoRA as it stands, by kohya's layer names, copied."""
        state = get_peft_model_state_dict(self.base.pipe.unet, adapter_name=ADAPTER)
        state = {name: tensor.detach().float().cpu().clone() for name, tensor in state.items()}
        return layers_from_peft(state, self.recipe.scale_alpha)

    def _initialise(self) -> None:
        """Down: uniform within 1/sqrt(inputs), as peft and kohya do; up: nothing, so training starts from the base."""
        for name, parameter in self.parameters.items():
            values = torch.zeros(parameter.shape)
            if "lora_A" in name:
                generator = torch.Generator().manual_seed(seed_of(self.key, self.recipe.seed, "start", name))
                bound = 1 / math.sqrt(math.prod(parameter.shape[1:]))
                values = torch.rand(parameter.shape, generator=generator) * (2 * bound) - bound
            parameter.data.copy_(values)
            parameter.grad = None

    def _step(self) -> float:
        recipe = self.recipe
        for settings in self.optimiser.param_groups:
            settings["lr"] = recipe.lr * rate(recipe, self.step)
        self.optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for part in range(recipe.accumulate):
            loss = self._loss(self.step * recipe.accumulate + part) / recipe.accumulate
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), recipe.clip)
        self.optimiser.step()
        return total

    def _loss(self, number: int) -> Tensor:
        """Denoising loss of batch `number` of the run (Ho et al., "Denoising Diffusion Probabilistic Models", 2020)."""
        scheduler, device = self.base.pipe.scheduler, self.base.device
        latents, weights, captions = self._batch(number)
        chance = torch.Generator().manual_seed(seed_of(self.key, self.recipe.seed, "noise", number))
        noise = torch.randn(latents.shape, generator=chance).to(device)
        when = torch.randint(0, scheduler.config.num_train_timesteps, (len(latents),), generator=chance)
        signal = self.levels[when].to(device).view(-1, 1, 1, 1)
        noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
        told = self.base.pipe.unet(noisy, when.to(device), captions).sample
        wrong = (told.float() - _target(self.base.predicts, latents, noise, signal)).square() * weights
        each = wrong.sum(dim=(1, 2, 3)) / (weights.sum(dim=(1, 2, 3)) * latents.shape[1]).clamp(min=1)
        loss: Tensor = (each * _snr_weights(self.recipe.min_snr_gamma, self.base.predicts, signal.flatten())).mean()
        return loss

    def _batch(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        recipe = self.recipe
        sizes = [len(group.pictures) for group in self.groups]
        chance = torch.Generator().manual_seed(seed_of(self.key, self.recipe.seed, "views", number))
        draws = torch.rand((recipe.batch, 3), generator=chance).tolist()
        latents, weights, captions = [], [], []
        for place, (mirror, shared, empty) in enumerate(draws):
            group, index = pick(sizes, f"{self.key}/{recipe.seed}", number * recipe.batch + place)
            pictures = self.groups[group].pictures
            mirrored = recipe.flip and mirror < 0.5
            latents.append((pictures.mirrored if mirrored else pictures.latents)[index])
            weights.append(pictures.weights[index].flip(-1) if mirrored else pictures.weights[index])
            text = len(self.groups) if shared < recipe.shared_trigger else group
            captions.append(self.captions[-1 if empty < recipe.caption_dropout else text])
        return torch.stack(latents), torch.stack(weights), torch.stack(captions)

    def _state(self) -> dict[str, Tensor]:
        state = {}
        for name, parameter in self.parameters.items():
            state[f"value/{name}"] = parameter.data
            for moment in _MOMENTS:
                state[f"{moment}/{name}"] = self.optimiser.state[parameter][moment]
        return state

    def _resume(self, kept: Path) -> None:
        found = checkpoint.load(kept, self.fingerprint)
        if found is None:
            return
        self.step, state = found
        for name, parameter in self.parameters.items():
            parameter.data.copy_(state[f"value/{name}"])
            moments = {moment: state[f"{moment}/{name}"].to(parameter.device) for moment in _MOMENTS}
            steps = torch.tensor(float(self.step), device=parameter.device)
            self.optimiser.state[parameter] = {"step": steps, **moments}


def rate(recipe: Recipe, step: int) -> float:
    """The learning rate's share of its height at a step, 0..1: up over the warm-up, then as the schedule says."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    if recipe.schedule == "constant":
        return 1.0
    passed = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 1 - passed if recipe.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * passed))


def _attach(base: Base, recipe: Recipe) -> None:
    """Give the UNet this recipe's LoRA layers, in place of those of a run before."""
    unet = base.pipe.unet
    if ADAPTER in getattr(unet, "peft_config", {}):
        unet.delete_adapters(ADAPTER)
    names = [name for kind in recipe.targets.split("+") for name in LAYERS[kind]]
    config = LoraConfig(r=recipe.rank, lora_alpha=recipe.scale_alpha, target_modules=names, init_lora_weights=False)
    unet.requires_grad_(False)
    try:
        unet.add_adapter(config, adapter_name=ADAPTER)
    except ValueError as error:
        raise BadBase(f"{base.path}: its UNet has no layer to train: {error}", "choose other targets") from error


def _target(predicts: str, latents: Tensor, noise: Tensor, signal: Tensor) -> Tensor:
    """What the UNet should say: the noise, the picture, or v of Salimans and Ho, "Progressive Distillation", 2022."""
    if predicts == "epsilon":
        return noise
    if predicts == "sample":
        return latents
    return signal.sqrt() * noise - (1 - signal).sqrt() * latents


def _snr_weights(gamma: float | None, predicts: str, signal: Tensor) -> Tensor:
    if gamma is None:
        return torch.ones_like(signal)
    snr = (signal / (1 - signal)).clamp(min=1e-8)  # nothing but noise at the last level of some schedules
    least = snr.clamp(max=gamma)
    return {"epsilon": least / snr, "sample": least}.get(predicts, least / (snr + 1))
