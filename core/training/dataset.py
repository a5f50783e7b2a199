"""From a frozen cohort's items to what the UNet learns from: latents, loss weights and text embeddings."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from core import framing, image
from core.base_model import Base
from core.errors import BadImage
from core.training import latent_cache
from core.training.latent_cache import Array
from storage import faces, photos
from storage.catalog import Catalog
from storage.records import Box, CohortItem, Photo
from storage.whole_files import file_hash

FILL = (127, 127, 127)  # stands for other people's pixels before encoding


@dataclass(frozen=True, slots=True)
class Pictures:
    """One group's pictures, encoded: latents and their mirror images [n, c, h, w], loss weights [n, 1, h, w], 0..1."""

    latents: Tensor
    mirrored: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return int(self.latents.shape[0])


def prepare(
    catalog: Catalog, base: Base, items: Sequence[CohortItem], resolution: int, background: float = 1.0
) -> Pictures:
    """Encode the items, in their order, or read them from the cache; what is not the face weighs `background`.

    Raises BadImage for a photograph that is gone, or whose bytes are no longer those that were frozen.
    """
    known = {photo.id: photo for photo in photos.get_many(catalog, sorted({item.photo_id for item in items}))}
    encoded = []
    for item in items:
        kept = latent_cache.path_of(catalog, item, resolution, base.vae_hash)
        arrays = latent_cache.read(kept)
        if arrays is None:
            arrays = _encode(base, *picture_of(known[item.photo_id], item, resolution))
            latent_cache.write(kept, *arrays)
        encoded.append(arrays)
    latents, mirrored, free = (torch.from_numpy(np.stack(column)) for column in zip(*encoded, strict=True))
    weights = free * _face_weights(catalog, items, int(free.shape[-1]), background)
    return Pictures(latents.to(base.device), mirrored.to(base.device), weights.to(base.device))


def _face_weights(catalog: Catalog, items: Sequence[CohortItem], side: int, background: float) -> Tensor:
    """1 where an item's face with its margin lies, `background` around it: [n, 1, side, side]."""
    boxes = {face.id: framing.around(face.box) for face in faces.get_many(catalog, {item.face_id for item in items})}
    weights = torch.full((len(items), 1, side, side), background)
    for weight, item in zip(weights, items, strict=True):
        box = boxes.get(item.face_id, item.crop)  # a face that was sought again since has another number
        left, top, right, bottom = _within(box, _square(item.crop), side, reach=0)
        weight[:, top:bottom, left:right] = 1
    return weights


def picture_of(photo: Photo, item: CohortItem, resolution: int) -> tuple[Image.Image, Array]:
    """The item's crop, RGB, `resolution` a side, others' pixels filled, and where they are: float32 [h, w], 1 is free.

    Raises BadImage.
    """
    path = Path(os.fsdecode(photo.path))
    try:
        same = file_hash(path) == item.content_hash
    except OSError as error:
        raise BadImage(
            f"{photo.path_text} can't be read: {error.strerror}", "index again, then freeze again"
        ) from error
    if not same:
        raise BadImage(f"{photo.path_text} changed since the cohort was frozen", "index again, then freeze again")
    square = _square(item.crop)
    # Cut before anything is resampled: a filter, the decoder's own at a reduced scale too, reads beyond its box.
    whole = image.load(path, photo.orientation)
    crop = whole.crop(square).resize((resolution, resolution), Image.Resampling.LANCZOS)
    free = np.ones((resolution, resolution), dtype=np.float32)
    for mask in item.masks:
        left, top, right, bottom = _within(mask, square, resolution)
        if left < right and top < bottom:
            free[top:bottom, left:right] = 0
            crop.paste(FILL, (left, top, right, bottom))
    return crop, free


def _square(crop: Box) -> Box:
    """The largest square of whole pixels in the middle of a crop."""
    x0, y0, x1, y1 = crop
    side = min(x1 - x0, y1 - y0)
    left, top = x0 + (x1 - x0 - side) // 2, y0 + (y1 - y0 - side) // 2
    return left, top, left + side, top + side


def _within(box: Box, square: Box, resolution: int, reach: int | None = None) -> Box:
    """A box in the pixels of the resized crop, widened by `reach`: the Lanczos kernel's, 3 of the coarser pixels."""
    scale = resolution / (square[2] - square[0])
    reach = math.ceil(3 * max(1.0, scale)) if reach is None else reach
    left, top = ((box[axis] - square[axis]) * scale for axis in (0, 1))
    right, bottom = ((box[axis + 2] - square[axis]) * scale for axis in (0, 1))
    return (
        max(0, math.floor(left) - reach),
        max(0, math.floor(top) - reach),
        min(resolution, math.ceil(right) + reach),
        min(resolution, math.ceil(bottom) + reach),
    )


def _encode(base: Base, crop: Image.Image, free: Array) -> tuple[Array, Array, Array]:
    """Latent, latent of the mirror image, and the weights at the latents' size: 0 where a masked pixel reaches."""
    pixels = torch.from_numpy(np.asarray(crop, dtype=np.float32).copy()).permute(2, 0, 1) / 127.5 - 1
    vae = base.pipe.vae
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    latents = []
    with torch.inference_mode():
        for view in (pixels, pixels.flip(2)):
            mean = vae.encode(view[None].to(base.device, vae.dtype)).latent_dist.mean
            latents.append(((mean - shift) * vae.config.scaling_factor)[0].float().cpu().numpy())
    taken = torch.from_numpy(1 - free)[None, None]
    taken = torch.nn.functional.max_pool2d(taken, base.pixels_a_latent)
    taken = torch.nn.functional.max_pool2d(taken, 3, stride=1, padding=1)  # the encoder sees past a latent's own pixels
    return latents[0], latents[1], (1 - taken[0]).numpy()


def embed_captions(base: Base, captions: Sequence[str]) -> Tensor:
    """What the UNet is told for each caption: [n, tokens, width]."""
    tokenizer, encoder = base.pipe.tokenizer, base.pipe.text_encoder
    tokens = tokenizer(
        list(captions),
        padding="max_length",
        truncation=True,
        max_length=tokenizer.model_max_length,
        return_tensors="pt",
    )
    with torch.inference_mode():
        embedded: Tensor = encoder(tokens.input_ids.to(base.device))[0]
    return embedded.clone()
