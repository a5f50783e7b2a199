"""A contact sheet of exactly what a cohort trains on: each picture as it is cut, other people filled as they are.

The pictures come from the function that the tensors are made from (`pictures.picture_of`). They are read and written a
page at a time, so that a large cohort takes no more memory than a small one.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from core import cohort, outside, portraits
from core.counted import counted
from core.errors import BadImage, BadValue
from core.progress import Report, Step, silent
from core.training.pictures import picture_of
from storage import photos, subjects
from storage.catalog import Catalog
from storage.records import CohortItem
from storage.safe_text import display
from storage.whole_files import whole_file

SIDE = 160  # pixels of a picture
COLUMNS = 8
ON_A_PAGE = 96  # pictures: about as many as are looked at on one screen or sheet of paper
LABEL = 34  # pixels below a picture: the name, and the photograph
GAP = 8
FONTS = Path(__file__).parent.parent / "interchange" / "fonts"
SCRIPTS = (("thai.ttf", 0x0E00, 0x0E7F), ("lao.ttf", 0x0E80, 0x0EFF), ("japanese.otf", 0x2E80, 0xFFEF))
LETTER = 13  # pixels
INK, DIM = (225, 228, 235), (150, 158, 172)
WRITTEN = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_HEAD = """<!doctype html>
<html><head><meta charset="utf-8"><title>{title}</title><style>
body {{ background: #181a1f; color: #e1e4eb; font: 13px system-ui, sans-serif; margin: 16px }}
main {{ display: flex; flex-wrap: wrap; gap: 8px }} figure {{ margin: 0; width: {side}px }}
figcaption {{ overflow-wrap: anywhere }} a {{ color: #8fb7ff }}
</style></head><body><h1>{title}</h1><p>{pages}</p><main>
"""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The files of a contact sheet, and how many pictures it has; why some are missing on it, by photograph."""

    files: list[Path]
    pictures: int
    unreadable: dict[int, str]


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture as it trains, or why it can't be read; whom it shows, and of which photograph it is."""

    name: str
    photo: int
    picture: Image.Image | None
    why: str | None


def write(catalog: Catalog, name: str, path: Path, *, report: Report = silent) -> Sheet:
    """Draw what a cohort trains on, frozen or as it would be now, into `path`: PNG, JPEG or HTML by its suffix.

    The second page is `NAME-2`, and so on. Raises NoSuchRecord, ConsentLost, BadValue for another suffix, an empty
    cohort, or a folder of the archive or the catalog.
    """
    if path.suffix.lower() not in {*WRITTEN, ".html"}:
        raise BadValue(f"{path.name} is no kind of sheet", f"one of {', '.join(sorted({*WRITTEN, '.html'}))}")
    outside.require(catalog, path.parent)
    items = cohort.training(catalog, name)
    if not items:
        raise BadValue(f"cohort {name!r} holds no picture", f"see why: kyodaku cohort explain {name}")
    pages = [items[start : start + ON_A_PAGE] for start in range(0, len(items), ON_A_PAGE)]
    files = [path if number == 0 else path.with_stem(f"{path.stem}-{number + 1}") for number in range(len(pages))]
    unreadable: dict[int, str] = {}
    done = 0
    report(Step("contact sheet", 0, len(items)))
    for number, page in enumerate(pages):
        tiles = list(_tiles(catalog, page))
        unreadable |= {tile.photo: tile.why for tile in tiles if tile.why is not None}
        title = _title(name, len(items), number, len(pages))
        with whole_file(files[number]) as out:
            if path.suffix.lower() == ".html":
                out.write(_page_of_html(title, tiles, files, number).encode())
            else:
                _drawn(title, tiles).save(out, WRITTEN[path.suffix.lower()], quality=90)
        done += len(page)
        report(Step("contact sheet", done, len(items)))
    return Sheet(files, len(items), unreadable)


def page(catalog: Catalog, name: str, number: int, *, size: int = 16, columns: int = 4) -> tuple[Image.Image, int]:
    """A page of what a cohort trains on, drawn and not written; and how many pages of `size` pictures there are.

    Pages count from 0. Raises NoSuchRecord, ConsentLost, BadValue for a page that there is none of.
    """
    items = cohort.training(catalog, name)
    pages = -(-len(items) // size)
    if not 0 <= number < pages:
        raise BadValue(
            f"cohort {name!r} has no page {number + 1}", f"it has {pages}, of {counted(len(items), 'picture')}"
        )
    tiles = list(_tiles(catalog, items[number * size : (number + 1) * size]))
    return _drawn(_title(name, len(items), number, pages), tiles, columns), pages


def _title(name: str, pictures: int, number: int, pages: int) -> str:
    return f"{display(name)}: {counted(pictures, 'picture')}" + (f", page {number + 1}" if pages > 1 else "")


def _tiles(catalog: Catalog, items: Sequence[CohortItem]) -> Iterator[Tile]:
    known = {photo.id: photo for photo in photos.get_many(catalog, sorted({item.photo_id for item in items}))}
    people = subjects.get_many(catalog, {item.subject_id for item in items})
    for item in items:
        name = display(people[item.subject_id].name)
        try:
            picture, _ = picture_of(known[item.photo_id], item, (SIDE, SIDE))
        except BadImage as error:
            yield Tile(name, item.photo_id, None, error.message)
        else:
            yield Tile(name, item.photo_id, picture, None)


def _drawn(title: str, tiles: Sequence[Tile], columns: int = COLUMNS) -> Image.Image:
    """One page as a picture."""
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    step = (SIDE + GAP, SIDE + LABEL + GAP)
    paper = Image.new("RGB", (max(columns, 3) * step[0] + GAP, rows * step[1] + LABEL + GAP), portraits.PAPER)
    draw = ImageDraw.Draw(paper)
    _put(draw, (GAP, GAP), title, paper.width - 2 * GAP, INK)
    for place, tile in enumerate(tiles):
        x, y = GAP + place % columns * step[0], LABEL + GAP + place // columns * step[1]
        if tile.picture is not None:
            paper.paste(tile.picture, (x, y))
        else:
            draw.rectangle((x, y, x + SIDE - 1, y + SIDE - 1), outline=DIM)
            _put(draw, (x + 6, y + 6), "can't be read", SIDE - 12, DIM)
        _put(draw, (x, y + SIDE + 1), tile.name, SIDE, INK)
        _put(draw, (x, y + SIDE + LABEL // 2), f"photograph {tile.photo}", SIDE, DIM)
    return paper


def _put(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, width: int, colour: tuple[int, int, int]) -> None:
    """One line of text, each run in the font that has its script, cut where it is too long."""
    x, y = at
    for run, font in _runs(text):
        fits = len(run)
        while fits and x + draw.textlength(run[:fits], font=font) > at[0] + width:
            fits -= 1
        draw.text((x, y + LETTER), run[:fits], fill=colour, font=font, anchor="ls")
        x += round(draw.textlength(run[:fits], font=font))


def _runs(text: str) -> list[tuple[str, ImageFont.FreeTypeFont]]:
    runs: list[tuple[str, str]] = []
    for letter in text:
        file = next((file for file, first, last in SCRIPTS if first <= ord(letter) <= last), "latin.ttf")
        if runs and runs[-1][1] == file:
            runs[-1] = (runs[-1][0] + letter, file)
        else:
            runs.append((letter, file))
    return [(run, ImageFont.truetype(FONTS / file, LETTER)) for run, file in runs]


def _page_of_html(title: str, tiles: Sequence[Tile], files: Sequence[Path], number: int) -> str:
    """One page with its pictures in it, so that a file can be handed on alone."""
    links = [
        f'<a href="{html.escape(file.name)}">{place + 1}</a>' if place != number else f"<b>{place + 1}</b>"
        for place, file in enumerate(files)
    ]
    pages = "pages: " + " ".join(links) if len(files) > 1 else ""
    head = _HEAD.format(title=html.escape(title), pages=pages, side=SIDE)
    return head + "\n".join(map(_figure, tiles)) + "\n</main></body></html>\n"


def _figure(tile: Tile) -> str:
    told = f"{html.escape(tile.name)}<br>photograph {tile.photo}"
    if tile.picture is None:
        return f"<figure><figcaption>can't be read<br>{told}</figcaption></figure>"
    packed = BytesIO()
    tile.picture.save(packed, "PNG")
    content = base64.b64encode(packed.getvalue()).decode()
    return f'<figure><img src="data:image/png;base64,{content}" alt=""><figcaption>{told}</figcaption></figure>'
