"""Can the embedder know anyone in pictures like those that were drawn? Asked of photographs made as small and as dull.

A blurred or broken model draws faces that match nobody because they can't. So the catalog's own people are looked at
in the same way: a face of each is made as wide as the drawn faces are and blurred until it is no sharper, and must
still be found among everybody's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from core import decoding
from core.audit_faces import DrawnFace, Known
from core.audit_strangers import scores
from core.errors import BadImage
from core.faces.detect import Detector
from core.faces.detection import FloatBox
from core.faces.embed import Embedder
from core.faces.quality import sharpness
from core.generated_checks import enlarged, faces_in
from core.portraits import DECODED
from storage import faces, photos
from storage.catalog import Catalog
from storage.records import Face

MOST = 64  # people looked at
WIDEST_BLUR = 8.0  # pixels of a Gaussian's deviation: more is no face
HALVINGS = 6  # of that, to find the blur


@dataclass(frozen=True, slots=True)
class Fit:
    """Of `tried` people, each shown once with a face `width` pixels wide and no sharper than `sharp`, `found` showed a
    face still and `recognised` were known by it: they stood out, by their faces in other photographs, as a match does.
    """

    tried: int
    found: int
    recognised: int
    width: float
    sharp: float

    @property
    def share(self) -> float:
        """The part of people who would be known in such pictures, 0..1."""
        return self.recognised / self.tried if self.tried else 0.0


def fit(
    catalog: Catalog,
    known: Known,
    drawn: Sequence[DrawnFace],
    threshold: float,
    side: int,
    detector: Detector,
    embed: Embedder,
) -> Fit:
    """How many of the catalog's people are known in pictures `side` wide with faces like the drawn ones."""
    width = float(np.median([face.width for face in drawn])) if drawn else 0.0
    sharp = float(np.median([face.sharp for face in drawn])) if drawn else 0.0
    tried = found = recognised = 0
    everybody = known.everybody
    for at in _one_of_each(known) if drawn else ():
        picture = _as_drawn(catalog, faces.get(catalog, int(known.ids[at])), width, sharp, side)
        if picture is None:
            continue
        tried += 1
        large = enlarged(picture)
        seen = faces_in(detector.detect([large])[0])
        if not seen:
            continue
        found += 1
        middle = min(seen, key=lambda face: _off_middle(face.box, large))
        vector = embed.embed(large, [middle])
        least = everybody.least(vector, known.photos[at : at + 1])
        recognised += bool(scores(least)[0, known.groups[at]] >= threshold)
    return Fit(tried, found, recognised, width, sharp)


def _one_of_each(known: Known) -> list[int]:
    """A face of each of at most `MOST` people who have others in other photographs, the same ones every time."""
    chance = np.random.default_rng(0)
    chosen = []
    for person in chance.permutation(known.subjects):
        own = np.flatnonzero(known.people == person)
        if len(np.unique(known.photos[own])) > 1:
            chosen.append(int(chance.choice(own)))
        if len(chosen) == MOST:
            break
    return chosen


def _as_drawn(catalog: Catalog, face: Face, width: float, sharp: float, side: int) -> Image.Image | None:
    """A photograph around a face, `side` pixels a side, with the face as wide and as dull as asked; None without it."""
    photo = photos.get(catalog, face.photo_id)
    try:
        whole = decoding.picture(decoding.ask(photo, DECODED))
    except BadImage:
        return None
    scale = whole.width / photo.width if photo.width else 1.0
    x0, y0, x1, y1 = (edge * scale for edge in face.box)
    part = side * (x1 - x0) / width  # of the photograph that the picture shows
    left, top = (x0 + x1 - part) / 2, (y0 + y1 - part) / 2
    window = (round(left), round(top), round(left + part), round(top + part))  # what lies outside becomes black
    picture = whole.crop(window).resize((side, side), Image.Resampling.LANCZOS)
    small = side / part
    box = ((x0 - left) * small, (y0 - top) * small, (x1 - left) * small, (y1 - top) * small)
    return _dulled(picture, box, sharp)


def _dulled(picture: Image.Image, box: FloatBox, sharp: float) -> Image.Image:
    """The picture blurred no more than makes the face in the box as dull as asked."""
    if sharpness(picture, box) <= sharp:
        return picture
    low, high = 0.0, WIDEST_BLUR
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        dull = sharpness(picture.filter(ImageFilter.GaussianBlur(middle)), box) <= sharp
        low, high = (low, middle) if dull else (middle, high)
    return picture.filter(ImageFilter.GaussianBlur(high))


def _off_middle(box: FloatBox, picture: Image.Image) -> float:
    x, y = (box[0] + box[2] - picture.width) / 2, (box[1] + box[3] - picture.height) / 2
    return x * x + y * y
