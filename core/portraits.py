"""Faces cut out of their photographs, to be looked at."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from core import decoding
from storage import photos
from storage.catalog import Catalog
from storage.records import Box, Face

MARGIN = 0.35  # of the box on each side: a face is known by its hair and chin too
DECODED = 1024  # longest side that a photograph is decoded at
PAPER = (24, 26, 31)
INK = (255, 190, 110)
LINE, LETTER = 16, 7  # pixels of a line of a note, and of a letter in it


def portrait(catalog: Catalog, face: Face, size: int = 160) -> Image.Image:
    """The face with some of what is around it, RGB, square, `size` pixels a side.

    Raises BadImage, JobFailed, UnreadablePath.
    """
    photo = photos.get(catalog, face.photo_id)
    whole = decoding.picture(decoding.ask(photo, DECODED))
    scale = whole.width / photo.width if photo.width else 1.0
    return whole.resize((size, size), Image.Resampling.LANCZOS, box=_square(face.box, scale, whole.size))


def _square(box: Box, scale: float, limits: tuple[int, int]) -> tuple[float, float, float, float]:
    """A square around the scaled box with its margin, moved and shrunk to lie inside the picture."""
    x0, y0, x1, y1 = (edge * scale for edge in box)
    side = min(max(x1 - x0, y1 - y0) * (1 + 2 * MARGIN), *limits)
    left = min(max(0.0, (x0 + x1 - side) / 2), limits[0] - side)
    top = min(max(0.0, (y0 + y1 - side) / 2), limits[1] - side)
    return left, top, left + side, top + side


def sheet(pictures: Sequence[Image.Image], columns: int, gap: int = 6, note: str | None = None) -> Image.Image:
    """Square pictures of one size side by side, `columns` to a row, RGB; `note` stands above them."""
    side = pictures[0].width
    rows = -(-len(pictures) // columns)
    columns = min(columns, len(pictures))
    paper = Image.new("RGB", (columns * (side + gap) - gap, rows * (side + gap) - gap), PAPER)
    for place, picture in enumerate(pictures):
        paper.paste(picture, ((place % columns) * (side + gap), (place // columns) * (side + gap)))
    return noted(paper, note)


def noted(paper: Image.Image, note: str | None) -> Image.Image:
    """A sheet with a line above it that says something of all its pictures; the sheet itself without one."""
    if note is None:
        return paper
    lines = textwrap.wrap(note, max(8, paper.width // LETTER))
    top = LINE * len(lines) + 4
    whole = Image.new("RGB", (paper.width, top + paper.height), PAPER)
    for number, line in enumerate(lines):
        ImageDraw.Draw(whole).text((2, number * LINE), line, fill=INK, font=ImageFont.load_default(12))
    whole.paste(paper, (0, top))
    return whole
