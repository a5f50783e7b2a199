"""Stable Diffusion's own safety checker, from a folder: the base's `safety_checker/`, or one that the user names.

diffusers' StableDiffusionSafetyChecker compares a picture with 17 concepts in CLIP's space. Nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from blake3 import blake3
from PIL import Image

from core.errors import BadValue
from core.local_model import load_whole, reading

FOLDER, PROCESSOR = "safety_checker", "feature_extractor"  # beside each other in a base
CONFIG, PROCESSOR_CONFIG = "config.json", "preprocessor_config.json"
WHAT = "safety checker"
WHERE = "name a folder with StableDiffusionSafetyChecker's config.json and safetensors: --safety-checker PATH"


class SafetyChecker:
    """The checker of a folder, ready on a device. `digest` is blake3 of its weights, hex."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        """Raises BadValue unless the folder holds the checker whole."""
        from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker

        files = sorted(folder.glob("*.safetensors"))
        if not (folder / CONFIG).is_file() or not files:
            raise BadValue(f"{folder} holds no {WHAT}", WHERE)
        self._model: Any = load_whole(StableDiffusionSafetyChecker, folder, WHAT, WHERE).to(device)
        with reading(folder, WHAT, WHERE):
            self._processor = _processor(folder)
        self._device = device
        digest = blake3()
        for file in files:
            digest.update_mmap(file)
        self.digest = str(digest.hexdigest())

    def suspect(self, pictures: Sequence[Image.Image]) -> list[bool]:
        """Whether each RGB picture comes too near to one of the concepts."""
        if not pictures:
            return []
        pixels = self._processor(list(pictures), return_tensors="pt").pixel_values.to(self._device)
        with torch.inference_mode():
            _, found = self._model(clip_input=pixels, images=[np.zeros(1) for _ in pictures])
        return [bool(one) for one in found]


def find(base: Path | None, given: Path | None) -> Path | None:
    """The folder of the checker to use: the one given, else the base's; None where there is none."""
    if given is not None:
        return given / FOLDER if (given / FOLDER / CONFIG).is_file() else given
    if base is None:
        return None
    own = base / FOLDER
    return own if (own / CONFIG).is_file() else None


def _processor(folder: Path) -> Any:
    """How pictures are made ready: as the folder or its neighbour says, else as CLIP does."""
    from transformers import CLIPImageProcessor

    for place in (folder, folder.parent / PROCESSOR):
        if (place / PROCESSOR_CONFIG).is_file():
            return CLIPImageProcessor.from_pretrained(place, local_files_only=True)
    return CLIPImageProcessor()
