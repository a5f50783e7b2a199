"""The audit's contact sheet: each drawn face beside that of the person who stands out most for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from core import portraits
from core.audit_faces import Drawn, Known
from core.audit_stats import distances
from core.audit_strangers import scores
from core.errors import BadImage
from storage import faces
from storage.catalog import Catalog
from storage.whole_files import whole_file

TILE = 112
LABEL = 18
COLUMNS = 6
PAIRS = 48  # the nearest of all
MATCH, CLEAR = (255, 120, 100), (170, 180, 195)


def write(catalog: Catalog, path: Path, drawn: Drawn, known: Known, threshold: float, note: str | None = None) -> None:
    """Write the sheet, the highest scores first: drawn on the left, known on the right, the score below.

    Matches are labelled in red; `note` stands above all. Faces of pictures that the checks withhold are left out.
    """
    everybody = known.everybody
    pairs = []
    for face in drawn.faces:
        if face.picture in drawn.withheld:
            continue
        told = scores(everybody.least(face.vector[None]))[0]
        own = np.flatnonzero(known.groups == told.argmax())
        nearest = own[distances(face.vector[None], known.vectors[own])[0].argmin()]
        pairs.append((float(told.max()), face.picture, int(nearest), face.crop))
    pairs.sort(key=lambda pair: (-pair[0], *pair[1:3]))
    tiles = [
        _pair(crop, _known_face(catalog, int(known.ids[at])), f"{score:.2f}  picture {picture}", score >= threshold)
        for score, picture, at, crop in pairs[:PAIRS]
    ]
    sheet = portraits.noted(_lay_out(tiles), note)
    with whole_file(path) as file:
        sheet.save(file, "PNG")


def _known_face(catalog: Catalog, face_id: int) -> Image.Image:
    try:
        return portraits.portrait(catalog, faces.get(catalog, face_id), TILE)
    except BadImage:  # the photograph is gone or broken; its face was known all the same
        return Image.new("RGB", (TILE, TILE), portraits.PAPER)


def _pair(left: Image.Image, right: Image.Image, text: str, match: bool) -> Image.Image:
    tile = Image.new("RGB", (2 * TILE, TILE + LABEL), portraits.PAPER)
    tile.paste(left.resize((TILE, TILE), Image.Resampling.BICUBIC), (0, 0))
    tile.paste(right, (TILE, 0))
    colour = MATCH if match else CLEAR
    ImageDraw.Draw(tile).text((4, TILE + 2), text, fill=colour, font=ImageFont.load_default(12))
    return tile


def _lay_out(tiles: list[Image.Image]) -> Image.Image:
    if not tiles:
        return Image.new("RGB", (2 * TILE, TILE), portraits.PAPER)
    gap = 8
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    width, height = tiles[0].size
    paper = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), portraits.PAPER)
    for place, tile in enumerate(tiles):
        paper.paste(tile, ((place % columns) * (width + gap), (place // columns) * (height + gap)))
    return paper
