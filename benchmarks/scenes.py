"""Made-up photographs of a camera's size whose faces are known: people of the sample archive, pasted small and large.

The sample archive's pictures are at most 1,024 pixels; a camera's are 4,000, and its faces may be a hundredth of
that. So heads are cut from sample pictures, shrunk or enlarged, and blended into backgrounds with detail at every
scale, then noise and JPEG as a camera adds them.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from core import image
from core.errors import BadImage
from storage.records import Box

SAMPLE = Path(__file__).resolve().parent.parent / "sample_data"
SIZE = (4000, 3000)
FACES = (1, 2, 16, 3, 0, 6, 4, 8)  # how many in each picture, in turn
SMALLEST, LARGEST = 32, 640  # pixels of a face's shorter side, spread evenly over the octaves between
NOISE = 3.0  # of 255, standard deviation: a camera's at ISO 400 or so
QUALITY = 90
_AROUND = 0.55  # of the box, pasted along with the face on each side

Truth = Mapping[bytes, Sequence[Box]]
"""Boxes of the faces, in upright pixels, by the photograph's path."""


def make(folder: Path, number: int, seed: int = 0) -> Truth:
    """Write `number` photographs of 12 megapixels to `folder`; gives what faces they hold."""
    rng = np.random.default_rng(seed)
    heads, grounds = _sources()
    folder.mkdir(parents=True, exist_ok=True)
    truth: dict[bytes, list[Box]] = {}
    for index in range(number):
        picture = _ground(grounds, index, rng)
        boxes: list[Box] = []
        for _ in range(FACES[index % len(FACES)]):
            _paste(picture, heads, boxes, rng)
        pixels = np.asarray(picture, np.float32)
        grain = rng.normal(0, NOISE, pixels.shape).astype(np.float32)
        file = folder / f"scene_{index:03d}.jpg"
        Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8)).save(file, quality=QUALITY)
        truth[bytes(file)] = boxes
    return truth


def _sources() -> tuple[list[tuple[Path, Box]], list[Path]]:
    """Sample pictures with one person each and where the face is, and those with nobody."""
    faces: dict[str, list[Box]] = defaultdict(list)
    with (SAMPLE / "truth.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            x0, y0, x1, y1 = (round(float(line[key])) for key in ("x0", "y0", "x1", "y1"))
            faces[line["path"]].append((x0, y0, x1, y1))
    heads = [(SAMPLE / path, boxes[0]) for path, boxes in sorted(faces.items()) if len(boxes) == 1]
    grounds = [path for path in sorted(SAMPLE.rglob("photos/**/*.JPG")) if str(path.relative_to(SAMPLE)) not in faces]
    return heads, [path for path in grounds if "_to sort" not in path.parts]  # broken on purpose


def _ground(grounds: Sequence[Path], index: int, rng: np.random.Generator) -> Image.Image:
    """A background: a faceless sample picture enlarged, or made of noise and edges, with fine texture on both."""
    if index % 2 and grounds:
        source = grounds[index // 2 % len(grounds)]
        picture = image.load(source, image.probe(source).orientation).resize(SIZE, Image.Resampling.BICUBIC)
    else:
        picture = Image.fromarray(_clouds(rng, (6, 12, 24, 60, 150), 40) + np.uint8(60))
        draw = ImageDraw.Draw(picture)
        for _ in range(120):
            x, y = (int(rng.integers(side)) for side in SIZE)
            w, h = (int(side) for side in rng.integers(10, 500, 2))
            colour = tuple(int(c) for c in rng.integers(20, 235, 3))
            shape = draw.rectangle if rng.random() < 0.6 else draw.ellipse
            shape((x, y, x + w, y + h), fill=colour if rng.random() < 0.5 else None, outline=colour, width=6)
    fine = _clouds(rng, (400, 900, 2000), 10).astype(np.float32) - 5
    return Image.fromarray((np.asarray(picture, np.float32) + fine).clip(0, 255).astype(np.uint8))


def _clouds(rng: np.random.Generator, cells: Sequence[int], each: float) -> NDArray[np.uint8]:
    """Noise [height, width, 3] with so many cells along each side, `each` levels of every size."""
    total = np.zeros((SIZE[1], SIZE[0], 3), np.float32)
    for number in cells:
        small = Image.fromarray(rng.integers(0, 256, (number * 3 // 4, number, 3), dtype=np.uint8))
        total += np.asarray(small.resize(SIZE, Image.Resampling.BICUBIC), np.float32) * (each / 255)
    return total.clip(0, 255).astype(np.uint8)


def _paste(picture: Image.Image, heads: Sequence[tuple[Path, Box]], boxes: list[Box], rng: np.random.Generator) -> None:
    """Blend one head in where none is yet, and add where its face came to lie."""
    path, (x0, y0, x1, y1) = heads[rng.integers(len(heads))]
    try:
        source = image.load(path, image.probe(path).orientation)
    except BadImage:
        return
    reach = _AROUND * max(x1 - x0, y1 - y0)
    left, top = max(0, int(x0 - reach)), max(0, int(y0 - reach))
    right, bottom = min(source.width, int(x1 + reach)), min(source.height, int(y1 + reach))
    wanted = SMALLEST * (LARGEST / SMALLEST) ** rng.random()
    scale = wanted / min(x1 - x0, y1 - y0)
    size = round((right - left) * scale), round((bottom - top) * scale)
    head = source.crop((left, top, right, bottom)).resize(size, Image.Resampling.LANCZOS)
    for _ in range(50):
        x, y = (int(rng.integers(max(1, whole - part))) for whole, part in zip(picture.size, size, strict=True))
        fx, fy = x + (x0 - left) * scale, y + (y0 - top) * scale
        face = (round(fx), round(fy), round(fx + (x1 - x0) * scale), round(fy + (y1 - y0) * scale))
        if all(x > b[2] or b[0] > x + size[0] or y > b[3] or b[1] > y + size[1] for b in map(_with_room, boxes)):
            picture.paste(head, (x, y), _mask(size))
            boxes.append(face)
            return


def _with_room(box: Box) -> Box:
    reach = int(_AROUND * max(box[2] - box[0], box[3] - box[1]))
    return box[0] - reach, box[1] - reach, box[2] + reach, box[3] + reach


def _mask(size: tuple[int, int]) -> Image.Image:
    """Opaque in the middle, gone at the edges, so that no frame is seen around the head."""
    mask = Image.new("L", size, 0)
    inset = max(2, round(min(size) * 0.06))
    ImageDraw.Draw(mask).rectangle((inset, inset, size[0] - inset, size[1] - inset), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(inset / 2))
