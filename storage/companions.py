"""Files that belong to a photograph (the RAW beside a JPEG, XMP sidecars), and the keywords that came from them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

from storage.catalog import Catalog
from storage.records import Companion, CompanionKind, Photo

_COLUMNS = "name, kind, size, mtime_ns, ctime_ns, inode, content_hash"


def _companion(row: Sequence[object]) -> Companion:
    name, kind, *rest = row
    return Companion(name, CompanionKind(kind), *rest)  # type: ignore[arg-type]


def in_folder(catalog: Catalog, folder: bytes) -> dict[int, dict[bytes, Companion]]:
    """The companions that the catalog knows in a folder, by name, by the photograph's id."""
    rows = catalog.connection.execute(
        f"SELECT photo_id, {_COLUMNS} FROM companions WHERE folder_id = (SELECT id FROM folders WHERE path = ?)",
        (folder,),
    )
    found: dict[int, dict[bytes, Companion]] = {}
    for id, *row in rows:
        companion = _companion(row)
        found.setdefault(id, {})[companion.name] = companion
    return found


def of_photos(catalog: Catalog, photo_ids: Iterable[int]) -> dict[int, list[Companion]]:
    """Photographs' companions, by name; an empty list where there is none."""
    found: dict[int, list[Companion]] = {id: [] for id in photo_ids}
    rows = catalog.connection.execute(
        f"SELECT photo_id, {_COLUMNS} FROM companions WHERE photo_id IN (SELECT value FROM json_each(?)) ORDER BY name",
        (json.dumps(list(found)),),
    )
    for id, *row in rows:
        found[id].append(_companion(row))
    return found


def with_content(catalog: Catalog, hashes: Iterable[str]) -> dict[str, list[int]]:
    """Ids of the photographs that have a companion of this content, by hash, ascending."""
    rows = catalog.connection.execute(
        "SELECT content_hash, photo_id FROM companions WHERE content_hash IN (SELECT value FROM json_each(?))"
        " ORDER BY photo_id",
        (json.dumps(sorted(set(hashes))),),
    )
    found: dict[str, list[int]] = {}
    for content, id in rows:
        found.setdefault(content, []).append(id)
    return found


def tags_of(catalog: Catalog, photo_ids: Iterable[int]) -> dict[int, list[str]]:
    """Photographs' keywords, sorted; an empty list where there is none."""
    found: dict[int, list[str]] = {id: [] for id in photo_ids}
    rows = catalog.connection.execute(
        "SELECT photo_id, tag FROM tags WHERE photo_id IN (SELECT value FROM json_each(?)) ORDER BY tag",
        (json.dumps(list(found)),),
    )
    for id, tag in rows:
        found[id].append(tag)
    return found


def put(catalog: Catalog, found: Iterable[tuple[int, Companion]]) -> None:
    """Record companions of photographs, by id, beside those that are known."""
    with catalog.transaction() as db:
        db.executemany(
            f"INSERT OR REPLACE INTO companions(folder_id, photo_id, {_COLUMNS})"
            " SELECT folder_id, id, ?, ?, ?, ?, ?, ?, ? FROM photos WHERE id = ?",
            [
                (
                    *(each.name, str(each.kind), each.size, each.mtime_ns, each.ctime_ns, each.inode),
                    *(each.content_hash, photo_id),
                )
                for photo_id, each in found
            ],
        )


def write(db: sqlite3.Connection, folder: bytes, name: bytes, photo: Photo) -> None:
    """Put down the companions and tags of the photograph at this place; those that are None stay as they are."""
    if photo.companions is None and photo.tags is None:
        return
    here = "FROM photos WHERE folder_id = (SELECT id FROM folders WHERE path = ?) AND name = ?"
    if photo.companions is not None:
        db.execute(f"DELETE FROM companions WHERE photo_id IN (SELECT id {here})", (folder, name))
        db.executemany(
            f"INSERT OR REPLACE INTO companions(folder_id, photo_id, {_COLUMNS})"
            f" SELECT folder_id, id, ?, ?, ?, ?, ?, ?, ? {here}",
            [
                (
                    *(each.name, str(each.kind), each.size, each.mtime_ns, each.ctime_ns, each.inode),
                    *(each.content_hash, folder, name),
                )
                for each in photo.companions
            ],
        )
    if photo.tags is not None:
        db.execute(f"DELETE FROM tags WHERE NOT by_person AND photo_id IN (SELECT id {here})", (folder, name))
        db.executemany(
            f"INSERT OR IGNORE INTO tags(photo_id, tag) SELECT id, ? {here}",
            [(tag, folder, name) for tag in photo.tags],
        )
