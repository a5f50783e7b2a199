"""XMP read safely: rating, caption and keywords of a packet or a sidecar. Names of people in it are left alone.

XMP is RDF in XML (ISO 16684-1). Entities and document types, by which XML grows without bound or reaches out, are
refused by defusedxml. A property may stand as an element or, where it is simple, as an attribute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from storage.safe_text import display

MOST_BYTES = 8 << 20  # sidecars with masks drawn in them come near a megabyte
_MOST_KEYWORDS = 1_000
_LONGEST_KEYWORD = 200
_LONGEST_CAPTION = 2_000

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_XMP = "{http://ns.adobe.com/xap/1.0/}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True, slots=True)
class XmpFields:
    """What XMP tells of a photograph; None or empty where it doesn't. Texts are safe on a terminal.

    `rating` is 0 to 5; 0 stands for a rejected one (-1 in XMP) too. `warning` says why it could not be read.
    """

    rating: int | None = None
    caption: str | None = None
    keywords: tuple[str, ...] = ()
    warning: str | None = None


def worth_reading(packet: bytes) -> bool:
    """Whether a packet may tell anything that is read here: most cameras' tell nothing."""
    return any(word in packet for word in (b"Rating", b"description", b"subject"))


def read(data: bytes) -> XmpFields:
    """The fields of a packet or sidecar. Never raises for what it holds: see `warning`."""
    if len(data) > MOST_BYTES:
        return XmpFields(warning=f"XMP of more than {MOST_BYTES >> 20} MB")
    from defusedxml import DefusedXmlException, ElementTree  # few files have XMP

    try:
        # padded to be edited in place; of UTF-16, half of a character looks like padding
        whole = data if data.startswith((b"\xff\xfe", b"\xfe\xff")) else data.strip(b"\0 \t\r\n")
        root = ElementTree.fromstring(whole, forbid_dtd=True)
    except DefusedXmlException:
        return XmpFields(warning="XMP with a document type or entities is not read")
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        # ValueError and LookupError: it names an encoding that is none
        return XmpFields(warning=f"XMP can't be parsed: {display(str(error))[:100]}")
    nodes = list(root.iter(f"{RDF}Description"))
    return XmpFields(
        rating=_rating(_simple(nodes, f"{_XMP}Rating")),
        caption=_shown(_alternative(nodes, f"{_DC}description"), _LONGEST_CAPTION),
        keywords=_keywords(nodes),
    )


def _simple(nodes: list[Element], name: str) -> str | None:
    """A property of plain text."""
    for node in nodes:
        if name in node.attrib:
            return node.attrib[name]
        child = node.find(name)
        if child is not None and child.text:
            return child.text
    return None


def _items(nodes: list[Element], name: str) -> Iterator[Element]:
    """The items of a property that is a bag, a sequence or alternatives."""
    for node in nodes:
        for child in node.findall(name):
            yield from child.iter(f"{RDF}li")


def _alternative(nodes: list[Element], name: str) -> str | None:
    """A text in several languages: the default one, else the first."""
    items = list(_items(nodes, name))
    chosen = next((item for item in items if item.get(_LANGUAGE) == "x-default"), next(iter(items), None))
    return _simple(nodes, name) if chosen is None else chosen.text


def _keywords(nodes: list[Element]) -> tuple[str, ...]:
    """Keywords, each once, in their order."""
    found: dict[str, None] = {}
    for item in _items(nodes, f"{_DC}subject"):
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
