"""A Stable Diffusion checkpoint small enough for a test: random weights, the real classes."""

from __future__ import annotations

import json
from pathlib import Path

SIDE = 32  # pixels
WORDS = ("photo", "of", "person", "kyodaku", "a")


def write_tiny_base(folder: Path, *, prediction: str = "v_prediction", latents: int = 3) -> Path:
    """Write the checkpoint in diffusers' layout, the same bytes every time; gives its folder."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    vocabulary = {token: number for number, token in enumerate(_tokens())}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=16)
    state = torch.random.get_rng_state()
    torch.manual_seed(7)
    pipe = StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4, latent_channels=latents,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        ),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(vocabulary), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                num_attention_heads=2, max_position_embeddings=16, projection_dim=16,
                bos_token_id=vocabulary["<|startoftext|>"], eos_token_id=vocabulary["<|endoftext|>"],
                pad_token_id=vocabulary["<|endoftext|>"],
            )
        ),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            sample_size=SIDE // 2, in_channels=latents, out_channels=latents, layers_per_block=1,
            block_out_channels=(8, 16), norm_num_groups=4, cross_attention_dim=16, attention_head_dim=2,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        ),
        scheduler=DDIMScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, prediction_type=prediction,
            clip_sample=False, set_alpha_to_one=False, steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    torch.random.set_rng_state(state)
    pipe.save_pretrained(folder, safe_serialization=True)
    assert json.loads((folder / "model_index.json").read_text())["_class_name"] == "StableDiffusionPipeline"
    return folder


def write_safety_checker(folder: Path, *, suspects: bool) -> Path:
    """Write a safety checker of the real class that suspects every picture, or none; gives its folder."""
    import torch
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    state = torch.random.get_rng_state()
    torch.manual_seed(7)
    model = StableDiffusionSafetyChecker(
        CLIPConfig(vision_config=small | {"image_size": SIDE, "patch_size": 16}, projection_dim=8)
    )
    torch.random.set_rng_state(state)
    limit = -1.1 if suspects else 1.1  # of a cosine
    model.concept_embeds_weights.data.fill_(limit)
    model.special_care_embeds_weights.data.fill_(limit)
    model.save_pretrained(folder, safe_serialization=True)
    size = {"height": SIDE, "width": SIDE}
    CLIPImageProcessor(size=size, crop_size=size, do_center_crop=False).save_pretrained(folder)
    return folder


def write_tiny_clip(folder: Path) -> Path:
    """Write a CLIP model of random weights, with its tokenizer and processor; gives its folder."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    vocabulary = {token: number for number, token in enumerate(_tokens())}
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    words = {
        "vocab_size": len(vocabulary), "max_position_embeddings": 64, "pad_token_id": vocabulary["<|endoftext|>"],
        "bos_token_id": vocabulary["<|startoftext|>"], "eos_token_id": vocabulary["<|endoftext|>"],
    }  # fmt: skip
    state = torch.random.get_rng_state()
    torch.manual_seed(7)
    model = CLIPModel(
        CLIPConfig(
            text_config=small | words, vision_config=small | {"image_size": SIDE, "patch_size": 16}, projection_dim=8
        )
    )
    torch.random.set_rng_state(state)
    model.save_pretrained(folder, safe_serialization=True)
    CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=64).save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    CLIPImageProcessor(size=size, crop_size=size, do_center_crop=False).save_pretrained(folder)
    return folder


def _tokens() -> list[str]:
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    return [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
