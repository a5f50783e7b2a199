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

from storage.catalog import Catalog, open_catalog

T = TypeVar("T")

READERS = 3  # a long listing, the page being shown, and one to spare


class Desk:
    """Threads with their own connections to one catalog folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._own = threading.local()
        self._open: list[Catalog] = []
        self._closing = False
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="kyodaku-read")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="kyodaku-write")
        self._watcher = ThreadPoolExecutor(1, thread_name_prefix="kyodaku-watch")
        self._pictures = ThreadPoolExecutor(1, thread_name_prefix="kyodaku-picture")

    async def read(self, work: Callable[[Catalog], T]) -> T:
        """What `work` makes of the catalog, read-only. Raises what it raises."""
        return await self._in(self._readers, work, readonly=True)

    async def write(self, work: Callable[[Catalog], T]) -> T:
        """What `work` makes of the catalog, writable; one at a time, in the order asked for."""
        return await self._in(self._writer, work, readonly=False)

    async def picture(self, work: Callable[[Catalog], T]) -> T:
        """As `read`, in the thread that decodes pictures, so that decoding delays no reading."""
        return await self._in(self._pictures, work, readonly=True)

    async def version(self) -> int:
        """A number that changes when another connection has committed to the catalog."""
        return await self._in(self._watcher, lambda catalog: catalog.data_version, readonly=True)

    def close(self) -> None:
        """Stop: what is being read is interrupted, what is being written is finished."""
        self._closing = True
        self._writer.shutdown(wait=True)
        for catalog in self._open:
            catalog.connection.interrupt()
        for pool in (self._readers, self._watcher, self._pictures):
            pool.shutdown(wait=True, cancel_futures=True)
        self._open.clear()  # a connection may be closed by its own thread only: dropped, it closes itself

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[Catalog], T], *, readonly: bool) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, self._run, work, readonly)

    def _run(self, work: Callable[[Catalog], T], readonly: bool) -> T:
        catalog: Catalog | None = getattr(self._own, "catalog", None)
        if catalog is None:
            catalog = open_catalog(self.folder, readonly=readonly)
            self._own.catalog = catalog
            self._open.append(catalog)
        if self._closing and readonly:
            raise sqlite3.OperationalError("interrupted")
        return work(catalog)
