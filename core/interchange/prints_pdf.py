"""Sheets of pictures to print and give away: as large as the paper lets them be, whole, at 300 dots an inch.

Lengths are millimetres. A sheet for one picture lies as the picture does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from PIL import Image

from core.errors import BadValue
from core.interchange.page import INCH, Page, Style

DPI = 300
QUALITY = 93  # of JPEG
GAP = 5.0
CAPTION = Style(7.5, (80, 84, 88), leading=1.5)
ABOVE_CAPTION = 0.8
BELOW = CAPTION.line + ABOVE_CAPTION
LEAST_CAPTION = 12.0  # wide, however narrow the picture
MOST_ACROSS = 10


@dataclass(frozen=True, slots=True)
class Paper:
    """A sheet, upright: its size, the edge that printers leave white, and how many pictures lie side by side."""

    width: float
    height: float
    edge: float
    across: int


PAPERS: Mapping[str, Paper] = MappingProxyType(
    {
        "a4": Paper(210.0, 297.0, 10.0, 2),
        "letter": Paper(215.9, 279.4, 10.0, 2),
        "10x15": Paper(101.6, 152.4, 5.0, 1),  # 4 x 6 inches, as photographic paper is cut
    }
)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a picture lies: its sheet, counted from 1, its corner and size there, and its own pixels an inch."""

    page: int
    x_mm: float
    y_mm: float
    width_mm: float
    height_mm: float
    own_dpi: float


class Sheets:
    """Sheets in the making: pictures fill them row by row, each with a line below it."""

    def __init__(self, paper: str, across: int | None, title: str, language: str, made_at: datetime) -> None:
        """Raises BadValue for a paper that is none of PAPERS, and for pictures too small to look at."""
        if paper not in PAPERS:
            raise BadValue(f"there is no paper {paper!r}", f"one of: {', '.join(PAPERS)}")
        self._paper = PAPERS[paper]
        self._across = self._paper.across if across is None else across
        if not 1 <= self._across <= MOST_ACROSS:
            raise BadValue(f"{across} pictures side by side", f"1 to {MOST_ACROSS}")
        width, height = self._inner(lies=False)
        side = (width + GAP) / self._across  # of a square, with what is beside it
        self._down = max(1, round((height + GAP) / (side + BELOW)))
        self._told = title, language, made_at
        self._page: Page | None = None
        self._put = 0

    @property
    def pages(self) -> int:
        """How many sheets have been begun."""
        return -(-self._put // (self._across * self._down))

    @property
    def longest(self) -> int:
        """Pixels that the longer side of a picture can be printed with."""
        return dots(max(*self._room(lies=False), *self._room(lies=True)))

    def put(self, picture: Image.Image, size: tuple[int, int], caption: str) -> Placed:
        """Put the next picture, whose own pixels are of this `size`, which it may have been reduced from already."""
        lies = self._down * self._across == 1 and picture.width > picture.height
        row, column = divmod(self._put % (self._across * self._down), self._across)
        page = self._on_a_page(lies) if (row, column) == (0, 0) or self._page is None else self._page
        self._put += 1
        room_width, room_height = self._room(lies)
        scale = min(room_width / picture.width, room_height / picture.height)
        width, height = picture.width * scale, picture.height * scale
        x = self._paper.edge + column * (room_width + GAP) + (room_width - width) / 2
        y = self._paper.edge + row * (room_height + BELOW + GAP) + (room_height - height) / 2
        exact = picture.resize((dots(width), dots(height)), Image.Resampling.LANCZOS)
        page.picture(exact, x, y, width, height, quality=QUALITY)
        page.put(x, y + height + ABOVE_CAPTION, max(width, LEAST_CAPTION), caption, CAPTION, 1)
        return Placed(self.pages, x, y, width, height, size[0] / width * INCH)

    def bytes(self) -> bytes:
        """The PDF. Nothing may be put afterwards."""
        assert self._page is not None
        return self._page.bytes()

    def _on_a_page(self, lies: bool) -> Page:
        size = (self._paper.height, self._paper.width) if lies else (self._paper.width, self._paper.height)
        if self._page is None:
            self._page = Page(*self._told, size)
        else:
            self._page.turn(size)
        return self._page

    def _inner(self, lies: bool) -> tuple[float, float]:
        """Width and height within the edges."""
        upright = self._paper.width - 2 * self._paper.edge, self._paper.height - 2 * self._paper.edge
        return (upright[1], upright[0]) if lies else upright

    def _room(self, lies: bool) -> tuple[float, float]:
        """Width and height that a picture may take; its line stands below."""
        width, height = self._inner(lies)
        return (width + GAP) / self._across - GAP, (height + GAP) / self._down - GAP - BELOW


def dots(length: float) -> int:
    """How many dots a length has."""
    return max(1, round(length / INCH * DPI))
