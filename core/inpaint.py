"""What stays of a picture that is drawn into: put back at each step of the sampler.

As diffusers' inpainting does with a UNet that knows of no mask: after each step the latents that stay are the picture's
own, with the noise that the step leaves (Lugmayr et al., "RePaint", 2022, without going back in time). diffusers does
so only for latents of four channels; this does for any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from core.base_model import Base


@dataclass(frozen=True, slots=True)
class Staying:
    """The latents of a picture, where they are drawn anew (1, else 0), and the noise of each picture of a batch."""

    latents: torch.Tensor
    drawn: torch.Tensor
    noise: torch.Tensor

    def put_back(self, pipe: Any, step: int, latents: torch.Tensor) -> torch.Tensor:
        """The latents after a step, counted from 0, with those that stay as noisy as the rest."""
        left = pipe.scheduler.timesteps[-pipe.num_timesteps :][step + 1 :]
        kept = self.latents.expand_as(latents)
        if len(left):
            kept = pipe.scheduler.add_noise(kept, self.noise, left[:1].expand(len(latents)))
        return torch.where(self.drawn > 0, latents, kept.to(latents.dtype))


def staying(base: Base, picture: Image.Image, mask: Image.Image, seeds: Sequence[int]) -> Staying:
    """What stays of an RGB picture of the size that is drawn, where its mask (L) is black; a seed for each in a batch.

    Where a latent covers any pixel that is not black, it is drawn anew.
    """
    vae = base.pipe.vae
    with torch.inference_mode():
        pixels = torch.from_numpy(np.array(picture, dtype=np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
        latents = vae.encode(pixels.to(base.device, vae.dtype)).latent_dist.mean * vae.config.scaling_factor
    white = torch.from_numpy(np.array(mask, dtype=np.float32))[None, None]
    drawn = torch.nn.functional.adaptive_max_pool2d(white, latents.shape[-2:]).to(base.device)
    shape = latents.shape[1:]
    noise = torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    return Staying(latents, drawn, noise.to(base.device, latents.dtype))
