"""Processes that share out a run's LoRAs: each loads the base once and takes the next task when it is free."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from core.base_model import weight_files
from core.errors import JobFailed, KyodakuError

SMALL_UNET = 300_000_000  # bytes on disk; a larger base is not loaded several times over

TaskT = TypeVar("TaskT")


@dataclass(frozen=True, slots=True)
class Message:
    """What a process tells: a step done on a task, as numbers; at the end where the LoRA and its preview are staged."""

    task: str
    step: int
    figures: Mapping[str, Any]
    done: bool = False
    base_hash: str = ""
    weights: Path | None = None
    preview: Path | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """How the machine is used. `threads` depends on the base and the machine alone, never on the tasks."""

    processes: int
    threads: int


def share_out(base: Path, device: str, tasks: int, processes: int | None = None) -> Split:
    """One process a core, each with one thread, for a small base on the CPU; else one process with all cores.

    The number of threads decides the last bits of a sum, so it is the same for one task as for many.
    """
    cores = len(os.sched_getaffinity(0))
    small = sum(file.stat().st_size for file in weight_files(base, "unet")) <= SMALL_UNET
    if device != "cpu" or not small:
        return Split(1, cores)
    return Split(max(1, min(processes or cores, tasks)), 1)


class Workers(Generic[TaskT]):
    """Runs `serve(settings, tasks)` in this process or in several; `close` ends them.

    A process that loses its parent ends at its next message, since nobody holds the pipe's other end.
    """

    def __init__(
        self,
        serve: Callable[[Any, Iterator[TaskT]], Iterator[Message]],
        settings: Any,
        tasks: Sequence[TaskT],
        processes: int,
    ) -> None:
        self._serve, self._settings, self._waiting = serve, settings, deque(tasks)
        self._processes: dict[Connection, Any] = {}
        if processes > 1:
            context = multiprocessing.get_context("spawn")
            for _ in range(processes):
                ours, theirs = context.Pipe()
                process = context.Process(target=_work, args=(serve, settings, theirs), daemon=True)
                process.start()
                theirs.close()
                self._processes[ours] = process

    def messages(self) -> Generator[Message]:
        """All messages as they come, until every task is done. Raises what a task raised."""
        if not self._processes:
            yield from self._serve(self._settings, iter(self._waiting))
            return
        for pipe in list(self._processes):
            self._feed(pipe)
        while self._processes:
            for ready in wait(list(self._processes)):
                pipe = cast(Connection, ready)
                try:
                    told = pipe.recv()
                except EOFError as error:
                    raise JobFailed("a training process ended without a word", "see the job's log") from error
                if isinstance(told, BaseException):
                    raise told
                yield told
                if told.done:
                    self._feed(pipe)

    def close(self) -> None:
        """End the processes."""
        for pipe, process in self._processes.items():
            process.terminate()
            process.join()
            pipe.close()
        self._processes.clear()

    def _feed(self, pipe: Connection) -> None:
        """The next task, or the word that there is none, upon which the process ends."""
        if self._waiting:
            pipe.send(self._waiting.popleft())
            return
        pipe.send(None)
        self._processes.pop(pipe).join()
        pipe.close()


def _work(serve: Callable[[Any, Iterator[Any]], Iterator[Message]], settings: Any, pipe: Connection) -> None:
    try:
        for message in serve(settings, iter(pipe.recv, None)):
            pipe.send(message)
    except BrokenPipeError:
        return  # the parent is gone
    except KyodakuError as error:
        pipe.send(error)
