"""`ledger.jsonl`, the ledger's twin: the same events as the table, one line each, in a file anyone can read.

A line is the event's canonical JSON, which the hash covers, with `,"hash":"…"` put before its last
brace. The table is the truth once a transaction is committed; only then are its lines appended, under
a file lock, and fsynced. So after a crash the twin may be behind by the last batches or by part of a
line, and is never ahead. `ledger_twin` holds the number and the length of what is known to be in the
file: what the table has beyond that may still be missing and is added by `catch_up`, at opening and
after every commit. Anything else (a shorter file, other bytes) is damage: it is left as it is, for
`ledger.verify` to find, and nothing more is appended to it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from storage.errors import LedgerBehind


def line_of(body: str, digest: str) -> bytes:
    """The event's line: `body` is its canonical JSON, `digest` the hash of that in hex."""
    return f'{body[:-1]},"hash":"{digest}"}}\n'.encode()


@dataclass(frozen=True, slots=True)
class Behind:
    """What the file lacks: `data`, after which it holds the events up to `seq` in `size` bytes."""

    data: bytes
    seq: int
    size: int


def behind(path: Path, connection: sqlite3.Connection) -> Behind | None:
    """What the file lacks to be the table's twin, or None where it is damaged.

    Only its end is looked at: from the last event that is known to be in it. Takes no lock. A file that is to be
    written anew, because words were taken out of events, lacks nothing that could be added.
    """
    seq, size, stale = connection.execute("SELECT seq, bytes, stale FROM ledger_twin").fetchone()
    if stale:
        return Behind(b"", seq, size)
    rows = connection.execute("SELECT seq, body, hash FROM ledger WHERE seq >= ? ORDER BY seq", (seq,)).fetchall()
    known = b"".join(line_of(row["body"], row["hash"]) for row in rows if row["seq"] == seq)
    wanted = b"".join(line_of(row["body"], row["hash"]) for row in rows if row["seq"] > seq)
    if seq > 0 and not known:
        return None
    found = b""
    if path.exists():
        with path.open("rb") as file:
            file.seek(max(0, size - len(known)))
            found = file.read()
    there = found[len(known) :]
    if not found.startswith(known) or not wanted.startswith(there):
        return None
    return Behind(wanted[len(there) :], rows[-1]["seq"] if rows else 0, size + len(wanted))


def catch_up(path: Path, connection: sqlite3.Connection) -> bool:
    """Append what the table has and the file lacks, and fsync it. False where the file is damaged.

    Raises LedgerBehind where the system refuses, as on a full disk; the next call tries again.
    """
    with locked(path):
        if connection.execute("SELECT stale FROM ledger_twin").fetchone()[0]:
            _write_anew(path, connection)
            return True
        lack = behind(path, connection)
        if lack is None:
            return False
        if lack.data:
            try:
                append(path, lack.data)
            except OSError as error:
                raise LedgerBehind(
                    f"all is recorded, but {path} can't be written: {error.strerror}",
                    "mend that, then open the catalog again: what the file lacks is added then",
                ) from error
        _remember(connection, lack.seq, lack.size)
    return True


def rebuild(path: Path, connection: sqlite3.Connection) -> Path | None:
    """Write the file anew from the table, whole or not at all. The old one stays, at the path returned."""
    with locked(path):
        fresh, seq, size = _fresh(path, connection)
        kept = None
        if path.exists():
            kept = next(old for n in count(1) if not (old := path.with_suffix(f".{n}.old")).exists())
            os.link(path, kept)
        fresh.replace(path)
        _sync_folder(path.parent)
        _remember(connection, seq, size)
    return kept


def _write_anew(path: Path, connection: sqlite3.Connection) -> None:
    """Put the table's events in the place of the file's, and keep no older file: words were taken out of them."""
    fresh, seq, size = _fresh(path, connection)
    fresh.replace(path)
    for old in path.parent.glob(f"{path.stem}.*.old"):
        old.unlink()
    _sync_folder(path.parent)
    connection.execute("UPDATE ledger_twin SET seq = ?, bytes = ?, stale = 0", (seq, size))


def _fresh(path: Path, connection: sqlite3.Connection) -> tuple[Path, int, int]:
    """All events of the table in a file beside `path`, on disk; with the number of the last and the file's size."""
    fresh = path.with_suffix(".new")
    seq = size = 0
    with fresh.open("wb") as file:
        fresh.chmod(0o600)
        for row in connection.execute("SELECT seq, body, hash FROM ledger ORDER BY seq"):
            seq = row["seq"]
            size += file.write(line_of(row["body"], row["hash"]))
        file.flush()
        os.fsync(file.fileno())
    return fresh, seq, size


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold off every other writer of the file, in this process or another, by a lock on its folder."""
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def append(path: Path, data: bytes) -> None:
    """Add bytes to the end of a private file, made where it is not there, and see them on disk. Raises OSError."""
    created = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    if created:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remember(connection: sqlite3.Connection, seq: int, size: int) -> None:
    """Note how far the file is known to reach.

    Not fsynced: were the note lost with the power, the file would be compared from an earlier event on.
    """
    known = connection.execute("SELECT seq, bytes FROM ledger_twin").fetchone()
    if tuple(known) == (seq, size):
        return
    connection.execute("PRAGMA synchronous = NORMAL")
    try:
        connection.execute("UPDATE ledger_twin SET seq = ?, bytes = ?", (seq, size))
    finally:
        connection.execute("PRAGMA synchronous = FULL")
