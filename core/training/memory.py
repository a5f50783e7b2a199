"""How much memory a run takes, before it is loaded: its network is gone through without numbers, and counted.

The passes are those of `fit`, forward and backward, on torch's fake tensors: shapes and precisions without values. So
what autograd keeps, with gradient checkpointing or without, is what it says and not a rule of thumb. Not in it: what a
GPU's driver and its allocator keep for themselves, about a gigabyte.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from core import base_model, single_file
from core.base_model import Base
from core.training.adapter import HypernetworkAdapter, adapter_of
from core.training.fit import DTYPES, loaded_as
from core.training.optimisers import Optimiser
from core.training.recipe import Recipe

TRIED = 1 << 16  # numbers of the parameter that tells what an optimiser remembers: enough for one in 8 bits


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one device. `learned` is how many numbers learn, `kept` what stands by from step to step beside the
    `weights`: what the optimiser remembers, running mean and best weights; `step` what a step adds at its height:
    gradients and all that they are made of.
    """

    learned: int
    weights: int
    kept: int
    step: int

    @property
    def total(self) -> int:
        """All of it at its height."""
        return self.weights + self.kept + self.step


@dataclass(eq=False)
class _Pipe:
    """The networks of a base, as a pipeline has them."""

    unet: Any
    vae: Any
    text_encoder: Any
    text_encoder_2: Any
    vae_scale_factor: int

    @property
    def encoders(self) -> list[Any]:
        return [one for one in (self.text_encoder, self.text_encoder_2) if one is not None]


class Tally(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts bytes of tensors that are made within it; `most` is how many were alive at once."""

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        """`known` were there before, and don't count."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._seen: Any = WeakIdKeyDictionary()
        for tensor in known:
            self._seen[tensor.untyped_storage()] = True

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Do what is asked, and count what comes of it."""
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage())
        return made

    def _count(self, storage: Any) -> None:
        if storage in self._seen:
            return
        nbytes = int(storage.nbytes())
        self._seen[storage] = weakref.finalize(storage, self._forget, nbytes)
        self.now += nbytes
        self.most = max(self.most, self.now)

    def _forget(self, nbytes: int) -> None:
        self.now -= nbytes


def of_run(path: Path, recipe: Recipe, devices: int = 1) -> Memory:
    """What one of the `devices` that train one model together holds at most. Raises BadBase.

    Memory is that of the recipe's whole batch at once: where it runs out, fewer pictures go through at a time.
    """
    with torch.device("meta"):
        base = _empty(path, loaded_as(recipe))
        parts = [module for module in vars(base.pipe).values() if isinstance(module, torch.nn.Module)]
        weights = sum(parameter.nbytes for part in parts for parameter in part.parameters())
        words = recipe.token_vectors * sum(encoder.config.hidden_size for encoder in base.pipe.encoders)
        bare = recipe.model_copy(update={"token_vectors": 0})  # a word needs a tokenizer, and changes no network
        adapter = None if recipe.learns == "embedding" else adapter_of(base, bare, "")
    learned = words + sum(parameter.numel() for parameter in (adapter.named if adapter else {}).values())
    if recipe.learns != "full":
        weights += 4 * learned  # beside the base's
    beside = [adapter.network] if isinstance(adapter, HypernetworkAdapter) else []
    step = _step(base, recipe, [base.pipe.unet, *beside])
    copies = (recipe.ema is not None) + (recipe.keep != "last")
    kept = (optimiser_bytes(recipe) + 4 * copies) * learned
    gradients = 4 * learned
    if recipe.accumulate > 1:  # passes' gradients and their sum, side by side (Fit._gradients)
        step = max(step + gradients, (3 + (devices if devices > 1 else 0)) * gradients)
    if copies or recipe.optimiser == "schedule-free":  # others stand in for the weights, which are put aside
        step = max(step, 2 * gradients)
    return Memory(learned, weights, int(kept), step)


def optimiser_bytes(recipe: Recipe) -> float:
    """Bytes that the recipe's optimiser remembers for each number that learns, by having it take a step."""
    parameter = torch.nn.Parameter(torch.zeros(TRIED))
    parameter.grad = torch.ones(TRIED)
    optimiser = Optimiser(recipe, {"tried": ({"tried": parameter}, 1e-4)})
    optimiser.step(0)
    tensors, _ = optimiser.state()
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) / TRIED


