"""The catalog folder: make it, open it, change it in transactions.

Layout: `catalog.db` (SQLite, WAL), `ledger.jsonl` (the ledger's twin), `models/`, `jobs/`, `thumbs/`,
`cache/` (may be deleted at any time), `evidence/`. The folder is 0700 and its files 0600.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from storage import commits, schema, twin
from storage.errors import CatalogDamaged, CatalogExists, CatalogTooNew, NotACatalog
from storage.sphere import km_between

DATABASE = "catalog.db"
SUBFOLDERS = ("models", "jobs", "thumbs", "cache", "evidence")
CACHE_KB = 64 << 10  # of a connection that writes
READ_CACHE_KB = 4 << 10  # of one that reads alone: an app has several, and the system holds the same pages
LOG_PAGES = 8_000  # 32 MB
APPLICATION_ID = 0x4B594F44  # "KYOD", in the SQLite header: tells our databases from others


@dataclass(frozen=True, slots=True)
class Catalog:
    """An open catalog: its folder and one connection, used by the thread that opened it."""

    folder: Path
    connection: sqlite3.Connection
    readonly: bool = False
    _on_commit: list[Callable[[Catalog], None]] = field(default_factory=list, repr=False, compare=False)

    @property
    def ledger_path(self) -> Path:
        return self.folder / "ledger.jsonl"

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def jobs(self) -> Path:
        return self.folder / "jobs"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def thumbs(self) -> Path:
        return self.folder / "thumbs"

    @property
    def evidence(self) -> Path:
        return self.folder / "evidence"

    @property
    def data_version(self) -> int:
        """Changes when another connection, of this process or another, has committed."""
        return int(self.connection.execute("PRAGMA data_version").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. Takes the write lock at once; inside another transaction it joins that one.

        What `commits.before_commit` was given is done as the outermost one ends, and is part of it.
        """
        if self.connection.in_transaction:
            yield self.connection
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            for action in commits.BEFORE:
                action(self)
            self.connection.commit()
        except BaseException:
            self._on_commit.clear()
            self.connection.rollback()
            raise
        while self._on_commit:
            self._on_commit.pop(0)(self)

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Several reads that see one state of the catalog; inside a transaction they see that one's."""
        if self.connection.in_transaction:
            yield self.connection
            return
        self.connection.execute("BEGIN")
        try:
            yield self.connection
        finally:
            self.connection.rollback()

    def on_commit(self, action: Callable[[Catalog], None]) -> bool:
        """Do `action` once when the transaction in hand is committed, or never; True the first time it is asked."""
        if action in self._on_commit:
            return False
        self._on_commit.append(action)
        return True

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _connect(database: Path, *, readonly: bool) -> sqlite3.Connection:
    uri = f"{database.resolve().as_uri()}?mode={'ro' if readonly else 'rw'}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30.0)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    # What is said of a person is written far apart: a row, and a page of each index, for each of their photographs.
    # With SQLite's own 2 MB every page is read again, and the log is merged at the end of each such transaction.
    connection.execute(f"PRAGMA cache_size = -{READ_CACHE_KB if readonly else CACHE_KB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
    # SQLite's own trigonometry is not in every build
    connection.create_function("km_between", 4, km_between, deterministic=True)
    return connection


def create(folder: Path) -> Catalog:
    """Make a catalog in `folder`, which must be new or empty. Raises CatalogExists, NotACatalog."""
    if (folder / DATABASE).exists():
        raise CatalogExists(f"{folder} is a catalog already", "open it, or name another folder")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NotACatalog(f"{folder} is not an empty folder", "name a new folder for the catalog")
    old_mask = os.umask(0o077)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        for name in SUBFOLDERS:
            (folder / name).mkdir()
        (folder / DATABASE).touch(mode=0o600)
        connection = _connect(folder / DATABASE, readonly=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        schema.migrate(connection)
        (folder / "ledger.jsonl").touch(mode=0o600)
    finally:
        os.umask(old_mask)
    return Catalog(folder, connection)


def open_catalog(folder: Path, *, readonly: bool = False) -> Catalog:
    """Open the catalog in `folder`, migrating an older one.

    Raises NotACatalog, CatalogTooNew, CatalogDamaged.
    """
    if not (folder / DATABASE).is_file():
        raise NotACatalog(f"{folder} holds no catalog", f"make one: kyodaku init {folder}")
    os.umask(0o077)
    try:
        connection = _connect(folder / DATABASE, readonly=readonly)
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = schema.version_of(connection)
    except sqlite3.DatabaseError as error:
        raise CatalogDamaged(f"{folder / DATABASE} can't be read: {error}", "restore a backup") from error
    if application != APPLICATION_ID:
        connection.close()
        raise NotACatalog(f"{folder / DATABASE} is no catalog of Kyodaku's", "name another folder with -C")
    if version > schema.VERSION:
        connection.close()
        raise CatalogTooNew(
            f"{folder} was written by a newer Kyodaku (format {version}, this one knows {schema.VERSION})",
            "upgrade Kyodaku",
        )
    opened = Catalog(folder, connection, readonly)
    if not readonly:
        try:
            schema.migrate(connection)
            twin.catch_up(opened.ledger_path, connection)  # a damaged twin is for `ledger verify` to tell of
        except sqlite3.DatabaseError as error:
            connection.close()
            raise CatalogDamaged(f"{folder / DATABASE} can't be read: {error}", "restore a backup") from error
    return opened


def back_up(catalog: Catalog, destination: Path) -> None:
    """Copy the catalog to `destination`, a new folder, consistent although others write meanwhile.

    The database goes by SQLite's online backup, after it the ledger's twin and the models; caches, thumbnails and
    job logs are left out. Raises CatalogExists, NotACatalog (not an empty folder).
    """
    with twin.locked(catalog.ledger_path), create(destination) as copy:  # the twin can't get ahead of the table
        catalog.connection.backup(copy.connection)
        shutil.copyfile(catalog.ledger_path, copy.ledger_path)
        for name in ("checkpoints.jsonl", "ledger.key"):
            if (catalog.folder / name).exists():
                shutil.copyfile(catalog.folder / name, destination / name)
                (destination / name).chmod(0o600)
    for name in ("models", "evidence"):
        shutil.copytree(catalog.folder / name, destination / name, dirs_exist_ok=True)
