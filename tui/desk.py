"""Where the app meets the catalog: reads and writes that never block a key.

Each reading thread has its own read-only connection, the one writing thread a writable one, since a
SQLite connection belongs to the thread that opened it. Work is a function of a `Catalog`; it is awaited.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from core.progress import Step
from storage.catalog import Catalog, open_catalog

T = TypeVar("T")

STEPS = 20_000  # of SQLite's machine between two looks whether a read was given up: well below a millisecond
READERS = 3  # a long listing, the page being shown, and one to spare


class Desk:
    """Threads with their own connections to one catalog folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._own = threading.local()
        self._closed = False
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="kyodaku-read")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="kyodaku-write")
        self._tidier = ThreadPoolExecutor(1, thread_name_prefix="kyodaku-tidy")
        self._watcher = ThreadPoolExecutor(1, thread_name_prefix="kyodaku-watch")
        self._pictures = ThreadPoolExecutor(1, thread_name_prefix="kyodaku-picture")

    async def read(self, work: Callable[[Catalog], T]) -> T:
        """What `work` makes of the catalog, read-only. Raises what it raises; given up when cancelled."""
        return await self._in(self._readers, work)

    async def write(self, work: Callable[[Catalog], T]) -> T:
        """What `work` makes of the catalog, writable; one at a time, in the order asked for, to its end."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._writer, self._write, work))

    async def tidy(self, work: Callable[[Catalog], T]) -> T:
        """As `write`, in a thread of its own: long work in short transactions, which delays no other writing."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._tidier, self._write, work))

    def go_on(self, _: Step) -> None:
        """A `Report` for work given to `tidy`: ends it at a safe place when the app is being left."""
        if self._closed:
            raise sqlite3.OperationalError("interrupted")

    async def picture(self, work: Callable[[Catalog], T]) -> T:
        """As `read`, in the thread that decodes pictures, so that decoding delays no reading."""
        return await self._in(self._pictures, work)

    async def version(self) -> int:
        """A number that changes when another connection has committed to the catalog."""
        return await self._in(self._watcher, lambda catalog: catalog.data_version)

    def close(self) -> None:
        """Stop: what is being read is interrupted, what is being written is finished."""
        self._closed = True
        self._writer.shutdown(wait=True)
        for pool in (self._readers, self._tidier, self._watcher, self._pictures):
            pool.shutdown(wait=True, cancel_futures=True)

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[Catalog], T]) -> T:
        given_up = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, self._read, work, given_up)
        except asyncio.CancelledError:
            given_up.set()
            raise

    def _read(self, work: Callable[[Catalog], T], given_up: threading.Event) -> T:
        """Do the work, which ends with "interrupted" soon after it is given up.

        Asked by SQLite as it goes: `interrupt` would miss a statement that begins a moment later.
        """
        connection = self._mine(readonly=True).connection
        if self._closed or given_up.is_set():
            raise sqlite3.OperationalError("interrupted")
        connection.set_progress_handler(lambda: self._closed or given_up.is_set(), STEPS)
        try:
            return work(self._mine(readonly=True))
        finally:
            connection.set_progress_handler(None, 0)

    def _write(self, work: Callable[[Catalog], T]) -> T:
        return work(self._mine(readonly=False))

    def _mine(self, *, readonly: bool) -> Catalog:
        """The connection of the thread that asks; it closes itself when the thread ends."""
        catalog: Catalog | None = getattr(self._own, "catalog", None)
        if catalog is None:
            catalog = self._own.catalog = open_catalog(self.folder, readonly=readonly)
        return catalog
