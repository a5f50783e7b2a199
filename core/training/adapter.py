"""What a run trains on a base, beside it a LoRA, a hypernetwork or a word, or its own weights: put on, read off it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from core import hypernetwork, textual_inversion
from core.base_model import Base
from core.errors import BadBase
from core.merging.formats import LoraLayer, layers_from_peft, write_lora
from core.merging.peft_keys import write_peft
from core.training.optimisers import Named
from core.training.order import seed_of
from core.training.recipe import Recipe
from core.training.whole import WholeAdapter

NAME = "kyodaku"
LAYERS = {
    "attention": ("to_q", "to_k", "to_v", "to_out.0"),
    "ff": ("ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"),
    "conv": ("conv1", "conv2"),
}
TEXT_LAYERS = ("q_proj", "k_proj", "v_proj", "out_proj")
ENCODERS = ("text_encoder", "text_encoder_2")


class HypernetworkAdapter:
    """A hypernetwork on a base that other runs use after this one. Its values are float32."""

    text = False

    def __init__(self, base: Base, recipe: Recipe, _word: str) -> None:
        """Raises BadBase when the base has no attention."""
        self._rate = recipe.peak_lr
        unet = base.pipe.unet
        if not (widths := hypernetwork.widths_of(unet)):
            raise BadBase(f"{base.path}: its UNet has no attention", "train a LoRA")
        design = hypernetwork.Design(activation=recipe.activation)
        self.network = hypernetwork.Hypernetwork(widths, design).to(base.device)
        hypernetwork.put_on(unet, self.network)
        self.named: dict[str, torch.nn.Parameter] = dict(sorted(self.network.named_parameters()))

    def rates(self) -> Mapping[str, tuple[Named, float]]:
        """Parameters and the height of their learning rate."""
        return {"unet": (self.named, self._rate)}

    def initialise(self, key: str, seed: int) -> None:
        """Weights normal with a deviation of 0.01, biases nothing, as A1111 does: nearly the base."""
        for name, parameter in self.named.items():
            generator = torch.Generator().manual_seed(seed_of(key, seed, "start", name))
            values = torch.randn(parameter.shape, generator=generator) * (0.01 if name.endswith("weight") else 0)
            parameter.data.copy_(values)
            parameter.grad = None

    def write(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the hypernetwork as it stands."""
        hypernetwork.write(path, self.network, metadata)


