"""Prior pictures: drawn by the bare base, looked at, kept, and the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from core import base_model
from core.errors import BadBase, PromptRefused
from core.generated_checks import Checker, Seen
from core.training import prior
from core.training.loop import train
from core.training.recipe import Recipe
from tests.small_archive import SmallArchive

RECIPE = Recipe(
    rank=2, steps=2, batch=2, warmup=1, previews=0, prior_weight=1.0, prior_pictures=2, prior_caption="a person"
)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prior, "STEPS", 2)


def test_they_are_drawn_once_and_by_the_base_alone(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze()
    base, checker = base_model.load(tiny_base, "cpu"), Checker()
    drawn = prior.prepare(archive.catalog, base, RECIPE, 32, checker)
    kept = prior.prepare(archive.catalog, base, RECIPE, 32, checker)
    assert len(drawn.pictures) == len(kept.pictures) == 2
    assert not torch.equal(drawn.pictures[0].latents, drawn.pictures[1].latents)
    for one, other in zip(drawn.pictures, kept.pictures, strict=True):
        assert torch.equal(one.latents, other.latents)
    train(archive.catalog, "all", tiny_base, "v1", recipe=RECIPE, processes=1)
    files = list((archive.catalog.cache / "priors").rglob("*.safetensors"))
    assert len(files) == 2, "the second and third LoRA's are those of the first: what a run has put on is off"


def test_what_the_checks_withhold_is_never_shown(
    archive: SmallArchive, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Checker.look

    def refused(self: Checker, pictures: Sequence[Image.Image]) -> list[Seen]:
        return [replace(seen, withheld="a face looks under 18 (about 12)") for seen in look(self, pictures)]

    monkeypatch.setattr(Checker, "look", refused)
    with pytest.raises(BadBase, match="no picture that the base draws passes"):
        prior.prepare(archive.catalog, base_model.load(tiny_base, "cpu"), RECIPE, 32, Checker())


def test_what_no_prompt_may_ask_for_is_no_prior_caption() -> None:
    with pytest.raises(PromptRefused, match="prior_caption: it names a minor"):
        Recipe(prior_caption="photo of a child")
