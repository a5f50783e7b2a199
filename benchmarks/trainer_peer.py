"""The loop that the trainer is measured against: `python -m benchmarks.trainer_peer SETTINGS` prints its figures.

diffusers' `examples/text_to_image/train_text_to_image_lora.py` is in no wheel, so its loop is written again here, with
the same classes and the same order of calls: accelerate with its TensorBoard, `datasets` (kyodaku[peers]) reading a
folder of pictures, a DataLoader that decodes and tokenises at each step, the VAE and the text encoder run at each step,
peft's LoRA on attention, torch's AdamW, a scheduler, the norm clipped. Its checkpoints and last pictures are left out.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration, set_seed
from datasets import load_dataset
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import cast_training_params
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from torch.nn.functional import mse_loss
from torchvision import transforms
from tqdm.auto import tqdm
from transformers import CLIPTextModel, CLIPTokenizer


def dataset(folder: Path, side: int, tokenizer: Any, caption: str) -> Any:
    """The pictures of a folder, decoded, resized, cut and tokenised with one caption each time they are asked for."""
    prepared = transforms.Compose(
        [
            transforms.Resize(side, interpolation=transforms.InterpolationMode.LANCZOS),
            transforms.CenterCrop(side),
            transforms.ToTensor(),
            transforms.Normalize([0.5], [0.5]),
        ]
    )

    def preprocess(examples: dict[str, Any]) -> dict[str, Any]:
        images = [image.convert("RGB") for image in examples["image"]]
        examples["pixel_values"] = [prepared(image) for image in images]
        examples["input_ids"] = tokenizer(
            [caption] * len(images),
            max_length=tokenizer.model_max_length,
            padding="max_length",
            truncation=True,
            return_tensors="pt",
        ).input_ids
        return examples

    read = load_dataset("imagefolder", data_files={"train": str(folder / "**")}, cache_dir=str(folder.parent / "kept"))
    return read["train"].with_transform(preprocess)


def collate(examples: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Examples side by side."""
    pixels = torch.stack([example["pixel_values"] for example in examples])
    pixels = pixels.to(memory_format=torch.contiguous_format).float()
    return {"pixel_values": pixels, "input_ids": torch.stack([example["input_ids"] for example in examples])}


def loss_of(batch: dict[str, torch.Tensor], unet: Any, vae: Any, text_encoder: Any, scheduler: Any) -> torch.Tensor:
    """The loss of a batch, encoded first."""
    latents = vae.encode(batch["pixel_values"]).latent_dist.sample() * vae.config.scaling_factor
    noise = torch.randn_like(latents)
    when = torch.randint(0, scheduler.config.num_train_timesteps, (len(latents),), device=latents.device)
    noisy = scheduler.add_noise(latents, noise, when)
    words = text_encoder(batch["input_ids"], return_dict=False)[0]
    epsilon = scheduler.config.prediction_type == "epsilon"
    target = noise if epsilon else scheduler.get_velocity(latents, noise, when)
    told = unet(noisy, when, words, return_dict=False)[0]
    return mse_loss(told.float(), target.float(), reduction="mean")


def train(base: Path, pictures: Path, out: Path, settings: dict[str, Any]) -> tuple[float, list[float], float]:
    """Train, and write the LoRA; when all was loaded, when each step ended, and the processor's seconds between."""
    project = ProjectConfiguration(project_dir=str(out), logging_dir=str(out / "logs"))
    accelerator = Accelerator(gradient_accumulation_steps=1, log_with="tensorboard", project_config=project)
    set_seed(0)
    scheduler = DDPMScheduler.from_pretrained(base, subfolder="scheduler")
    tokenizer = CLIPTokenizer.from_pretrained(base, subfolder="tokenizer")
    text_encoder = CLIPTextModel.from_pretrained(base, subfolder="text_encoder", dtype=torch.float32)
    vae = AutoencoderKL.from_pretrained(base, subfolder="vae", torch_dtype=torch.float32)
    unet = UNet2DConditionModel.from_pretrained(base, subfolder="unet", torch_dtype=torch.float32)
    for part in (unet, vae, text_encoder):
        part.requires_grad_(False)
        part.to(accelerator.device)
    rank = settings["rank"]
    unet.add_adapter(
        LoraConfig(
            r=rank,
            lora_alpha=rank,
            init_lora_weights="gaussian",
            target_modules=["to_k", "to_q", "to_v", "to_out.0"],
        )
    )
    cast_training_params(unet, dtype=torch.float32)
    learned = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=settings["lr"], betas=(0.9, 0.999), weight_decay=1e-2, eps=1e-8)
    loader: Any = torch.utils.data.DataLoader(
        dataset(pictures, settings["resolution"], tokenizer, "photo of kyodaku person"),
        shuffle=True,
        collate_fn=collate,
        batch_size=settings["batch"],
    )
    schedule = get_scheduler("cosine", optimizer=optimiser, num_warmup_steps=10, num_training_steps=settings["steps"])
    unet, optimiser, loader, schedule = accelerator.prepare(unet, optimiser, loader, schedule)
    accelerator.init_trackers("text2image-fine-tune", config={"rank": rank})
    loaded, ended, spent = time.monotonic(), [], -time.process_time()
    bar = tqdm(total=settings["steps"], disable=not sys.stderr.isatty())
    while len(ended) < settings["steps"]:
        unet.train()
        for batch in loader:
            with accelerator.accumulate(unet):
                loss = loss_of(batch, unet, vae, text_encoder, scheduler)
                average = accelerator.gather(loss.repeat(settings["batch"])).mean().item()
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(learned, 1.0)
                optimiser.step()
                schedule.step()
                optimiser.zero_grad()
            bar.update(1)
            accelerator.log({"train_loss": average}, step=len(ended) + 1)
            bar.set_postfix(step_loss=loss.detach().item(), lr=schedule.get_last_lr()[0])
            ended.append(time.monotonic())
            if len(ended) == settings["steps"]:
                break
    spent += time.process_time()
    accelerator.end_training()
    state = get_peft_model_state_dict(accelerator.unwrap_model(unet))
    save_file({name: value.contiguous() for name, value in state.items()}, out / "peer.safetensors")
    return loaded, ended, spent


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    torch.set_num_threads(told["threads"])
    when_loaded, steps, seconds = train(Path(told["base"]), Path(told["pictures"]), Path(told["out"]), told)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"loaded": when_loaded, "ended": steps, "spent": seconds, "peak": peak * 1024}))
