"""Decide which photograph each file is that a scan has read: itself, another one moved here, changed, or new.

A photograph is its content. It is *moved* to a file that holds this content when its own file is
not there any more, or holds something else. Files whose content changed are settled last, when all
that moved is known: in a series renamed by one, every name has other content and nothing changed.

A photograph of several files is shown by one of them. When a JPEG joins its RAW, or goes and leaves it, another
file shows the same photograph: it *switches*. So that no face's consent reaches other pixels than the person was
seen in, it does so only where both files say that they were taken at the same instant, and faces are sought anew.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from core import places
from core.companions import same_exposure
from core.consent import BY_PLACE
from storage import companions, photos
from storage.catalog import Catalog
from storage.photos import KnownFile, Located, ScanBatch
from storage.records import CompanionKind, Photo

_MOST_HELD = 20_000  # changed files that wait for the end; more are settled as they come, to bound memory


@dataclass(slots=True)
class Settled:
    """Counts of what was settled. `moved` holds those shown by another file too, `unchanged` those of another stat."""

    new: int = 0
    changed: int = 0
    moved: int = 0
    unchanged: int = 0

    def __iadd__(self, other: Settled) -> Settled:
        self.new += other.new
        self.changed += other.changed
        self.moved += other.moved
        self.unchanged += other.unchanged
        return self


@dataclass(slots=True)
class Settler:
    """Settles the readings of one run, batch by batch, each in one transaction (none with `dry_run`)."""

    catalog: Catalog
    dry_run: bool = False
    missing: set[int] = field(default_factory=set)  # photographs whose file the walk didn't find
    _newest: int = field(init=False)  # what has a higher id was found by this run, where its file is
    _placed: set[int] = field(default_factory=set)  # photographs that this run gave a place
    _held: dict[bytes, Photo] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._newest = photos.newest_id(self.catalog)

    def settle(self, read: Sequence[Photo]) -> Settled:
        """Write what these photographs, just read, are; those that look changed wait for `finish`."""
        return self._settle(read, hold=len(self._held) < _MOST_HELD)

    def finish(self) -> Settled:
        """Settle what waits, then mark as gone the missing that were not found elsewhere."""
        held = list(self._held.values())
        counts = self._settle(held, hold=False) if held else Settled()
        gone = sorted(self.missing - self._placed)
        if gone and not self.dry_run:
            photos.apply_scan(self.catalog, ScanBatch(gone=gone))
        self.missing = set(gone)
        return counts

    def come_back(self, ids: Sequence[int]) -> None:
        """Mark as present photographs that were gone and are where they were, unchanged."""
        if ids and not self.dry_run:
            photos.apply_scan(self.catalog, ScanBatch(back=ids))

    def _settle(self, read: Sequence[Photo], *, hold: bool) -> Settled:
        located = _located(read)
        with self.catalog.transaction():
            plan = self._plan({photo.path: photo for photo in located}, hold)
            batch = plan.batch(self.catalog)
            if not self.dry_run:
                photos.apply_scan(self.catalog, batch)
        self._placed.update(photo.id for photo in (*batch.same, *batch.changed, *batch.switched))
        self.missing.update(plan.displaced_present)
        moved = len(plan.moved) + len(plan.switched)
        return Settled(len(batch.new), len(batch.changed), moved, len(plan.same) + len(plan.unread))

    def _plan(self, read: dict[bytes, Photo], hold: bool) -> _Plan:
        at = {
            path: row for path, row in photos.at_paths(self.catalog, sorted(read)).items() if row.id not in self._placed
        }
        plan = _Plan()
        homeless: list[Photo] = []
        for path, photo in sorted(read.items()):
            row = at.get(path)
            if row is not None and photo.content_hash is None:
                plan.unread.append((row, photo))
            elif row is not None and row.content_hash == photo.content_hash:
                plan.same.append(replace(photo, id=row.id))
            else:
                homeless.append(photo)
        homeless = self._find_moved(plan, homeless, read)
        placed = {photo.id for photo in plan.moved}
        others = self._of_other_files(homeless, placed, read)
        for photo in homeless:
            row = at.get(photo.path)
            other = others.get(photo.path)
            free = row is None or row.id in placed or row.state == "gone"
            if hold and (other is not None or not free):
                self._held[photo.path] = photo
            elif not free and row is not None:
                plan.changed.append(replace(photo, id=row.id))
            elif other is None:
                plan.new.append(photo)
            elif same_exposure(photo.taken_at, other.taken_at):
                plan.switched.append(replace(photo, id=other.id))
            else:
                plan.changed.append(replace(photo, id=other.id))
        placed |= {photo.id for photo in (*plan.switched, *plan.changed)}
        landed = {photo.path for photo in (*plan.moved, *plan.new, *plan.switched, *plan.changed)}
        plan.displaced = [row for path, row in at.items() if path in landed and row.id not in placed]
        return plan

    def _of_other_files(self, homeless: list[Photo], placed: set[int], read: dict[bytes, Photo]) -> dict[bytes, Photo]:
        """For each path whose content is new, the photograph that another of its files was known by.

        That is one whose own file is a companion of this now, or that had this as a companion and lost its own.
        """
        joined = {photo.path: _raws_of(photo) for photo in homeless}
        known_by = photos.with_content(self.catalog, [content for several in joined.values() for content in several])
        left_by = companions.with_content(self.catalog, [p.content_hash for p in homeless if p.content_hash])
        if not known_by and not left_by:
            return {}
        lost = photos.located(self.catalog, {id for several in left_by.values() for id in several})
        found: dict[bytes, int] = {}
        taken = set(placed) | self._placed
        for photo in homeless:
            folder, _ = photos.split(photo.path)
            rows = [
                row
                for content in joined[photo.path]
                for row in known_by.get(content, ())
                if self._left(row, read) or (row.folder == folder and row.name in joined[photo.path][content])
            ]
            rows += [
                lost[id]
                for id in left_by.get(photo.content_hash or "", ())
                if self._left(lost[id], read) and lost[id].path != photo.path
            ]
            row = next((row for row in rows if row.file.id not in taken), None)
            if row is not None:
                taken.add(row.file.id)
                found[photo.path] = row.file.id
        records = {record.id: record for record in photos.get_many(self.catalog, sorted(found.values()))}
        return {path: records[id] for path, id in found.items()}

    def _find_moved(self, plan: _Plan, homeless: list[Photo], read: dict[bytes, Photo]) -> list[Photo]:
        """Give each photograph the row of one that held its content and lost its file; returns the others."""
        rows = photos.with_content(self.catalog, [p.content_hash for p in homeless if p.content_hash], self._newest)
        # each is asked once for all its copies in the batch: of one blank picture there may be thousands
        without_file = {
            content: (row for row in known if row.file.id not in self._placed and self._left(row, read))
            for content, known in rows.items()
        }
        others: list[Photo] = []
        for photo in homeless:
            row = next(without_file.get(photo.content_hash or "", iter(())), None)
            if row is None:
                others.append(photo)
            else:
                plan.moved.append(replace(photo, id=row.file.id))
        return others

    def _left(self, row: Located, read: dict[bytes, Photo]) -> bool:
        """Whether the content of this row is no longer at its path."""
        if b"\0" in row.name:  # it lost its name to another photograph
            return True
        now = read.get(row.path) or self._held.get(row.path)
        if now is not None:
            return now.content_hash not in {None, row.file.content_hash}
        try:
            stat = os.lstat(row.path)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False  # it may well be there
        return (photos.kept(stat.st_ino), stat.st_size) != (row.file.inode, row.file.size)


@dataclass(slots=True)
class _Plan:
    """What one batch of readings comes to."""

    new: list[Photo] = field(default_factory=list)
    same: list[Photo] = field(default_factory=list)
    moved: list[Photo] = field(default_factory=list)
    changed: list[Photo] = field(default_factory=list)
    switched: list[Photo] = field(default_factory=list)
    unread: list[tuple[KnownFile, Photo]] = field(default_factory=list)  # known, and not readable this time
    displaced: list[KnownFile] = field(default_factory=list)

    @property
    def displaced_present(self) -> list[int]:
        return [row.id for row in self.displaced if row.state == "present"]

    def batch(self, catalog: Catalog) -> ScanBatch:
        """As storage takes it."""
        return ScanBatch(
            new=self.new,
            same=[*self.same, *self.moved, *_unread(catalog, self.unread)],
            changed=self.changed,
            switched=self.switched,
            displaced=[row.id for row in self.displaced],
        )


def _unread(catalog: Catalog, rows: Sequence[tuple[KnownFile, Photo]]) -> list[Photo]:
    """Known photographs whose file can't be read now: only the reason is news.

    They keep their content hash, hence faces and consent, and a stat that no file has: the next run
    tries again.
    """
    known = photos.get_many(catalog, [row.id for row, _ in rows])
    return [
        replace(photo, error=now.error, mtime_ns=0, ctime_ns=0) for photo, (_, now) in zip(known, rows, strict=True)
    ]


def _raws_of(photo: Photo) -> dict[str, set[bytes]]:
    """The content hashes of the RAWs beside a photograph's file, with their names."""
    found: dict[str, set[bytes]] = {}
    for companion in photo.companions or ():
        if companion.kind is CompanionKind.RAW and companion.content_hash is not None:
            found.setdefault(companion.content_hash, set()).add(companion.name)
    return found


def _located(found: Sequence[Photo]) -> list[Photo]:
    """The photographs with what their position tells: the nearest town, and the zone where nothing better does."""
    spots = {photo.path: (photo.lat, photo.lon) for photo in found if photo.lat is not None and photo.lon is not None}
    towns = dict(zip(spots, places.nearest(list(spots.values())), strict=True))
    return [
        _told_by_place(photo, *spots[photo.path], towns[photo.path]) if photo.path in spots else photo
        for photo in found
    ]


def _told_by_place(photo: Photo, lat: float, lon: float, town: places.Place | None) -> Photo:
    if town is not None:
        photo = replace(photo, place=town.town, country=town.country)
    if photo.taken_at is None or photo.taken_offset is not None:
        return photo
    offset = places.offset(lat, lon, photo.taken_at)
    return photo if offset is None else replace(photo, taken_offset=offset, taken_source=BY_PLACE)
