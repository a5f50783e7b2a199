"""Photograph rows: what a scan found, pages for the screens, and who holds the rights.

`where` clauses name columns over the alias `p` and carry their values in `params`; they come from
`core.query` or are written in the code, never from what a user typed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from storage import claims, companions, faces
from storage.catalog import Catalog
from storage.errors import NoSuchRecord
from storage.records import Photo, PhotoState, Rights
from storage.rights import RIGHTS

Params = Sequence[Any]

# fmt: off
_READ = (  # what a scan reads from the file
    "path_text", "size", "mtime_ns", "ctime_ns", "inode", "content_hash", "format", "width", "height",
    "orientation", "taken_at", "taken_offset", "taken_source", "camera", "lens", "exposure_s", "f_number",
    "iso", "focal_mm", "lat", "lon", "place", "country", "rating", "caption", "error",
)
# fmt: on
_COLUMNS = (
    f"p.id, (SELECT path FROM folders WHERE folders.id = p.folder_id), p.name, p.state, {RIGHTS}, p.faces_space,"
    f" {claims.BARRED}, {', '.join(f'p.{column}' for column in _READ)}"
)
_TAKEN_AT = _READ.index("taken_at")
_HALF = 1 << 63
_FOLDERS_A_TIME = 500
_IDS_A_PAGE = 10_000
_PATHS_A_QUERY = 10_000  # two parameters each; SQLite takes 32,766


class KnownFile(NamedTuple):
    """What tells an unchanged file from a stat. A tuple, because a scan makes one for every row."""

    id: int
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    state: str
    content_hash: str | None
    failed: bool  # an error is recorded


class Rest(NamedTuple):
    """A folder in which a scan found all as it was: a digest of its files' stats, and its photographs."""

    digest: bytes
    photos: int
    failed: int  # of them, with an error on record


class Located(NamedTuple):
    """A known file and where the catalog believes it to be."""

    folder: bytes
    name: bytes
    file: KnownFile

    @property
    def path(self) -> bytes:
        return join(self.folder, self.name)


@dataclass(frozen=True, slots=True)
class ScanBatch:
    """What one stretch of a scan changes; `id` is the row's, and of no meaning in `new`.

    `same` holds photographs whose content is as it was, at a new place or with a new stat: they keep
    faces, rights and statuses. `changed` holds other content under a known name: its faces go. `switched` holds
    what another file of the same photograph shows (its JPEG, its RAW): faces and rights stay, for faces to be sought
    anew. Companions, tags and claims are written where the photograph has any, or none: not None.
    `displaced` photographs lost their name to another one and were not found again: they are gone,
    and keep what is known of them under a name that no file can have.
    """

    new: Sequence[Photo] = ()
    same: Sequence[Photo] = ()
    changed: Sequence[Photo] = ()
    switched: Sequence[Photo] = ()
    back: Sequence[int] = ()
    gone: Sequence[int] = ()
    displaced: Sequence[int] = ()


def kept(number: int) -> int:
    """A number of a stat as SQLite keeps it, signed in 64 bits: some file systems have inodes, or times, beyond."""
    return number if -_HALF <= number < _HALF else (number + _HALF) % (2 * _HALF) - _HALF


def join(folder: bytes, name: bytes) -> bytes:
    """The path of `name` in `folder`."""
    return (b"" if folder == b"/" else folder) + b"/" + name


def split(path: bytes) -> tuple[bytes, bytes]:
    """Folder and name of an absolute path."""
    folder, _, name = path.rpartition(b"/")
    return folder or b"/", name


def _photo(row: tuple[Any, ...]) -> Photo:
    id, folder, name, state, rights, faces_space, barred, *read = row
    if read[_TAKEN_AT] is not None:
        read[_TAKEN_AT] = datetime.fromisoformat(read[_TAKEN_AT])
    return Photo(
        id=id,
        path=join(folder, name),
        state=PhotoState(state),
        rights=Rights(rights),
        faces_space=faces_space,
        barred=claims.barred_of(barred),
        **dict(zip(_READ, read, strict=True)),
    )


def get(catalog: Catalog, id: int) -> Photo:
    """The photograph with this id. Raises NoSuchRecord."""
    return get_many(catalog, [id])[0]


