"""Walk an archive and tell, from a stat of each file, what need not be opened.

Symbolic links are not followed; folders are visited in the order of their names. What the catalog
knows and the walk does not meet is missing, unless it lies where the walk could not look. A folder in
which nothing was left to do is at rest: while a digest of its files' stats is the same, no row is read.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from core.companions import Group, Shot, apart, grouped, kind_of, named_like_a_part
from core.counted import counted
from core.errors import BadValue, UnreadablePath
from storage import companions, photos
from storage.catalog import Catalog
from storage.photos import KnownFile
from storage.records import Companion
from storage.safe_text import display

Only = frozenset[bytes] | None
_Beside = dict[int, dict[bytes, Companion]]  # known companions by name, by the photograph's id


_NONE: dict[bytes, Companion] = {}
_RULES = b"1/"  # another number when names are put together into photographs by other rules


@dataclass(frozen=True, slots=True)
class Target:
    """A folder to walk, or with `only` the files of these names in it."""

    folder: bytes
    only: frozenset[bytes] | None = None


@dataclass(slots=True)
class Listing:
    """One folder held against the catalog. Ids are of photographs whose stat is as it was, or missing."""

    to_read: list[Shot] = field(default_factory=list)
    unchanged: int = 0
    failed: int = 0  # of those unchanged or back, with an error on record
    back: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    warning: str | None = None
    rest: tuple[bytes, bytes] | None = None  # folder and digest, to be recorded when all of it has been read


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
        yield _looked_through(catalog, folder, files)


def _looked_through(catalog: Catalog, folder: bytes, files: list[os.DirEntry[bytes]]) -> Listing:
    """A folder's files held against the digest of the last scan, else each against its row."""
    stats, untold = _stats(files)
    digest = None if untold else _digest(stats)
    rest = photos.rest_of(catalog, folder)
    if rest is not None and rest.digest == digest:
        return Listing(unchanged=rest.photos, failed=rest.failed)
    found = _compared(folder, stats, untold, photos.in_folder(catalog, folder), companions.in_folder(catalog, folder))
    if digest is not None and stats:
        found.rest = folder, digest
    return found


def _stats(files: list[os.DirEntry[bytes]]) -> tuple[dict[bytes, os.stat_result], dict[bytes, OSError]]:
    """Each file's stat by its name, and why there is none."""
    stats: dict[bytes, os.stat_result] = {}
    untold: dict[bytes, OSError] = {}
    for entry in files:
        try:
            stats[entry.name] = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # gone since the folder was listed
        except OSError as error:
            untold[entry.name] = error
    return stats, untold


