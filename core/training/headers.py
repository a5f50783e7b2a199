"""What a trained model's file says of itself, for other programs and for us: no name, no path, no time."""

from __future__ import annotations

import json

from core.base_model import Base
from core.cohort import root_of
from core.training.recipe import Recipe
from core.training.task import Settings, Task

VERSION = "1"
ARCHITECTURES = {
    "sd1": "stable-diffusion-v1",
    "sd2": "stable-diffusion-v2-768-v",
    "sdxl": "stable-diffusion-xl-v1-base",
}
TITLES = {"lora": "LoRA", "hypernetwork": "Hypernetwork", "full": "Checkpoint", "embedding": "Embedding"}
KINDS = {"lora": "/lora", "hypernetwork": "/hypernetwork", "full": "", "embedding": "/textual-inversion"}
KOHYAS_BASES = {"sd1": "sd_v1", "sd2": "sd_v2_768_v", "sdxl": "sdxl_base_v1-0"}


def metadata(base: Base, settings: Settings, task: Task) -> dict[str, str]:
    """The file's texts: modelspec's (Stability AI's Model Metadata Standard 1.0), kohya's ss_*, and ours.

    Of kohya's, those that name the training's settings; its names of folders, files and tags are of people and stay
    out. A personal LoRA says nothing of the cohort or the ledger as a whole, so that it depends on its person alone.
    """
    recipe = settings.recipe
    resolution = recipe.resolution or base.resolution
    told = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": _architecture(base) + KINDS[recipe.learns],
        "modelspec.implementation": "https://github.com/huggingface/diffusers",
        "modelspec.title": f"{TITLES[recipe.learns]} trained by Kyodaku",
        "modelspec.resolution": f"{resolution}x{resolution}",
        "modelspec.prediction_type": {"v_prediction": "v"}.get(base.predicts, base.predicts),
        "modelspec.trigger_phrase": task.trigger,
        "kyodaku.version": VERSION,
        "kyodaku.kind": task.kind.value,
        "kyodaku.subject_root" if task.personal else "kyodaku.cohort_root": root_of(task.items),
        "kyodaku.people": str(len(task.people)),
        "kyodaku.pictures": str(len(task.items)),
        "kyodaku.base": base.unet_hash,
        "kyodaku.recipe": json.dumps(recipe.told(), sort_keys=True, separators=(",", ":")),
    }
    if not task.personal and settings.cohort.ledger_head is not None:
        told["kyodaku.ledger_head"] = settings.cohort.ledger_head
    return told | _kohyas(base, recipe, resolution)


def _architecture(base: Base) -> str:
    if base.family == "sd2" and base.predicts == "epsilon":
        return "stable-diffusion-v2-512"
    return ARCHITECTURES[base.family]


def _kohyas(base: Base, recipe: Recipe, resolution: int) -> dict[str, str]:
    lora = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": recipe.rank,
        "ss_network_alpha": recipe.scale_alpha,
    }
    told = {
        **(lora if recipe.learns == "lora" else {}),
        "ss_base_model_version": KOHYAS_BASES[base.family],
        "ss_v2": base.family == "sd2",
        "ss_resolution": f"({resolution}, {resolution})",
        "ss_max_train_steps": recipe.steps,
        "ss_total_batch_size": recipe.batch,
        "ss_gradient_accumulation_steps": recipe.accumulate,
        "ss_gradient_checkpointing": recipe.gradient_checkpointing,
        "ss_unet_lr": recipe.peak_lr,
        "ss_text_encoder_lr": recipe.text_encoder_lr,
        "ss_optimizer": recipe.optimiser,
        "ss_lr_scheduler": recipe.schedule,
        "ss_lr_warmup_steps": recipe.warmup,
        "ss_mixed_precision": {"fp32": "no"}.get(recipe.precision, recipe.precision),
        "ss_min_snr_gamma": recipe.min_snr_gamma,
        "ss_noise_offset": recipe.noise_offset,
        "ss_enable_bucket": recipe.buckets,
        "ss_seed": recipe.seed,
    }
    return {name: str(value) for name, value in told.items()}
