"""Captions: what a picture is called at a slot, and what the UNet is told for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.base_model import Base
from core.training import latent_cache
from core.training.order import permutation
from core.training.recipe import TRIGGER, Recipe
from storage.catalog import Catalog

REMEMBERED = 4096  # texts


@dataclass(frozen=True, slots=True)
class Words:
    """Captions as the UNet takes them: `tokens` [n, tokens, width], and for SDXL `pooled` [n, width]."""

    tokens: Tensor
    pooled: Tensor | None = None

    def as_type(self, dtype: torch.dtype) -> Words:
        """The same in a precision."""
        return Words(self.tokens.to(dtype), None if self.pooled is None else self.pooled.to(dtype))

    def to(self, device: torch.device) -> Words:
        """The same on a device."""
        return Words(self.tokens.to(device), None if self.pooled is None else self.pooled.to(device))


def text_at(caption: str, trigger: str, recipe: Recipe, *place: object) -> str:
    """A caption with its word filled in, and its parts shuffled as the place in the run says, where that is asked."""
    if recipe.caption_shuffle:
        parts = [part.strip() for part in caption.split(",")]
        kept, loose = parts[: recipe.caption_keep], parts[recipe.caption_keep :]
        caption = ", ".join([*kept, *(loose[at] for at in permutation(len(loose), *place, "parts"))])
    return caption.replace(TRIGGER, trigger)


def encoders(base: Base) -> list[tuple[Any, Any]]:
    """The base's tokenizers and text encoders: one, or SDXL's two."""
    pipe = base.pipe
    pairs = [(pipe.tokenizer, pipe.text_encoder)]
    if getattr(pipe, "text_encoder_2", None) is not None:
        pairs.append((pipe.tokenizer_2, pipe.text_encoder_2))
    return pairs


def encode(base: Base, texts: Sequence[str]) -> Words:
    """What the UNet is told for each text; gradients reach the encoders unless the caller forbids it.

    SD takes the encoder's last layer; SDXL both encoders' last but one side by side, and the second's summary (Podell
    et al., "SDXL", 2023).
    """
    pairs = encoders(base)
    found: list[Tensor] = []
    pooled = None
    for tokenizer, encoder in pairs:
        tokens = tokenizer(
            base.pipe.maybe_convert_prompt(list(texts), tokenizer),  # a learned token of several vectors
            padding="max_length",
            truncation=True,
            max_length=tokenizer.model_max_length,
            return_tensors="pt",
        )
        told = encoder(tokens.input_ids.to(base.device), output_hidden_states=len(pairs) > 1)
        if len(pairs) > 1:
            found.append(told.hidden_states[-2])
            pooled = told[0]
        else:
            found.append(told[0])
    return Words(torch.cat(found, dim=-1), pooled)


class Book:
    """Texts and what the UNet is told for them, each encoded once; only for encoders that don't learn."""

    def __init__(self, base: Base, known: Mapping[str, Words] | None = None) -> None:
        self._base = base
        self._known: dict[str, Words] = {}
        for text, words in (known or {}).items():
            self._known[text] = words.to(base.device)

    def look_up(self, texts: Sequence[str]) -> Words:
        """The words of each text, encoding what is new."""
        if len(self._known) > REMEMBERED:  # shuffled captions are ever new
            self._known.clear()
        for text, words in encode_each(self._base, (text for text in texts if text not in self._known)).items():
            self._known[text] = words
        found = [self._known[text] for text in texts]
        pooled = [words.pooled for words in found if words.pooled is not None]
        return Words(torch.cat([words.tokens for words in found]), torch.cat(pooled) if pooled else None)


def encode_each(base: Base, texts: Iterable[str]) -> dict[str, Words]:
    """Each distinct text by itself, without gradients.

    In the encoders' own precision; one text's words don't depend on which others are asked for with it.
    """
    found: dict[str, Words] = {}
    for text in dict.fromkeys(texts):
        with torch.no_grad():
            words = encode(base, [text])
        found[text] = Words(words.tokens.clone(), None if words.pooled is None else words.pooled.clone())
    return found


def kept_words(catalog: Catalog, base: Base, subject_uid: str, texts: Iterable[str]) -> dict[str, Words]:
    """The words of each text from the person's cache, encoding and keeping what is not there."""
    precision = str(base.pipe.text_encoder.dtype)
    found: dict[str, Words] = {}
    for text in dict.fromkeys(texts):
        path = latent_cache.words_path(catalog, subject_uid, base.text_hash, precision, text)
        kept = latent_cache.read_named(path)
        if kept is None or "tokens" not in kept:
            words = encode_each(base, [text])[text]
            arrays = {"tokens": words.tokens, "pooled": words.pooled}
            latent_cache.write_named(
                path, {name: value.float().cpu().numpy() for name, value in arrays.items() if value is not None}
            )
        else:
            tensors = {name: torch.from_numpy(np.array(array)) for name, array in kept.items()}
            words = Words(tensors["tokens"], tensors.get("pooled"))
        found[text] = words.as_type(base.pipe.text_encoder.dtype)
    return found