def _digest(stats: dict[bytes, os.stat_result]) -> bytes | None:
    """Of all that tells an unchanged file, in the folder's own order; None where a number is beyond 64 bits."""
    numbers: list[int] = []
    for stat in stats.values():
        numbers += (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    try:
        packed = struct.pack(f"<{len(numbers)}q", *numbers)
    except struct.error:
        return None
    return bytes(blake3(_RULES + b"/".join(stats) + b"//" + packed).digest(length=16))


def _sorted_out(entries: Iterator[os.DirEntry[bytes]]) -> tuple[list[bytes], list[os.DirEntry[bytes]]]:
    """Folders, and pictures with their sidecars; links, pipes, devices and other files are neither."""
    folders: list[bytes] = []
    files: list[os.DirEntry[bytes]] = []
    for entry in entries:
        if named_like_a_part(entry.name) and entry.is_file(follow_symlinks=False):
            files.append(entry)
        elif entry.is_dir(follow_symlinks=False):
            folders.append(entry.path)
    folders.sort()
    return folders, files


def _compared(
    folder: bytes,
    stats: dict[bytes, os.stat_result],
    untold: dict[bytes, OSError],
    known: dict[bytes, KnownFile],
    beside: _Beside,
    *,
    only: Only = None,
) -> Listing:
    """A folder's photographs held against the catalog; with `only`, those that a file of these names belongs to."""
    found = Listing()
    groups = grouped([*stats, *untold])
    left = dict(known)
    if only is not None:
        groups = [group for group in groups if not only.isdisjoint((group.main, *group.raws, *group.sidecars))]
        left = {name: known[name] for group in groups for name in (group.main, *group.raws) if name in known}
    if untold:  # a mount that fails: what is known of these photographs may well be true
        groups = _without(untold, groups, left)
        why = next(iter(untold.values())).strerror
        found.warning = f"{display(folder)}: {counted(len(untold), 'file')} can't be looked at: {why}"
    for group in groups:
        for one in _told_apart(group, stats, known) if group.raws else (group,):
            row = left.pop(one.main, None)
            _compare(found, folder, one, stats, row, known, beside.get(row.id, _NONE) if beside and row else _NONE)
    found.missing = _present(left.values())
    return found


def _without(untold: dict[bytes, OSError], groups: list[Group], left: dict[bytes, KnownFile]) -> list[Group]:
    """The groups that none of these names belongs to; the others' photographs are taken out of `left`."""
    whole: list[Group] = []
    for group in groups:
        names = (group.main, *group.raws, *group.sidecars)
        if untold.keys().isdisjoint(names):
            whole.append(group)
        else:
            for name in names:
                left.pop(name, None)
    return whole


def _told_apart(group: Group, stats: dict[bytes, os.stat_result], known: dict[bytes, KnownFile]) -> list[Group]:
    """The group, without the RAWs that a run before has found to be of another exposure."""
    alone: list[Group] = []
    if _as_known(stats[group.main], known.get(group.main)):
        for name in group.raws:
            if _as_known(stats[name], row := known.get(name)) and row is not None and row.state == "present":
                group, other = apart(group, name)
                alone.append(other)
    return [group, *alone]


def _as_known(stat: os.stat_result, row: KnownFile | Companion | None) -> bool:
    if row is None or row.content_hash is None:
        return False
    there = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    known = (row.size, row.mtime_ns, row.ctime_ns, row.inode)
    return there == known or tuple(map(photos.kept, there)) == known


def _compare(
    found: Listing,
    folder: bytes,
    group: Group,
    stats: dict[bytes, os.stat_result],
    row: KnownFile | None,
    known: dict[bytes, KnownFile],
    beside: dict[bytes, Companion],
) -> None:
    names = group.raws + group.sidecars
    if (
        row is None
        or not _as_known(stats[group.main], row)
        or len(names) != len(beside)
        or (names and not all(_as_known(stats[name], beside.get(name)) for name in names))
    ):
        shot = tuple(_companion(name, stats[name], beside.get(name) or known.get(name)) for name in names)
        found.to_read.append(Shot(photos.join(folder, group.main), shot))
        return
    if row.state == "present":
        found.unchanged += 1
    else:
        found.back.append(row.id)
    found.failed += row.failed


def _companion(name: bytes, stat: os.stat_result, known: KnownFile | Companion | None) -> Companion:
    """A companion as it lies there, with its hash where that is known."""
    content = known.content_hash if known is not None and _as_known(stat, known) else None
    mtime_ns, ctime_ns, inode = map(photos.kept, (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))
    return Companion(name, kind_of(name), stat.st_size, mtime_ns, ctime_ns, inode, content)


def _present(rows: Iterable[KnownFile]) -> list[int]:
    return [row.id for row in rows if row.state == "present"]


def _named(catalog: Catalog, folder: bytes, names: frozenset[bytes]) -> Listing:
    """As for a folder, of the photographs that some of its files belong to."""
    try:
        with os.scandir(folder) as entries:
            _, files = _sorted_out(entries)
    except OSError as error:
        return Listing(warning=f"{display(folder)} can't be read: {error.strerror}")
    known, beside = photos.in_folder(catalog, folder), companions.in_folder(catalog, folder)
    return _compared(folder, *_stats(files), known, beside, only=names)
