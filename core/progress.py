"""What long work reports: plain numbers, which the terminal renders as text, bar or JSON lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Step:
    """One report: `done` of `total` units (`total` None when unknown), of what, and a line of text."""

    what: str
    done: int
    total: int | None = None
    note: str = ""


class Report(Protocol):
    """Called with each `Step`; raise `KeyboardInterrupt` in it to stop the work at a safe place."""

    def __call__(self, step: Step, /) -> None: ...


def silent(step: Step, /) -> None:
    """A `Report` for callers that show nothing."""
