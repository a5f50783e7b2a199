"""XMP read safely: what a packet or a sidecar says of a photograph: rating, caption, keywords, and claims.

Names of people, releases and ages in it are claims (`core.interchange.assertions`): kept as what somebody wrote, never
taken for a name, a birth date or a grant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from core.interchange import assertions, rdf
from core.interchange.assertions import Assertion
from core.interchange.rdf import LANGUAGE, MOST_BYTES, BadPacket
from storage.safe_text import display

__all__ = ["MOST_BYTES", "XmpFields", "read", "worth_reading"]

_MOST_KEYWORDS = 1_000
_LONGEST_KEYWORD = 200
_LONGEST_CAPTION = 2_000

_XMP = "{http://ns.adobe.com/xap/1.0/}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_WORDS = (b"Rating", b"description", b"subject", *assertions.WORDS)


@dataclass(frozen=True, slots=True)
class XmpFields:
    """What XMP tells of a photograph; None or empty where it doesn't. Texts are safe on a terminal.

    `rating` is 0 to 5; 0 stands for a rejected one (-1 in XMP) too. `warning` says why it could not be read.
    """

    rating: int | None = None
    caption: str | None = None
    keywords: tuple[str, ...] = ()
    asserted: tuple[Assertion, ...] = ()
    warning: str | None = None


def worth_reading(packet: bytes) -> bool:
    """Whether a packet may tell anything that is read here: most cameras' tell nothing."""
    return any(word in packet for word in _WORDS)


def read(data: bytes) -> XmpFields:
    """The fields of a packet or sidecar. Never raises for what it holds: see `warning`."""
    try:
        root = rdf.parse(data).root
    except BadPacket as error:
        return XmpFields(warning=str(error))
    nodes = rdf.described(root)
    return XmpFields(
        rating=_rating(rdf.text(nodes, f"{_XMP}Rating")),
        caption=_shown(_alternative(nodes, f"{_DC}description"), _LONGEST_CAPTION),
        keywords=_keywords(nodes),
        asserted=assertions.read(nodes),
    )


def _alternative(nodes: Sequence[Element], name: str) -> str | None:
    """A text in several languages: the default one, else the first."""
    every = list(rdf.items(nodes, name))
    chosen = next((item for item in every if item.get(LANGUAGE) == "x-default"), next(iter(every), None))
    return rdf.text(nodes, name) if chosen is None else chosen.text


def _keywords(nodes: Sequence[Element]) -> tuple[str, ...]:
    """Keywords, each once, in their order."""
    found: dict[str, None] = {}
    for item in rdf.items(nodes, f"{_DC}subject"):
        text = _shown(item.text, _LONGEST_KEYWORD)
        if text is not None:
            found.setdefault(text)
        if len(found) == _MOST_KEYWORDS:
            break
    return tuple(found)


def _rating(text: str | None) -> int | None:
    try:
        rating = float(text or "")
    except ValueError:
        return None
    return max(0, round(rating)) if -1 <= rating <= 5 else None


def _shown(text: str | None, longest: int) -> str | None:
    return None if text is None else display(text.strip())[:longest].strip() or None
