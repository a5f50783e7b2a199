"""What is foreseen of memory is what real passes take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core import base_model
from core.training import memory
from core.training.batches import Group
from core.training.dataset import Picture
from core.training.fit import Fit, loaded_as
from core.training.memory import Tally
from core.training.recipe import Recipe
from tests.core.training.test_fit import picture


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"learns": "full"},
        {"learns": "full", "gradient_checkpointing": True},
        {"learns": "full", "precision": "bf16"},
        {"learns": "hypernetwork"},
        {"text_encoder_lr": 1e-4},
    ],
    ids=["lora", "full", "full-checkpointing", "full-bf16", "hypernetwork", "text"],
)
def test_a_step_holds_what_was_foreseen(tiny_base: Path, fields: dict[str, Any]) -> None:
    """The same count over a real pass of the trainer, on real tensors: it has the loss and the pictures besides."""
    recipe = Recipe.model_validate({"batch": 4, "previews": 0, **fields})
    base = base_model.load(tiny_base, "cpu", loaded_as(recipe))
    pictures: list[Picture] = [picture(number) for number in range(4)]
    fit = Fit(base, recipe, [Group("aa", "kyoaa", pictures, ["{trigger}"] * 4, ("a", "b", "c", "d"))], "key")
    modules = (base.pipe.unet, base.pipe.text_encoder)
    known = [*(p for module in modules for p in module.parameters()), *fit.adapter.named.values()]
    with Tally(known) as tally:
        fit._pass(0)
    foreseen = memory.of_run(tiny_base, recipe)
    assert foreseen.learned == sum(parameter.numel() for parameter in fit.adapter.named.values())
    assert foreseen.step == pytest.approx(tally.most, rel=0.1)
    fit.optimiser.step(0)
    remembered = sum(tensor.numel() * tensor.element_size() for tensor in fit.optimiser.state()[0].values())
    assert foreseen.kept == pytest.approx(remembered, rel=0.05)


def test_checkpointing_and_a_larger_batch_tell(tiny_base: Path) -> None:
    steps = {
        (batch, slow): memory.of_run(tiny_base, Recipe(learns="full", batch=batch, gradient_checkpointing=slow)).step
        for batch in (1, 8)
        for slow in (False, True)
    }
    assert steps[8, False] > steps[8, True] > steps[1, True]
    both = memory.of_run(tiny_base, Recipe(learns="full", ema=0.9, keep="validation", validation=0.1))
    plain = memory.of_run(tiny_base, Recipe(learns="full"))
    assert both.kept - plain.kept == 8 * plain.learned
