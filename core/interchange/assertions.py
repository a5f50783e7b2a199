"""What XMP asserts about people, releases, ages and uses, as it stands there: the raw material of claims.

Read are PLUS (model release, age disclosure, data mining), IPTC Extension (persons, ages, digital source type), face
regions of the Metadata Working Group (Lightroom, digiKam, Picasa) and of Microsoft (digiKam too), and the `People`
branch of digiKam's and Lightroom's keyword trees.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from core.interchange import rdf
from core.interchange.rdf import Node
from core.interchange.vocabulary import (
    DATA_MINING,
    LIMITED,
    MINOR_AGE,
    MINOR_AGES,
    NO_RELEASE,
    PERSON,
    REGIONS,
    RELEASE_ID,
    RELEASE_STATUS,
    SOURCE_TYPES,
    named,
)
from storage.records import Area, Bar, ClaimField
from storage.safe_text import display

WORDS = (b"useplus", b"Iptc4xmpExt", b"regions/", b"RegionInfo", b"TagsList", b"hierarchicalSubject")
_MOST = 1_000  # assertions of one packet
_LONGEST = 200
_ADULT = 18
_PEOPLE = "people"  # the root of people's keywords, in digiKam's trees and those that Lightroom users make


class Assertion(NamedTuple):
    """One thing that a packet says. `area` is of the picture as stored; `bars` is what it stands against."""

    field: ClaimField
    value: str
    area: Area | None = None
    bars: Bar | None = None


def read(nodes: Node) -> tuple[Assertion, ...]:
    """All that a packet asserts, each once, in a fixed order; values are safe on a terminal."""
    return tuple(dict.fromkeys(islice(_all(nodes), _MOST)))


def bars(field: ClaimField, value: str) -> Bar | None:
    """What a claim stands against until somebody of the house has settled it; most stand against nothing."""
    match field:
        case ClaimField.MINOR_AGE if value in MINOR_AGES:
            return Bar.MINOR
        case ClaimField.MODEL_AGE if _years(value) is not None and (_years(value) or 0) < _ADULT:
            return Bar.MINOR
        case ClaimField.DATA_MINING if value.startswith("DMI-PROHIBITED"):
            return Bar.PROHIBITED
        case ClaimField.RELEASE_STATUS if value in (NO_RELEASE, LIMITED):
            return Bar.UNRELEASED
    return None


def _all(nodes: Node) -> Iterator[Assertion]:
    for field, name in (
        (ClaimField.RELEASE_STATUS, RELEASE_STATUS),
        (ClaimField.MINOR_AGE, MINOR_AGE),
        (ClaimField.DATA_MINING, DATA_MINING),
    ):
        for text in rdf.texts(nodes, name):
            yield from _said(field, _code(text))
        for node in (element for outer in nodes for element in outer.findall(name)):
            yield from _said(field, _code(node.get(f"{rdf.RDF}resource", "")))  # it may stand as a reference
    for text in rdf.texts(nodes, named("Iptc4xmpExt:DigitalSourceType")):
        yield from _said(ClaimField.SOURCE_TYPE, text.strip().removeprefix(SOURCE_TYPES))
    for field, name in (
        (ClaimField.RELEASE_ID, RELEASE_ID),
        (ClaimField.MODEL_AGE, named("Iptc4xmpExt:ModelAge")),
        (ClaimField.PERSON, PERSON),
    ):
        for item in rdf.items(nodes, name):
            yield from _said(field, item.text)
        for text in rdf.texts(nodes, name):
            yield from _said(field, text)
    yield from _described_people(nodes)
    yield from _tagged_people(nodes)
    yield from _mwg_regions(nodes)
    yield from _microsoft_regions(nodes)


def _said(field: ClaimField, text: str | None, area: Area | None = None) -> Iterator[Assertion]:
    value = display((text or "").strip())[:_LONGEST].strip()
    if value:
        yield Assertion(field, value, area, bars(field, value))


def _code(text: str) -> str:
    """A controlled value without the vocabulary that it is of."""
    return text.strip().rpartition("/")[2].upper()


def _described_people(nodes: Node) -> Iterator[Assertion]:
    """IPTC's persons with details: a name in several languages each."""
    for person in rdf.items(nodes, named("Iptc4xmpExt:PersonInImageWDetails")):
        for name in rdf.items(rdf.inside(person), named("Iptc4xmpExt:PersonName")):
            yield from _said(ClaimField.PERSON, name.text)


def _tagged_people(nodes: Node) -> Iterator[Assertion]:
    """Keyword trees: `People/Name` in digiKam, `People|Name` in Lightroom."""
    for name, parted in ((named("digiKam:TagsList"), "/"), (named("lr:hierarchicalSubject"), "|")):
        for item in rdf.items(nodes, name):
            root, *below = (item.text or "").split(parted)
            if below and root.strip().lower() == _PEOPLE:
                yield from _said(ClaimField.PERSON, below[-1])


def _mwg_regions(nodes: Node) -> Iterator[Assertion]:
    """Regions of type Face, by their centre and size; without a type they are taken for faces if they have a name."""
    for region in rdf.items(rdf.structure(nodes, REGIONS), named("mwg-rs:RegionList")):
        own = rdf.inside(region)
        name = rdf.text(own, named("mwg-rs:Name"))
        if (rdf.text(own, named("mwg-rs:Type")) or "Face").strip() != "Face" or not name:
            continue
        where = rdf.structure(own, named("mwg-rs:Area"))
        x, y, w, h = (_number(rdf.text(where, named(f"stArea:{axis}"))) for axis in "xywh")
        yield from _said(ClaimField.REGION, name, _area(x - w / 2, y - h / 2, w, h))


def _microsoft_regions(nodes: Node) -> Iterator[Assertion]:
    """Regions by their upper left corner and size: `x, y, w, h`."""
    for region in rdf.items(rdf.structure(nodes, named("MP:RegionInfo")), named("MPRI:Regions")):
        own = rdf.inside(region)
        name = rdf.text(own, named("MPReg:PersonDisplayName"))
        parts = [_number(part) for part in (rdf.text(own, named("MPReg:Rectangle")) or "").split(",")]
        if name:
            yield from _said(ClaimField.REGION, name, _area(*parts) if len(parts) == 4 else None)


def _area(x: float, y: float, w: float, h: float) -> Area | None:
    """An area within the picture, to a millionth; None where the numbers are none."""
    edges = (x, y, x + w, y + h)
    if not all(map(math.isfinite, edges)) or w <= 0 or h <= 0:
        return None
    x0, y0, x1, y1 = (round(min(max(edge, 0.0), 1.0), 6) for edge in edges)
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _number(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        return math.nan


def _years(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 3 else None
