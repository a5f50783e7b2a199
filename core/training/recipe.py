"""What a training run does, as one validated record: from TOML, from the command line, or by default."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from blake3 import blake3
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from core import prompts
from core.errors import BadRecipe, MissingDependency, PromptRefused

SHARED_TRIGGER = "kyodaku"  # half the captions say this in place of the person's own word: a composite answers to it
TRIGGER = "{trigger}"  # stands in a caption for that word
ATTRIBUTES = ("place", "year", "framing")  # what else a caption may hold in braces: what the catalog knows
RATES = {
    "lora": 1e-4,
    "hypernetwork": 1e-4,
    "full": 1e-5,
    "embedding": 1e-3,
}  # what learns, and the usual height of its learning rate
LIBRARIES = {"adamw8bit": "bitsandbytes", "prodigy": "prodigyopt", "schedule-free": "schedulefree"}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

Targets = Literal["attention", "attention+ff", "attention+conv", "attention+ff+conv"]
Activation = Literal["linear", "relu", "leakyrelu", "elu", "swish", "tanh", "sigmoid"]
Rate = Annotated[float, Field(gt=0, le=10)]


@dataclass(frozen=True, slots=True)
class Unit:
    """What a field is counted in, for whoever reads the recipe."""

    name: str


class Recipe(BaseModel):
    """How one model is trained. Frozen; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    # What learns
    learns: Annotated[Literal["lora", "hypernetwork", "full", "embedding"], Unit("name")] = "lora"
    """A LoRA, which can be averaged; a hypernetwork; full: the UNet's own weights; embedding: a token alone."""
    activation: Annotated[Activation, Unit("name")] = "linear"
    """What stands between the two layers of a hypernetwork."""
    rank: Annotated[int, Field(ge=1, le=1024), Unit("dimensions")] = 8
    """Rank of each layer's change: how much a LoRA can hold, and how large its file is."""
    alpha: Annotated[float, Field(gt=0), Unit("dimensions")] | None = None
    """The change is scaled by alpha / rank; none: alpha is the rank."""
    targets: Annotated[Targets, Unit("layers")] = "attention"
    """Layers that learn: attention's projections, with +ff also its feed-forward, with +conv the convolutions."""
    text_encoder_lr: Annotated[Rate, Unit("per step")] | None = None
    """Learning rate of the text encoders' attention; none: they don't learn, and captions are encoded once."""
    token_vectors: Annotated[int, Field(ge=0, le=32), Unit("vectors")] = 0
    """Vectors that the trigger is learned as, a token of its own (textual inversion); 0: it is a word like others."""
    token_init: Annotated[str, Field(min_length=1, max_length=100), Unit("text")] = "person"
    """A text that the base knows, from whose vectors the token's start."""
    token_lr: Annotated[Rate, Unit("per step")] | None = None
    """Learning rate of the token's vectors; none: 1e-3, with prodigy 1."""

    # How it learns
    steps: Annotated[int, Field(ge=1, le=1_000_000), Unit("steps")] = 800
    """Optimiser steps of one LoRA."""
    batch: Annotated[int, Field(ge=1, le=1024), Unit("pictures")] = 4
    """Pictures in one pass through the network; what memory allows."""
    accumulate: Annotated[int, Field(ge=1, le=1024), Unit("passes")] = 1
    """Passes whose gradients make one step: a larger batch in the same memory."""
    optimiser: Annotated[Literal["adamw", "adamw8bit", "prodigy", "schedule-free"], Unit("name")] = "adamw"
    """AdamW; in 8 bits (bitsandbytes) for less memory; Prodigy, which finds its rate; schedule-free AdamW."""
    lr: Annotated[Rate, Unit("per step")] | None = None
    """Learning rate at its height; none: 1e-4, with full 1e-5, with prodigy 1 (a factor of the rate it finds)."""
    beta1: Annotated[float, Field(ge=0, lt=1), Unit("share")] = 0.9
    """How much of the gradients before goes into a step."""
    beta2: Annotated[float, Field(ge=0, lt=1), Unit("share")] = 0.999
    """The same for their squares."""
    weight_decay: Annotated[float, Field(ge=0, le=1), Unit("per step and rate")] = 1e-2
    """AdamW's decoupled decay: pulls the change towards nothing."""
    schedule: Annotated[Literal["constant", "linear", "cosine", "restarts"], Unit("name")] = "cosine"
    """How the rate falls after the warm-up, to nothing at the last step; restarts: a cosine anew each cycle."""
    cycles: Annotated[int, Field(ge=1, le=1000), Unit("cycles")] = 1
    """Cycles of `restarts`."""
    warmup: Annotated[int, Field(ge=0), Unit("steps")] = 10
    """Steps over which the rate rises: the first gradients say little."""
    clip: Annotated[float, Field(gt=0), Unit("norm")] = 1.0
    """Largest norm of the gradient of one step: one odd picture moves no mountain."""
    ema: Annotated[float, Field(gt=0, lt=1), Unit("share")] | None = None
    """What is written is a running mean of the weights that keeps this share of itself each step; none: the last."""
    seed: Annotated[int, Field(ge=0, lt=2**63), Unit("number")] = 0
    """With the person's pseudonym it decides every random number of the run."""

    # What counts in the loss
    min_snr_gamma: Annotated[float, Field(gt=0), Unit("signal to noise")] | None = None
    """Weight of each noise level (Hang et al., "Min-SNR Weighting", 2023; 5 is usual); none: all weigh the same."""
    noise_offset: Annotated[float, Field(ge=0, le=1), Unit("share of the noise")] = 0.0
    """Noise common to a whole channel, for darker and brighter pictures; not for bases with zero terminal SNR."""
    background: Annotated[float, Field(gt=0, le=1), Unit("weight")] = 1.0
    """Weight in the loss of what is around the face: less of it, and a LoRA learns the person before the place."""
    prior_weight: Annotated[float, Field(ge=0, le=10), Unit("weight")] = 0.0
    """Weight of prior preservation (Ruiz et al., "DreamBooth", 2023): pictures by the base itself; 0: none."""
    prior_pictures: Annotated[int, Field(ge=1, le=10_000), Unit("pictures")] = 32
    """How many pictures the base draws for it; they are never photographs."""
    prior_caption: Annotated[str, Field(min_length=1, max_length=1000), Unit("text")] = "photo of a person"
    """What the base is asked for, and what those pictures are called."""

    # What is shown
    caption: Annotated[str, Field(min_length=1, max_length=1000), Unit("text")] = "photo of {trigger} person"
    """What every picture is called; {trigger} is the person's word, {place}, {year}, {framing} what is known."""
    captions: Annotated[str, Field(min_length=1), Unit("path")] | None = None
    """A file of captions, as `kyodaku captions export` writes it; none: those in the catalog, else `caption`."""
    shared_trigger: Annotated[float, Field(ge=0, le=1), Unit("share")] = 0.5
    """Share of captions that say the word all LoRAs share, which an average of them answers to."""
    caption_dropout: Annotated[float, Field(ge=0, lt=1), Unit("share")] = 0.0
    """Share of captions left empty: what classifier-free guidance needs."""
    caption_shuffle: Annotated[bool, Unit("yes or no")] = False
    """Shuffle what stands between a caption's commas each time: no word leans on its place."""
    caption_keep: Annotated[int, Field(ge=0, le=100), Unit("parts")] = 1
    """Parts at the front of a caption that a shuffle leaves there."""
    flip: Annotated[bool, Unit("yes or no")] = False
    """Show pictures mirrored half of the time; faces are not symmetric, so only where asked."""
    resolution: Annotated[int, Field(ge=8, le=4096), Unit("pixels a side")] | None = None
    """Size of what is shown; none: the base's own."""
    buckets: Annotated[bool, Unit("yes or no")] = False
    """Keep the shape of crops that are not square, at the same area; no: their middle square."""

    # What it costs
    precision: Annotated[Literal["fp32", "bf16", "fp16"], Unit("format")] = "fp32"
    """Numbers of the frozen base and of the passes; what learns is fp32. bf16 for GPUs that have it, else fp16."""
    gradient_checkpointing: Annotated[bool, Unit("yes or no")] = False
    """Compute activations twice instead of keeping them: about a third slower in much less memory."""
    compile: Annotated[bool, Unit("yes or no")] = False
    """torch.compile the UNet: minutes at the start for faster steps; the last bits of a result may differ."""
    checkpoint_every: Annotated[int, Field(ge=1), Unit("steps")] = 50
    """Steps between checkpoints: what a kill can cost."""

    # What is watched
    previews: Annotated[int, Field(ge=0, le=64), Unit("pictures")] = 4
    """Pictures drawn with the finished LoRA, where the person allows pictures of themselves alone."""
    preview_every: Annotated[int, Field(ge=0), Unit("steps")] = 0
    """Steps between previews on the way, with the likeness of their faces; 0: only at the end."""
    validation: Annotated[float, Field(ge=0, le=0.5), Unit("share")] = 0.0
    """Share of each person's pictures that is held out and never learned from, to see over-fitting."""
    validate_every: Annotated[int, Field(ge=1), Unit("steps")] = 50
    """Steps between looks at the held-out pictures."""
    format: Annotated[Literal["kohya", "diffusers"], Unit("name")] = "kohya"
    """Keys of the file: kohya's with alpha, which all programs read, or those of diffusers and peft."""
    board: Annotated[bool, Unit("yes or no")] = False
    """Write TensorBoard's files into the job's folder too (kyodaku[board])."""
    keep: Annotated[Literal["last", "validation", "likeness"], Unit("name")] = "last"
    """Which weights are written: the last, those of the least validation loss, or those most like the person."""

    @field_validator("caption", "prior_caption", "token_init")
    @classmethod
    def _caption_is_decent(cls, caption: str, info: Any) -> str:
        """Raises PromptRefused for what no prompt may ask for: a picture is drawn from it."""
        own = info.field_name == "caption"
        check_caption(caption, info.field_name, attributes=ATTRIBUTES if own else (), trigger=own)
        return caption

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        other_parts = self.text_encoder_lr is not None or self.format != "kohya"
        for wrong, said in (
            (
                self.learns == "hypernetwork" and other_parts,
                "a hypernetwork stands before the UNet's attention alone: no text_encoder_lr, no format",
            ),
            (
                self.learns == "full" and other_parts,
                "full trains the UNet alone and writes a whole checkpoint: no text_encoder_lr, no format",
            ),
            (
                self.learns == "embedding" and other_parts,
                "an embedding is the trigger's vectors alone: no text_encoder_lr, no format",
            ),
            (self.learns == "embedding" and not self.token_vectors, 'learns = "embedding" needs token_vectors above 0'),
            (
                self.learns in ("hypernetwork", "full") and self.token_vectors,
                'a token is learned beside a LoRA, or alone: token_vectors needs learns = "lora" or "embedding"',
            ),
            (
                self.token_vectors and self.format != "kohya",
                'a token beside a LoRA lies in its file as readers of kohya\'s keys have it: format = "kohya"',
            ),
            (self.keep == "validation" and not self.validation, 'keep = "validation" needs validation above 0'),
            (
                self.keep == "likeness" and not (self.preview_every and self.previews),
                'keep = "likeness" needs previews and preview_every above 0',
            ),
        ):
            if wrong:
                raise ValueError(said)
        return self

    @property
    def scale_alpha(self) -> float:
        """alpha as it is written to the file."""
        return float(self.rank) if self.alpha is None else self.alpha

    @property
    def peak_lr(self) -> float:
        """The learning rate at its height, given or usual."""
        if self.lr is not None:
            return self.lr
        return 1.0 if self.optimiser == "prodigy" else RATES[self.learns]

    @property
    def peak_token_lr(self) -> float:
        """The same of a token's vectors."""
        if self.token_lr is not None:
            return self.token_lr
        return 1.0 if self.optimiser == "prodigy" else RATES["embedding"]

    @property
    def words_change(self) -> bool:
        """Whether what the UNet is told for a caption changes from step to step."""
        return self.text_encoder_lr is not None or self.token_vectors > 0

    def told(self) -> dict[str, Any]:
        """The fields as they may leave this machine: without a path, and with the rate that is meant."""
        return {name: value for name, value in self.model_dump().items() if name != "captions"} | {"lr": self.peak_lr}


