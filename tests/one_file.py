"""A checkpoint in one file, as A1111 and ComfyUI keep them: SDXL's names in the original code, few and narrow."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

UNET = "model.diffusion_model."
FIRST, SECOND = "conditioner.embedders.0.transformer.text_model.", "conditioner.embedders.1.model."
QUERY = f"{UNET}input_blocks.4.1.transformer_blocks.0.attn1.to_q.weight"
MIDDLE = f"{UNET}middle_block.1.proj_in.weight"
CONV = f"{UNET}output_blocks.2.0.in_layers.2.weight"
KEY = f"{FIRST}encoder.layers.0.self_attn.k_proj.weight"
FUSED = f"{SECOND}transformer.resblocks.0.attn.in_proj_weight"
OUT = f"{SECOND}transformer.resblocks.0.attn.out_proj.weight"
WIDER, NARROWER = (f"{SECOND}transformer.resblocks.0.mlp.c_{name}.weight" for name in ("fc", "proj"))
SHAPES = {
    f"{UNET}input_blocks.0.0.weight": (8, 4, 3, 3),
    QUERY: (6, 6),
    f"{UNET}input_blocks.4.1.transformer_blocks.0.attn1.to_out.0.bias": (6,),
    MIDDLE: (6, 6, 1, 1),
    CONV: (5, 6, 3, 3),
    KEY: (4, 4),
    FUSED: (12, 4),
    f"{SECOND}transformer.resblocks.0.attn.in_proj_bias": (12,),
    OUT: (4, 4),
    WIDER: (16, 4),
    NARROWER: (4, 16),
    f"{SECOND}ln_final.weight": (1280,),
    "first_stage_model.decoder.conv_in.weight": (3, 3, 3, 3),
}


def write_checkpoint(path: Path, seed: int) -> dict[str, Tensor]:
    """Write one with random weights in fp16; gives its tensors."""
    chance = torch.Generator().manual_seed(seed)
    tensors = {name: torch.randn(shape, generator=chance).half() for name, shape in SHAPES.items()}
    tensors["v_pred"] = torch.zeros(0)
    save_file(tensors, path, {"modelspec.title": "theirs"})
    return tensors
