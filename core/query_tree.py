"""A search as a tree of tests on a photograph. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storage.records import PhotoState, Purpose, Status


@dataclass(frozen=True, slots=True)
class Everything:
    """Finds every photograph."""


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Expr


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word: in the path or the caption."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """Text holds `text`; with `whole`, or a `*` (which stands for anything), the whole of it must match."""

    field: str
    text: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Number:
    """`low` <= value <= `high`, None for no bound; without the bound itself where `above` or `below` says so.

    With `low` above `high` the value lies outside: hours 22..4, months 11..2.
    """

    field: str
    low: float | None
    high: float | None
    above: bool = False
    below: bool = False


@dataclass(frozen=True, slots=True)
class DaysAgo:
    """The start of the day that many days before today; -1 is tomorrow's."""

    days: int


Edge = datetime | DaysAgo


@dataclass(frozen=True, slots=True)
class Taken:
    """Taken at `low` or later and before `high`, in local time."""

    low: Edge | None
    high: Edge | None


@dataclass(frozen=True, slots=True)
class Known:
    """Whether anything is on record."""

    field: str
    known: bool


@dataclass(frozen=True, slots=True)
class Near:
    """At most `km` from a point in degrees, on the sphere."""

    lat: float
    lon: float
    km: float


@dataclass(frozen=True, slots=True)
class Person:
    """Shows the subject of this id or name; ids are numbers, names may hold `*`."""

    name: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Unnamed:
    """Shows a face that is no subject's yet."""


@dataclass(frozen=True, slots=True)
class Hash:
    """The content hash begins with these hex digits."""

    prefix: str


@dataclass(frozen=True, slots=True)
class Alike:
    """In one group of look-alikes with the photograph of this id; None: in any group."""

    photo: int | None


@dataclass(frozen=True, slots=True)
class State:
    """The file was there at the last scan, or not."""

    state: PhotoState


@dataclass(frozen=True, slots=True)
class Standing:
    """The status for a purpose; for any of them where `purpose` is None."""

    purpose: Purpose | None
    status: Status


Expr = (
    Everything
    | And
    | Or
    | Not
    | Word
    | Text
    | Number
    | Taken
    | Known
    | Near
    | Person
    | Unnamed
    | Hash
    | Alike
    | State
    | Standing
)
