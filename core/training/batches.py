"""What goes through the network at a pass: pictures, their noise and their words, each decided by its slot alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor

from core.base_model import Base
from core.training.dataset import Picture
from core.training.order import Plan, permutation, seed_of
from core.training.recipe import SHARED_TRIGGER, Recipe
from core.training.words import Book, Words, encode, text_at


@dataclass(frozen=True, slots=True)
class Group:
    """One person's share of a run: their pictures, what each is called, and the word that stands for them."""

    uid: str
    trigger: str
    pictures: Sequence[Picture]
    captions: Sequence[str]
    leaves: tuple[str, ...]  # what the pictures are, for the checkpoint to know its run
    words: dict[str, Words] = field(default_factory=dict)  # of texts that were encoded before


@dataclass(frozen=True, slots=True)
class Rows:
    """Pictures of one shape, n of them: latents and noise [n, c, h, w], weights [n, 1, h, w], timesteps [n].

    `texts` are their captions, `frames` what SDXL is told of their sizes [n, 6], `groups` whose they are.
    """

    latents: Tensor
    noise: Tensor
    weights: Tensor
    when: Tensor
    frames: Tensor
    texts: tuple[str, ...]
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    picture: Picture
    mirrored: bool
    noise: Tensor
    when: int
    text: str
    group: int


class Batches:
    """The passes of a run. A slot's picture, noise and caption are the same whatever goes through with it."""

    def __init__(
        self,
        base: Base,
        recipe: Recipe,
        groups: Sequence[Group],
        key: str,
        prior: Group | None = None,
        *,
        learns_words: bool = False,
    ) -> None:
        """`prior`: pictures by the base itself, shown beside people's. With `learns_words` no text is remembered."""
        self._base, self._recipe, self._groups, self._prior = base, recipe, groups, prior
        self._key = f"{key}/{recipe.seed}"
        shapes = tuple(tuple(picture.shape for picture in group.pictures) for group in groups)
        self.plan = Plan(tuple(len(group.pictures) for group in groups), shapes, self._key, recipe.batch)
        known = {text: words for group in groups for text, words in group.words.items()}
        self._book = None if learns_words else Book(base, known)
        self._timesteps = int(base.pipe.scheduler.config.num_train_timesteps)

    def parts(self, number: int, micro: int) -> Iterator[tuple[Rows, float]]:
        """Pass `number` in parts of one shape and at most `micro` pictures, each with its weight in the loss."""
        slots = self.plan.slots(number)
        for part in _apart([self._row(slot) for slot in slots], micro):
            yield self.rows(part), 1.0
        if self._prior is not None:
            for part in _apart([self._prior_row(self._prior, slot) for slot in slots], micro):
                yield self.rows(part), self._recipe.prior_weight

    def words_of(self, rows: Rows) -> Words:
        """What the UNet is told for the captions."""
        return encode(self._base, rows.texts) if self._book is None else self._book.look_up(rows.texts)

    def held_out(self, group: int, pictures: Sequence[Picture], captions: Sequence[str], draws: int) -> Iterator[Rows]:
        """Pictures that are not learned from, each `draws` times with noise that is the same at every look."""
        own = self._groups[group]
        for at, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
            text = caption.replace("{trigger}", own.trigger)
            chance = torch.Generator().manual_seed(seed_of(self._key, "validation", own.uid, at))
            rows = []
            for draw in range(draws):  # spread over the noise levels, so that few looks say much
                when = int((draw + 0.5) / draws * self._timesteps)
                noise = torch.randn(picture.shape, generator=chance)
                rows.append(_Row(picture, False, noise, when, text, group))
            yield self.rows(rows)

    def rows(self, rows: Sequence[_Row]) -> Rows:
        """Rows of one shape side by side, on the base's device."""
        device = self._base.device
        latents = [row.picture.latents[int(row.mirrored)] for row in rows]
        weights = [row.picture.weight.flip(-1) if row.mirrored else row.picture.weight for row in rows]
        return Rows(
            torch.stack(latents),
            torch.stack([row.noise for row in rows]).to(device),
            torch.stack(weights),
            torch.tensor([row.when for row in rows]),
            torch.tensor([row.picture.frame for row in rows], dtype=torch.float32, device=device),
            tuple(row.text for row in rows),
            tuple(row.group for row in rows),
        )

    def _row(self, slot: int) -> _Row:
        recipe = self._recipe
        number, index = self.plan.picked(slot)
        group = self._groups[number]
        chance = torch.Generator().manual_seed(seed_of(self._key, "slot", slot))
        mirror, shared, empty = torch.rand(3, generator=chance).tolist()
        text = ""
        if empty >= recipe.caption_dropout:
            trigger = SHARED_TRIGGER if shared < recipe.shared_trigger else group.trigger
            text = text_at(group.captions[index], trigger, recipe, self._key, "caption", slot)
        picture = group.pictures[index]
        return _Row(picture, recipe.flip and mirror < 0.5, *self._noise(picture, chance), text, number)

    def _prior_row(self, prior: Group, slot: int) -> _Row:
        passes, at = divmod(slot, len(prior.pictures))
        index = permutation(len(prior.pictures), self._key, "prior", passes)[at]
        chance = torch.Generator().manual_seed(seed_of(self._key, "prior slot", slot))
        picture = prior.pictures[index]
        return _Row(picture, False, *self._noise(picture, chance), prior.captions[index], -1)

    def _noise(self, picture: Picture, chance: torch.Generator) -> tuple[Tensor, int]:
        """Noise and timestep; with an offset, noise common to a channel (Guttenberg, "Diffusion with Offset Noise")."""
        when = int(torch.randint(0, self._timesteps, (), generator=chance))
        noise = torch.randn(picture.shape, generator=chance)
        if self._recipe.noise_offset:
            noise += self._recipe.noise_offset * torch.randn((picture.shape[0], 1, 1), generator=chance)
        return noise, when


def _apart(rows: Sequence[_Row], micro: int) -> Iterator[Sequence[_Row]]:
    """Rows in parts of one shape and at most `micro` each, in their order."""
    ordered = sorted(rows, key=lambda row: row.picture.shape)  # stable
    for _, alike in groupby(ordered, key=lambda row: row.picture.shape):
        part = list(alike)
        for first in range(0, len(part), micro):
            yield part[first : first + micro]