def _step(base: Base, recipe: Recipe, networks: Sequence[torch.nn.Module]) -> int:
    """The most that passes hold beside the weights: two where prior pictures go through too."""
    unet, config = base.pipe.unet, base.pipe.unet.config
    if recipe.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    side = (recipe.resolution or base.resolution) // base.pixels_a_latent
    rows, length = recipe.batch, base.pipe.text_encoder.config.max_position_embeddings
    dtype, halved = DTYPES[recipe.precision], recipe.precision != "fp32"
    summary = config.projection_class_embeddings_input_dim
    with FakeTensorMode():
        for module in (module for network in networks for module in network.modules()):
            _stand_in(module)
        latents, when = torch.zeros(rows, config.in_channels, side, side), torch.zeros(rows, dtype=torch.long)
        words = torch.zeros(rows, length, config.cross_attention_dim, dtype=loaded_as(recipe))
        words.requires_grad_(recipe.words_change)
        added = None
        if summary is not None:  # SDXL's
            text = torch.zeros(rows, summary - 6 * config.addition_time_embed_dim, dtype=loaded_as(recipe))
            added = {"text_embeds": text, "time_ids": torch.zeros(rows, 6)}
        with Tally(p for network in networks for p in network.parameters()) as tally:
            for _ in range(2 if recipe.prior_weight else 1):
                with torch.autocast("cpu", dtype=dtype, enabled=halved):
                    told = unet(latents, when, words, added_cond_kwargs=added).sample
                told.float().square().mean().backward()
                del told
    return int(tally.most)


def _stand_in(module: torch.nn.Module) -> None:
    """Fake values in the place of none: attention, of all things, goes another way where there are none."""
    for name, value in module.named_parameters(recurse=False):
        fake = torch.empty(value.shape, dtype=value.dtype)
        setattr(module, name, torch.nn.Parameter(fake, requires_grad=value.requires_grad))


def _empty(path: Path, dtype: torch.dtype) -> Base:
    """The base's networks without their weights, as its configurations say. Raises BadBase."""
    import diffusers
    import transformers

    base_model.quieten()
    folder, side = path, 0
    if path.is_file():
        kind = single_file.kind_of(path)
        folder, side = Path(str(files("core").joinpath("base_files", kind.family))), kind.resolution // 8
    vae = diffusers.AutoencoderKL.from_config(diffusers.AutoencoderKL.load_config(folder / "vae"))
    unet = diffusers.UNet2DConditionModel.from_config(diffusers.UNet2DConditionModel.load_config(folder / "unet"))
    found: dict[str, Any] = {}
    for part, model in (("text_encoder", "CLIPTextModel"), ("text_encoder_2", "CLIPTextModelWithProjection")):
        if (folder / part).is_dir():
            config = transformers.CLIPTextConfig.from_pretrained(str(folder / part), local_files_only=True)
            found[part] = getattr(transformers, model)(config)
    pipe = _Pipe(
        unet, vae, found.get("text_encoder"), found.get("text_encoder_2"), 2 ** (len(vae.config.block_out_channels) - 1)
    )
    for network in (unet, vae, *pipe.encoders):
        network.requires_grad_(False)
        if network is not vae:
            network.to(dtype)
    sample = unet.config.sample_size
    side = side or int(sample if isinstance(sample, int) else min(sample))
    return Base(path, pipe, "", "", "", side * pipe.vae_scale_factor, torch.device("meta"))