def check_caption(caption: str, where: str, *, attributes: tuple[str, ...] = ATTRIBUTES, trigger: bool = True) -> None:
    """Raises ValueError for braces that stand for nothing, and PromptRefused for what no prompt may ask for."""
    if trigger and TRIGGER not in caption:
        raise ValueError(f"must hold {TRIGGER}")
    text = caption
    if trigger:
        text = text.replace(TRIGGER, SHARED_TRIGGER)
        for name in attributes:
            text = text.replace(f"{{{name}}}", name)
    if "{" in text or "}" in text:
        allowed = ", ".join([TRIGGER, *(f"{{{name}}}" for name in attributes)]) if trigger else "none"
        raise ValueError(f"holds a brace other than {TRIGGER}'s (allowed: {allowed})")
    if (finding := prompts.find(text)) is not None:
        raise PromptRefused(
            f"{where}: it names {finding.asked}: {finding.word!r}", "Kyodaku draws adults, and decently"
        )


def load(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe in a TOML file, or the default one, with some fields given otherwise.

    A path in the file is taken from where the file lies. Raises BadRecipe naming the file and the field, PromptRefused
    for a caption that no prompt may be.
    """
    fields: dict[str, Any] = {}
    if path is not None:
        try:
            fields = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise BadRecipe(f"{path} can't be read: {error.strerror}", "check the path") from error
        except ValueError as error:
            raise BadRecipe(f"{path} is no TOML: {error}", "see https://toml.io") from error
        if isinstance(fields.get("captions"), str):
            fields["captions"] = str(path.parent.resolve() / fields["captions"])
    try:
        return Recipe.model_validate({**fields, **(overrides or {})})
    except ValidationError as error:
        raise BadRecipe(
            f"{path or 'recipe'}: {_first_fault(error)}", f"fields: {', '.join(Recipe.model_fields)}"
        ) from error


def require_optimiser(recipe: Recipe) -> None:
    """Raises MissingDependency when the library of the recipe's optimiser is not installed; loads none."""
    library = LIBRARIES.get(recipe.optimiser)
    if library is not None and find_spec(library) is None:
        raise MissingDependency(
            f"optimiser {recipe.optimiser!r} needs {library}, which is not installed",
            "pip install 'kyodaku[optimisers]', or choose adamw",
        )


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    if not field:
        return str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        return f"there is no field {field!r}"
    return f"{field}: {fault['msg']} (it is {fault['input']!r})"


def trigger_of(uid: str) -> str:
    """The word that stands for a person in captions: `kyo` and five letters drawn from their pseudonym."""
    digest = blake3(f"kyodaku trigger {uid}".encode()).digest(length=5)
    return "kyo" + "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest)
