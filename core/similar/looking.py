"""Work out perceptual hashes in processes of their own, so that a picture that crashes a decoder costs itself alone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from core import image
from core.errors import BadImage, JobFailed
from core.similar.hashing import LONGEST, perceptual_hash
from storage.records import Photo

CRASHES = "decoding it crashes the decoder"
_AHEAD = 2  # chunks waiting for each process


@dataclass(frozen=True, slots=True)
class Look:
    """One photograph looked at. `error` says why its pixels can't be had; `stale`: its file is not the one indexed."""

    photo: int
    content_hash: str
    hash: bytes | None = None
    error: str | None = None
    stale: bool = False


def look(photo: Photo) -> Look:
    """Decode a photograph at reduced scale and hash it."""
    content = photo.content_hash or ""
    try:
        stat = os.stat(photo.path)  # noqa: PTH116 - the path is bytes
    except OSError:
        return Look(photo.id, content, stale=True)
    if (stat.st_size, stat.st_mtime_ns) != (photo.size, photo.mtime_ns):
        return Look(photo.id, content, stale=True)
    try:
        return Look(photo.id, content, perceptual_hash(image.load(photo.path, photo.orientation, longest=LONGEST)))
    except BadImage as error:
        return Look(photo.id, content, error=error.message)


def looks(chunks: Iterable[list[Photo]], jobs: int) -> Iterator[list[Look]]:
    """Each chunk looked at, in order, by `jobs` processes. Raises JobFailed where processes can't be had."""
    pool, waiting = _pool(jobs), deque[tuple[list[Photo], Future[list[Look]]]]()
    source = iter(chunks)
    try:
        while True:
            while len(waiting) < _AHEAD * jobs and (chunk := next(source, None)) is not None:
                waiting.append((chunk, pool.submit(_look_at, chunk)))
            if not waiting:
                return
            chunk, future = waiting.popleft()
            try:
                found = future.result()
            except BrokenProcessPool:
                pool.shutdown(wait=True, cancel_futures=True)
                found = [_apart(photo) for photo in chunk]
                pool = _pool(jobs)
                waiting = deque((lost, pool.submit(_look_at, lost)) for lost, _ in waiting)
            yield found
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _look_at(photos: list[Photo]) -> list[Look]:
    return [look(photo) for photo in photos]


def _pool(jobs: int) -> ProcessPoolExecutor:
    # spawn: a forked child would share the catalog's connection and other threads' locks
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_get_ready)


def _apart(photo: Photo) -> Look:
    """A photograph in a process of its own: it, or another of its chunk, killed the last one."""
    with _pool(1) as alone:
        try:
            alone.submit(_look_at, []).result()
        except BrokenProcessPool as error:
            raise JobFailed(
                "the processes that decode photographs die at once",
                "look for a limit on memory or processes (ulimit -a)",
            ) from error
        try:
            return alone.submit(look, photo).result()
        except BrokenProcessPool:
            return Look(photo.id, photo.content_hash or "", error=CRASHES)


def _get_ready() -> None:
    """Leave Ctrl-C to the parent, and end with it even when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
