"""Recipes: defaults, TOML, and faults named by field."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import BadRecipe, MissingDependency, PromptRefused
from core.training import recipe
from core.training.optimisers import rate
from core.training.recipe import Recipe
from core.training.recipe_text import table_of, toml_of


def test_toml_and_overrides(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('rank = 4\nlr = 1e-3\ntargets = "attention+conv"\n')
    found = recipe.load(path, {"rank": 16})
    assert (found.rank, found.lr, found.targets, found.scale_alpha) == (16, 1e-3, "attention+conv", 16.0)
    assert recipe.load() == Recipe()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rnak = 4", "no field 'rnak'"),
        ("rank = 0", "rank: .*greater than or equal to 1"),
        ('rank = "8"', "rank: .*integer"),
        ('caption = "a photo"', "caption: .*{trigger}"),
        ('caption = "{trigger} {0}"', "caption: .*a brace other than"),
        ('caption = "{trigger} {trigger.upper}"', "caption: .*a brace other than"),
        ('targets = "all"', "targets"),
        ("rank = ", "no TOML"),
    ],
)
def test_faults(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(BadRecipe, match=said):
        recipe.load(path)


@pytest.mark.parametrize(
    ("caption", "said"),
    [
        ("photo of {trigger} child", "a minor: 'child'"),
        ("{trigger}, 12 years old", "a minor"),
        ("photo of {trigger} n4ked", "sexual content"),
    ],
)
def test_a_caption_is_held_to_the_rule_of_prompts(caption: str, said: str) -> None:
    with pytest.raises(PromptRefused, match=said) as refused:
        recipe.load(overrides={"caption": caption})
    assert refused.value.exit_status == 1
    with pytest.raises(PromptRefused):
        Recipe(caption=caption)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadRecipe, match="can't be read"):
        recipe.load(tmp_path / "none.toml")


def test_triggers_are_steady_and_tell_people_apart() -> None:
    words = {recipe.trigger_of(f"{number:032x}") for number in range(500)}
    assert len(words) == 500
    assert all(len(word) == 8 and word.startswith("kyo") and word.isalpha() for word in words)
    assert recipe.trigger_of("ab") == recipe.trigger_of("ab")


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_the_rate_rises_then_falls_as_asked(schedule: str) -> None:
    plan = Recipe.model_validate({"steps": 100, "warmup": 10, "schedule": schedule})
    rates = [rate(plan, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
    assert (rates[-1] == 1.0) is (schedule == "constant")


def test_a_recipe_as_text_gives_the_same_recipe_back(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    for one in (
        Recipe(),
        Recipe(alpha=3.5, text_encoder_lr=1e-5, min_snr_gamma=5, caption='a "{trigger}", ü', ema=0.99),
    ):
        path.write_text(toml_of(one), encoding="utf-8")
        assert recipe.load(path) == one


def test_every_field_says_why_and_in_what_unit() -> None:
    for field in table_of(Recipe()):
        assert field["why"], field
        assert field["unit"], field
        assert field["range"] or field["unit"] in {"yes or no", "text", "path"}, field


def test_fields_that_need_each_other() -> None:
    for fields, said in (({"keep": "validation"}, "validation above 0"), ({"keep": "likeness"}, "preview_every")):
        with pytest.raises(BadRecipe, match=said):
            recipe.load(overrides=fields)


def test_an_optimiser_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(recipe.LIBRARIES, "prodigy", "no_such_library")
    with pytest.raises(MissingDependency, match=r"'prodigy' needs no_such_library"):
        recipe.require_optimiser(Recipe(optimiser="prodigy"))
    recipe.require_optimiser(Recipe())
