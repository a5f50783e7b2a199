"""The questions of the Consent room: what they ask, and what is wrong with the answers."""

from __future__ import annotations

from datetime import UTC, date, datetime

from storage.records import Purpose
from tui.screens.dialogs import Answers, Field


def purpose_fields(value: str = "") -> list[Field]:
    """A tick for each purpose; none is ticked unless told: consent is never defaulted."""
    return [Field(purpose, purpose, tick=True, value=value) for purpose in Purpose]


def ticked(answers: Answers) -> list[Purpose]:
    """The purposes that were ticked."""
    return [purpose for purpose in Purpose if answers[purpose]]


def check_event(answers: Answers, until: bool = False) -> str | None:
    """What is wrong with a form that records an event, or None."""
    if not ticked(answers):
        return "tick at least one purpose"
    if not answers["by"]:
        return "say who records it"
    return check_date(answers["until"]) if until else None


def check_date(text: str) -> str | None:
    """What is wrong with a date that may be empty, or None."""
    try:
        if text:
            date.fromisoformat(text)
    except ValueError:
        return f"{text} is no date: write it as 2027-12-31"
    return None


def instant(text: str) -> datetime:
    """The moment that a date, or a date and time, stands for; without an offset it is local."""
    return datetime.fromisoformat(text).astimezone(UTC)
