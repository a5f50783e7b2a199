"""XMP packets written: a statement put into a new packet, or into one that other programs wrote.

Of such a one everything else is kept, by meaning: elements, attributes, comments and prefixes. In the fields of the
statement foreign words are kept too: other persons, releases and regions stay, and of two values the stricter stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from xml.etree.ElementTree import Comment, Element, ProcessingInstruction, SubElement
from xml.sax.saxutils import escape, quoteattr

from core.interchange import rdf
from core.interchange.rdf import RDF, BadPacket, Packet
from core.interchange.regions import overlap, stored, stored_size, upright
from core.interchange.statement import Statement
from core.interchange.vocabulary import (
    AGE_UNKNOWN,
    DATA_MINING,
    LIMITED,
    MINOR_AGE,
    MINOR_AGES,
    NO_RELEASE,
    PERSON,
    PLUS_VALUES,
    PREFIXES,
    REGIONS,
    RELEASE_ID,
    RELEASE_STATUS,
    UNLIMITED,
    named,
)
from storage.records import Area, ClaimField

Words = set[tuple[ClaimField, str]]
_RELEASES = (NO_RELEASE, LIMITED, UNLIMITED)  # the strictest first; then "not applicable"
_AGES = (*MINOR_AGES, AGE_UNKNOWN)
_SAME = 0.5  # overlap from which on two regions of a name are one
_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_END = '\n<?xpacket end="w"?>'
_EMPTY = f'<x:xmpmeta xmlns:x="{PREFIXES["x"]}"><rdf:RDF xmlns:rdf="{PREFIXES["rdf"]}"/></x:xmpmeta>'.encode()


def made(statement: Statement, size: tuple[int, int], orientation: int, more: Sequence[Element] = ()) -> bytes:
    """A new packet; `size` is the upright picture's, `orientation` EXIF's of the pixels, `more` further properties."""
    packet = rdf.parse(_EMPTY)
    _put(packet, statement, set(), size, orientation, more)
    return written(packet)


def merged(data: bytes, statement: Statement, own: Words, size: tuple[int, int], orientation: int) -> bytes:
    """A packet with the statement put into it; `own` is what was put into it before. Raises BadPacket."""
    packet = rdf.parse(data)
    if next(packet.root.iter(f"{RDF}RDF"), None) is None:
        raise BadPacket("there is no XMP in it")
    _put(packet, statement, own, size, orientation)
    return written(packet)


def written(packet: Packet) -> bytes:
    """A packet as UTF-8. Raises BadPacket where it is nested too deep."""
    try:
        return f"{_BEGIN}{_Writer(packet).text()}{_END}".encode()
    except (RecursionError, UnicodeEncodeError) as error:
        raise BadPacket("its XMP is nested too deep, or its text is none") from error


def _put(
    packet: Packet,
    said: Statement,
    own: Words,
    size: tuple[int, int],
    orientation: int,
    more: Sequence[Element] = (),
) -> None:
    """Put the statement into the tree, in a description of its own."""
    tree = next(packet.root.iter(f"{RDF}RDF"))
    nodes = rdf.described(packet.root)
    about = next((node.attrib[f"{RDF}about"] for node in nodes if f"{RDF}about" in node.attrib), "")
    home = SubElement(tree, f"{RDF}Description", {f"{RDF}about": about})
    for name, field, value, strictest in (
        (RELEASE_STATUS, ClaimField.RELEASE_STATUS, said.release_status, _by_order(_RELEASES)),
        (MINOR_AGE, ClaimField.MINOR_AGE, said.age, _by_order(_AGES)),
        (DATA_MINING, ClaimField.DATA_MINING, said.data_mining, _of_uses),
    ):
        foreign = [text for text in map(_code, _taken_out(nodes, name)) if (field, text) not in own]
        chosen = strictest([*foreign, *([] if value is None else [value])])
        if chosen is not None:
            SubElement(home, name).text = PLUS_VALUES + chosen
    for name, field, values in (
        (RELEASE_ID, ClaimField.RELEASE_ID, said.release_ids),
        (PERSON, ClaimField.PERSON, said.persons),
    ):
        foreign = [text for text in _taken_out(nodes, name) if (field, text.strip()) not in own]
        if every := list(dict.fromkeys([*foreign, *values])):
            _bag(home, name, every)
    _put_regions(nodes, home, said.regions, {value for field, value in own if field is ClaimField.REGION}, size,
                 orientation)  # fmt: skip
    home.extend(more)
    for outer in packet.root.iter(f"{RDF}RDF"):
        for node in outer.findall(f"{RDF}Description"):
            if not len(node) and not node.attrib.keys() - {f"{RDF}about"}:
                outer.remove(node)


def _taken_out(nodes: Sequence[Element], name: str) -> list[str]:
    """The values of a property, which is removed wherever it stands."""
    found = [item.text or "" for item in rdf.items(nodes, name)]
    for node in nodes:
        if name in node.attrib:
            found.append(node.attrib.pop(name))
        for child in node.findall(name):
            if not len(child):
                found.append(child.text or child.get(f"{RDF}resource") or "")
            node.remove(child)
    return [text for text in found if text.strip()]


def _code(text: str) -> str:
    return text.strip().rpartition("/")[2]


def _by_order(strict: Sequence[str]) -> Callable[[Sequence[str]], str | None]:
    """The value that comes first in a list of the strict ones; without any, the last that was said."""

    def strictest(values: Sequence[str]) -> str | None:
        return next((value for value in strict if value in values), values[-1] if values else None)

    return strictest


def _of_uses(values: Sequence[str]) -> str | None:
    """Somebody else's prohibition before our own: it may prohibit more. What allows stands only alone."""
    return next((value for value in values if value.startswith("DMI-PROHIBITED")), values[-1] if values else None)


