"""What a UNet is to say of a noisy latent, and how wrong its answer is: the mathematics of the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Diffusion:
    """A base's noise: `levels` is the share of signal (alpha bar) at each timestep, float32 [timesteps].

    `predicts` is `epsilon`, `v_prediction` or `sample`.
    """

    levels: Tensor
    predicts: str

    @classmethod
    def of(cls, scheduler: Any) -> Diffusion:
        """As the base's scheduler config says, zero terminal SNR included, whichever sampler it names.

        (Lin et al., "Common Diffusion Noise Schedules and Sample Steps Are Flawed", 2023.)
        """
        from diffusers import DDPMScheduler

        trained = DDPMScheduler.from_config(scheduler.config)
        return cls(trained.alphas_cumprod.float().clamp(min=0), str(scheduler.config.prediction_type))

    def noisy(self, latents: Tensor, noise: Tensor, when: Tensor) -> tuple[Tensor, Tensor]:
        """Latents at timesteps `when` (Ho et al., "Denoising Diffusion Probabilistic Models", 2020), and their signal.

        The signal is [n, 1, 1, 1].
        """
        signal = self.levels[when].to(latents.device).view(-1, 1, 1, 1)
        return signal.sqrt() * latents + (1 - signal).sqrt() * noise, signal

    def target(self, latents: Tensor, noise: Tensor, signal: Tensor) -> Tensor:
        """What should be said: the noise, the picture, or v of Salimans and Ho, "Progressive Distillation", 2022."""
        if self.predicts == "epsilon":
            return noise
        if self.predicts == "sample":
            return latents
        return signal.sqrt() * noise - (1 - signal).sqrt() * latents

    def weights(self, gamma: float | None, signal: Tensor) -> Tensor:
        """Weight of each noise level [n] by min-SNR with `gamma`; 1 without."""
        signal = signal.flatten()
        if gamma is None:
            return torch.ones_like(signal)
        snr = (signal / (1 - signal)).clamp(min=1e-8)  # nothing but noise at the last level of some schedules
        least = snr.clamp(max=gamma)
        return {"epsilon": least / snr, "sample": least}.get(self.predicts, least / (snr + 1))


def errors(told: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Mean squared error of each picture [n], over the latents' places by their `weights` [n, 1, h, w]."""
    wrong = (told.float() - target).square() * weights
    return wrong.sum(dim=(1, 2, 3)) / (weights.sum(dim=(1, 2, 3)) * target.shape[1]).clamp(min=1)
