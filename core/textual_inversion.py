"""Learned tokens: vectors that a word stands for to a text encoder, taken on by a pipeline and read off files.

(Textual inversion: Gal et al., "An Image Is Worth One Word", 2022.) A file of one holds, as diffusers, A1111 and
ComfyUI read it, a tensor [vectors, width] by the word's name; with two encoders `clip_l` and `clip_g`, as kohya's
sd-scripts write them. Beside a LoRA it stands in the LoRA's file, in the bundles of A1111 and OneTrainer:
`bundle_emb.WORD.string_to_param.*`, with two encoders `bundle_emb.WORD.clip_l` and `.clip_g`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from core.errors import BadLora, BadRecipe
from core.merging.formats import BUNDLED, bytes_of, tensor_of
from storage.errors import BadTensorFile
from storage.tensors import TensorSpec, read_header, read_tensor, write_tensors
from storage.whole_files import whole_file

Vectors = Mapping[str, Tensor]
"""What a word stands for, by the pipeline's encoder: float32 [vectors, width]."""

TOKENIZERS = {"text_encoder": "tokenizer", "text_encoder_2": "tokenizer_2"}
NAMES = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}  # of two encoders' vectors in a file
_KEY = re.compile(rf"{re.escape(BUNDLED)}(?P<word>.+)\.(?P<name>string_to_param\.\*|clip_l|clip_g)")
_WORD = "modelspec.trigger_phrase"  # tells the word where the tensors' names don't


@dataclass(frozen=True, slots=True)
class _Before:
    """What an encoder and its tokenizer were before they knew the word."""

    part: str
    tokenizer: Any
    table: Tensor
    hooks: list[Any]


_worn: WeakKeyDictionary[Any, list[_Before]] = WeakKeyDictionary()  # by pipeline


def parts_of(pipe: Any) -> list[str]:
    """The pipeline's text encoders by name: one, or SDXL's two."""
    return [part for part in TOKENIZERS if getattr(pipe, part, None) is not None]


def start_of(pipe: Any, text: str, count: int) -> dict[str, Tensor]:
    """The first `count` vectors that the encoders know the text by, over again where they are fewer.

    Raises BadRecipe for a text of no words.
    """
    found = {}
    for part in parts_of(pipe):
        tokens = getattr(pipe, TOKENIZERS[part])(text, add_special_tokens=False).input_ids
        if not tokens:
            raise BadRecipe(f"token_init: {text!r} says nothing", 'as in "person"')
        table = getattr(pipe, part).get_input_embeddings().weight.detach()
        found[part] = torch.stack([table[tokens[at % len(tokens)]] for at in range(count)]).float().cpu()
    return found


def put_on(pipe: Any, word: str, vectors: Vectors) -> None:
    """Have the pipeline know the word, which it must not yet, instead of one it took on before. Raises BadLora."""
    take_off(pipe)
    if vectors.keys() != set(parts_of(pipe)):
        raise BadLora(f"{word!r} was learned with {len(vectors)} text encoders, not the base's", "take its own base")
    worn = _worn.setdefault(pipe, [])
    for part, values in vectors.items():
        encoder, name = getattr(pipe, part), TOKENIZERS[part]
        before = _Before(part, getattr(pipe, name), encoder.get_input_embeddings().weight.data, [])
        worn.append(before)
        setattr(pipe, name, copy.deepcopy(before.tokenizer))  # a word can't be taken out of a tokenizer again
        try:
            pipe.load_textual_inversion({word: values}, text_encoder=encoder, tokenizer=getattr(pipe, name))
        except ValueError as error:
            take_off(pipe)
            raise BadLora(f"the word {word!r} can't be taken on: {error}", "take the base it was learned on") from error
        encoder.get_input_embeddings().requires_grad_(False)


def learn(pipe: Any, word: str, start: Vectors) -> dict[str, torch.nn.Parameter]:
    """Have the pipeline know the word by vectors that learn, float32 [vectors, width], by encoder."""
    put_on(pipe, word, start)
    learned = {}
    for before in _worn[pipe]:
        encoder = getattr(pipe, before.part)
        first = getattr(pipe, TOKENIZERS[before.part]).convert_tokens_to_ids(word)
        vectors = torch.nn.Parameter(start[before.part].clone().to(encoder.device))
        before.hooks.append(encoder.get_input_embeddings().register_forward_hook(_in_place(first, vectors)))
        learned[before.part] = vectors
    return learned


def take_off(pipe: Any) -> None:
    """Leave the pipeline as it was before it knew a learned token."""
    for before in _worn.pop(pipe, ()):
        for hook in before.hooks:
            hook.remove()
        setattr(pipe, TOKENIZERS[before.part], before.tokenizer)
        encoder = getattr(pipe, before.part)
        embeddings = encoder.get_input_embeddings()
        embeddings.weight.data = before.table
        embeddings.num_embeddings = encoder.config.vocab_size = len(before.table)


def is_one(path: Path) -> bool:
    """Whether a safetensors file holds a learned token and nothing else; none that can't be read does."""
    try:
        specs = read_header(path).specs
    except BadTensorFile:
        return False
    alone = len(specs) == 1 or specs.keys() == set(NAMES.values())
    return alone and all(len(spec.shape) == 2 for spec in specs.values())


def read(path: Path) -> tuple[str, Vectors]:
    """The word in a file of its own, and what it stands for. Raises BadLora."""
    try:
        header = read_header(path)
        with path.open("rb") as file:
            tensors = {
                name: tensor_of(read_tensor(file, header, name), spec).float() for name, spec in header.specs.items()
            }
    except (BadTensorFile, KeyError) as error:
        raise BadLora(f"{path} holds no learned token", "train it again") from error
    if len(tensors) == 1:
        ((word, vectors),) = tensors.items()
        return word, {"text_encoder": vectors}
    return header.metadata.get(_WORD, path.stem), {part: tensors[name] for part, name in NAMES.items()}


def write(path: Path, word: str, vectors: Vectors, metadata: Mapping[str, str]) -> None:
    """Write a word in a file of its own, whole or not at all; the same vectors and metadata give the same bytes."""
    tensors = {NAMES[part] if len(vectors) > 1 else word: values for part, values in vectors.items()}
    specs = [TensorSpec(name, "F32", tuple(values.shape)) for name, values in tensors.items()]
    with whole_file(path) as file:
        write_tensors(file, specs, metadata, lambda spec: [bytes_of(tensors[spec.name])])


def bundle(word: str, vectors: Vectors) -> dict[str, Tensor]:
    """A word as tensors of a LoRA's file."""
    two = len(vectors) > 1
    return {f"{BUNDLED}{word}.{NAMES[part] if two else 'string_to_param.*'}": value for part, value in vectors.items()}


def unbundle(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Vectors]]:
    """A LoRA's file as its own tensors, and the words in it."""
    lora: dict[str, Tensor] = {}
    words: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if match := _KEY.fullmatch(key):
            part = "text_encoder_2" if match["name"] == "clip_g" else "text_encoder"
            words.setdefault(match["word"], {})[part] = value.float()
        else:
            lora[key] = value
    return lora, dict(words)


def _in_place(first: int, vectors: torch.nn.Parameter) -> Any:
    """A hook that has the encoder's table give the vectors for the tokens from `first` on."""

    def hook(_table: Any, inputs: tuple[Tensor, ...], told: Tensor) -> Tensor:
        (tokens,) = inputs
        learned = torch.nn.functional.embedding((tokens - first).clamp(min=0), vectors)
        return torch.where((tokens >= first)[..., None], learned.to(told.dtype), told)

    return hook