def get_many(catalog: Catalog, ids: Sequence[int]) -> list[Photo]:
    """The photographs with these ids, in their order. Raises NoSuchRecord."""
    rows = _tuples(
        catalog,
        f"SELECT {_COLUMNS} FROM photos p WHERE p.id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ids)),),
    )
    found = {row[0]: _photo(row) for row in rows}
    for id in ids:
        if id not in found:
            raise NoSuchRecord(f"there is no photograph {id}", "kyodaku find lists photographs with their ids")
    return [found[id] for id in ids]


def by_path(catalog: Catalog, path: bytes) -> Photo | None:
    """The photograph that the catalog has at this absolute path, if any."""
    folder, name = split(path)
    row = _tuples(
        catalog,
        f"SELECT {_COLUMNS} FROM photos p WHERE p.name = ? AND p.folder_id = (SELECT id FROM folders WHERE path = ?)",
        (name, folder),
    ).fetchone()
    return None if row is None else _photo(row)


def page(
    catalog: Catalog,
    where: str = "1",
    params: Params = (),
    *,
    order: str = "p.id",
    descending: bool = False,
    after: int | None = None,
    limit: int,
) -> list[Photo]:
    """At most `limit` photographs in the order of (`order`, id), from behind the one with id `after`.

    `order` is an expression over `p`. Nulls come first, or last when `descending`. No OFFSET: a page
    deep in the archive costs as little as the first. Raises NoSuchRecord when `after` is unknown.
    """
    found: list[int] = []
    way = " DESC" if descending else ""
    for segment, values in _segments(catalog, order, descending, after):
        # ids first: where the order needs a sort, whole rows would make it several times slower
        rows = _tuples(
            catalog,
            f"SELECT p.id FROM photos p WHERE ({where}) AND {segment} ORDER BY {order}{way}, p.id{way} LIMIT ?",
            (*params, *values, limit - len(found)),
        )
        found.extend(row[0] for row in rows)
        if len(found) == limit:
            break
    return get_many(catalog, found)


def _segments(catalog: Catalog, order: str, descending: bool, after: int | None) -> list[tuple[str, tuple[Any, ...]]]:
    """The rows behind `after`, as stretches that each read straight from an index.

    SQL compares no row with null, so nulls and values are stretches of their own.
    """
    if after is None:
        return [("1", ())]
    row = catalog.connection.execute(f"SELECT {order} FROM photos p WHERE p.id = ?", (after,)).fetchone()
    if row is None:
        raise NoSuchRecord(f"there is no photograph {after}", "ask for the first page again")
    key, sign = row[0], "<" if descending else ">"
    if key is None:
        rest = [(f"{order} IS NULL AND p.id {sign} ?", (after,))]
        return rest if descending else [*rest, (f"{order} IS NOT NULL", ())]
    behind = (f"({order}, p.id) {sign} (?, ?)", (key, after))
    return [behind, (f"{order} IS NULL", ())] if descending else [behind]


def count(catalog: Catalog, where: str = "1", params: Params = ()) -> int:
    """How many photographs meet `where`."""
    row = catalog.connection.execute(f"SELECT count(*) FROM photos p WHERE {where}", tuple(params))
    return int(row.fetchone()[0])


def ids(catalog: Catalog, where: str = "1", params: Params = ()) -> Iterator[int]:
    """Ids of the photographs that meet `where`, ascending, read in pages: the catalog may be written between."""
    last = 0
    while True:
        rows = catalog.connection.execute(
            f"SELECT p.id FROM photos p WHERE ({where}) AND p.id > ? ORDER BY p.id LIMIT ?",
            (*params, last, _IDS_A_PAGE),
        ).fetchall()
        yield from (row[0] for row in rows)
        if len(rows) < _IDS_A_PAGE:
            return
        last = rows[-1][0]


def set_errors(catalog: Catalog, errors: Mapping[int, str]) -> None:
    """Record why these photographs, by id, can't be used."""
    with catalog.transaction() as db:
        db.executemany("UPDATE photos SET error = ? WHERE id = ?", [(text, id) for id, text in errors.items()])


# What a scan asks and tells ---------------------------------------------------------------------

