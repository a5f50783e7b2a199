"""Pictures by the base itself, shown beside people's so that it stays what it was: never photographs of anyone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from blake3 import blake3

from core import prompts
from core.base_model import Base
from core.errors import BadBase
from core.generate import draw
from core.generated_checks import Checker
from core.training import latent_cache
from core.training.batches import Group
from core.training.dataset import Picture, encode
from core.training.recipe import Recipe
from storage.catalog import Catalog

SEED = 40_000
STEPS = 25  # of the sampler
TRIES = 4  # pictures drawn for each that is kept, at most


def prepare(catalog: Catalog, base: Base, recipe: Recipe, resolution: int, checker: Checker) -> Group:
    """The recipe's prior pictures, drawn by the bare base and looked at, or read from the cache.

    Raises PromptRefused, BadBase when the checks withhold nearly all that the base draws.
    """
    prompts.check(recipe.prior_caption)
    told = f"{base.unet_hash} {base.vae_hash} {base.text_hash} {recipe.prior_caption} {resolution} {STEPS}"
    folder = catalog.cache / "priors" / blake3(told.encode()).hexdigest()
    pictures: list[Picture] = []
    number = 0
    while len(pictures) < recipe.prior_pictures and number < TRIES * recipe.prior_pictures:
        kept = latent_cache.read(folder / f"{number:06d}.safetensors")
        arrays = kept if kept is not None else _drawn(base, recipe, resolution, checker, folder, number)
        number += 1
        if arrays is not None and arrays[0].size:
            latents, weight = (torch.from_numpy(np.array(array)).to(base.device) for array in arrays)
            frame = (resolution, resolution, 0, 0, resolution, resolution)
            pictures.append(Picture(latents, weight, frame))
    if not pictures:
        raise BadBase("no picture that the base draws passes the checks", "choose another prior_caption")
    return Group("", "", pictures, [recipe.prior_caption] * len(pictures), ())


def _drawn(
    base: Base, recipe: Recipe, resolution: int, checker: Checker, folder: Path, number: int
) -> latent_cache.Arrays:
    """Draw picture `number` and keep it in the cache; one that is withheld is kept as nothing."""
    ((picture,),) = draw(base, [recipe.prior_caption], seed=SEED + number, steps=STEPS, size=resolution)
    if checker.look([picture])[0].withheld is not None:
        nothing = np.zeros((0, 1, 1), dtype=np.float32)
        arrays = (nothing, nothing)
    else:
        arrays = encode(base, picture, np.ones((resolution, resolution), dtype=np.float32))
    latent_cache.write(folder / f"{number:06d}.safetensors", *arrays)
    return arrays
