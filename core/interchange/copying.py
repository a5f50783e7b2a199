"""Copies of photographs made in a process of their own, bounded as decoding them is."""

from __future__ import annotations

from dataclasses import dataclass

from core import decoding, image
from core.decoding import Ask
from core.errors import BadImage
from core.interchange import copies
from core.interchange.copies import Copy
from core.processes import Processes, Work
from core.pulse import Pulse
from storage.records import Photo

MOST_BYTES = 1 << 30  # of a file that is copied, and of its copy

_PARTS = 3  # times its bytes that copying a file may take besides what decoding it may


@dataclass(frozen=True, slots=True)
class _Task:
    """What a process is told of a photograph, and what its copy says."""

    ask: Ask
    format: str
    xmp: bytes
    gps: bool


class Copiers(Processes[_Task, Copy | str]):
    """A process that copies photographs."""

    def __init__(self) -> None:
        super().__init__(1, _COPYING)

    def copy(self, photo: Photo, xmp: bytes, *, gps: bool) -> Copy:
        """`copies.of` a photograph's file, which must be the one indexed.

        Raises BadImage, JobFailed, UnreadablePath.
        """
        if photo.size > MOST_BYTES or photo.format is None:
            raise BadImage("it is no file that can be copied")
        self.submit([_Task(decoding.ask(photo, content_hash=photo.content_hash), photo.format, xmp, gps)])
        (made,) = self.collect()
        if isinstance(made, str):
            raise BadImage(made)
        return made


def copy_in_process(task: _Task, pulse: Pulse, room: memoryview) -> tuple[int, str, bool] | str:
    """The copy's bytes go into `room`; how many they are, and the rest of a `Copy`, or why there is none, is told."""
    try:
        with decoding.opened(task.ask, pulse) as source:
            if source is None:
                return "it is gone, or changed since it was indexed: run kyodaku index"
            data = source.read()
        copy = copies.of(data, task.format, task.ask.orientation, task.xmp, gps=task.gps)
    except BadImage as error:
        return error.message
    except MemoryError:
        return image.GREEDY
    if len(copy.data) > len(room):
        return "its copy would be larger than 1 GB"
    room[: len(copy.data)] = copy.data
    return len(copy.data), copy.suffix, copy.encoded


def _made(told: tuple[int, str, bool] | str, room: memoryview) -> list[Copy | str]:
    if isinstance(told, str):
        return [told]
    size, suffix, encoded = told
    return [Copy(bytes(room[:size]), suffix, encoded)]


_COPYING: Work[_Task, Copy | str] = Work(
    target="core.interchange.copying:copy_in_process",
    path=lambda task: task.ask.path,
    weight=lambda task: len(task.ask.path) + len(task.xmp) + 400,
    made=_made,
    blamed=lambda _task, _sight, why: why,
    again=decoding.AGAIN,
    stuck=decoding.STUCK,
    room=MOST_BYTES,
    ahead=1,
    memory=lambda task: decoding.memory(task.ask) + _PARTS * task.ask.size,
    patience=lambda task: decoding.patience(task.ask),
)
