"""The RDF of an XMP packet, parsed safely and asked in whichever form a writer put it (ISO 16684-1, annex C).

A property may stand as an element or, where it is simple, as an attribute; a structure as a nested `Description`, by
`parseType="Resource"`, or as attributes of the property itself. Entities and document types, by which XML grows
without bound or reaches out, are refused by defusedxml.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from storage.safe_text import display

MOST_BYTES = 8 << 20  # sidecars with masks drawn in them come near a megabyte

RDF_SPACE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDF = f"{{{RDF_SPACE}}}"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_CONTAINERS = frozenset({f"{RDF}Bag", f"{RDF}Seq", f"{RDF}Alt"})


class BadPacket(Exception):
    """A packet that can't be read; the message says why, in words that are safe on a terminal."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A parsed packet: its tree, and the prefix that each namespace was written with."""

    root: Element
    prefixes: dict[str, str]  # by namespace


class _Builder(TreeBuilder):
    """Builds the tree with comments and processing instructions in it, and notes prefixes."""

    def __init__(self) -> None:
        super().__init__(insert_comments=True, insert_pis=True)
        self.prefixes: dict[str, str] = {}

    def start_ns(self, prefix: str | None, uri: str) -> None:
        self.prefixes.setdefault(uri, prefix or "")


def parse(data: bytes) -> Packet:
    """A packet or sidecar. Raises BadPacket, and nothing else, for whatever it holds."""
    if len(data) > MOST_BYTES:
        raise BadPacket(f"XMP of more than {MOST_BYTES >> 20} MB")
    from defusedxml import DefusedXmlException, ElementTree  # few files have XMP

    # padded to be edited in place; of UTF-16, half of a character looks like padding
    whole = data if data.startswith((b"\xff\xfe", b"\xfe\xff")) else data.strip(b"\0 \t\r\n")
    builder = _Builder()
    try:
        parser = ElementTree.XMLParser(target=builder, forbid_dtd=True)
        parser.feed(whole)
        return Packet(parser.close(), builder.prefixes)
    except DefusedXmlException as error:
        raise BadPacket("XMP with a document type or entities is not read") from error
    except (ParseError, ValueError, LookupError, RecursionError, AssertionError) as error:
        # ValueError and LookupError: it names an encoding that is none
        raise BadPacket(f"XMP can't be parsed: {display(str(error))[:100]}") from error


Node = Sequence[Element]
"""The elements whose children and attributes are the properties of one thing."""


def described(root: Element) -> list[Element]:
    """The elements that hold the picture's own properties: those right under RDF."""
    return [node for rdf in root.iter(f"{RDF}RDF") for node in rdf.findall(f"{RDF}Description")]


def texts(node: Node, name: str) -> Iterator[str]:
    """The values of a simple property, first those that stand as attributes."""
    for element in node:
        if name in element.attrib:
            yield element.attrib[name]
    for element in node:
        for child in element.findall(name):
            if child.text and not len(child):
                yield child.text


def text(node: Node, name: str) -> str | None:
    """A simple property, or None."""
    return next(texts(node, name), None)


def items(node: Node, name: str) -> Iterator[Element]:
    """The items of a property that is a bag, a sequence or alternatives."""
    for element in node:
        for child in element.findall(name):
            for container in child:
                if container.tag in _CONTAINERS:
                    yield from container.findall(f"{RDF}li")


def inside(element: Element) -> Node:
    """The properties of a structure, in whichever form it stands."""
    return [element, *element.findall(f"{RDF}Description")]


def structure(node: Node, name: str) -> Node:
    """The properties of a property that is a structure; empty where it is not there."""
    return [part for element in node for child in element.findall(name) for part in inside(child)]
