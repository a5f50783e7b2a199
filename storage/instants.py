"""Instants as text: ISO 8601 in UTC with microseconds, so that the order of the text is that of time."""

from __future__ import annotations

from datetime import UTC, datetime

from storage.errors import BadValue


def to_text(instant: datetime) -> str:
    """`2026-11-23T12:59:32.000000+00:00`. Raises BadValue for a time without an offset."""
    if instant.tzinfo is None or instant.utcoffset() is None:
        raise BadValue(f"{instant.isoformat()} has no offset from UTC", "give it one, such as +00:00")
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def from_text(text: str) -> datetime:
    """The aware instant, in UTC, that `to_text` wrote."""
    return datetime.fromisoformat(text).astimezone(UTC)
