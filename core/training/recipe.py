"""What a training run does, as one validated record: from TOML, from the command line, or by default."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from blake3 import blake3
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from core import prompts
from core.errors import BadRecipe, PromptRefused

SHARED_TRIGGER = "kyodaku"  # half the captions say this in place of the person's own word: a composite answers to it
TRIGGER = "{trigger}"  # stands in a caption for that word
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

Targets = Literal["attention", "attention+ff", "attention+conv", "attention+ff+conv"]


class Recipe(BaseModel):
    """How one LoRA is trained. Frozen; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rank: Annotated[int, Field(ge=1, le=1024)] = 8
    """Rank of each layer's change."""
    alpha: Annotated[float, Field(gt=0)] | None = None
    """The change is scaled by alpha / rank; None: alpha is the rank."""
    targets: Targets = "attention"
    """Layers that learn: attention's projections, with +ff also its feed-forward, with +conv the convolutions."""
    steps: Annotated[int, Field(ge=1, le=1_000_000)] = 800
    """Optimiser steps of one LoRA."""
    batch: Annotated[int, Field(ge=1, le=1024)] = 4
    """Pictures in one pass through the network."""
    accumulate: Annotated[int, Field(ge=1, le=1024)] = 1
    """Passes whose gradients make one step."""
    lr: Annotated[float, Field(gt=0, le=1)] = 1e-4
    """Learning rate at its height."""
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    """How the rate falls after the warm-up, to nothing at the last step."""
    warmup: Annotated[int, Field(ge=0)] = 10
    """Steps over which the rate rises."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 1e-2
    """AdamW's decoupled decay."""
    clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of the gradient of one step."""
    min_snr_gamma: Annotated[float, Field(gt=0)] | None = None
    """Weight of each noise level (Hang et al., "Min-SNR Weighting", 2023); None: all weigh the same."""
    background: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Weight in the loss of what is around the face: less of it, and a LoRA learns the person before the place."""
    caption: Annotated[str, Field(min_length=1, max_length=1000)] = "photo of {trigger} person"
    """What every picture is called; {trigger} is the person's word."""
    shared_trigger: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of captions that say the word all LoRAs share, which an average of them answers to."""
    caption_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of captions left empty."""
    flip: bool = False
    """Show pictures mirrored half of the time; faces are not symmetric, so only where asked."""
    resolution: Annotated[int, Field(ge=8, le=4096)] | None = None
    """Pixels a side; None: the base's own."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """With the person's pseudonym it decides every random number of the run."""
    checkpoint_every: Annotated[int, Field(ge=1)] = 50
    """Steps between checkpoints."""
    previews: Annotated[int, Field(ge=0, le=64)] = 4
    """Pictures drawn with the finished LoRA, where the person allows pictures of themselves alone."""

    @field_validator("caption")
    @classmethod
    def _caption_is_decent(cls, caption: str) -> str:
        """Raises PromptRefused for what no prompt may ask for: a preview is drawn from the caption."""
        if TRIGGER not in caption:
            raise ValueError(f"must hold {TRIGGER}")
        text = caption.replace(TRIGGER, SHARED_TRIGGER)
        if "{" in text or "}" in text:
            raise ValueError(f"holds a brace other than {TRIGGER}'s")
        if (finding := prompts.find(text)) is not None:
            raise PromptRefused(
                f"caption: it names {finding.asked}: {finding.word!r}", "Kyodaku draws adults, and decently"
            )
        return caption

    @property
    def scale_alpha(self) -> float:
        """alpha as it is written to the file."""
        return float(self.rank) if self.alpha is None else self.alpha


def load(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe in a TOML file, or the default one, with some fields given otherwise.

    Raises BadRecipe naming the file and the field, PromptRefused for a caption that no prompt may be.
    """
    fields: dict[str, Any] = {}
    if path is not None:
        try:
            fields = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise BadRecipe(f"{path} can't be read: {error.strerror}", "check the path") from error
        except ValueError as error:
            raise BadRecipe(f"{path} is no TOML: {error}", "see https://toml.io") from error
    try:
        return Recipe.model_validate({**fields, **(overrides or {})})
    except ValidationError as error:
        raise BadRecipe(
            f"{path or 'recipe'}: {_first_fault(error)}", f"fields: {', '.join(Recipe.model_fields)}"
        ) from error


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in fault["loc"]) or "recipe"
    if fault["type"] == "extra_forbidden":
        return f"there is no field {field!r}"
    return f"{field}: {fault['msg']} (it is {fault['input']!r})"


def trigger_of(uid: str) -> str:
    """The word that stands for a person in captions: `kyo` and five letters drawn from their pseudonym."""
    digest = blake3(f"kyodaku trigger {uid}".encode()).digest(length=5)
    return "kyo" + "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest)