class EmbeddingAdapter:
    """A word that learns beside encoders that don't, on a base that other runs use after this one."""

    text = True

    def __init__(self, base: Base, recipe: Recipe, word: str) -> None:
        """Raises BadRecipe for a start of no words, BadLora where the base knows the word already."""
        self._word, self._rate = word, recipe.peak_token_lr
        self._start = textual_inversion.start_of(base.pipe, recipe.token_init, recipe.token_vectors)
        self._vectors = textual_inversion.learn(base.pipe, word, self._start)
        self.named: dict[str, torch.nn.Parameter] = {f"word.{part}": p for part, p in sorted(self._vectors.items())}

    def rates(self) -> Mapping[str, tuple[Named, float]]:
        """Parameters and the height of their learning rate."""
        return {"word": (self.named, self._rate)}

    def initialise(self, _key: str, _seed: int) -> None:
        """What the start's words stand for."""
        for part, parameter in self._vectors.items():
            parameter.data.copy_(self._start[part])
            parameter.grad = None

    def write(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the word as it stands, alone."""
        textual_inversion.write(path, self._word, self._as_it_stands(), metadata)

    def bundle(self) -> dict[str, torch.Tensor]:
        """The word as it stands, as a LoRA's file takes it along."""
        return textual_inversion.bundle(self._word, self._as_it_stands())

    def _as_it_stands(self) -> dict[str, torch.Tensor]:
        return {part: parameter.detach().cpu() for part, parameter in self._vectors.items()}


class LoraAdapter:
    """LoRA layers on a base that other runs use after this one, with a learned token if one is asked for.

    Their values are float32.
    """

    def __init__(self, base: Base, recipe: Recipe, word: str) -> None:
        """Raises BadBase when the base has no layer of those asked for; as EmbeddingAdapter."""
        self._base, self._recipe = base, recipe
        self.text = recipe.words_change
        self._word = EmbeddingAdapter(base, recipe, word) if recipe.token_vectors else None
        self._parts = {"unet": base.pipe.unet}
        if recipe.text_encoder_lr is not None:
            found = {part: getattr(base.pipe, part, None) for part in ENCODERS}
            self._parts |= {part: module for part, module in found.items() if module is not None}
        for part, module in self._parts.items():
            self._put_on(part, module)
        self.named: dict[str, torch.nn.Parameter] = {}
        for part in self._parts:
            self.named.update(self._own(part))
        if self._word is not None:
            self.named.update(self._word.named)

    def rates(self) -> Mapping[str, tuple[Named, float]]:
        """Parameters and the height of their learning rate, by part."""
        text = self._recipe.text_encoder_lr or self._recipe.peak_lr
        own = {part: (self._own(part), self._recipe.peak_lr if part == "unet" else text) for part in self._parts}
        return own if self._word is None else {**own, **self._word.rates()}

    def initialise(self, key: str, seed: int) -> None:
        """Down: uniform within 1/sqrt(inputs), as peft and kohya do; up: nothing, so training starts from the base."""
        for name, parameter in self.named.items():
            values = torch.zeros(parameter.shape)
            if "lora_A" in name:
                generator = torch.Generator().manual_seed(seed_of(key, seed, "start", name))
                bound = 1 / math.sqrt(math.prod(parameter.shape[1:]))
                values = torch.rand(parameter.shape, generator=generator) * (2 * bound) - bound
            parameter.data.copy_(values)
            parameter.grad = None
        if self._word is not None:
            self._word.initialise(key, seed)

    def write(self, path: Path, metadata: Mapping[str, str]) -> None:
        """Write the LoRA as it stands, in the recipe's format, and the word with it."""
        if self._recipe.format == "diffusers":
            write_peft(path, self.layers(), metadata)
        else:
            write_lora(path, self.layers(), metadata, beside={} if self._word is None else self._word.bundle())

    def layers(self) -> dict[str, LoraLayer]:
        """The LoRA as it stands, by kohya's layer names, copied."""
        found: dict[str, LoraLayer] = {}
        for part, module in self._parts.items():
            state = get_peft_model_state_dict(module, adapter_name=NAME)
            state = {name: tensor.detach().float().cpu().clone() for name, tensor in state.items()}
            two = len(self._parts) > 2
            found |= layers_from_peft(state, self._recipe.scale_alpha, part, two_encoders=two)
        return dict(sorted(found.items()))

    def _own(self, part: str) -> dict[str, torch.nn.Parameter]:
        module = self._parts[part]
        return {f"{part}.{name}": p for name, p in sorted(module.named_parameters()) if p.requires_grad}

    def _put_on(self, part: str, module: Any) -> None:
        names = [name for kind in self._recipe.targets.split("+") for name in LAYERS[kind]]
        config = LoraConfig(
            r=self._recipe.rank,
            lora_alpha=self._recipe.scale_alpha,
            target_modules=names if part == "unet" else list(TEXT_LAYERS),
            init_lora_weights=False,
        )
        module.requires_grad_(False)
        try:
            module.add_adapter(config, adapter_name=NAME)
        except ValueError as error:
            raise BadBase(
                f"{self._base.path}: its {part} has no layer to train: {error}", "choose other targets"
            ) from error
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()


Adapter = LoraAdapter | HypernetworkAdapter | WholeAdapter | EmbeddingAdapter
KINDS: Mapping[str, type[Adapter]] = {
    "lora": LoraAdapter,
    "hypernetwork": HypernetworkAdapter,
    "full": WholeAdapter,
    "embedding": EmbeddingAdapter,
}


def adapter_of(base: Base, recipe: Recipe, word: str) -> Adapter:
    """What the recipe says learns, put on the base, in the place of what a run before has put on; `word` is the one
    that is learned where one is. Raises BadBase, BadRecipe.
    """
    take_off(base)
    return KINDS[recipe.learns](base, recipe, word)


def take_off(base: Base) -> None:
    """Remove what a run before has put on the base."""
    hypernetwork.take_off(base.pipe.unet)
    textual_inversion.take_off(base.pipe)
    for part in ("unet", *ENCODERS):
        module = getattr(base.pipe, part, None)
        if module is not None and NAME in getattr(module, "peft_config", {}):
            if part == "unet":
                module.delete_adapters(NAME)
            else:
                module.delete_adapter(NAME)
