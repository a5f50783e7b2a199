"""The parts of the tiny pipeline besides its autoencoder, and how the folder is written whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 32  # tokens
WIDTH = 128  # of the text encoder
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.36.0",
    "vae": ["diffusers", "AutoencoderKL"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "safety_checker": [None, None],
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
}


def train_tokenizer(captions: Sequence[str]) -> CLIPTokenizer:
    """Learn a small byte-pair vocabulary in which any word, made-up ones too, can be spelt."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token=END))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=1100,
        special_tokens=[START, END],
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    learnt = json.loads(tokenizer.to_str())["model"]
    vocabulary = learnt["vocab"]
    for letter in alphabet:  # every byte must also exist at the end of a word, or rare words become unknown
        vocabulary.setdefault(f"{letter}</w>", len(vocabulary))
    merges = [tuple(pair) if isinstance(pair, list) else tuple(pair.split()) for pair in learnt["merges"]]
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LENGTH)


def make_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Return an untrained text encoder: three layers, 128 wide."""
    vocabulary = tokenizer.get_vocab()
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        intermediate_size=384,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        projection_dim=WIDTH,
        bos_token_id=vocabulary[START],
        eos_token_id=vocabulary[END],
        pad_token_id=vocabulary[END],
    )
    return CLIPTextModel(config)


def make_unet(channels: int) -> UNet2DConditionModel:
    """Return an untrained UNet for 16 x 16 latents."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=channels,
        out_channels=channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(64, 128, 160),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def make_scheduler() -> DDIMScheduler:
    """Return the noise schedule: Stable Diffusion's, predicting velocity."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="trailing",
    )


def tokenize(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Return token numbers (n, 32)."""
    encoded = tokenizer(list(texts), padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")
    return encoded.input_ids


def write_base(folder: Path, unet: UNet2DConditionModel, text_encoder: CLIPTextModel, tokenizer: CLIPTokenizer) -> None:
    """Write the pipeline in half precision into a copy of the folder, then put the copy in its place."""
    draft, former = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(former, ignore_errors=True)
    shutil.copytree(folder, draft)
    unet.save_pretrained(draft / "unet")
    config = (
        draft / "unet" / "config.json"
    )  # a loaded UNet writes the path that it came from, which is nobody's business
    kept = {key: value for key, value in json.loads(config.read_text("utf-8")).items() if key != "_name_or_path"}
    config.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    text_encoder.save_pretrained(draft / "text_encoder")
    tokenizer.save_pretrained(draft / "tokenizer")
    make_scheduler().save_pretrained(draft / "scheduler")
    (draft / "model_index.json").write_text(json.dumps(INDEX, indent=2) + "\n", encoding="utf-8")
    folder.rename(former)
    draft.rename(folder)
    shutil.rmtree(former)
