"""Pictures that the catalog's models drew: where each was put, by which model, and whether it may still be shown."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from storage.catalog import Catalog
from storage.instants import from_text, to_text


class GeneratedState(StrEnum):
    """Whether a drawn picture may still be used."""

    OK = "ok"
    WITHDRAWN = "withdrawn"  # a withdrawal reached the model that drew it


@dataclass(frozen=True, slots=True)
class Generated:
    """One picture that was drawn. `content_hash` is the blake3 of the file as it was written, hex."""

    id: int
    path: Path
    model_id: int
    made_at: datetime
    content_hash: str
    state: GeneratedState


def add(catalog: Catalog, model_id: int, drawn: Iterable[tuple[Path, str]], at: datetime) -> None:
    """Put down files drawn by a model, each with its content hash; one that replaces a file replaces its row."""
    rows = [(os.fsencode(path.absolute()), digest) for path, digest in drawn]
    with catalog.transaction() as db:
        db.executemany("DELETE FROM generated WHERE path = ?", [(path,) for path, _ in rows])
        db.executemany(
            "INSERT INTO generated(path, model_id, made_at, content_hash) VALUES (?, ?, ?, ?)",
            [(path, model_id, to_text(at), digest) for path, digest in rows],
        )


def of_models(
    catalog: Catalog, model_ids: Iterable[int], state: GeneratedState | None = GeneratedState.OK
) -> list[Generated]:
    """What these models drew, in that state or (None) any, in the order of drawing."""
    rows = catalog.connection.execute(
        "SELECT * FROM generated WHERE model_id IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR state = ?2)"
        " ORDER BY id",
        (json.dumps(list(model_ids)), state),
    )
    return [
        Generated(
            id=row["id"],
            path=Path(os.fsdecode(row["path"])),
            model_id=row["model_id"],
            made_at=from_text(row["made_at"]),
            content_hash=row["content_hash"],
            state=GeneratedState(row["state"]),
        )
        for row in rows
    ]


def withdraw(catalog: Catalog, model_ids: Iterable[int]) -> list[Generated]:
    """Mark all that these models drew as withdrawn; gives what was not yet."""
    with catalog.transaction() as db:
        found = of_models(catalog, model_ids)
        db.executemany(
            "UPDATE generated SET state = ? WHERE id = ?", [(GeneratedState.WITHDRAWN, one.id) for one in found]
        )
    return found


def forget(catalog: Catalog, model_ids: Iterable[int]) -> None:
    """Drop the rows of what these models drew."""
    with catalog.transaction() as db:
        db.execute(
            "DELETE FROM generated WHERE model_id IN (SELECT value FROM json_each(?))", (json.dumps(list(model_ids)),)
        )
