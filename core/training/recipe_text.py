"""A recipe as text: TOML that says of every field what it is for, in what unit, and what it may be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from core.training.recipe import Recipe, Unit

_SIGNS = {Ge: (">=", "ge"), Gt: (">", "gt"), Le: ("<=", "le"), Lt: ("<", "lt")}


def toml_of(recipe: Recipe) -> str:
    """The recipe as TOML that gives the same recipe back, every field with a line of why, its unit and its range.

    A field that is none stands as a comment: TOML has no word for it.
    """
    lines = ["# How a LoRA is trained. Every field may be left out: it is then what stands in the brackets."]
    for name, field in Recipe.model_fields.items():
        value, default = getattr(recipe, name), field.get_default()
        lines += ["", f"# {field.description}", f"# ({'; '.join(_about(field))}) [{_said(default)}]"]
        lines.append(f"# {name} =" if value is None else f"{name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def table_of(recipe: Recipe) -> list[dict[str, Any]]:
    """Every field: `name`, `value`, `default`, `unit`, `range` and `why`."""
    return [
        {
            "name": name,
            "value": getattr(recipe, name),
            "default": field.get_default(),
            "unit": _unit(field),
            "range": ", ".join(_range(field)),
            "why": field.description,
        }
        for name, field in Recipe.model_fields.items()
    ]


def _about(field: FieldInfo) -> list[str]:
    return [part for part in (_unit(field), ", ".join(_range(field))) if part]


def _marks(field: FieldInfo) -> Iterator[Any]:
    """What annotates a field, at any depth of `Annotated` and `|`."""
    yield from field.metadata
    yield from _marks_of(field.annotation)


def _marks_of(annotation: Any) -> Iterator[Any]:
    for part in getattr(annotation, "__metadata__", ()):
        yield from part.metadata if isinstance(part, FieldInfo) else (part,)
    for part in get_args(annotation):
        if not isinstance(part, str):
            yield from _marks_of(part)


def _unit(field: FieldInfo) -> str:
    return next((mark.name for mark in _marks(field) if isinstance(mark, Unit)), "")


def _range(field: FieldInfo) -> list[str]:
    choices = [part for part in get_args(field.annotation) if isinstance(part, str)]
    if choices:
        return [" | ".join(choices)]
    found = []
    for mark in _marks(field):
        if type(mark) in _SIGNS:
            sign, attribute = _SIGNS[type(mark)]
            found.append(f"{sign} {getattr(mark, attribute):g}")
    return found


def _said(value: Any) -> str:
    return "none" if value is None else _toml(value)


def _toml(value: Any) -> str:
    """A value in TOML; JSON's texts, numbers and truths are TOML's too (https://toml.io/en/v1.0.0)."""
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
