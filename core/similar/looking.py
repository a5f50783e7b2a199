"""Work out perceptual hashes in processes of their own, so that a picture that crashes a decoder costs itself alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from core import image
from core.decoding import AGAIN, STUCK, Ask, ask, load
from core.errors import BadImage
from core.processes import Processes, Work
from core.pulse import Pulse
from core.similar.hashing import LONGEST, perceptual_hash
from storage.records import Photo

_RECORD = 400  # bytes of a task in a message, its path left out


@dataclass(frozen=True, slots=True)
class Look:
    """One photograph looked at. `error` says why its pixels can't be had; `stale`: its file is not the one indexed."""

    photo: int
    content_hash: str
    hash: bytes | None = None
    error: str | None = None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class _Task:
    """What a process is told of a photograph."""

    photo: int
    content_hash: str
    ask: Ask


def looks(chunks: Iterable[list[Photo]], jobs: int) -> Iterator[list[Look]]:
    """Each chunk looked at, in order, by `jobs` processes. Raises JobFailed, UnreadablePath."""
    source = iter(chunks)
    with Processes(jobs, _LOOKING) as queue:
        while True:
            while not queue.busy and (chunk := next(source, None)) is not None:
                queue.submit([_Task(photo.id, photo.content_hash or "", ask(photo, LONGEST)) for photo in chunk])
            if not len(queue):
                return
            yield queue.collect()


def look_in_process(task: _Task, pulse: Pulse, _: memoryview) -> Look:
    """Decode a photograph at reduced scale and hash it."""
    try:
        picture = load(task.ask, pulse)
        if picture is None:
            return Look(task.photo, task.content_hash, stale=True)
        return Look(task.photo, task.content_hash, perceptual_hash(picture))
    except BadImage as error:
        return Look(task.photo, task.content_hash, error=error.message)
    except MemoryError:
        return Look(task.photo, task.content_hash, error=image.GREEDY)


_LOOKING: Work[_Task, Look] = Work(
    target="core.similar.looking:look_in_process",
    path=lambda task: task.ask.path,
    weight=lambda task: len(task.ask.path) + _RECORD,
    made=lambda found, _: [found],
    blamed=lambda task, _, why: Look(task.photo, task.content_hash, error=why),
    again=AGAIN,
    stuck=STUCK,
)
