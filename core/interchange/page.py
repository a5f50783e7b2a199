"""Pages of a PDF on which Latin, Greek, Cyrillic, Thai, Lao and Japanese stand as they should.

Text is shaped (HarfBuzz), each run in the font that has its script, and lines end where the script lets them.
Lengths are millimetres from the page's upper left corner, sizes points. The same calls give the same bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import MethodReturnValue
from PIL import Image

from core.interchange.wording import BREAK
from storage.safe_text import display

FONTS = Path(__file__).with_name("fonts")
MAIN = "latin"
OTHERS = ("thai", "lao", "japanese")
WIDTH, HEIGHT = 210.0, 297.0  # A4
INCH = 25.4
POINT = INCH / 72
FINE = 90  # quality of JPEG above which colours keep their resolution
REPLACEMENT = "\ufffd"
LONGEST_RUN = 18  # letters of Thai or Lao without a break that are left whole

_CJK = "\u3000-\u30ff\u3400-\u9fff\uff00-\uffef"
_NOT_FIRST = "、。）」』】〕〉》・：；？！ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ％)"
_NOT_LAST = "（「『【〔〈《("
_BETWEEN = re.compile(f"(?<=[{_CJK}])(?<![{re.escape(_NOT_LAST)}])(?=[{_CJK}])(?![{re.escape(_NOT_FIRST)}])")
_LONG_RUN = re.compile(f"[\u0e00-\u0eff]{{{LONGEST_RUN},}}")
# A syllable may begin before a consonant or a vowel written first, unless such a vowel or nothing stands before it.
_SYLLABLE = re.compile(
    "(?<=[\u0e00-\u0eff])(?<![\u0e40-\u0e44\u0ec0-\u0ec4])(?=[\u0e01-\u0e2e\u0e40-\u0e44\u0e81-\u0eae\u0ec0-\u0ec4])"
)

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Style:
    """How text looks: size and leading in points."""

    size: float
    colour: Colour
    bold: bool = False
    leading: float = 1.45  # of the size; Thai and Lao stack marks above and below

    @property
    def line(self) -> float:
        """Height of a line, mm."""
        return self.size * self.leading * POINT


def breakable(text: str) -> str:
    """Text with BREAK where a line may end, beside its blanks."""
    text = _LONG_RUN.sub(lambda found: _SYLLABLE.sub(BREAK, found.group()), text)
    return _BETWEEN.sub(BREAK, text)


class Page:
    """Pages in the making, of A4 or of a size in mm; what is put stands on the last.

    `replaced` collects the characters that no font has, in the order met.
    """

    def __init__(
        self, title: str, language: str, made_at: datetime, size: tuple[float, float] = (WIDTH, HEIGHT)
    ) -> None:
        self.replaced: dict[str, None] = {}
        self._pdf = FPDF(unit="mm", format=size)
        self._pdf.set_creation_date(made_at)
        self._pdf.set_title(title)
        self._pdf.set_lang(language)
        self._pdf.set_auto_page_break(False)
        self._pdf.set_margin(0)
        self._pdf.c_margin = 0
        for family in (MAIN, *OTHERS):
            for style, ending in (("", ""), ("B", "-bold")):
                suffix = "otf" if family == "japanese" else "ttf"
                self._pdf.add_font(family, style, FONTS / f"{family}{ending}.{suffix}")
        self._pdf.set_fallback_fonts([*OTHERS, MAIN], exact_match=False)
        self._pdf.set_text_shaping(True)
        self.turn(size)
        self._has = {code for font in self._pdf.fonts.values() for code in font.cmap}

    def turn(self, size: tuple[float, float]) -> None:
        """Begin another page, of this width and height."""
        self._pdf.add_page(format=size)

    def lines(self, text: str, width: float, style: Style, most: int | None = None) -> list[str]:
        """The lines that text falls into; what goes beyond `most` is cut, and the last ends in an ellipsis."""
        self._use(style)
        shown = breakable(self._known(text))
        found = self._pdf.multi_cell(width, text=shown, align="L", dry_run=True, output=MethodReturnValue.LINES)
        found = [line.rstrip() for line in found] or [""]
        if most is None or len(found) <= most:
            return found
        last = found[most - 1]
        while last and self._pdf.get_string_width(f"{last}…") > width:
            last = last[:-1]
        return [*found[: most - 1], f"{last.rstrip()}…"]

    def height(self, text: str, width: float, style: Style, most: int | None = None) -> float:
        """What `put` takes of the page."""
        return len(self.lines(text, width, style, most)) * style.line

    def put(self, x: float, y: float, width: float, text: str, style: Style, most: int | None = None) -> float:
        """Set text; gives where the next may stand."""
        for line in self.lines(text, width, style, most):
            self._use(style)
            self._pdf.set_xy(x, y)
            self._pdf.cell(width, style.line, text=line)
            y += style.line
        return y

    def put_right(self, right: float, y: float, text: str, style: Style) -> None:
        """Set one line that ends at `right`."""
        [line, *_] = self.lines(text, WIDTH, style, 1)
        self._use(style)
        width = self._pdf.get_string_width(line)
        self._pdf.set_xy(right - width, y)
        self._pdf.cell(width, style.line, text=line)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """A filled rectangle."""
        self._pdf.set_fill_color(*colour)
        self._pdf.rect(x, y, width, height, style="F")

    def picture(
        self, image: Image.Image, x: float, y: float, width: float, height: float, *, quality: int = 88
    ) -> None:
        """A picture, kept as JPEG of this quality."""
        packed = BytesIO()
        image.save(packed, "JPEG", quality=quality, subsampling=0 if quality > FINE else -1)
        self._pdf.image(packed, x, y, width, height)

    def bytes(self) -> bytes:
        """The PDF."""
        return bytes(self._pdf.output())

    def _use(self, style: Style) -> None:
        self._pdf.set_font(MAIN, "B" if style.bold else "", style.size)
        self._pdf.set_text_color(*style.colour)

    def _known(self, text: str) -> str:
        """Text as it can be shown: control characters escaped, what no font has replaced and remembered."""
        told = []
        for letter in display(text):
            if ord(letter) in self._has:
                told.append(letter)
            else:
                self.replaced[letter] = None
                told.append(REPLACEMENT)
        return "".join(told)
