"""Train the decoder on, with the encoder at rest: `python -m base.refine_decoder SETS BASE_FOLDER OUT_FOLDER MINUTES`.

The latents stay what they are, so the UNet can train on them at the same time. A little noise on the latents
teaches the decoder to forgive what the UNet gets wrong.
"""

from __future__ import annotations

import copy
import sys
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from .data import load_set
from .face_features import FaceFeatures
from .train_vae import BATCH, FEATURE_WEIGHT, encode, picture_loss, rate_at

NOISE = 0.06  # deviation, where the latents' is 1
SAVE_EVERY = 300.0  # seconds
RATE_SHARE = 0.6  # of the first training's peak


def refine(vae: AutoencoderKL, pictures: Tensor, minutes: float, out: Path) -> None:
    """Train the decoder for a while on pictures (n, 3, 64, 64) of bytes."""
    latents = torch.cat([encode(vae, pictures), encode(vae, pictures.flip(3))])
    pictures = torch.cat([pictures, pictures.flip(3)])
    vae.train().requires_grad_(False)
    features = FaceFeatures()
    parameters = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    vae.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0, betas=(0.9, 0.99))
    start, saved, step = time.time(), time.time(), 0
    while (passed := time.time() - start) < minutes * 60:
        optimizer.param_groups[0]["lr"] = RATE_SHARE * rate_at(passed / (minutes * 60), step)
        chosen = torch.randint(0, len(pictures), (BATCH,))
        wanted = pictures[chosen].float() / 127.5 - 1
        latent = latents[chosen] + NOISE * torch.randn(BATCH, *latents.shape[1:])
        with torch.autocast("cpu", torch.bfloat16):
            drawn = vae.decode(latent.contiguous(memory_format=torch.channels_last)).sample
            likeness = features.difference(drawn, wanted)
        pixels = picture_loss(drawn.float(), wanted)
        loss = pixels + FEATURE_WEIGHT * likeness.float()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(
                f"step {step}, {passed:.0f} s: pixels {pixels.item():.4f}, features {likeness.item():.4f}", flush=True
            )
        if time.time() - saved > SAVE_EVERY:
            copy.deepcopy(vae).half().save_pretrained(out / "vae")
            saved = time.time()
    vae.half().save_pretrained(out / "vae")


def main() -> None:
    """Refine the decoder of a base."""
    torch.manual_seed(6)
    torch.set_num_threads(1)
    vae = AutoencoderKL.from_pretrained(Path(sys.argv[2]) / "vae", torch_dtype=torch.float32)
    pictures = torch.from_numpy(load_set(sys.argv[1]).pictures).permute(0, 3, 1, 2).contiguous()
    refine(vae, pictures, float(sys.argv[4]), Path(sys.argv[3]))


if __name__ == "__main__":
    main()
