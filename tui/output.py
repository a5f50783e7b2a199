"""How commands speak: one JSON document on stdout with `--json`, else plain text; progress on stderr."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from core.progress import Step
from storage.safe_text import display

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]

SECONDS_BETWEEN_LINES = 5.0
SECONDS_BETWEEN_FRAMES = 0.1


def plain(value: Any) -> Any:
    """`value` as JSON types: records become objects, times ISO 8601, enums their value, bytes safe text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return display(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no JSON form")


def emit(value: Any, text: str | Iterable[str], *, as_json: bool) -> None:
    """Print `value` as JSON, or `text` (a string, or lines as they come) for people."""
    if as_json:
        print(json.dumps(plain(value), ensure_ascii=False, indent=2, allow_nan=False))
        return
    for line in [text] if isinstance(text, str) else text:
        print(line)


def table(rows: Sequence[Sequence[Any]], headings: Sequence[str]) -> list[str]:
    """Rows in aligned columns under headings; text from files is shown escaped."""
    cells = [list(headings), *([display("" if cell is None else str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def complain(message: str, hint: str = "") -> None:
    """One line on stderr: what is wrong and what to do."""
    print(f"kyodaku: {display(message)}" + (f" — {display(hint)}" if hint else ""), file=sys.stderr)


BAR = 20  # cells


def _bar(share: float) -> str:
    """How far it is, drawn."""
    done = int(BAR * min(1.0, share))
    return "█" * done + "░" * (BAR - done)


def _clock(seconds: float) -> str:
    """A time to wait: `40 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


class Progress:
    """A `Report` that draws one line on a terminal, or prints a line every few seconds elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._started = time.monotonic()
        self._last = 0.0
        self._what = ""

    def __call__(self, step: Step, /) -> None:
        now = time.monotonic()
        if step.what != self._what:
            self._what, self._started = step.what, now
        gap = SECONDS_BETWEEN_FRAMES if self._terminal else SECONDS_BETWEEN_LINES
        finished = step.total is not None and step.done >= step.total
        if now - self._last < gap and not (finished and self._terminal):
            return
        self._last = now
        print(self._line(step, now), end="\r" if self._terminal else "\n", file=sys.stderr, flush=True)

    def _line(self, step: Step, now: float) -> str:
        line = f"{step.what}: {step.done:,}"
        if step.total:
            line += f" of {step.total:,}"
        spent = now - self._started
        if step.done and spent > 0:
            line += f", {step.done / spent:,.{0 if step.done >= 10 * spent else 1}f} a second"
            if step.total and step.done < step.total:
                line += f", {_clock(spent * (step.total - step.done) / step.done)} left"
        if step.total and self._terminal:
            line = f"{_bar(step.done / step.total)} {line}"
        if step.note:
            line += f" ({display(step.note)})"
        return f"{line[:110]:<110}" if self._terminal else line

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal and self._what:
            print(" " * 110, end="\r", file=sys.stderr, flush=True)
