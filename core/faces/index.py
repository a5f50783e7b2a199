"""Find and embed the faces of an archive. Resumable: what is written is done, the rest is sought next time.

Three stages overlap: processes decode at reduced scale, this thread detects on batches of pictures of one
size, and other processes describe the faces. Each window of photographs is written in one transaction.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.counted import counted
from core.decoding import Decoders, ask
from core.errors import BadImage, JobFailed
from core.faces.describe import Description, cut, describe, get_ready
from core.faces.detect import Detector, pick_device, torch_threads
from core.faces.detection import Detection
from core.faces.embed import DlibEmbedder, Embedder
from core.faces.embed import embedder as make_embedder
from core.faces.quality import pose
from core.progress import Report, Step, silent
from storage import faces, photos
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.records import Box, Photo

LONGEST = 2000  # pixels of the reduced decode's longer side: half a 12-megapixel picture's, which JPEG decodes at once
SMALLEST = 20  # pixels of a face in it; 40 in such a picture
WINDOW = 1  # detector batches that are decoded, searched and written together: the sooner the workers have faces
_DECODERS = 2
_WAITING = 8  # windows whose faces are being described while the next is searched

_NEEDING = "p.state = 'present' AND p.error IS NULL AND p.faces_space IS NOT ?"


@dataclass(frozen=True, slots=True)
class FacesResult:
    """What a run did. `errors`: pictures that can't be decoded, recorded; `skipped`: files not as indexed."""

    photos: int
    faces: int
    seconds: float
    embedder: str
    errors: int
    skipped: int


@dataclass(frozen=True, slots=True)
class _Look:
    """One photograph decoded for the search. Without `picture`, `error` says why, and None: not as indexed."""

    photo: Photo
    picture: Image.Image | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Searched:
    """One photograph searched. `size` is the decode's, which `found` counts in; None: it was not decoded.

    `embeddings` is None where they come with the descriptions, which a worker is making.
    """

    photo: Photo
    size: tuple[int, int] | None
    error: str | None = None
    found: Sequence[Detection] = ()
    embeddings: NDArray[np.float32] | None = None
    descriptions: Future[list[Description]] | None = None


@dataclass(slots=True)
class _Tally:
    """What a run has done so far."""

    photos: int = 0
    faces: int = 0
    errors: int = 0
    skipped: int = 0


