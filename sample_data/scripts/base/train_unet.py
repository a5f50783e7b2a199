"""Train the base's UNet and text encoder:

    python -m base.train_unet SET.npz[,SET.npz] BASE_FOLDER MINUTES PREVIEW_FOLDER [PEAK_RATE]

With a learning rate it goes on from the weights in the folder, else it starts anew.

Velocity prediction (Salimans and Ho, "Progressive Distillation", 2022) on latents of the trained autoencoder,
with an exponential mean of the weights; the mean is what is written, every few minutes, as a whole pipeline.
"""

from __future__ import annotations

import copy
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from .data import load_set
from .parts import make_scheduler, make_text_encoder, make_unet, tokenize, train_tokenizer, write_base
from .train_vae import encode

BATCH = 32
PEAK_RATE = 1e-3
DECAY = 0.999  # of the mean of the weights
EVEN_SHARE = 0.25  # of the noise levels drawn alike from all
SAVE_EVERY = 360.0  # seconds
# How often each wording of a caption is shown: whole, of a person, of a man or woman, a random part, none at all.
WORDINGS = (0.52, 0.16, 0.10, 0.12, 0.10)
PROMPTS = (
    "photo of a person",
    "photo of a person, facing the camera, light background",
    "photo of a woman in her thirties, fair skin, long brown hair, facing the camera, light background",
    "photo of a man in his sixties, brown skin, short white hair, full beard, facing the camera, dark background",
    "photo of a man in his forties, dark skin, bald, facing the camera, light background",
    "photo of a woman in her fifties, light brown skin, tied back black hair, looking left, dark background",
    "photo of a man",
    "photo of a woman",
)


@dataclass
class Pipeline:
    """The parts that are trained, and those that are not."""

    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    vae: AutoencoderKL

    def parameters(self) -> list[nn.Parameter]:
        """Return what is trained."""
        return [*self.unet.parameters(), *self.text_encoder.parameters()]

    def text(self, prompts: tuple[str, ...]) -> Tensor:
        """Return the text embeddings (n, 32, 128)."""
        return self.text_encoder(tokenize(self.tokenizer, prompts))[0]


@dataclass(frozen=True, eq=False)
class Data:
    """Latents (n, 8, 16, 16), and the token numbers of the wordings of each (n, 5, 32)."""

    latents: Tensor
    tokens: Tensor


@dataclass(frozen=True)
class Plan:
    """How long to train, in minutes, and the highest learning rate."""

    minutes: float
    peak_rate: float


def mirrored(caption: str) -> str:
    """Return the caption of the mirrored picture."""
    return caption.replace("looking left", "looking #").replace("looking right", "looking left").replace("#", "right")


def wordings(caption: str, rng: np.random.Generator) -> list[str]:
    """Return a caption's wordings, in the order of WORDINGS."""
    who, *rest = caption.split(", ")
    sex = "woman" if " woman" in who else "man"
    about = [
        part for part in rest if "background" in part or "facing" in part or "looking" in part or "smiling" in part
    ]
    fewer = [part for part in rest if rng.random() < 0.5]
    plain = [part for part in about if rng.random() < 0.75]
    return [
        caption,
        ", ".join(["photo of a person", *plain]),
        ", ".join([f"photo of a {sex}", *plain]),
        ", ".join([who if rng.random() < 0.5 else f"photo of a {sex}", *fewer]),
        "",
    ]


def prepare(sets: str, vae: AutoencoderKL) -> tuple[Tensor, list[list[str]]]:
    """Return the latents (n, 8, 16, 16) of all pictures and their mirror images, and the wordings of each."""
    data = load_set(sets)
    pictures = torch.from_numpy(data.pictures).permute(0, 3, 1, 2).contiguous()
    latents = torch.cat([encode(vae, pictures), encode(vae, pictures.flip(3))])
    rng = np.random.default_rng(3)
    captions = [str(text) for text in data.captions]
    captions += [mirrored(text) for text in captions]
    return latents, [wordings(text, rng) for text in captions]


@torch.no_grad()
def draw(pipeline: Pipeline, steps: int = 25, guidance: float = 2.0) -> np.ndarray:
    """Sample one picture a prompt: (n, 64, 64, 3) from 0 to 255."""
    scheduler = make_scheduler()
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(0)
    count, channels = len(PROMPTS), pipeline.unet.config["in_channels"]
    text = torch.cat([pipeline.text(("",) * count), pipeline.text(PROMPTS)])
    latents = torch.randn(count, channels, 16, 16, generator=generator)
    for time_step in scheduler.timesteps:
        without, with_text = pipeline.unet(torch.cat([latents, latents]), time_step, text).sample.chunk(2)
        velocity = without + guidance * (with_text - without)
        latents = scheduler.step(velocity, time_step, latents).prev_sample
    pictures = pipeline.vae.decode(latents).sample.clamp(-1, 1)
    return ((pictures + 1) * 127.5).byte().permute(0, 2, 3, 1).numpy()


