"""Work that must not be left half done: put down in the transaction that calls for it, and read at the next start."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from storage.catalog import Catalog


def put_down(catalog: Catalog, what: str, told: str = "") -> None:
    """Say, in the caller's transaction, that this kind of work is to be carried out after it."""
    with catalog.transaction() as db:
        db.execute("INSERT INTO unfinished(what, told) VALUES (?, ?)", (what, told))


def told(catalog: Catalog, what: str) -> list[str]:
    """What was put down with each piece of this kind of work that is not done, oldest first."""
    rows = catalog.connection.execute("SELECT told FROM unfinished WHERE what = ? ORDER BY id", (what,))
    return [row[0] for row in rows]


def any_left(catalog: Catalog) -> bool:
    """Whether any work is left over."""
    return catalog.connection.execute("SELECT 1 FROM unfinished LIMIT 1").fetchone() is not None


def newest(catalog: Catalog, what: str) -> int:
    """The number of the newest piece of this kind of work, 0 where there is none."""
    row = catalog.connection.execute("SELECT coalesce(max(id), 0) FROM unfinished WHERE what = ?", (what,)).fetchone()
    return int(row[0])


def done(catalog: Catalog, what: str, up_to: int) -> None:
    """This kind of work is done, up to the piece of that number."""
    with catalog.transaction() as db:
        db.execute("DELETE FROM unfinished WHERE what = ? AND id <= ?", (what, up_to))


@contextmanager
def at_work(catalog: Catalog) -> Iterator[None]:
    """Hold off those who would finish what looks left over, while this process is at it; several may be."""
    with _held(catalog, fcntl.LOCK_SH):
        yield


@contextmanager
def nobody_at_work(catalog: Catalog) -> Iterator[bool]:
    """Whether no process is at such work: then none begins before this ends."""
    try:
        with _held(catalog, fcntl.LOCK_EX | fcntl.LOCK_NB):
            yield True
    except BlockingIOError:
        yield False


@contextmanager
def _held(catalog: Catalog, how: int) -> Iterator[None]:
    handle = os.open(catalog.folder / "settling.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)
