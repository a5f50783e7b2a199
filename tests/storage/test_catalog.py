"""The catalog folder: private, versioned, transactional, and copied whole."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from storage import catalog as catalogs
from storage import schema
from storage.catalog import Catalog
from storage.errors import CatalogDamaged, CatalogExists, CatalogTooNew, NotACatalog


def put(catalog: Catalog, path: bytes) -> None:
    catalog.connection.execute("INSERT INTO folders(path) VALUES (?)", (path,))


def folders(catalog: Catalog) -> list[bytes]:
    return [row[0] for row in catalog.connection.execute("SELECT path FROM folders ORDER BY id")]


def test_what_it_makes_is_private(catalog: Catalog) -> None:
    put(catalog, b"/a")  # makes the -wal and -shm files
    everything = [catalog.folder, *catalog.folder.iterdir()]
    assert {path.name for path in everything} >= {"catalog.db", "catalog.db-wal", "ledger.jsonl", "models"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in everything)


def test_a_catalog_is_made_once(catalog: Catalog) -> None:
    with pytest.raises(CatalogExists):
        catalogs.create(catalog.folder)


def test_no_catalog_in_a_folder_of_other_things(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(NotACatalog):
        catalogs.create(tmp_path)
    with pytest.raises(NotACatalog):
        catalogs.open_catalog(tmp_path)


def test_newer_damaged_and_foreign_databases_are_told_apart(catalog: Catalog) -> None:
    database = catalog.folder / catalogs.DATABASE
    catalog.connection.execute("PRAGMA user_version = 9999")
    with pytest.raises(CatalogTooNew):
        catalogs.open_catalog(catalog.folder)
    catalog.connection.execute(f"PRAGMA user_version = {schema.VERSION}")
    catalog.connection.execute("PRAGMA application_id = 1")
    with pytest.raises(NotACatalog):
        catalogs.open_catalog(catalog.folder)
    catalog.close()
    database.write_bytes(b"\0" * 5000)
    with pytest.raises(CatalogDamaged):
        catalogs.open_catalog(catalog.folder)


def test_a_transaction_is_all_or_nothing_and_joins_an_outer_one(catalog: Catalog) -> None:
    def inner_fails() -> None:
        with catalog.transaction():
            put(catalog, b"/outer")
            with catalog.transaction():
                put(catalog, b"/inner")
            raise ValueError("after the inner one ended")

    with pytest.raises(ValueError, match="after the inner"):
        inner_fails()
    assert folders(catalog) == []
    with catalog.transaction():
        put(catalog, b"/kept")
    assert folders(catalog) == [b"/kept"]


def test_a_reader_can_not_write(catalog: Catalog) -> None:
    with catalogs.open_catalog(catalog.folder, readonly=True) as reader, pytest.raises(sqlite3.OperationalError):
        put(reader, b"/a")


def test_a_backup_opens_and_holds_what_the_catalog_holds(catalog: Catalog, tmp_path: Path) -> None:
    put(catalog, b"/photos/caf\xe9")
    (catalog.models / "m.safetensors").write_bytes(b"weights")
    catalogs.back_up(catalog, tmp_path / "copy")
    with catalogs.open_catalog(tmp_path / "copy") as copy:
        assert folders(copy) == [b"/photos/caf\xe9"]
        assert (copy.models / "m.safetensors").read_bytes() == b"weights"
    with pytest.raises(CatalogExists):
        catalogs.back_up(catalog, tmp_path / "copy")
