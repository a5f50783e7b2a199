"""The audit's contact sheet: each drawn face beside the catalog's face that is nearest to it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from core import portraits
from core.audit_faces import DrawnFaces, Known
from core.audit_stats import distances
from core.errors import BadImage
from storage import faces
from storage.catalog import Catalog
from storage.whole_files import whole_file

TILE = 112
LABEL = 18
COLUMNS = 6
PAIRS = 48  # the nearest of all
MATCH, CLEAR = (255, 120, 100), (170, 180, 195)


def write(catalog: Catalog, path: Path, drawn: DrawnFaces, known: Known, threshold: float) -> None:
    """Write the sheet, nearest pairs first: drawn on the left, known on the right, their distance below.

    Matches are labelled in red. Faces of pictures that the output checks withhold are left out.
    """
    shown = [face for face in drawn.faces if face.picture not in drawn.withheld]
    pairs = []
    for face in shown:
        found = distances(face.vector[None], known.vectors)[0]
        pairs.append((float(found.min()), face.picture, int(found.argmin()), face.crop))
    pairs.sort(key=lambda pair: pair[:3])
    tiles = [
        _pair(crop, _known_face(catalog, int(known.ids[at])), f"{least:.3f}  picture {picture}", least <= threshold)
        for least, picture, at, crop in pairs[:PAIRS]
    ]
    sheet = _lay_out(tiles)
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
