"""Is a drawn picture a copy of one that was trained on? By perceptual hash, by patches and by the face.

The patch rule is that of Carlini et al., "Extracting Training Data from Diffusion Models", 2023, section 4: pictures
are cut into 16 tiles, the tile that differs most counts, and a picture is a copy when it lies far nearer to one
training picture than to the 50 nearest on the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from core.audit_stats import Floats, Labels, distances
from core.errors import BadImage
from core.progress import Report, Step
from core.similar.hashing import KEY, perceptual_hash
from core.training.pictures import picture_of
from storage import artifacts, faces, photos
from storage.catalog import Catalog
from storage.records import CohortItem, Model

BLOCK = 256  # training pictures compared at a time
SIDE = 64  # pixels of the pictures that patches are compared in
TILE = SIDE // 4
NEAREST = 50  # training pictures that say how far a picture lies from them on the whole
COPY = 0.5  # of that distance, or less, is a copy: their alpha
SAME_BITS = 6  # of 64 in which the hashes of a picture and its copy differ at most
SAME_FACE = 0.01  # share of pairs of one person's photographs whose faces lie as near as a copy's


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture is compared by: its hash, None for a blank one, and its pixels, uint8 [SIDE, SIDE, 3]."""

    hash: bytes | None
    small: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Copy:
    """The training picture that a drawn one, number `image` from 0, is a copy of, or comes nearest to.

    `patch` is 0..1 of full scale, `ratio` its part of the distance to the 50 nearest; `bits` of 64 differ in the hash;
    `face` is the distance of the faces, None where either shows none. `by` names the measures that call it a copy.
    """

    image: int
    photo: int
    subject: int
    patch: float
    ratio: float
    bits: int
    face: float | None
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trained:
    """The training pictures that could be read, each also mirrored, and how many could not.

    `vectors` [n, d] of their faces are NaN where the face is of another space or gone.
    """

    items: tuple[CohortItem, ...]
    looks: tuple[Look, ...]
    vectors: Floats
    unread: int


def look_of(picture: Image.Image) -> Look:
    """What an RGB picture is compared by."""
    small = ImageOps.fit(picture, (SIDE, SIDE), Image.Resampling.BOX)
    return Look(perceptual_hash(picture), np.asarray(small, dtype=np.uint8).copy())


def items_of(catalog: Catalog, model: Model) -> list[CohortItem]:
    """The pictures that a model was made of, through all merges, of the people who have a share in it."""
    shares = artifacts.shares_of(catalog, model.id)
    below = artifacts.get_models(catalog, artifacts.ancestors(catalog, [model.id]))
    cohorts = sorted({one.cohort_id for one in (model, *below) if one.cohort_id is not None})
    found = (item for key in cohorts for item in artifacts.cohort_items(catalog, key) if item.subject_id in shares)
    return list({(item.photo_id, item.face_id, item.crop): item for item in found}.values())


def trained(catalog: Catalog, model: Model, resolution: int, space: str, report: Report) -> Trained:
    """The model's training pictures as they were trained on."""
    items = items_of(catalog, model)
    known = {photo.id: photo for photo in photos.get_many(catalog, sorted({item.photo_id for item in items}))}
    own = faces.get_many(catalog, {item.face_id for item in items})
    vectors = faces.vectors(catalog, [face.id for face in own if face.space == space])
    size = len(next(iter(vectors.values()), np.empty(1)))
    read: list[CohortItem] = []
    looks: list[Look] = []
    for number, item in enumerate(items):
        report(Step("reading what was trained on", number, len(items)))
        try:
            picture = picture_of(known[item.photo_id], item, (resolution, resolution))[0]
        except (BadImage, KeyError):  # moved, changed or gone: told of as not compared
            continue
        for view in (picture, ImageOps.mirror(picture)):
            read.append(item)
            looks.append(look_of(view))
    blank = np.full(size, np.nan, dtype=np.float32)
    found = [vectors.get(item.face_id, blank) for item in read]
    shape = np.stack(found) if found else np.empty((0, size))
    return Trained(tuple(read), tuple(looks), shape, len(items) - len(read) // 2)


def copies(looks: Sequence[Look], pictures: Labels, vectors: Floats, of: Trained) -> list[Copy]:
    """For each drawn picture the training picture that it comes nearest to, those called copies first.

    `pictures` [m] says in which picture each drawn face, `vectors` [m, d], was found.
    """
    if not of.looks or not looks:
        return []
    near_face = _near_face(of)
    masks = [np.frombuffer(look.hash, np.uint8, KEY) if look.hash else None for look in of.looks]
    tiles = np.stack([_tiles(look.small) for look in of.looks])
    found = []
    for number, look in enumerate(looks):
        far = _patch_distances(_tiles(look.small), tiles)
        whole = np.sort(far)[:NEAREST].mean()
        bits = np.array([_bits(look.hash, mask) for mask in masks])
        own = vectors[pictures == number]
        face = distances(own, of.vectors).min(axis=0) if len(own) else np.full(len(far), np.nan)
        best = [int(far.argmin()), int(bits.argmin())]
        told = [_copy(number, of.items[at], far[at], whole, bits[at], face[at], near_face) for at in best]
        found.append(max(told, key=lambda one: (len(one.by), -one.ratio)))
    return sorted(found, key=lambda one: (-len(one.by), one.ratio))


def _copy(number: int, item: CohortItem, patch: float, whole: float, bits: int, face: float, near_face: float) -> Copy:
    ratio = patch / whole if whole > 0 else 0.0
    same = {
        "patches": ratio <= COPY,
        "hash and face": bits <= SAME_BITS and (np.isnan(face) or face <= near_face),
    }
    by = tuple(name for name, true in same.items() if true)
    told = None if np.isnan(face) else float(face)
    return Copy(number, item.photo_id, item.subject_id, float(patch), float(ratio), int(bits), told, by)


def _near_face(of: Trained) -> float:
    """The distance within which faces in two photographs of one person rarely lie; NaN without such pairs."""
    people = np.array([item.subject_id for item in of.items[::2]])
    where = np.array([item.photo_id for item in of.items[::2]])
    found = distances(of.vectors[::2], of.vectors[::2])
    pairs = found[(people[:, None] == people[None]) & (where[:, None] < where[None]) & np.isfinite(found)]
    return float(np.quantile(pairs, SAME_FACE)) if len(pairs) else float("nan")


def _tiles(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture's 16 tiles [16, TILE * TILE * 3]."""
    return small.reshape(4, TILE, 4, TILE, 3).transpose(0, 2, 1, 3, 4).reshape(16, -1)


def _patch_distances(one: NDArray[np.uint8], many: NDArray[np.uint8]) -> Floats:
    """Of each of `many` [n, 16, p] the root mean square difference of the tile that differs most from `one`'s, 0..1."""
    parts = []
    for start in range(0, len(many), BLOCK):
        apart = many[start : start + BLOCK].astype(np.float32) - one.astype(np.float32)
        parts.append(np.sqrt(np.square(apart).mean(axis=2)).max(axis=1) / 255)
    return np.concatenate(parts)


def _bits(a: bytes | None, b: NDArray[np.uint8] | None) -> int:
    """Bits in which two hashes differ; all of them where there is none."""
    if a is None or b is None:
        return 8 * KEY
    return int(np.bitwise_count(np.frombuffer(a, np.uint8, KEY) ^ b).sum())
