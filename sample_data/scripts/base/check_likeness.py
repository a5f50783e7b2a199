"""Does a personal LoRA draw its person? `python -m base.check_likeness BASE_FOLDER [STEPS] [SEED,SEED] [SHEET.png]`.

Trains a LoRA of rank 8 on twelve pictures of each person, samples with it and without, and prints how far the
samples lie from that person's true pictures, and where the person ranks among fifty, in dlib's space.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
from check_identities import Faces, chosen_seeds
from diffusers import DDPMScheduler, StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor
from heads import BACKDROP_COUNT
from numpy.typing import NDArray
from peft import LoraConfig
from PIL import Image
from torch.nn import functional

from .check_base import enlarge
from .parts import tokenize
from .render_set import picture, training_view

PICTURES, SAMPLES, PEOPLE, VIEWS = 12, 16, 50, 4
RANK, BATCH, PEAK_RATE = 8, 4, 1.5e-3
TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "conv1", "conv2"]
PROMPT = "photo of zqx person, facing the camera, light background"


def pictures_of(seed: int, count: int, start: int) -> tuple[NDArray[np.uint8], list[str]]:
    """Render pictures (count, 64, 64, 3) of a person, captioned by the trigger word and the view alone."""
    rng = np.random.default_rng(start + seed)
    drawn, captions = [], []
    for _ in range(count):
        pixels, caption = picture(seed, training_view(rng), int(rng.integers(BACKDROP_COUNT)))
        view = caption.split(", ")[-2:]
        drawn.append(pixels)
        captions.append(", ".join(["photo of zqx person", *view]))
    return np.stack(drawn), captions


def embeddings(faces: Faces, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the descriptors (n, 128) of the faces found."""
    large = [enlarge(small) for small in pictures]
    boxes = [faces.find(image) for image in large]
    found = [faces.embed(image, box) for image, box in zip(large, boxes, strict=True) if box is not None]
    return np.array(found).reshape(-1, 128)


def load(folder: Path) -> StableDiffusionPipeline:
    """Load the base afresh."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.set_attn_processor(AttnProcessor())
    return pipeline


def train_lora(
    pipeline: StableDiffusionPipeline, pictures: NDArray[np.uint8], captions: list[str], steps: int
) -> float:
    """Train a LoRA into the pipeline's UNet; return seconds a step."""
    torch.manual_seed(0)
    batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        latents = pipeline.vae.encode(batch).latent_dist.mean * pipeline.vae.config.scaling_factor
        texts = pipeline.text_encoder(tokenize(pipeline.tokenizer, captions))[0]
    unet = pipeline.unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, init_lora_weights="gaussian", target_modules=TARGETS))
    parameters = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=PEAK_RATE, weight_decay=1e-3)
    schedule = DDPMScheduler.from_config(pipeline.scheduler.config)
    start = time.time()
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = PEAK_RATE * min(1, (step + 1) / 10) * (1 - 0.9 * step / steps)
        chosen = torch.randint(0, len(latents), (BATCH,))
        noise, times = torch.randn(BATCH, *latents.shape[1:]), torch.randint(0, 1000, (BATCH,))
        noisy = schedule.add_noise(latents[chosen], noise, times)
        guess = unet(noisy, times, texts[chosen]).sample
        loss = functional.mse_loss(guess, schedule.get_velocity(latents[chosen], noise, times))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (time.time() - start) / steps


def sample(pipeline: StableDiffusionPipeline, count: int) -> NDArray[np.uint8]:
    """Sample pictures (count, 64, 64, 3) of the trigger word."""
    drawn: list[NDArray[np.uint8]] = []
    while len(drawn) < count:
        generator = torch.Generator().manual_seed(11 + len(drawn))
        prompts = [PROMPT] * min(8, count - len(drawn))
        images = pipeline(prompts, num_inference_steps=20, guidance_scale=1.5, generator=generator).images
        drawn += [np.asarray(image) for image in images]
    return np.stack(drawn)


def describe(found: NDArray[np.float64], means: NDArray[np.float64], person: int) -> str:
    """Say how far the samples lie from a person, and how many others are nearer."""
    if not len(found):
        return "no face found"
    distance = np.linalg.norm(found[:, None] - means[None], axis=-1)
    own = distance[:, person]
    rank = (distance < own[:, None]).sum(1) + 1
    return (
        f"{len(found)} of {SAMPLES} faces, distance {own.mean():.3f} +- {own.std():.3f}, "
        f"median rank {np.median(rank):.0f} of {len(means)}, first {np.mean(rank == 1):.0%}"
    )


def main() -> None:
    """Print the figures of the base alone and with each LoRA."""
    folder, steps = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 120
    people = chosen_seeds("archive")[:PEOPLE]
    chosen = [int(seed) for seed in sys.argv[3].split(",")] if len(sys.argv) > 3 else people[:3]
    faces = Faces()
    means = np.stack([embeddings(faces, pictures_of(seed, VIEWS, 4000)[0]).mean(0) for seed in people])
    plain = sample(load(folder), SAMPLES)
    before, rows = embeddings(faces, plain), [plain[:8]]
    for seed in chosen:
        true, captions = pictures_of(seed, PICTURES, 7000)
        pipeline = load(folder)
        pace = train_lora(pipeline, true, captions, steps)
        drawn = sample(pipeline, SAMPLES)
        person = people.index(seed)
        print(f"person {seed}, {steps} steps of {pace:.3f} s\n  base: {describe(before, means, person)}")
        print(f"  LoRA: {describe(embeddings(faces, drawn), means, person)}", flush=True)
        rows += [true[:8], drawn[:8]]
    if len(sys.argv) > 4:
        Image.fromarray(np.concatenate([np.concatenate(list(row), 1) for row in rows])).save(sys.argv[4])


if __name__ == "__main__":
    main()