_KNOWN = (
    "photos.id, photos.size, photos.mtime_ns, photos.ctime_ns, photos.inode, photos.state,"
    " photos.content_hash, photos.error IS NOT NULL"
)


def _tuples(catalog: Catalog, sql: str, params: Params) -> sqlite3.Cursor:
    cursor = catalog.connection.cursor()
    cursor.row_factory = None
    return cursor.execute(sql, tuple(params))


def in_folder(catalog: Catalog, folder: bytes) -> dict[bytes, KnownFile]:
    """All that the catalog knows of the files directly in `folder`, gone ones too, by name."""
    rows = _tuples(
        catalog,
        f"SELECT name, {_KNOWN} FROM photos WHERE folder_id = (SELECT id FROM folders WHERE path = ?)",
        (folder,),
    )
    return {row[0]: KnownFile._make(row[1:]) for row in rows}


def rest_of(catalog: Catalog, folder: bytes) -> Rest | None:
    """How a scan left the folder, if it has been at rest since."""
    row = _tuples(
        catalog,
        "SELECT rest, resting, (SELECT count(*) FROM photos INDEXED BY photos_failed"
        " WHERE folder_id = folders.id AND error IS NOT NULL AND state = 'present')"
        " FROM folders WHERE path = ? AND rest IS NOT NULL",
        (folder,),
    ).fetchone()
    return None if row is None else Rest(*row)


def put_to_rest(catalog: Catalog, folders: Mapping[bytes, tuple[bytes, int]]) -> None:
    """Record digests of folders that hold so many photographs, where nothing of these is left to read.

    The next write to one of the photographs, or to a file beside it, ends it.
    """
    every = [(digest, number, folder, number, number) for folder, (digest, number) in folders.items()]
    for start in range(0, len(every), _FOLDERS_A_TIME):
        with catalog.transaction() as db:
            db.executemany(
                "UPDATE folders SET rest = ?, resting = ? WHERE path = ?"
                " AND ? = (SELECT count(*) FROM photos WHERE folder_id = folders.id AND state = 'present')"
                # a file that could not be read has no hash, or a stat that no file has
                " AND ? = (SELECT count(*) FROM photos WHERE folder_id = folders.id AND state = 'present'"
                " AND content_hash IS NOT NULL AND ctime_ns <> 0)"
                " AND NOT EXISTS (SELECT 1 FROM companions WHERE folder_id = folders.id AND content_hash IS NULL)",
                every[start : start + _FOLDERS_A_TIME],
            )


def at_paths(catalog: Catalog, paths: Sequence[bytes]) -> dict[bytes, KnownFile]:
    """What the catalog knows of these paths."""
    found: dict[bytes, KnownFile] = {}
    for start in range(0, len(paths), _PATHS_A_QUERY):
        wanted = [split(path) for path in paths[start : start + _PATHS_A_QUERY]]
        rows = _tuples(
            catalog,
            f"WITH wanted(folder, name) AS (VALUES {', '.join(['(?, ?)'] * len(wanted))})"
            f" SELECT folders.path, photos.name, {_KNOWN}"
            " FROM wanted CROSS JOIN folders ON folders.path = wanted.folder"
            " CROSS JOIN photos ON photos.folder_id = folders.id AND photos.name = wanted.name",
            [value for pair in wanted for value in pair],
        )
        found |= {join(row[0], row[1]): KnownFile._make(row[2:]) for row in rows}
    return found


def newest_id(catalog: Catalog) -> int:
    """The highest id, 0 in an empty catalog."""
    return int(catalog.connection.execute("SELECT coalesce(max(id), 0) FROM photos").fetchone()[0])


def with_content(catalog: Catalog, hashes: Iterable[str], newest: int = _HALF - 1) -> dict[str, list[Located]]:
    """The known files that hold this content, by hash, each list by ascending id, up to the id `newest`."""
    rows = _tuples(
        catalog,
        f"SELECT (SELECT path FROM folders WHERE folders.id = folder_id), name, {_KNOWN} FROM photos"
        " WHERE content_hash IN (SELECT value FROM json_each(?)) AND id <= ? ORDER BY id",
        (json.dumps(sorted(set(hashes))), newest),
    )
    found: dict[str, list[Located]] = {}
    for row in rows:
        located = Located(row[0], row[1], KnownFile._make(row[2:]))
        found.setdefault(str(located.file.content_hash), []).append(located)
    return found


