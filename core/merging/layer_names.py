"""What the same layer is called by others: the blocks of the original code, and the dotted paths of diffusers.

The original implementations (CompVis' latent-diffusion, Stability's SGM) number a UNet's blocks through; kohya's
scripts name SDXL's LoRA layers after them. The blocks are those of a UNet with two layers a block, as SD 1.x, 2.x and
SDXL have.
"""

from __future__ import annotations

import re

_BLOCK = re.compile(r"lora_unet_(input|middle|output)_(?:blocks_(\d+)|block)_(\d)_(.+)")
_RESNET = (
    ("in_layers_0", "norm1"),
    ("in_layers_2", "conv1"),
    ("emb_layers_1", "time_emb_proj"),
    ("out_layers_0", "norm2"),
    ("out_layers_3", "conv2"),
    ("skip_connection", "conv_shortcut"),
)
_OUTSIDE = {
    "input_blocks_0_0": "conv_in",
    "time_embed_0": "time_embedding_linear_1",
    "time_embed_2": "time_embedding_linear_2",
    "label_emb_0_0": "add_embedding_linear_1",
    "label_emb_0_2": "add_embedding_linear_2",
    "out_0": "conv_norm_out",
    "out_2": "conv_out",
}
_LAYERS = 2  # of a block
_UNET = "model.diffusion_model."
_ENCODERS = (  # of whole checkpoints: SD 1.x, SD 2.x, SDXL's two
    ("cond_stage_model.transformer.text_model.", "lora_te_text_model_"),
    ("cond_stage_model.model.transformer.", "lora_te_text_model_encoder_"),
    ("conditioner.embedders.0.transformer.text_model.", "lora_te1_text_model_"),
    ("conditioner.embedders.1.model.transformer.", "lora_te2_text_model_encoder_"),
)
_OPEN_CLIP = re.compile(r"resblocks\.(\d+)\.(attn\.in_proj|attn\.out_proj|mlp\.c_fc|mlp\.c_proj)")
_OPEN_CLIP_PARTS = {
    "attn.in_proj": ("self_attn_q_proj", "self_attn_k_proj", "self_attn_v_proj"),
    "attn.out_proj": ("self_attn_out_proj",),
    "mlp.c_fc": ("mlp_fc1",),
    "mlp.c_proj": ("mlp_fc2",),
}
# Words whose underscores belong to them, longest first where one begins with another
_WORDS = (
    "down_blocks", "up_blocks", "mid_block", "transformer_blocks", "time_emb_proj", "time_embedding", "add_embedding",
    "linear_1", "linear_2", "conv_shortcut", "conv_norm_out", "conv_in", "conv_out", "proj_in", "proj_out", "to_out",
    "to_q", "to_k", "to_v", "text_model", "self_attn", "q_proj", "k_proj", "v_proj", "out_proj", "layer_norm1",
    "layer_norm2", "token_embedding", "position_embedding", "final_layer_norm",
)  # fmt: skip
_WORD = re.compile("|".join(_WORDS))


def of_diffusers(name: str) -> str:
    """A layer's name with diffusers' blocks; one that has them already, or is of a text encoder, stays."""
    if (outside := _OUTSIDE.get(name.removeprefix("lora_unet_"))) is not None:
        return f"lora_unet_{outside}"
    match = _BLOCK.fullmatch(name)
    if match is None:
        return name
    side, number, part, rest = match[1], int(match[2] or 0), int(match[3]), match[4]
    if side == "middle":
        room = ("mid_block_resnets_0", "mid_block_attentions_0", "mid_block_resnets_1")[part]
    elif side == "input":
        level, layer = divmod(number - 1, _LAYERS + 1)
        kind = "attentions" if part else "resnets"
        room = f"down_blocks_{level}_downsamplers_0_conv" if rest == "op" else f"down_blocks_{level}_{kind}_{layer}"
    else:
        level, layer = divmod(number, _LAYERS + 1)
        kind = "attentions" if part else "resnets"
        room = f"up_blocks_{level}_upsamplers_0_conv" if rest == "conv" else f"up_blocks_{level}_{kind}_{layer}"
    if rest in {"op", "conv"}:
        return f"lora_unet_{room}"
    rest = next((own for theirs, own in _RESNET if rest == theirs), rest)
    return f"lora_unet_{room}_{rest}"


def of_checkpoint(key: str) -> tuple[str, ...]:
    """Names of the layers that a tensor of a checkpoint in one file belongs to; none for what has no layers.

    OpenCLIP's encoders (SD 2.x, the second of SDXL) keep query, key and value in one tensor, in this order of its rows.
    """
    path = re.sub(r"[._](?:weight|bias)$", "", key)
    if path.startswith(_UNET):
        return (of_diffusers(f"lora_unet_{path.removeprefix(_UNET).replace('.', '_')}"),)
    for prefix, layer in _ENCODERS:
        if path.startswith(prefix):
            path = path.removeprefix(prefix)
            match = _OPEN_CLIP.fullmatch(path)
            parts: tuple[str, ...] = (path.replace(".", "_"),)
            if match is not None:
                parts = tuple(f"layers_{match[1]}_{part}" for part in _OPEN_CLIP_PARTS[match[2]])
            return tuple(f"{layer}{part}" for part in parts)
    return ()


def dotted(name: str) -> tuple[str, str]:
    """Part (`unet`, `text_encoder`, `text_encoder_2`) and dotted module path of a layer with diffusers' blocks."""
    prefix, _, flat = re.fullmatch(r"(lora_(?:unet|te\d?))(_)(.+)", name).groups()  # type: ignore[union-attr]
    part = {"lora_unet": "unet", "lora_te2": "text_encoder_2"}.get(prefix, "text_encoder")
    kept = _WORD.sub(lambda word: word[0].replace("_", "\0"), flat)
    return part, kept.replace("_", ".").replace("\0", "_")
