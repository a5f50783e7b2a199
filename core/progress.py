"""What long work reports: plain numbers, which the terminal renders as text, bar or JSON lines."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

_WINDOW = 15.0  # seconds that a pace is taken over
_APART = 0.1


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


@dataclass(slots=True)
class Pace:
    """How fast work goes now, over the last quarter of a minute: what was quick at first says nothing of the rest."""

    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    def see(self, now: float, done: int) -> None:
        """At `now`, in seconds, `done` units were done."""
        if self._seen and (now < self._seen[-1][0] or done < self._seen[-1][1]):
            self._seen.clear()  # another piece of work
        if len(self._seen) > 1 and now - self._seen[-2][0] < _APART:
            self._seen.pop()  # the one before it says as much, and some report a thousand times a second
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - _WINDOW:
            self._seen.popleft()

    @property
    def rate(self) -> float | None:
        """Units a second; None before there is anything to tell it from."""
        if not self._seen:
            return None
        (start, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / (end - start) if end > start and last > first else None

    def left(self, total: int) -> float | None:
        """Seconds until `total` at this pace."""
        rate = self.rate
        return None if rate is None else max(0, total - self._seen[-1][1]) / rate
