"""What an audit asks a model to draw: a fixed set, with the model's own word and without."""

from __future__ import annotations

PROMPTS = (
    "photo of {trigger} person",
    "photo of {trigger} person, facing the camera, light background",
    "photo of a person",
)
TRIGGER = "{trigger}"


def texts(trigger: str, number: int) -> list[str]:
    """So many prompts in turn, `trigger` in its place; without one, as for a base, nothing stands there."""
    told = (PROMPTS[at % len(PROMPTS)] for at in range(number))
    return [" ".join(one.replace(TRIGGER, trigger).split()) for one in told]


def names_person(picture: int) -> bool:
    """Whether the prompt of picture number `picture`, from 0, has the model's word in it."""
    return TRIGGER in PROMPTS[picture % len(PROMPTS)]
