"""Audits that were made of models, and models that left the catalog, by the bytes they were of. No names stand here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from storage.catalog import Catalog
from storage.instants import from_text, to_text


@dataclass(frozen=True, slots=True)
class Audit:
    """An audit of the bytes `bytes_hash` (`artifacts.tree_hash`) of a model: the verdict on `faces` in `images`.

    `rate` of the faces matched somebody, no more than `upper_bound95` would; `fmr` was asked. `checker` is the hash of
    the safety checker that looked at the pictures, None where none did; `withheld` of them were.
    """

    model_id: int
    bytes_hash: str
    at: datetime
    verdict: str
    images: int
    faces: int
    withheld: int
    rate: float
    upper_bound95: float
    fmr: float
    checker: str | None


@dataclass(frozen=True, slots=True)
class Release:
    """The bytes of a model (`artifacts.tree_hash`) that left the catalog, and who (subject ids) was in them."""

    model_id: int
    bytes_hash: str
    at: datetime
    people: frozenset[int]


_COLUMNS = "model_id, bytes_hash, at, verdict, images, faces, withheld, rate, upper_bound95, fmr, checker"


def add(catalog: Catalog, audit: Audit) -> None:
    """Put an audit on record."""
    values = (
        audit.model_id, audit.bytes_hash, to_text(audit.at), audit.verdict, audit.images, audit.faces, audit.withheld,
        audit.rate, audit.upper_bound95, audit.fmr, audit.checker,
    )  # fmt: skip
    with catalog.transaction() as db:
        db.execute(f"INSERT INTO audits({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def last(catalog: Catalog, model_id: int) -> Audit | None:
    """The newest audit of a model, whatever bytes it was of."""
    query = f"SELECT {_COLUMNS} FROM audits WHERE model_id = ? ORDER BY id DESC LIMIT 1"
    row = catalog.connection.execute(query, (model_id,)).fetchone()
    return None if row is None else _audit(row)


def release(catalog: Catalog, model_id: int, bytes_hash: str, people: Iterable[int], at: datetime) -> None:
    """Put on record that a model left the catalog, with these people (subject ids) in it."""
    with catalog.transaction() as db:
        made = db.execute(
            "INSERT INTO releases(model_id, bytes_hash, at) VALUES (?, ?, ?)", (model_id, bytes_hash, to_text(at))
        )
        db.executemany(
            "INSERT INTO release_subjects(release_id, subject_id) VALUES (?, ?)",
            [(made.lastrowid, person) for person in set(people)],
        )


def releases(catalog: Catalog, model_id: int | None = None) -> list[Release]:
    """What left the catalog of a model, or of all, oldest first."""
    query = (
        "SELECT model_id, bytes_hash, at, (SELECT json_group_array(subject_id) FROM release_subjects"
        " WHERE release_id = id) AS people FROM releases WHERE ?1 IS NULL OR model_id = ?1 ORDER BY id"
    )
    return [
        Release(row["model_id"], row["bytes_hash"], from_text(row["at"]), frozenset(json.loads(row["people"])))
        for row in catalog.connection.execute(query, (model_id,))
    ]


def _audit(row: sqlite3.Row) -> Audit:
    return Audit(**{**dict(row), "at": from_text(row["at"])})
