"""How a consent was given and on what terms, as it stands in a ledger event's details. Pure.

The fields follow ISO/IEC TS 27560 (consent record information structure): method, witness, language, jurisdiction,
conditions. All but the manner are words for people: Kyodaku shows them wherever the grant is shown, and never
reads a meaning into them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from core.errors import BadValue
from storage.safe_text import display

MOST_LETTERS = 2_000
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")  # the shape of a BCP 47 tag


class Manner(StrEnum):
    """How somebody said so."""

    SIGNED_RELEASE = "signed-release"
    RECORDED_SPEECH = "recorded-speech"
    MESSAGE = "message"
    IN_PERSON = "in-person"  # before a witness


@dataclass(frozen=True, slots=True)
class Terms:
    """How a grant was given, and what it is bound to; None for what nobody told."""

    manner: Manner | None = None
    witness: str | None = None  # who was there
    language: str | None = None  # in which it was asked and given, BCP 47
    territory: str | None = None  # where it holds
    conditions: str | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))

    def details(self) -> dict[str, str]:
        """What is told, as an event's details hold it."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: str(value) for name, value in told.items() if value is not None}

    def lines(self) -> list[str]:
        """For a person to read, safe to show."""
        said = {
            "given by": self.manner,
            "witness": self.witness,
            "language": self.language,
            "territory": self.territory,
            "on condition": self.conditions,
        }
        return [f"{label}: {display(value)}" for label, value in said.items() if value is not None]


def of(details: Mapping[str, Any]) -> Terms:
    """The terms that an event's details hold; what is no text there is left out."""
    told = {field.name: details.get(field.name) for field in fields(Terms)}
    told = {name: value if isinstance(value, str) else None for name, value in told.items()}
    manner = told["manner"] if told["manner"] in set(Manner) else None
    return Terms(**told | {"manner": None if manner is None else Manner(manner)})


def checked(
    *,
    manner: str | None = None,
    witness: str | None = None,
    language: str | None = None,
    territory: str | None = None,
    conditions: str | None = None,
) -> Terms:
    """Terms as somebody typed them, each field made sure of; an empty one is not told. Raises BadValue, naming it."""
    if manner and manner not in set(Manner):
        raise BadValue(f"manner: {display(manner)!r} is no way of saying so", f"one of: {', '.join(Manner)}")
    terms = Terms(
        manner=Manner(manner) if manner else None,
        witness=_words("witness", witness),
        language=_words("language", language),
        territory=_words("territory", territory),
        conditions=_words("conditions", conditions),
    )
    if terms.manner is Manner.IN_PERSON and terms.witness is None:
        raise BadValue("witness: what was said in person needs somebody who was there", "name the witness")
    if terms.language is not None and not _LANGUAGE.fullmatch(terms.language):
        raise BadValue(f"language: {display(terms.language)!r} is no language tag", "write it as en, ja, lo or th")
    return terms


def _words(field: str, text: str | None) -> str | None:
    plain = (text or "").strip()
    if len(plain) > MOST_LETTERS:
        raise BadValue(f"{field}: {len(plain):,} letters are more than the {MOST_LETTERS:,} it may have", "shorten it")
    return plain or None