def located(catalog: Catalog, photo_ids: Iterable[int]) -> dict[int, Located]:
    """Where these photographs are believed to be, by id."""
    rows = _tuples(
        catalog,
        f"SELECT (SELECT path FROM folders WHERE folders.id = folder_id), name, {_KNOWN} FROM photos"
        " WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(photo_ids)),),
    )
    return {row[2]: Located(row[0], row[1], KnownFile._make(row[2:])) for row in rows}


def folders_below(catalog: Catalog, root: bytes) -> list[bytes]:
    """`root` and the folders below it that the catalog knows."""
    prefix = b"/" if root == b"/" else root + b"/"
    rows = _tuples(
        catalog,
        "SELECT path FROM folders WHERE path = ? OR (path >= ? AND path < ?) ORDER BY path",
        (root, prefix, prefix[:-1] + b"0"),  # 0 follows / in ASCII
    )
    return [row[0] for row in rows]


def apply_scan(catalog: Catalog, batch: ScanBatch) -> None:
    """Write what a stretch of a scan found, all of it or nothing."""
    kept = [*batch.same, *batch.changed, *batch.switched]
    with catalog.transaction() as db:
        db.executemany(
            "INSERT OR IGNORE INTO folders(path) VALUES (?)",
            {(split(photo.path)[0],) for photo in (*batch.new, *kept)},
        )
        # Photographs may have swapped names: each first steps aside to a name no file can have.
        aside = [*batch.displaced, *(photo.id for photo in kept)]
        db.executemany(
            "UPDATE photos SET name = CAST(name || char(0) || id AS BLOB) WHERE id = ?",
            [(id,) for id in aside],
        )
        faces.follow_size(db, [(photo.id, photo.width, photo.height) for photo in batch.switched])
        db.executemany(
            f"UPDATE photos SET state = 'present', {_PLACE}, {', '.join(f'{c} = ?' for c in _READ)} WHERE id = ?",
            [(*split(photo.path), *_read_values(photo), photo.id) for photo in kept],
        )
        _forget_content(db, [photo.id for photo in batch.changed])
        db.executemany(
            f"INSERT INTO photos(folder_id, name, {', '.join(_READ)})"
            f" VALUES ({_FOLDER_ID}, ?, {', '.join('?' * len(_READ))})",
            [(*split(photo.path), *_read_values(photo)) for photo in batch.new],
        )
        for photo in (*kept, *(photo for photo in batch.new if photo.companions or photo.tags or photo.claims)):
            companions.write(db, *split(photo.path), photo)
            claims.write(db, *split(photo.path), photo)
        for state, ids in ((PhotoState.PRESENT, batch.back), (PhotoState.GONE, [*batch.gone, *batch.displaced])):
            among = json.dumps(list(ids))
            db.execute("UPDATE photos SET state = ? WHERE id IN (SELECT value FROM json_each(?))", (state, among))


_FOLDER_ID = "(SELECT id FROM folders WHERE path = ?)"
_PLACE = f"folder_id = {_FOLDER_ID}, name = ?"


def _read_values(photo: Photo) -> tuple[Any, ...]:
    values = [getattr(photo, column) for column in _READ]
    at = _READ.index("taken_at")
    values[at] = None if photo.taken_at is None else photo.taken_at.isoformat()
    return tuple(values)


def _forget_content(db: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Another picture has these names now: faces, rights and captions were the old one's."""
    among = "(SELECT value FROM json_each(?))"
    wanted = (json.dumps(list(ids)),)
    db.execute(f"DELETE FROM faces WHERE photo_id IN {among}", wanted)
    db.execute(f"DELETE FROM photo_rights WHERE photo_id IN {among}", wanted)
    for table in ("captions", "proposals"):
        db.execute(f"DELETE FROM {table} WHERE photo_id IN {among}", wanted)
    db.execute(f"UPDATE photos SET faces_space = NULL WHERE id IN {among}", wanted)
    claims.forget(db, ids)
