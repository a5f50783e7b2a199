"""From a frozen cohort's items to what the UNet learns from: latents, loss weights and text embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core import framing
from core.base_model import Base
from core.training import latent_cache
from core.training.latent_cache import Array
from core.training.pictures import Size, cut_of, picture_of, within
from storage import faces, photos
from storage.catalog import Catalog
from storage.records import Box, CohortItem

Frame = tuple[int, int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, encoded: its latent, and where asked that of its mirror image, [1 or 2, c, h, w].

    `weight` is that of each place in the loss, [1, h, w] in 0..1. `frame` is what SDXL is told of it: height and width
    before it was resized, top and left of the cut, and height and width it was resized to, in pixels.
    """

    latents: Tensor
    weight: Tensor
    frame: Frame

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of its latent; pictures of one shape go through the network together."""
        return tuple(self.latents.shape[1:])


def prepare(
    catalog: Catalog,
    base: Base,
    items: Sequence[CohortItem],
    resolution: int,
    background: float = 1.0,
    *,
    buckets: bool = False,
    mirrored: bool = False,
) -> list[Picture]:
    """Encode the items, in their order, or read them from the cache; what is not the face weighs `background`.

    With `mirrored` their mirror images too. With `buckets` a crop keeps its shape, as near as the base's grain allows,
    at the area of `resolution` squared. Raises BadImage for a photograph that is gone, or whose bytes are no longer
    those that were frozen.
    """
    known = {photo.id: photo for photo in photos.get_many(catalog, sorted({item.photo_id for item in items}))}
    boxes = {face.id: framing.around(face.box) for face in faces.get_many(catalog, {item.face_id for item in items})}
    pictures = []
    for item in items:
        size = size_of(item.crop, resolution, grain_of(base)) if buckets else (resolution, resolution)
        kept = latent_cache.path_of(catalog, item, size, base.vae_hash)
        arrays = latent_cache.read(kept)
        if arrays is None or (mirrored and len(arrays[0]) == 1):
            arrays = encode(base, *picture_of(known[item.photo_id], item, size), mirrored=mirrored)
            latent_cache.write(kept, *arrays)
        latents, free = (torch.from_numpy(np.array(array)) for array in arrays)
        cut = cut_of(item.crop, size)
        box = boxes.get(item.face_id, item.crop)  # a face that was sought again since has another number
        weight = free * _face_weight(box, cut, (int(free.shape[2]), int(free.shape[1])), background)
        frame = (cut[3] - cut[1], cut[2] - cut[0], 0, 0, size[1], size[0])
        pictures.append(Picture(latents.to(base.device), weight.to(base.device), frame))
    return pictures


def grain_of(base: Base) -> int:
    """Pixels that a side of a picture must be a multiple of."""
    return int(base.pixels_a_latent * 2 ** (len(base.pipe.unet.config.block_out_channels) - 1))


def size_of(crop: Box, resolution: int, grain: int) -> Size:
    """Width and height, in multiples of the grain, of the shape nearest to the crop's at no more than the area.

    Of equally near ones the larger; sides between half and twice the resolution (the buckets of NovelAI, 2022).
    """
    ratio = math.log((crop[2] - crop[0]) / (crop[3] - crop[1]))
    sides = range(max(grain, resolution // 2 // grain * grain), 2 * resolution + 1, grain)
    fits = [(w, min(resolution * resolution // w, 2 * resolution) // grain * grain) for w in sides]
    square = (resolution, resolution)
    shapes = [square, *((w, h) for w, h in fits if h >= sides.start and (w, h) != square)]
    return min(shapes, key=lambda shape: (abs(math.log(shape[0] / shape[1]) - ratio), -shape[0] * shape[1], shape))


def _face_weight(box: Box, cut: Box, places: Size, background: float) -> Tensor:
    """1 where a face's box lies, `background` around it: [1, places high, places wide]."""
    weight = torch.full((1, places[1], places[0]), background)
    left, top, right, bottom = within(box, cut, places, reach=0)
    weight[:, top:bottom, left:right] = 1
    return weight


def encode(base: Base, crop: Image.Image, free: Array, *, mirrored: bool = False) -> latent_cache.Arrays:
    """Latents, with `mirrored` of the mirror image too, and weights at their size: 0 where a masked pixel reaches."""
    pixels = torch.from_numpy(np.asarray(crop, dtype=np.float32).copy()).permute(2, 0, 1) / 127.5 - 1
    vae = base.pipe.vae
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    latents = []
    with torch.inference_mode():
        for view in (pixels, pixels.flip(2)) if mirrored else (pixels,):
            mean = vae.encode(view[None].to(base.device, vae.dtype)).latent_dist.mean
            latents.append(((mean - shift) * vae.config.scaling_factor)[0].float().cpu().numpy())
    taken = torch.from_numpy(1 - free)[None, None]
    taken = torch.nn.functional.max_pool2d(taken, base.pixels_a_latent)
    taken = torch.nn.functional.max_pool2d(taken, 3, stride=1, padding=1)  # the encoder sees past a latent's own pixels
    return np.stack(latents), (1 - taken[0]).numpy()
