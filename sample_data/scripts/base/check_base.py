"""Measure the base: `python -m base.check_base BASE_FOLDER [SAMPLES] [SHEET.png]`.

Prints how often MTCNN finds a face in its samples, and what the autoencoder alone costs: faces found and equal
error rate between people before and after a round trip, on people whom the base never saw.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from check_identities import Faces, Tally, chosen_seeds
from diffusers import AutoencoderKL, StableDiffusionPipeline
from heads import BACKDROP_COUNT
from numpy.typing import NDArray
from PIL import Image

from .render_set import picture, training_view

PROMPT = "photo of a person, facing the camera, light background"
ENLARGED = 256  # pixels: detectors want larger faces than 64
PEOPLE, VIEWS = 24, 5


def enlarge(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture (256, 256, 3) of a small one."""
    return np.asarray(Image.fromarray(small).resize((ENLARGED, ENLARGED), Image.Resampling.BICUBIC))


@torch.no_grad()
def round_trip(vae: AutoencoderKL, small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Encode and decode pictures (n, 64, 64, 3) from 0 to 255."""
    batch = torch.from_numpy(small).permute(0, 3, 1, 2).float() / 127.5 - 1
    drawn = vae.decode(vae.encode(batch).latent_dist.mean).sample.clamp(-1, 1)
    return ((drawn + 1) * 127.5).byte().permute(0, 2, 3, 1).numpy()


def check_autoencoder(vae: AutoencoderKL, faces: Faces) -> NDArray[np.uint8]:
    """Print the figures before and after a round trip; return the last person's pictures, both ways."""
    before, after = Tally(), Tally()
    for seed in chosen_seeds("archive")[:PEOPLE]:
        rng = np.random.default_rng(4000 + seed)
        small = np.stack(
            [picture(seed, training_view(rng), int(rng.integers(BACKDROP_COUNT)))[0] for _ in range(VIEWS)]
        )
        again = round_trip(vae, small)
        for given, returned in zip(small, again, strict=True):
            before.add(faces, enlarge(given), seed)
            after.add(faces, enlarge(returned), seed)
    print(f"64 px before the round trip: {before.report()}\n64 px after: {after.report()}", flush=True)
    return np.concatenate([small, again])


def sample(folder: Path, count: int, prompt: str = PROMPT) -> NDArray[np.uint8]:
    """Sample pictures (count, 64, 64, 3) with a plain pipeline, as any user would."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    drawn: list[NDArray[np.uint8]] = []
    while len(drawn) < count:
        generator = torch.Generator().manual_seed(len(drawn))
        size = min(8, count - len(drawn))
        images = pipeline([prompt] * size, num_inference_steps=25, guidance_scale=2.0, generator=generator).images
        drawn += [np.asarray(image) for image in images]
    return np.stack(drawn)


def main() -> None:
    """Print the figures, and draw a sheet of samples if a file is named."""
    folder = Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 48
    faces = Faces()
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).eval()
    tiles = check_autoencoder(vae, faces)
    if count:
        tiles = sample(folder, count)
        found = sum(faces.find(enlarge(tile)) is not None for tile in tiles)
        print(f"samples in which a face is found: {found} of {count} ({found / count:.0%})")
    if len(sys.argv) > 3:
        rows = [np.concatenate(list(tiles[start : start + 8]), 1) for start in range(0, len(tiles) - len(tiles) % 8, 8)]
        Image.fromarray(np.concatenate(rows or [tiles[0]])).save(sys.argv[3])


if __name__ == "__main__":
    main()
