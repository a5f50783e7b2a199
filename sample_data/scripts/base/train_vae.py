"""Train the base's autoencoder: `python -m base.train_vae SET.npz[,SET.npz] BASE_FOLDER MINUTES`.

64 px in, 16 x 16 latents of eight channels out. Eight channels keep a face that four do not, at hardly any cost
to the UNet. When training ends, the latents are brought to mean 0 and deviation 1 channel by channel inside the
quantising convolutions, so that a plain pipeline needs no more than `scaling_factor` 1.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from .data import load_set
from .face_features import FaceFeatures

LATENT_CHANNELS = 8
BATCH = 16
PEAK_RATE = 1.2e-3
KL_WEIGHT = 1e-3
FEATURE_WEIGHT = 0.5


def make_vae() -> AutoencoderKL:
    """Return an untrained autoencoder: 64 px to 16 x 16 latents."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(32, 64, 96),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=64,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )


def picture_loss(drawn: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean absolute difference of pixels and of their gradients, which keeps edges."""
    loss = (drawn - wanted).abs().mean()
    off = drawn - wanted
    for step in (1, 2):
        across = (off[..., step:] - off[..., :-step]).abs().mean()
        down = (off[..., step:, :] - off[..., :-step, :]).abs().mean()
        loss = loss + 0.6 * (across + down)
    return loss


def rate_at(share: float, step: int) -> float:
    """Return the learning rate: a short warm-up, then a cosine to 3 %, by share of the time from 0 to 1."""
    return PEAK_RATE * min(1, (step + 1) / 60) * (0.03 + 0.97 * 0.5 * (1 + np.cos(np.pi * min(share, 1))))


def train(vae: AutoencoderKL, pictures: Tensor, minutes: float) -> None:
    """Train for a while on pictures (n, 3, 64, 64) of bytes."""
    vae.train().to(memory_format=torch.channels_last)
    features = FaceFeatures()
    optimizer = torch.optim.AdamW(vae.parameters(), lr=PEAK_RATE, weight_decay=0, betas=(0.9, 0.99))
    start, step = time.time(), 0
    while (passed := time.time() - start) < minutes * 60:
        optimizer.param_groups[0]["lr"] = rate_at(passed / (minutes * 60), step)
        wanted = pictures[torch.randint(0, len(pictures), (BATCH,))].float() / 127.5 - 1
        if torch.rand(1) < 0.5:
            wanted = wanted.flip(3)
        wanted = wanted.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            latent = vae.encode(wanted).latent_dist
            drawn = vae.decode(latent.mean + torch.randn_like(latent.mean) * latent.std).sample
            likeness = features.difference(drawn, wanted)
        divergence = latent.kl().float().mean() / latent.mean[0].numel()
        pixels = picture_loss(drawn.float(), wanted)
        loss = pixels + FEATURE_WEIGHT * likeness.float() + KL_WEIGHT * divergence
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 100 == 0 or step == 10:
            print(
                f"step {step}, {passed:.0f} s, {passed / step:.3f} s a step: pixels {pixels.item():.4f}, "
                f"features {likeness.item():.4f}, divergence {divergence.item():.2f}",
                flush=True,
            )


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Return the mean latents (n, 8, 16, 16) of pictures (n, 3, 64, 64) of bytes."""
    vae.eval()
    return torch.cat([vae.encode(part.float() / 127.5 - 1).latent_dist.mean for part in pictures.split(64)])


@torch.no_grad()
def normalize_latents(vae: AutoencoderKL, latents: Tensor) -> None:
    """Fold mean and deviation of the latents into the convolutions around them."""
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    into, out = vae.quant_conv, vae.post_quant_conv
    out.bias += out.weight[:, :, 0, 0] @ mean
    out.weight *= deviation[None, :, None, None]
    count = LATENT_CHANNELS  # the first half of the rows are means, the rest logarithms of variances
    into.bias[:count] = (into.bias[:count] - mean) / deviation
    into.weight[:count] /= deviation[:, None, None, None]
    into.bias[count:] -= 2 * deviation.log()


def main() -> None:
    """Train, normalise, and write `vae/` in half precision."""
    torch.manual_seed(5)
    torch.set_num_threads(1)
    data = load_set(sys.argv[1])
    pictures = torch.from_numpy(data.pictures).permute(0, 3, 1, 2).contiguous()
    vae = make_vae()
    print(f"{len(pictures)} pictures, {sum(p.numel() for p in vae.parameters()) / 1e6:.2f} M parameters", flush=True)
    train(vae, pictures, float(sys.argv[3]))
    normalize_latents(vae, encode(vae, pictures))
    latents = encode(vae, pictures[:512])
    drawn = vae.decode(latents).sample.clamp(-1, 1)
    error = ((drawn - (pictures[:512].float() / 127.5 - 1)) ** 2).mean() / 4
    print(f"latents {latents.mean():.3f} +- {latents.std():.3f}, PSNR {-10 * torch.log10(error):.2f} dB")
    vae.half().save_pretrained(Path(sys.argv[2]) / "vae")


if __name__ == "__main__":
    main()
