"""CLIP as a tagger (Radford et al., 2021): which words of a list the user gives fit a picture. From a local folder.

The list is a text file: a word or a few a line; an empty line ends a group. Within a group words exclude each other,
and compete with a picture that shows none of them: the softmax over `a photo of WORD` for each, and `a photo`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from blake3 import blake3
from PIL import Image

from core.captioning.tag_rules import why_not
from core.errors import BadValue
from core.local_model import load_whole, reading
from storage.whole_files import file_hash

LEAST = 0.1  # probability below which a word is not kept as a proposal
WHAT = "CLIP model"
HINT = "name a folder with CLIPModel's config.json, safetensors, tokenizer and preprocessor_config.json"


class Clip:
    """A tagger, ready on a device. `name` tells it from others; `dropped` counts words never proposed, by why."""

    def __init__(self, folder: Path, words: Path, device: str = "cpu") -> None:
        """Raises BadValue unless the folder holds a CLIP model whole, and the file words."""
        from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

        listed = groups_of(words)
        self.dropped = Counter(why for group in listed for word in group if (why := why_not(word)) is not None)
        self._groups = [kept for group in listed if (kept := [word for word in group if why_not(word) is None])]
        if not self._groups:
            raise BadValue(f"{words} holds no word that may be proposed", "write others: none about age")
        files = sorted(folder.glob("*.safetensors"))
        if not files:
            raise BadValue(f"{folder} holds no {WHAT} as safetensors", HINT)
        self._model: Any = load_whole(CLIPModel, folder, WHAT, HINT).to(device)
        with reading(folder, WHAT, HINT):
            tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
            self._processor = CLIPImageProcessor.from_pretrained(folder, local_files_only=True)
        self._device = device
        texts = [text for group in self._groups for text in [*(f"a photo of {word}" for word in group), "a photo"]]
        self._texts = tokenizer(texts, padding=True, truncation=True, return_tensors="pt").to(device)
        self.side = int(self._model.config.vision_config.image_size)
        told_by = "\n".join([*map(file_hash, files), *texts])
        self.name = f"clip:{blake3(told_by.encode()).hexdigest()[:32]}"

    def look(self, pictures: Sequence[Image.Image]) -> list[dict[str, float]]:
        """The words that fit each RGB picture, with their probabilities, the surest first."""
        if not pictures:
            return []
        pixels = self._processor(list(pictures), return_tensors="pt").pixel_values.to(self._device)
        with torch.inference_mode():
            fits = self._model(pixel_values=pixels, **self._texts).logits_per_image.float().cpu()
        return [self._tagged(each) for each in fits]

    def _tagged(self, fits: torch.Tensor) -> dict[str, float]:
        found: dict[str, float] = {}
        place = 0
        for group in self._groups:
            shares = fits[place : place + len(group) + 1].softmax(0)
            found |= {word: round(float(share), 4) for word, share in zip(group, shares[:-1], strict=True)}
            place += len(group) + 1
        kept = {word: share for word, share in found.items() if share >= LEAST}
        return dict(sorted(kept.items(), key=lambda pair: (-pair[1], pair[0])))


def groups_of(path: Path) -> list[list[str]]:
    """The words of a list, by group. Raises BadValue naming the line."""
    try:
        lines = [" ".join(line.split()) for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise BadValue(f"{path} can't be read: {error.strerror}", "name a text file of words, one a line") from error
    except UnicodeDecodeError as error:
        raise BadValue(f"{path} is not UTF-8", "save it as UTF-8 text") from error
    for number, line in enumerate(lines, 1):
        if any(letter in line for letter in ",{}"):
            raise BadValue(f"{path}, line {number}: a word holds no comma and no brace", "write one a line")
    return [list(dict.fromkeys(group)) for filled, group in groupby(lines, bool) if filled]
