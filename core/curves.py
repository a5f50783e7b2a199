"""What a training run writes as it goes, read for showing: `metrics.jsonl` in the job's folder, one object a line.

A line holds at least `task` (the LoRA's name), `step`, `loss` and `rate`; more of it is passed over. Read from where
the last reading ended, so that a run of a million steps costs no more to follow than one of ten.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"
BOARD = "board"  # TensorBoard's folder, in the job's
MOST_POINTS = 4096  # kept of one curve: from there on every second is dropped
MOST_READ = 4 << 20  # bytes at once


@dataclass(slots=True)
class Curve:
    """Loss and learning rate of one LoRA, by step ascending, thinned evenly; and seconds a step, newest."""

    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    seconds: float | None = None
    every: int = 1  # of the points that were told, this one in so many is kept
    _told: int = 0

    def add(self, step: int, loss: float, rate: float) -> None:
        """One more point; a step that comes again, after a resume, takes the place of what was from there on."""
        while self.steps and self.steps[-1] >= step:
            for values in (self.steps, self.losses, self.rates):
                values.pop()
        self._told += 1
        if self._told % self.every:
            return
        self.steps.append(step)
        self.losses.append(loss)
        self.rates.append(rate)
        if len(self.steps) >= MOST_POINTS:
            for numbers in (self.losses, self.rates):
                numbers[:] = numbers[1::2]
            self.steps[:] = self.steps[1::2]
            self.every *= 2


@dataclass(slots=True)
class Curves:
    """The curves of one job, by LoRA in the order they began; `follow` reads what came since."""

    path: Path
    by_task: dict[str, Curve] = field(default_factory=dict)
    _read: int = 0

    def follow(self) -> bool:
        """Read the lines that were written since; whether there were any. What is no such line is passed over."""
        try:
            size = self.path.stat().st_size
        except OSError:
            return False
        if size < self._read:  # written anew
            self.by_task.clear()
            self._read = 0
        with self.path.open("rb") as file:
            file.seek(self._read)
            read = file.read(MOST_READ)
        whole = read[: read.rfind(b"\n") + 1]  # the last line may be half written
        self._read += len(whole)
        for line in whole.splitlines():
            self._take(line)
        return bool(whole)

    def _take(self, line: bytes) -> None:
        try:
            told: Any = json.loads(line)
            step, loss, rate = int(told["step"]), float(told["loss"]), float(told.get("rate", 0.0))
            task = str(told["task"])
            seconds = told.get("seconds")
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return
        if math.isfinite(loss) and math.isfinite(rate):
            curve = self.by_task.setdefault(task, Curve())
            curve.add(step, loss, rate)
            curve.seconds = float(seconds) if isinstance(seconds, int | float) else curve.seconds