def draw_times(count: int) -> Tensor:
    """Draw noise levels (count,) from 0 to 999: most from the middle, where a face takes shape.

    Nearly clean latents teach the noise of the finest detail, which nobody sees (Esser et al., "Scaling Rectified
    Flow Transformers", 2024, draw from a logit-normal distribution for the same reason).
    """
    middle = torch.sigmoid(0.2 + torch.randn(count))
    anywhere = torch.rand(count)
    share = torch.where(torch.rand(count) < EVEN_SHARE, anywhere, middle)
    return (share * 1000).long().clamp(0, 999)


def save(pipeline: Pipeline, mean: list[Tensor], folder: Path, preview: Path) -> None:
    """Write the pipeline with the mean of the weights, and a strip of samples."""
    averaged = copy.deepcopy(pipeline)
    for parameter, value in zip(averaged.parameters(), mean, strict=True):
        parameter.data.copy_(value)
    averaged.unet.eval()
    averaged.text_encoder.eval()
    strip = Image.fromarray(np.concatenate(list(draw(averaged)), 1))
    strip.resize((strip.width * 2, strip.height * 2), Image.Resampling.BICUBIC).save(preview)
    write_base(folder, averaged.unet.half(), averaged.text_encoder.half(), averaged.tokenizer)


def train(pipeline: Pipeline, data: Data, plan: Plan, folder: Path, previews: Path) -> None:
    """Train by the clock and write the pipeline every few minutes."""
    latents, tokens = data.latents, data.tokens
    schedule = DDPMScheduler.from_config(make_scheduler().config)
    parameters = pipeline.parameters()
    mean = [parameter.detach().clone() for parameter in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=plan.peak_rate, weight_decay=0.01, betas=(0.9, 0.99))
    start, saved, step, losses = time.time(), time.time(), 0, []
    while (share := (time.time() - start) / (plan.minutes * 60)) < 1:
        rate = plan.peak_rate * min(1, (step + 1) / 150) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * share)))
        optimizer.param_groups[0]["lr"] = rate
        chosen = torch.randint(0, len(latents), (BATCH,))
        wording = torch.multinomial(torch.tensor(WORDINGS), BATCH, replacement=True)
        clean, noise = latents[chosen], torch.randn(BATCH, *latents.shape[1:])
        times = draw_times(BATCH)
        noisy, velocity = schedule.add_noise(clean, noise, times), schedule.get_velocity(clean, noise, times)
        with torch.autocast("cpu", torch.bfloat16):
            text = pipeline.text_encoder(tokens[chosen, wording])[0]
            guess = pipeline.unet(noisy, times, text).sample
        loss = functional.mse_loss(guess.float(), velocity)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        losses.append(loss.item())
        with torch.no_grad():
            torch._foreach_lerp_(
                mean, [parameter.data for parameter in parameters], 1 - min(DECAY, (1 + step) / (10 + step))
            )
        if step % 100 == 0 or step == 10:
            passed = time.time() - start
            recent = float(np.mean(losses[-100:]))
            print(f"step {step}, {passed:.0f} s, {passed / step:.3f} s a step: loss {recent:.4f}", flush=True)
        if time.time() - saved > SAVE_EVERY:
            save(pipeline, mean, folder, previews / f"samples_{step:06d}.png")
            saved = time.time()
    save(pipeline, mean, folder, previews / f"samples_{step:06d}.png")
    print(f"done after {step} steps", flush=True)


def begin(vae: AutoencoderKL, captions: list[str]) -> Pipeline:
    """Return a pipeline whose UNet and text encoder know nothing yet."""
    tokenizer = train_tokenizer(captions)
    return Pipeline(make_unet(vae.config["latent_channels"]), make_text_encoder(tokenizer), tokenizer, vae)


def go_on(folder: Path, vae: AutoencoderKL) -> Pipeline:
    """Return the pipeline as it was last written."""
    return Pipeline(
        UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32).train(),
        CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).train(),
        CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        vae,
    )


def main() -> None:
    """Train on a set of pictures and write the pipeline beside its `vae/`."""
    torch.manual_seed(len(sys.argv))
    torch.set_num_threads(1)
    folder, previews, minutes = Path(sys.argv[2]), Path(sys.argv[4]), float(sys.argv[3])
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).eval()
    latents, texts = prepare(sys.argv[1], vae)
    captions = sorted({text for wording in texts for text in wording})
    pipeline = go_on(folder, vae) if len(sys.argv) > 5 else begin(vae, captions)
    peak_rate = float(sys.argv[5]) if len(sys.argv) > 5 else PEAK_RATE
    # On a CPU the fused attention is slower backwards: 16 % of a step.
    pipeline.unet.set_attn_processor(AttnProcessor())
    tokens = torch.stack([tokenize(pipeline.tokenizer, wording) for wording in texts])
    count = sum(parameter.numel() for parameter in pipeline.parameters())
    print(f"{len(latents)} latents, {count / 1e6:.2f} M parameters, {len(pipeline.tokenizer)} words", flush=True)
    train(pipeline, Data(latents, tokens), Plan(minutes, peak_rate), folder, previews)


if __name__ == "__main__":
    main()
