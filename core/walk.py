"""Walk an archive and tell, from a stat of each file, what need not be opened.

Symbolic links are not followed; folders are visited in the order of their names. What the catalog
knows and the walk does not meet is missing, unless it lies where the walk could not look.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import BadValue, UnreadablePath
from core.image import named_like_a_picture
from storage import photos
from storage.catalog import Catalog
from storage.photos import KnownFile
from storage.safe_text import display


@dataclass(frozen=True, slots=True)
class Target:
    """A folder to walk, or with `only` the files of these names in it."""

    folder: bytes
    only: frozenset[bytes] | None = None


@dataclass(slots=True)
class Listing:
    """One folder held against the catalog. Ids are of photographs whose stat is as it was, or missing."""

    to_read: list[bytes] = field(default_factory=list)  # paths
    unchanged: int = 0
    failed: int = 0  # of those unchanged or back, with an error on record
    back: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    warning: str | None = None


def targets(catalog: Catalog, roots: Sequence[Path]) -> list[Target]:
    """The roots by their real names, none inside another. Raises UnreadablePath, BadValue."""
    own = _own_folder(catalog)
    folders: set[bytes] = set()
    files: dict[bytes, set[bytes]] = {}
    for root in roots:
        # the real name: an archive reached by two links is one archive
        path = os.path.realpath(os.fsencode(root))
        if within(path, own):
            raise BadValue(f"{display(path)} lies in the catalog", "name a folder of your archive")
        try:
            if os.path.isdir(path):  # noqa: PTH112 - the path is bytes
                os.scandir(path).close()
                folders.add(path)
            else:
                os.stat(path)  # noqa: PTH116 - the path is bytes
                folder, name = photos.split(path)
                files.setdefault(folder, set()).add(name)
        except OSError as error:
            raise UnreadablePath(
                f"{display(path)} can't be read: {error.strerror}", "name a folder or picture that is there"
            ) from error
    outer = sorted(f for f in folders if not any(f != other and within(f, other) for other in folders))
    apart = [(f, n) for f, n in sorted(files.items()) if not any(within(f, other) for other in outer)]
    return [*map(Target, outer), *(Target(folder, frozenset(names)) for folder, names in apart)]


def within(path: bytes, folder: bytes) -> bool:
    """Whether `path` is `folder` or lies below it."""
    return path == folder or path.startswith(folder if folder == b"/" else folder + b"/")


def walk(catalog: Catalog, wanted: Sequence[Target]) -> Iterator[Listing]:
    """One listing for each folder that is there, then one for each that no longer is."""
    for target in wanted:
        if target.only is not None:
            yield _named(catalog, target.folder, target.only)
            continue
        visited: set[bytes] = set()
        unreadable: list[bytes] = []
        yield from _tree(catalog, target.folder, visited, unreadable)
        for folder in photos.folders_below(catalog, target.folder):
            if folder not in visited and not any(within(folder, hidden) for hidden in unreadable):
                yield Listing(missing=_present(photos.in_folder(catalog, folder).values()))


def _own_folder(catalog: Catalog) -> bytes:
    return os.path.realpath(os.fsencode(catalog.folder))


def _tree(catalog: Catalog, root: bytes, visited: set[bytes], unreadable: list[bytes]) -> Iterator[Listing]:
    own = _own_folder(catalog)
    stack = [root]
    while stack:
        folder = stack.pop()
        if folder == own:
            continue
        try:
            with os.scandir(folder) as entries:
                below, files = _sorted_out(entries)
        except (FileNotFoundError, NotADirectoryError):
            continue  # it went away since its parent was listed
        except OSError as error:
            unreadable.append(folder)
            yield Listing(warning=f"{display(folder)} can't be read: {error.strerror}")
            continue
        visited.add(folder)
        stack.extend(reversed(below))
        yield _compared(folder, files, photos.in_folder(catalog, folder))


def _sorted_out(entries: Iterator[os.DirEntry[bytes]]) -> tuple[list[bytes], list[os.DirEntry[bytes]]]:
    """Folders and pictures by name; links, pipes, devices and other files are neither."""
    folders: list[bytes] = []
    files: list[os.DirEntry[bytes]] = []
    for entry in entries:
        if named_like_a_picture(entry.name) and entry.is_file(follow_symlinks=False):
            files.append(entry)
        elif entry.is_dir(follow_symlinks=False):
            folders.append(entry.path)
    folders.sort()
    files.sort(key=lambda entry: entry.name)
    return folders, files


def _compared(folder: bytes, files: list[os.DirEntry[bytes]], known: dict[bytes, KnownFile]) -> Listing:
    found = Listing()
    untold: list[OSError] = []
    for entry in files:
        try:
            stat = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # gone since the folder was listed
        except OSError as error:  # a mount that fails: what is known of the file may well be true
            known.pop(entry.name, None)
            untold.append(error)
            continue
        _compare(found, entry.path, stat, known.pop(entry.name, None))
    found.missing = _present(known.values())
    if untold:
        found.warning = f"{display(folder)}: {len(untold):,} files can't be looked at: {untold[0].strerror}"
    return found


def _compare(found: Listing, path: bytes, stat: os.stat_result, row: KnownFile | None) -> None:
    if row is None or row.content_hash is None or not _as_it_was(row, stat):
        found.to_read.append(path)
        return
    if row.state == "present":
        found.unchanged += 1
    else:
        found.back.append(row.id)
    found.failed += row.failed


def _as_it_was(row: KnownFile, stat: os.stat_result) -> bool:
    there = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    kept = row[1:5]
    return there == kept or tuple(map(photos.kept, there)) == kept


def _present(rows: Iterable[KnownFile]) -> list[int]:
    return [row.id for row in rows if row.state == "present"]


def _named(catalog: Catalog, folder: bytes, names: frozenset[bytes]) -> Listing:
    """As for a folder, of some of its files; a name without a picture's suffix is left out, as in a folder."""
    known = photos.at_paths(catalog, [photos.join(folder, name) for name in sorted(names)])
    found = Listing()
    for name in sorted(names):
        path = photos.join(folder, name)
        if named_like_a_picture(name):
            _compare(found, path, os.lstat(path), known.get(path))
    return found
