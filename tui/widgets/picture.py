"""A picture in the terminal, by textual-image: kitty graphics, sixel or half blocks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from PIL import Image
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from storage.safe_text import display
from tui.terminal import Preview, picture_widgets

CLASSES = {"halfblock": "HalfcellImage", "sixel": "SixelImage", "kitty": "TGPImage"}


def fitted(picture: Image.Image, preview: Preview, columns: int, lines: int) -> tuple[Image.Image, int, int]:
    """`picture` scaled to fit `columns` x `lines` cells and the budget, and the cells it takes. Its shape is kept.

    Done in the thread that decodes: the app's own then only writes it out. A half block is two pixels.
    """
    cell = (preview.cell_width, preview.cell_height)
    scale = min(columns * cell[0] / picture.width, lines * cell[1] / picture.height)
    cells = (picture.width * scale / cell[0]) * (picture.height * scale / cell[1])
    scale *= min(1.0, math.sqrt(preview.most_cells / cells))
    wide = max(1, min(columns, round(picture.width * scale / cell[0])))
    high = max(1, min(lines, round(picture.height * scale / cell[1])))
    size = (wide, high * 2) if preview.how == "halfblock" else (wide * cell[0], high * cell[1])
    return picture.convert("RGB").resize(size, Image.Resampling.LANCZOS), wide, high


class Picture(Vertical):
    """Shows one picture at a time, or a line that says why there is none."""

    DEFAULT_CSS = """
    Picture { height: 1fr; align: center middle; overflow: hidden; }
    Picture > Static { width: 100%; text-align: center; color: $text-muted; }
    """

    def __init__(self, preview: Preview, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.preview = preview
        self._image: Any = None  # a widget of textual-image's, made with the first picture
        self.shown: Path | int | None = None

    def compose(self) -> ComposeResult:
        yield Static("")

    def on_mount(self) -> None:
        if self.preview.how == "off":  # what stands beside it has the room
            self.styles.height = self.styles.min_height = 1

    @property
    def cells(self) -> tuple[int, int]:
        """Columns and lines that a picture may take."""
        return max(1, self.size.width), max(1, self.size.height)

    def say(self, text: str) -> None:
        """No picture, and why."""
        if self._image is not None:
            self._image.display = False
        line = self.query_one(Static)
        line.display = True
        line.update(Text(display(text)))

    async def show(self, picture: Image.Image, columns: int, lines: int) -> None:
        """Draw `picture`, scaled by `fitted`, on `columns` x `lines` cells."""
        self.query_one(Static).display = False
        if self._image is None:
            self._image = getattr(picture_widgets(self.preview), CLASSES[self.preview.how])()
            await self.mount(self._image)
        self._image.styles.width = columns
        self._image.styles.height = lines
        self._image.image = picture
        self._image.display = True
