"""A base whose UNet's weights are, one after another, its own plus those of LoRAs, in memory."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from core.base_model import Base
from core.merging.formats import LoraLayer, kohya_name


class Mixer:
    """Changes `base` in place; what was put in before goes."""

    def __init__(self, base: Base) -> None:
        self._weights = base.pipe.unet.state_dict()
        self._plain = {name: value.clone() for name, value in self._weights.items()}
        self._names = {kohya_name(name): name for name in self._weights}

    def put(self, layers: Mapping[str, LoraLayer]) -> None:
        """The base plus the changes of these layers, by their names in kohya's format."""
        with torch.no_grad():
            for name, value in self._weights.items():
                value.copy_(self._plain[name])
            for key, layer in layers.items():
                value = self._weights[self._names[key]]
                value.add_((layer.scale * (layer.up.flatten(1) @ layer.down.flatten(1))).reshape(value.shape))
