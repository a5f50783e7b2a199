"""A model of transformers or diffusers from a local folder: whole, as safetensors, with nothing fetched or made up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from core.errors import BadValue


def load_whole(kind: Any, folder: Path, what: str, hint: str) -> Any:
    """A model of class `kind` with the weights in `folder`, for inference; `what` it is and the `hint` are for people.

    Raises BadValue unless the folder holds all of its weights.
    """
    with reading(folder, what, hint):
        model, told = kind.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    if lacking := sorted(told["missing_keys"]):  # they would be made up
        raise BadValue(f"the {what} in {folder} lacks {lacking[0]}", hint)
    return model.eval()


@contextmanager
def reading(folder: Path, what: str, hint: str) -> Iterator[None]:
    """What the libraries raise over a folder's files, as BadValue with its first line."""
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BadValue(f"{folder} holds no {what}: {reason}", hint) from error