def _bag(home: Element, name: str, values: Sequence[str]) -> None:
    bag = SubElement(SubElement(home, name), f"{RDF}Bag")
    for value in values:
        SubElement(bag, f"{RDF}li").text = value


def _put_regions(
    nodes: Sequence[Element],
    home: Element,
    said: Sequence[tuple[str, Area]],
    own: set[str],
    size: tuple[int, int],
    orientation: int,
) -> None:
    """Exchange the regions that were put there before for those said now; others' stay, and are not doubled."""
    bag, foreign = _others_regions(nodes, own, orientation)
    new = [
        (name, area)
        for name, area in said
        if not any(name == other and overlap(area, where) >= _SAME for other, where in foreign)
    ]
    if new and bag is None:
        regions = SubElement(home, REGIONS, {f"{RDF}parseType": "Resource"})
        width, height = stored_size(*size, orientation)
        _simple(regions, "mwg-rs:AppliedToDimensions", {"stDim:w": width, "stDim:h": height, "stDim:unit": "pixel"})
        bag = SubElement(SubElement(regions, named("mwg-rs:RegionList")), f"{RDF}Bag")
    for name, area in new:
        assert bag is not None
        region = SubElement(bag, f"{RDF}li", {f"{RDF}parseType": "Resource"})
        x0, y0, x1, y1 = stored(area, orientation)
        where = {"x": (x0 + x1) / 2, "y": (y0 + y1) / 2, "w": x1 - x0, "h": y1 - y0}
        told = {f"stArea:{axis}": f"{number:.6f}" for axis, number in where.items()}
        _simple(region, "mwg-rs:Area", told | {"stArea:unit": "normalized"})
        SubElement(region, named("mwg-rs:Name")).text = name
        SubElement(region, named("mwg-rs:Type")).text = "Face"
    for node in nodes:
        for regions in node.findall(REGIONS):
            if not any(True for _ in rdf.items(rdf.inside(regions), named("mwg-rs:RegionList"))):
                node.remove(regions)


def _others_regions(
    nodes: Sequence[Element], own: set[str], orientation: int
) -> tuple[Element | None, list[tuple[str, Area]]]:
    """The bag of regions that is there, without those of these names; and what is left in it, upright."""
    found: Element | None = None
    left: list[tuple[str, Area]] = []
    for part in rdf.structure(nodes, REGIONS):
        for bag in part.findall(f"{named('mwg-rs:RegionList')}/{RDF}Bag"):
            found = bag if found is None else found
            for region in bag.findall(f"{RDF}li"):
                inside = rdf.inside(region)
                name = (rdf.text(inside, named("mwg-rs:Name")) or "").strip()
                if name in own:
                    bag.remove(region)
                elif name and (area := _where(inside, orientation)) is not None:
                    left.append((name, area))
    return found, left


def _where(region: rdf.Node, orientation: int) -> Area | None:
    where = rdf.structure(region, named("mwg-rs:Area"))
    try:
        x, y, w, h = (float(rdf.text(where, named(f"stArea:{axis}")) or "") for axis in "xywh")
    except ValueError:
        return None
    return upright((x - w / 2, y - h / 2, x + w / 2, y + h / 2), orientation)


def _simple(home: Element, name: str, values: Mapping[str, object]) -> None:
    """A structure of simple values."""
    inner = SubElement(home, named(name), {f"{RDF}parseType": "Resource"})
    for key, value in values.items():
        SubElement(inner, named(key)).text = str(value)


class _Writer:
    """Writes a tree with the prefixes that it was read with, and all namespaces declared at its root."""

    def __init__(self, packet: Packet) -> None:
        self._root = packet.root
        self._prefixes: dict[str, str] = {"http://www.w3.org/XML/1998/namespace": "xml"}
        wanted = packet.prefixes | {uri: packet.prefixes.get(uri) or prefix for prefix, uri in PREFIXES.items()}
        self._wanted = wanted

    def text(self) -> str:
        """The root and all in it."""
        body = self._element(self._root)  # first: it finds which namespaces there are
        spaces = "".join(
            f" xmlns:{prefix}={quoteattr(uri)}" for uri, prefix in self._prefixes.items() if prefix != "xml"
        )
        name = self._name(self._root.tag)
        return f"<{name}{spaces}{body[len(name) + 1 :]}"

    def _name(self, tag: str) -> str:
        if not tag.startswith("{"):
            return tag
        uri, _, local = tag[1:].partition("}")
        if uri not in self._prefixes:
            prefix = self._wanted.get(uri, "")
            if not prefix or prefix in self._prefixes.values():
                prefix = f"n{len(self._prefixes)}"
            self._prefixes[uri] = prefix
        return f"{self._prefixes[uri]}:{local}"

    def _element(self, element: Element) -> str:
        kind: object = element.tag  # a function where it is no element
        if kind is Comment:
            return f"<!--{element.text}-->"
        if kind is ProcessingInstruction:
            return f"<?{element.text}?>"
        name = self._name(element.tag)
        attributes = "".join(f" {self._name(key)}={quoteattr(value)}" for key, value in element.items())
        inner = _safe(element.text) + "".join(self._element(child) + _safe(child.tail) for child in element)
        return f"<{name}{attributes}>{inner}</{name}>" if inner else f"<{name}{attributes}/>"


def _safe(text: str | None) -> str:
    return escape(text or "", {"\r": "&#13;"})
