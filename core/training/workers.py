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
    """What a process tells: a step done on a task, as numbers; at the end where the LoRA and its preview are staged.

    `aside`: of one that helped another, which tells the rest.
    """

    task: str
    step: int
    figures: Mapping[str, Any]
    done: bool = False
    base_hash: str = ""
    weights: Path | None = None
    preview: Path | None = None
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """A device for each process, and its threads, which depend on base and devices alone, never on the tasks."""

    devices: tuple[str, ...]
    threads: int


def share_out(base: Path, devices: Sequence[str], tasks: int, processes: int | None = None) -> Split:
    """A process a device; on a CPU with a small base one a core, or `processes`, each with one thread.

    The number of threads decides the last bits of a sum, so it is the same for one task as for many.
    """
    cores = len(os.sched_getaffinity(0))
    small = sum(file.stat().st_size for file in weight_files(base, "unet")) <= SMALL_UNET
    on_cpu = set(devices) == {"cpu"}
    if small and on_cpu and len(devices) == 1:
        devices = ("cpu",) * (processes or cores)
    return Split(tuple(devices[: max(1, tasks)]), 1 if small and on_cpu else max(1, cores // len(devices)))


def share_steps(base: Path, devices: Sequence[str], passes: int, processes: int | None = None) -> Split:
    """A process a device, for one LoRA: as many of them as share out the `passes` of a step evenly."""
    most = processes or len(devices)
    split = share_out(base, devices, most, most)
    count = max(n for n in range(1, len(split.devices) + 1) if passes % n == 0)
    return Split(split.devices[:count], split.threads)


class Workers(Generic[TaskT]):
    """Runs `serve(settings, tasks)` in this process, or in one for each of several settings; `close` ends them.

    Each takes the next task when it is free; `together`, all work on the same. A process that loses its parent ends at
    its next message, since nobody holds the pipe's other end.
    """

    def __init__(
        self,
        serve: Callable[[Any, Iterator[TaskT]], Iterator[Message]],
        settings: Sequence[Any],
        tasks: Sequence[TaskT],
        *,
        together: bool = False,
    ) -> None:
        self._serve, self._settings = serve, settings
        self._waiting = deque(tasks)
        self._left: dict[Connection, deque[TaskT]] = {}
        self._processes: dict[Connection, Any] = {}
        if len(settings) > 1:
            context = multiprocessing.get_context("spawn")
            for own in settings:
                ours, theirs = context.Pipe()
                process = context.Process(target=_work, args=(serve, own, theirs), daemon=True)
                process.start()
                theirs.close()
                self._processes[ours] = process
                self._left[ours] = deque(tasks) if together else self._waiting

    def messages(self) -> Generator[Message]:
        """All messages as they come, until every task is done. Raises what a task raised."""
        if not self._processes:
            yield from self._serve(self._settings[0], iter(self._waiting))
            return
        for pipe in list(self._processes):
            self._feed(pipe)
        while self._processes:
            heard = {cast(Connection, pipe): _heard(cast(Connection, pipe)) for pipe in wait(list(self._processes))}
            # Of those that work together one's reason may end the others wordless: the reason comes first.
            wrong = [told for told in heard.values() if isinstance(told, BaseException)]
            for error in sorted(wrong, key=lambda error: isinstance(error, JobFailed)):
                raise error
            for pipe, told in heard.items():
                if not told.aside:
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
        if self._left[pipe]:
            pipe.send(self._left[pipe].popleft())
            return
        pipe.send(None)
        self._processes.pop(pipe).join()
        pipe.close()


def _heard(pipe: Connection) -> Any:
    """What a process tells: a message, or why it can't go on."""
    try:
        return pipe.recv()
    except EOFError:
        return JobFailed("a training process ended without a word", "see the job's log")


def _work(serve: Callable[[Any, Iterator[Any]], Iterator[Message]], settings: Any, pipe: Connection) -> None:
    try:
        for message in serve(settings, iter(pipe.recv, None)):
            pipe.send(message)
    except BrokenPipeError:
        return  # the parent is gone
    except KyodakuError as error:
        pipe.send(error)
