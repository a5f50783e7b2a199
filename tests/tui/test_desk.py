"""Reading and writing the catalog beside the keyboard."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from storage import catalog as catalogs
from storage.catalog import Catalog
from tui.desk import Desk

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an empty catalog."""
    catalogs.create(tmp_path / "catalog").close()
    return tmp_path / "catalog"


async def test_readers_can_not_write_and_are_not_the_app_s_thread(folder: Path) -> None:
    desk = Desk(folder)
    here = threading.get_ident()
    assert await desk.read(lambda _: threading.get_ident()) != here
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await desk.read(lambda catalog: catalog.connection.execute("INSERT INTO status_dirty VALUES (1)"))
    desk.close()


async def test_the_version_changes_when_something_was_written(folder: Path) -> None:
    desk = Desk(folder)
    before = await desk.version()
    assert await desk.version() == before
    await desk.write(lambda catalog: catalog.connection.execute("INSERT INTO status_dirty VALUES (1)"))
    assert await desk.version() != before
    desk.close()


async def test_a_read_that_is_given_up_is_interrupted(folder: Path) -> None:
    desk = Desk(folder)
    begun = threading.Event()

    def endless(catalog: Catalog) -> None:
        begun.set()
        catalog.connection.execute(ENDLESS).fetchone()

    reading = asyncio.create_task(desk.read(endless))
    await asyncio.to_thread(begun.wait)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    desk.close()  # would wait for ever on a thread that still reads


async def test_closing_interrupts_what_is_being_read(folder: Path) -> None:
    desk = Desk(folder)
    begun = threading.Event()

    def endless(catalog: Catalog) -> None:
        begun.set()
        catalog.connection.execute(ENDLESS).fetchone()

    reading = asyncio.create_task(desk.read(endless))
    await asyncio.to_thread(begun.wait)
    await asyncio.to_thread(desk.close)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        await reading
