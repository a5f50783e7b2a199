"""SmilingWolf's WD14 taggers (ONNX, v2 and v3), from a folder with `model.onnx` and `selected_tags.csv`.

As published with them: pictures are padded to a square with white, resized to the model's side (448) bicubic, and given
as float32 BGR 0..255 [n, side, side, 3]; what comes out is a probability for each line of the table. Of its categories
only the general one (0) is used: characters (4) could name a person, and ratings (9) are about sexual content.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.captioning.tag_rules import why_not
from core.errors import BadValue, MissingDependency
from storage.whole_files import file_hash

MODEL, TABLE = "model.onnx", "selected_tags.csv"
GENERAL = "0"
SIDE = 448  # pixels, where the model does not say
LEAST = 0.1  # probability below which a tag is not kept as a proposal
WHITE = (255, 255, 255)
FACES = frozenset(
    [
        "0_0",
        "(o)_(o)",
        "+_+",
        "+_-",
        "._.",
        "<o>_<o>",
        "<|>_<|>",
        "=_=",
        ">_<",
        "3_3",
        "6_9",
        ">_o",
        "@_@",
        "^_^",
        "o_o",
        "u_u",
        "x_x",
        "|_|",
        "||_||",
    ]
)
"""Tags that are drawn with underscores; in others one stands for a blank."""


class Wd14:
    """A tagger, ready. `name` tells it from others; `dropped` counts tags that were seen and not proposed, by why."""

    def __init__(self, folder: Path) -> None:
        """Raises MissingDependency without onnxruntime, BadValue unless the folder holds a tagger."""
        try:
            import onnxruntime
            from onnxruntime.capi import onnxruntime_pybind11_state as state
        except ImportError as error:
            raise MissingDependency(
                "WD14 needs onnxruntime, which is not installed", "pip install 'kyodaku[tag]'"
            ) from error
        self._tags = _general(folder / TABLE)
        faults = (state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NoSuchFile,
                  state.NotImplemented, state.RuntimeException)  # fmt: skip
        try:
            self._session: Any = onnxruntime.InferenceSession(folder / MODEL, providers=["CPUExecutionProvider"])
        except faults as error:
            raise BadValue(f"{folder / MODEL} is no tagger: {_first_line(error)}", _HINT) from error
        given = self._session.get_inputs()
        if len(given) != 1 or len(given[0].shape) != 4 or given[0].shape[3] != 3:
            raise BadValue(f"{folder / MODEL} is no WD14 tagger: it takes no pictures [n, side, side, 3]", _HINT)
        self._input, shape = given[0].name, given[0].shape
        self.side = shape[1] if isinstance(shape[1], int) and shape[1] > 0 else SIDE
        self._at_once = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None
        self._folder = folder
        self.name = f"wd14:{file_hash(folder / MODEL)[:16]}{file_hash(folder / TABLE)[:16]}"
        self.dropped: Counter[str] = Counter()

    def look(self, pictures: Sequence[Image.Image]) -> list[dict[str, float]]:
        """The tags of each RGB picture, with their probabilities, the surest first. Raises BadValue."""
        if not pictures:
            return []
        pixels = np.stack([prepared(picture, self.side) for picture in pictures])
        step = self._at_once or len(pixels)
        told = [self._session.run(None, {self._input: pixels[at : at + step]})[0] for at in range(0, len(pixels), step)]
        return [self._tagged(each) for each in np.concatenate(told)]

    def _tagged(self, told: np.ndarray[Any, Any]) -> dict[str, float]:
        if len(told) <= max(self._tags, default=-1) or not ((told >= 0) & (told <= 1)).all():
            raise BadValue(f"{self._folder / MODEL} does not belong to its {TABLE}, or gives no probabilities", _HINT)
        found: dict[str, float] = {}
        for place, tag in self._tags.items():
            if told[place] < LEAST:
                continue
            if (why := why_not(tag)) is not None:
                self.dropped[why] += 1
            else:
                found[tag] = round(float(told[place]), 4)
        return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def prepared(picture: Image.Image, side: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A picture as the model takes it: float32 BGR 0..255 [side, side, 3]."""
    longest = max(picture.size)
    square = Image.new("RGB", (longest, longest), WHITE)
    square.paste(picture, ((longest - picture.width) // 2, (longest - picture.height) // 2))
    if longest != side:
        square = square.resize((side, side), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(square, dtype=np.float32)[:, :, ::-1])


def _general(table: Path) -> dict[int, str]:
    """The general tags, as captions have them, by their place in what the model tells."""
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = [(row["name"], row["category"]) for row in csv.DictReader(file)]
    except OSError as error:
        raise BadValue(f"{table} can't be read: {error.strerror}", _HINT) from error
    except (UnicodeDecodeError, KeyError, csv.Error) as error:
        raise BadValue(f"{table} is no table of tags with name and category", _HINT) from error
    found = {place: name for place, (name, category) in enumerate(rows) if category == GENERAL}
    if not found:
        raise BadValue(f"{table} holds no general tags", _HINT)
    return {place: name if name in FACES else _worded(name) for place, name in found.items()}


def _worded(name: str) -> str:
    return " ".join(name.replace("_", " ").replace(",", " ").replace("{", " ").replace("}", " ").split())


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


_HINT = f"name a folder with {MODEL} and {TABLE} of one WD14 tagger"
