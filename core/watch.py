"""Work that takes steps looks before each one whether a withdrawal has reached what it works on.

The look is one read of one row, which counts what may take something out of use; only when it moved are the rules
asked. So a job stops within a step of the withdrawal, and nothing is asked of the ledger ten times a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from core.progress import Report, Step
from storage.catalog import Catalog


@dataclass(slots=True)
class Watch:
    """Called before each step; calls `look`, which raises where the work may not go on, when something was taken out.

    Begins to count when it is made: make it before the first look at the rules.
    """

    catalog: Catalog
    look: Callable[[], object]
    _seen: int = field(init=False)

    def __post_init__(self) -> None:
        self._seen = self._count()

    def __call__(self) -> None:
        count = self._count()
        if count != self._seen:
            self._seen = count
            self.look()

    def reporting(self, report: Report) -> Report:
        """A `Report` that looks first: for work that tells each of its steps."""

        def watched(step: Step, /) -> None:
            self()
            report(step)
            self()  # a report may take long, or be where somebody waits

        return watched

    def _count(self) -> int:
        return int(self.catalog.connection.execute("SELECT count FROM takings").fetchone()[0])
