"""Bring the catalog up to date with the archive: what is new, changed, moved, gone, and what can't be read.

A file is unchanged when size, modification and change time and inode are as they were: it is then
not opened. `core.walk` finds what must be read, `core.readers` reads it in processes,
`core.settling` decides which photograph it is. The archive is only read.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.companions import Shot
from core.progress import Report, Step, silent
from core.readers import Readers
from core.reading import Reading
from core.settling import Settled, Settler
from core.walk import Listing, Target, targets, walk
from storage import photos
from storage.catalog import Catalog

_CHUNK = 32  # files a process reads before it answers
BATCH = 1024  # files settled in one transaction
_AHEAD = 100_000  # files that the walk may be ahead: the total is known soon, and memory stays bounded
_FEW = 256  # so many files must be waiting before the walk is done for a process to be worth its start
_MOST_WARNINGS = 1_000
_REPORT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ScanResult:
    """Counts of photographs. `seen` are there now: new, changed, moved or unchanged (some of them `back`).

    `gone` were there at the last run, `errors` of those seen can't be used. `warnings` are lines for
    people: folders and EXIF that can't be read.
    """

    seen: int
    new: int
    changed: int
    moved: int
    gone: int
    unchanged: int
    errors: int
    seconds: float
    back: int = 0
    warnings: tuple[str, ...] = ()


def index(
    catalog: Catalog,
    roots: Sequence[Path],
    *,
    jobs: int | None = None,
    dry_run: bool = False,
    report: Report = silent,
) -> ScanResult:
    """Index the pictures in and below `roots`, which are folders or files.

    Symbolic links below a root are not followed, and the catalog's own folder is left out. Work is
    written in batches, so that a run that is stopped, even killed, is taken up by the next one.
    `jobs` processes read (one per core by default). With `dry_run` all is read and nothing written.
    Raises UnreadablePath for a root that is missing or may not be read, BadValue for one inside the
    catalog.
    """
    wanted = targets(catalog, roots)
    run = _Run(Settler(catalog, dry_run), report)
    with Readers(jobs or len(os.sched_getaffinity(0))) as readers:
        run.go(catalog, wanted, readers)
    return run.result()


@dataclass(slots=True)
class _Run:
    """One run of `index`: what waits, and what has been found so far."""

    settler: Settler
    report: Report
    started: float = field(default_factory=time.monotonic)
    reported: float = 0.0
    walked: bool = False
    resting: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)  # digest and photographs, by folder
    waiting: deque[Shot] = field(default_factory=deque)  # to read
    read: list[Reading] = field(default_factory=list)  # not settled yet
    files_found: int = 0  # that must be read
    files_read: int = 0
    unchanged: int = 0
    back: int = 0
    errors: int = 0
    settled: Settled = field(default_factory=Settled)
    warnings: list[str] = field(default_factory=list)

    def go(self, catalog: Catalog, wanted: Sequence[Target], readers: Readers) -> None:
        """Walk, read and write at once."""
        listings = walk(catalog, wanted)
        while not self.walked or self.waiting or len(readers):
            if not self.walked and len(self.waiting) < _AHEAD:
                self._take(next(listings, None))
            self._feed(readers)
            while readers.ready or (len(readers) and (self.walked or len(self.waiting) >= _AHEAD)):
                self._collect(readers.collect())
                self._feed(readers)
            self._tell()
        self._settle()
        self.settled += self.settler.finish()
        if not self.settler.dry_run:
            photos.put_to_rest(catalog, self.resting)
        self._tell(last=True)

    def _take(self, listing: Listing | None) -> None:
        if listing is None:
            self.walked = True
            return
        self.waiting.extend(listing.to_read)
        self.files_found += len(listing.to_read)
        self.unchanged += listing.unchanged
        self.errors += listing.failed
        self.back += len(listing.back)
        self.settler.come_back(listing.back)
        if listing.rest is not None:
            folder, digest = listing.rest
            self.resting[folder] = digest, listing.unchanged + len(listing.back) + len(listing.to_read)
        self.settler.missing.update(listing.missing)
        if listing.warning is not None:
            self._warn(listing.warning)

    def _feed(self, readers: Readers) -> None:
        # no process starts before it is known that there is more than a few files' work for it
        while not readers.busy and len(self.waiting) >= (1 if self.walked else _FEW):
            readers.submit([self.waiting.popleft() for _ in range(min(_CHUNK, len(self.waiting)))])

    def _collect(self, found: list[Reading]) -> None:
        self.read += found
        self.files_read += len(found)
        for reading in found:
            self.errors += reading.photo.error is not None
            if reading.warning is not None:
                self._warn(f"{reading.photo.path_text}: {reading.warning}")
        if len(self.read) >= BATCH:
            self._settle()
        self._tell()

    def _settle(self) -> None:
        self.settled += self.settler.settle([reading.photo for reading in self.read])
        self.read = []

    def _warn(self, line: str) -> None:
        if len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append(line)

    def _tell(self, *, last: bool = False) -> None:
        now = time.monotonic()
        if last or now - self.reported >= _REPORT_SECONDS:
            self.reported = now
            still = self.unchanged + self.back
            found = max(self.files_found, self.files_read)  # a RAW may turn out to be a photograph of its own
            self.report(Step("index", still + self.files_read, still + found if self.walked else None))

    def result(self) -> ScanResult:
        """The counts of the run."""
        return ScanResult(
            seen=self.unchanged + self.back + self.files_read,
            new=self.settled.new,
            changed=self.settled.changed,
            moved=self.settled.moved,
            gone=len(self.settler.missing),
            unchanged=self.unchanged + self.back + self.settled.unchanged,
            errors=self.errors,
            seconds=time.monotonic() - self.started,
            back=self.back,
            warnings=tuple(self.warnings),
        )
