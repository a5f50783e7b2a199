"""What a run tells of itself while it trains: JSON lines in its job's folder, and TensorBoard where that is asked."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TextIO

import torch

from core.curves import BOARD, METRICS
from core.errors import MissingDependency
from core.training.fit import Told

SMOOTHING = 0.98  # share of the smoothed loss that stays at each step


class _Writer(Protocol):
    def add_scalar(self, tag: str, value: float, step: int) -> None: ...
    def close(self) -> None: ...


class Clock:
    """Seconds since the last step, for one run in its own process."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap."""
        last, self._last = self._last, time.perf_counter()
        return self._last - last


def figures_of(told: Told, names: Mapping[int, str], seconds: float) -> dict[str, Any]:
    """A step as numbers: `loss`, `rate`, `gradient` (norm before clipping), `seconds`, `memory` (peak, MB).

    `micro` is how many pictures went through at once, and `subjects` the loss of each person's pictures, by the
    beginning of their pseudonym.
    """
    return {
        "loss": told.loss,
        "rate": told.rate,
        "gradient": told.gradient,
        "seconds": round(seconds, 6),
        "memory": _memory(),
        "micro": told.micro,
        "subjects": {names[group]: error / count for group, (error, count) in sorted(told.groups.items())},
    }


class Watch:
    """Writes each step as it ends, a line of `core.curves` each; what a resume takes anew is written again."""

    def __init__(self, folder: Path | None, *, board: bool = False) -> None:
        """`folder` is the job's; None: nothing is written. Raises MissingDependency without TensorBoard."""
        self._folder = folder
        self._smooth: dict[str, float] = {}
        self._steps: dict[str, int] = {}
        self._lines: TextIO | None = None
        self._board = _board(folder / BOARD) if board and folder is not None else None
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def saw(self, task: str, step: int, figures: Mapping[str, Any]) -> float:
        """A step of a task ended; gives the smoothed loss."""
        loss = float(figures["loss"])
        smooth = self._smooth.get(task, loss)
        count = self._steps[task] = self._steps.get(task, 0) + 1
        keep = min(SMOOTHING, 1 - 1 / count)  # a plain mean until there is enough to smooth
        self._smooth[task] = smooth = keep * smooth + (1 - keep) * loss
        self._write(task, step, {**figures, "smooth": smooth})
        return smooth

    def close(self) -> None:
        """Let go of the files."""
        if self._lines is not None:
            self._lines.close()
        if self._board is not None:
            self._board.close()

    def _write(self, task: str, step: int, figures: Mapping[str, Any]) -> None:
        if self._folder is None:
            return
        if self._lines is None:
            self._lines = (self._folder / METRICS).open("a", encoding="utf-8", buffering=1)
        self._lines.write(json.dumps({"task": task, "step": step, **figures}) + "\n")
        if self._board is not None:
            for name, value in _scalars(figures):
                self._board.add_scalar(f"{task}/{name}", value, step)


def _scalars(figures: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}/{key}", float(each)) for key, each in value.items())
        else:
            yield name, float(value)


def _board(folder: Path) -> _Writer:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingDependency(
            "board = true needs tensorboard, which is not installed", "pip install 'kyodaku[board]'"
        ) from error
    writer: _Writer = SummaryWriter(str(folder))
    return writer


def _memory() -> float:
    """The most memory that was in use, MB: the GPU's where there is one, else the process's."""
    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 1e6, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1)
