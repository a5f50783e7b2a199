"""Block weights: how strongly a merge acts in each block of the network.

Blocks are named as diffusers numbers them: `text` (the text encoders), `down.0` … `mid` … `up.3` of the UNet,
and `rest` (what stands in no block: the first and last convolution, the time embedding). A block that is not
named keeps its strength.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from core.errors import BadValue
from core.merging.layer_names import of_checkpoint

_NAME = re.compile(r"text|mid|rest|(?:down|up)\.\d{1,2}")
_PLACE = re.compile(
    r"(?:lora_unet_|unet\.)?(?:(?P<side>down|input|up|output)_blocks[._](?P<number>\d+)|(?P<mid>mid_block|middle_block))"
)
_SIDES = {"down": "down", "input": "down", "up": "up", "output": "up"}
KNOWN = "text, down.N, mid, up.N, rest"


def block_of(name: str) -> str:
    """The block of a LoRA's layer (`lora_unet_…`, `lora_te…`) or of a tensor (`unet.…`, `text_encoder….`).

    A tensor of a checkpoint in one file (`checkpoint.…`) is in that of its layer.
    """
    own = name.removeprefix("checkpoint.")
    if own.startswith(("cond_stage_model.", "conditioner.")):
        return "text"
    if own != name:
        name = next(iter(of_checkpoint(own)), own)
    if name.startswith(("lora_te", "text_encoder")):
        return "text"
    place = _PLACE.match(name)
    if place is None:
        return "rest"
    return "mid" if place["mid"] else f"{_SIDES[place['side']]}.{int(place['number'])}"


def factors(given: Mapping[str, float], names: list[str]) -> dict[str, float]:
    """The strength of each layer or tensor of these names. Raises BadValue for a block that none of them is in."""
    blocks = {name: block_of(name) for name in names}
    absent = sorted(set(given) - set(blocks.values()))
    if absent:
        raise BadValue(f"there is no block {absent[0]} in it", f"it has {', '.join(sorted(set(blocks.values())))}")
    return {name: given.get(block, 1.0) for name, block in blocks.items()}


def parse(text: str) -> dict[str, list[float]]:
    """`down.0=0.5,mid=1:3` as numbers by block, one or several each. Raises BadValue."""
    found: dict[str, list[float]] = {}
    for part in text.split(","):
        name, _, values = part.strip().partition("=")
        try:
            numbers = [float(value) for value in values.split(":")]
        except ValueError:
            numbers = [math.nan]
        if not _NAME.fullmatch(name) or name in found or not all(map(math.isfinite, numbers)):
            raise BadValue(f"block weight {part.strip()!r} makes no sense", f"as in down.0=0.5,mid=1; blocks: {KNOWN}")
        found[name] = numbers
    return found


def single(text: str | None) -> dict[str, float]:
    """One strength a block, from text such as `down.0=0.5,mid=1,text=0`. Raises BadValue."""
    found = parse(text) if text else {}
    for name, numbers in found.items():
        if len(numbers) != 1:
            raise BadValue(f"block {name} has {len(numbers)} weights where one strength is asked", f"as in {name}=0.5")
    return {name: numbers[0] for name, numbers in sorted(found.items())}