def index_faces(
    catalog: Catalog,
    *,
    embedder: str = "auto",
    device: str = "auto",
    ids: Iterable[int] | None = None,
    workers: int | None = None,
    report: Report = silent,
) -> FacesResult:
    """Seek the faces of the photographs, of `ids` or of all, that were not searched in this space yet.

    `auto` keeps to the embedder that the catalog's faces were made with. Boxes are stored in pixels of
    the full upright picture. A picture that can't be decoded gets its error on record and the run goes on;
    a file that is gone or changed since the scan is left for the next scan. Raises MissingDependency,
    BadValue, JobFailed.
    """
    started = time.monotonic()
    where = pick_device(device)
    known = next(iter(faces.spaces(catalog)), None)
    vectors = make_embedder(known if embedder == "auto" and known else embedder, where)
    tally = _Tally()
    wanted = _wanted(catalog, vectors.space, ids)
    if wanted:
        cores = _cores()
        searching = max(1, cores // 4)  # threads that search; the other cores describe, which costs more
        workers = workers or max(1, cores - searching)
        with (
            Decoders(_DECODERS, LONGEST) as decoders,
            ThreadPoolExecutor(1) as reader,  # it waits for the decoders while this thread searches
            _workers(workers, vectors) as pool,
            torch_threads(searching),
        ):
            try:
                detector = Detector(where, SMALLEST)
                looks = _ahead(reader, decoders, _windows(catalog, wanted, WINDOW * detector.batch))
                for searched in _searched(looks, detector, vectors, pool):
                    _write(catalog, vectors.space, searched, tally)
                    done = tally.photos + tally.errors + tally.skipped
                    report(Step("faces", done, len(wanted), counted(tally.faces, "face")))
            except BrokenProcessPool as error:
                raise JobFailed("a process that describes faces was killed", "run it again: it goes on") from error
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                reader.shutdown(wait=False, cancel_futures=True)
                raise
    seconds = round(time.monotonic() - started, 3)
    return FacesResult(tally.photos, tally.faces, seconds, vectors.space, tally.errors, tally.skipped)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _workers(number: int, vectors: Embedder) -> ProcessPoolExecutor:
    """Processes that describe faces: started anew, not forked, because this one runs torch's threads."""
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(number, spawn, initializer=get_ready, initargs=(_by_worker(vectors),))
    for _ in range(number):  # they load their models while the first pictures are searched
        pool.submit(describe, (), embed=False)
    return pool


def _by_worker(vectors: Embedder) -> bool:
    """Whether the workers embed: dlib, on their cores; FaceNet embeds here, where the accelerator is."""
    return isinstance(vectors, DlibEmbedder)


def _wanted(catalog: Catalog, space: str, ids: Iterable[int] | None) -> array[int]:
    """Ids of usable photographs, of `ids` or of all, that were not searched in this space yet."""
    if ids is None:
        return array("q", photos.ids(catalog, _NEEDING, (space,)))
    among = json.dumps(list(ids))
    return array("q", photos.ids(catalog, f"{_NEEDING} AND p.id IN (SELECT value FROM json_each(?))", (space, among)))


def _windows(catalog: Catalog, wanted: Sequence[int], size: int) -> Iterator[list[Photo]]:
    """The photographs to search, a window at a time, each read when it is asked for."""
    for start in range(0, len(wanted), size):
        yield photos.get_many(catalog, wanted[start : start + size])


def _look(decoders: Decoders, window: Sequence[Photo]) -> list[_Look]:
    """Decode photographs at reduced scale, those whose files are the ones that were indexed."""
    found = decoders.decode([ask(photo, LONGEST) for photo in window])
    return [_Look(photo, one.picture, one.error) for photo, one in zip(window, found, strict=True)]


def _ahead(reader: Executor, decoders: Decoders, windows: Iterator[list[Photo]]) -> Iterator[list[_Look]]:
    """Decoded windows, each while the one before it is searched."""
    coming: deque[Future[list[_Look]]] = deque()
    for window in windows:
        coming.append(reader.submit(_look, decoders, window))
        if len(coming) > 1:
            yield coming.popleft().result()
    for rest in coming:
        yield rest.result()


def _searched(
    windows: Iterator[list[_Look]], detector: Detector, vectors: Embedder, pool: Executor
) -> Iterator[list[_Searched]]:
    """Windows with their faces found and described, a few of them being described at any time."""
    waiting: deque[list[_Searched]] = deque()
    for looks in windows:
        waiting.append([_describe(look, found, vectors, pool) for look, found in _detect(detector, looks)])
        if len(waiting) > _WAITING:
            yield waiting.popleft()
    yield from waiting


def _detect(detector: Detector, looks: Sequence[_Look]) -> list[tuple[_Look, list[Detection]]]:
    """Each look with the faces found; a picture that defeats the detector becomes one with an error."""
    pictures = [look.picture for look in looks if look.picture is not None]
    try:
        found = iter(detector.detect(pictures))
        return [(look, [] if look.picture is None else next(found)) for look in looks]
    except BadImage as error:
        if len(looks) == 1:
            return [(replace(looks[0], picture=None, error=error.message), [])]
        return [one for look in looks for one in _detect(detector, [look])]


def _describe(look: _Look, found: Sequence[Detection], vectors: Embedder, pool: Executor) -> _Searched:
    """Hand the faces to a worker; the picture itself is let go."""
    if look.picture is None:
        return _Searched(look.photo, None, look.error)
    if not found:
        return _Searched(look.photo, look.picture.size)
    by_worker = _by_worker(vectors)
    return _Searched(
        photo=look.photo,
        size=look.picture.size,
        found=found,
        embeddings=None if by_worker else vectors.embed(look.picture, found),
        descriptions=pool.submit(describe, [cut(look.picture, face) for face in found], embed=by_worker),
    )


def _write(catalog: Catalog, space: str, searched: Sequence[_Searched], tally: _Tally) -> None:
    """Write a window, whole or not at all, and count it."""
    rows = {one.photo.id: _rows(one) for one in searched if one.size is not None}
    errors = {one.photo.id: one.error for one in searched if one.error is not None}
    with catalog.transaction():
        faces.replace_many(catalog, rows, space)
        photos.set_errors(catalog, errors)
    tally.photos += len(rows)
    tally.faces += sum(len(found) for found in rows.values())
    tally.errors += len(errors)
    tally.skipped += len(searched) - len(rows) - len(errors)


def _rows(searched: _Searched) -> list[NewFace]:
    """The faces as they are stored; waits for the worker."""
    if searched.descriptions is None:
        return []
    rows = []
    for index, (face, told) in enumerate(zip(searched.found, searched.descriptions.result(), strict=True)):
        embedding = told.embedding if searched.embeddings is None else searched.embeddings[index]
        rows.append(
            NewFace(
                box=_full(face, searched),
                probability=face.probability,
                embedding=embedding,
                sharpness=told.sharpness,
                age_estimate=told.age_estimate,
                pose=astuple(pose(face.landmarks)),
            )
        )
    return rows


def _full(face: Detection, searched: _Searched) -> Box:
    """The face's box in whole pixels of the full upright picture, cut at its edges."""
    photo, (across, down) = searched.photo, searched.size or (1, 1)
    width, height = photo.width or across, photo.height or down
    x0, y0, x1, y1 = face.box
    return (
        max(0, round(x0 * width / across)),
        max(0, round(y0 * height / down)),
        min(width, round(x1 * width / across)),
        min(height, round(y1 * height / down)),
    )
