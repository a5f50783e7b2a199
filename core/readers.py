"""The processes that read photographs for a scan."""

from __future__ import annotations

from core.companions import Shot
from core.processes import Processes, Work
from core.pulse import Sight
from core.reading import Reading
from storage.records import Photo
from storage.safe_text import display


class Readers(Processes[Shot, Reading]):
    """A queue of photographs that `jobs` processes read; readings come back in their order."""

    def __init__(self, jobs: int) -> None:
        super().__init__(jobs, READING)


def _unread(shot: Shot, sight: Sight, why: str) -> Reading:
    size, mtime_ns, ctime_ns, inode = sight.stat or (0, 0, 0, 0)
    return Reading(
        Photo(
            0, shot.path, display(shot.path), size, mtime_ns, ctime_ns, inode, content_hash=sight.digest, error=why,
            companions=(), tags=(),
        )
    )  # fmt: skip


READING: Work[Shot, Reading] = Work(
    target="core.reading:read_in_process",
    path=lambda shot: shot.path,
    weight=lambda shot: len(shot.path) + sum(len(companion.name) + 250 for companion in shot.beside),
    made=lambda several, _: [Reading(Photo(*photo), warning) for photo, warning in several],
    blamed=_unread,
    again="run kyodaku index again when it does; what was read is kept",
)
