"""The embeddings of a space as one memory-mapped matrix, and all else that is cached of faces.

Everything here is biometric data and may be deleted at any time: it is made again from the table of faces. It lies
in the catalog's `cache/` as `faces-SPACE…` (0600), and nowhere else, so that erasing a person can erase it:

    faces-SPACE.json           what the matrix holds: rows, dimensions, and how it is told from a stale one
    faces-SPACE-TOKEN.vectors  float32, little-endian, row after row
    faces-SPACE-TOKEN.ids      int64, little-endian
    faces-SPACE-TOKEN.codes    an index of the first rows, which the search for the nearest keeps
    faces-SPACE.lock           held by the process that brings them up to date

New faces are written behind the others. When a face was lost or embedded anew, all is made anew under a new token.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import sqlite3
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storage.catalog import Catalog
from storage.whole_files import sweep_parts, whole_file

_EMBEDDINGS = "faces CROSS JOIN face_embeddings ON face_id = id"


@dataclass(frozen=True, slots=True)
class Matrix:
    """Faces of one space by id: `ids` int64 [n], `vectors` float32 [n, d], both read-only.

    `codes` is where an index of these rows may be kept: it is removed when rows change, and stays when rows are added.
    """

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    codes: Path

    def row(self, face_id: int) -> int | None:
        """The row of a face."""
        at = int(np.searchsorted(self.ids, face_id))
        return at if at < len(self.ids) and self.ids[at] == face_id else None


@dataclass(frozen=True, slots=True)
class _Held:
    """What the files hold. `stamp` is the table's, `last` the id and the stamp of the last row's face."""

    space: str
    token: str
    rows: int
    dim: int
    stamp: int
    last: tuple[int, int]


def matrix(catalog: Catalog, space: str) -> Matrix:
    """Ids and embeddings of every face of a space, marked ones too, by id.

    Brought up to date first. An empty space gives shapes [0] and [0, 0].
    """
    stem = f"faces-{re.sub(r'[^A-Za-z0-9._-]', '_', space)}"
    with _locked(catalog.cache / f"{stem}.lock"), catalog.snapshot() as db:
        held = _read(catalog.cache, stem, space)
        if held is None or not _prefix(db, held):
            held = _build(db, catalog.cache, stem, space)
        else:
            held = _grow(db, catalog.cache, stem, held)
        if held is None:
            return Matrix(np.empty(0, np.int64), np.empty((0, 0), np.float32), catalog.cache / f"{stem}-none.codes")
        files = [catalog.cache / f"{stem}-{held.token}.{kind}" for kind in ("ids", "vectors", "codes")]
        ids = np.memmap(files[0], "<i8", "r", shape=(held.rows,))
        return Matrix(ids, np.memmap(files[1], "<f4", "r", shape=(held.rows, held.dim)), files[2])


def caches(catalog: Catalog) -> list[Path]:
    """Every file that holds something computed from faces, besides the database."""
    return sorted(catalog.cache.glob("faces-*"))


def forget(catalog: Catalog) -> list[Path]:
    """Remove all that is cached of faces, for when a person is erased; gives what was removed."""
    sweep_parts(catalog.cache)
    gone = caches(catalog)
    for path in gone:
        path.unlink(missing_ok=True)
    return gone


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(folder: Path, stem: str, space: str) -> _Held | None:
    """What the files hold; None when one is missing or too short, or they are another space's."""
    try:
        told = json.loads((folder / f"{stem}.json").read_bytes())
        held = _Held(**{**told, "last": tuple(told["last"])})
        sizes = [(folder / f"{stem}-{held.token}.{kind}").stat().st_size for kind in ("ids", "vectors")]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    enough = sizes[0] >= held.rows * 8 and sizes[1] >= held.rows * held.dim * 4
    return held if enough and held.space == space and held.rows else None


def _stamp(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT stamp FROM faces_stamp").fetchone()[0])


def _stamp_of(db: sqlite3.Connection, face_id: int) -> int | None:
    row = db.execute("SELECT stamp FROM face_stamps WHERE face_id = ?", (face_id,)).fetchone()
    return None if row is None else int(row[0])


def _prefix(db: sqlite3.Connection, held: _Held) -> bool:
    """Whether the files hold the first faces of the table, as they are now."""
    return held.stamp == _stamp(db) and held.last[1] == _stamp_of(db, held.last[0])


def _build(db: sqlite3.Connection, folder: Path, stem: str, space: str) -> _Held | None:
    """Write all faces under a new token and remove what was before; None when the space holds no face."""
    token = secrets.token_hex(8)
    row = db.execute(f"SELECT length(vector) FROM {_EMBEDDINGS} WHERE space = ? LIMIT 1", (space,)).fetchone()
    held = None
    if row is not None:
        empty = _Held(space, token, 0, row[0] // 4, _stamp(db), (-1, 0))
        for kind in ("ids", "vectors"):
            os.close(os.open(folder / f"{stem}-{token}.{kind}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        held = _grow(db, folder, stem, empty)
    else:
        (folder / f"{stem}.json").unlink(missing_ok=True)
    for kind in ("ids", "vectors", "codes"):
        for stale in folder.glob(f"{stem}-{'[0-9a-f]' * 16}.{kind}"):
            if stale.stem != f"{stem}-{token}":
                stale.unlink(missing_ok=True)
    return held


def _grow(db: sqlite3.Connection, folder: Path, stem: str, held: _Held) -> _Held:
    """Write the faces that have come since behind the others; what the files hold is told last, whole."""
    ids = array("q")
    path = folder / f"{stem}-{held.token}"
    query = f"SELECT id, vector FROM {_EMBEDDINGS} WHERE space = ? AND id > ? ORDER BY id"
    with Path(f"{path}.vectors").open("r+b") as vectors:
        vectors.seek(held.rows * held.dim * 4)  # what a crash left behind it is written over
        for face_id, vector in db.execute(query, (held.space, held.last[0])):
            ids.append(face_id)
            vectors.write(vector)
        if not ids:
            return held
        vectors.flush()
        os.fsync(vectors.fileno())
    with Path(f"{path}.ids").open("r+b") as file:
        file.seek(held.rows * 8)
        file.write(ids.tobytes())
        file.flush()
        os.fsync(file.fileno())
    grown = _Held(
        held.space, held.token, held.rows + len(ids), held.dim, held.stamp, (ids[-1], _stamp_of(db, ids[-1]) or 0)
    )
    with whole_file(folder / f"{stem}.json") as manifest:
        manifest.write(json.dumps(asdict(grown)).encode())
    return grown
