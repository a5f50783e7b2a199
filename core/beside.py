"""What the files beside a photograph's own hold: a RAW its hash and EXIF, a sidecar its XMP. Never written."""

from __future__ import annotations

import io
import os
import stat as stats
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from blake3 import blake3

from core import exif, raw
from core.interchange import xmp
from core.pulse import Beats
from storage.photos import join, kept
from storage.records import Companion, CompanionKind
from storage.safe_text import display

_BLOCK = 256 << 10


@dataclass(frozen=True, slots=True)
class Beside:
    """A companion as read: of a RAW its EXIF, of a sidecar what it says, and why it could not be read."""

    companion: Companion
    fields: exif.ExifFields = field(default_factory=exif.ExifFields)
    written: xmp.XmpFields = field(default_factory=xmp.XmpFields)
    warning: str | None = None


def read(folder: bytes, known: Companion, beats: Beats | None = None) -> Beside | None:
    """A companion, hashed where its hash is not known; None where it is not there (any more) or is no regular file.

    Never raises for what it holds. `beats` is told that bytes come.
    """
    try:
        file = os.open(join(folder, known.name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        return _unread(known, error)
    with os.fdopen(file, "rb") as source:
        stat = os.fstat(source.fileno())
        if not stats.S_ISREG(stat.st_mode):
            return None
        mtime_ns, ctime_ns, inode = map(kept, (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))
        now = replace(known, size=stat.st_size, mtime_ns=mtime_ns, ctime_ns=ctime_ns, inode=inode)
        try:
            return _read(source, now if now == known else replace(now, content_hash=None), beats)
        except OSError as error:
            return _unread(now, error)


def raw_fields(source: BinaryIO) -> exif.ExifFields:
    """The EXIF of a RAW, without a look for its preview; empty fields where the file is no RAW."""
    found = raw.of(source)
    if found is None:
        return exif.ExifFields()
    blocks: list[BinaryIO] = [io.BytesIO(block) for block in found.exif]
    return exif.read(*(blocks or [source]))


def _read(source: BinaryIO, companion: Companion, beats: Beats | None) -> Beside:
    if companion.content_hash is None:
        companion = replace(companion, content_hash=_hash(source, beats))
    if companion.kind is CompanionKind.RAW:
        return Beside(companion, fields=raw_fields(source))
    source.seek(0)
    written = xmp.read(source.read(xmp.MOST_BYTES + 1))
    warning = None if written.warning is None else f"{display(companion.name)}: {written.warning}"
    return Beside(companion, written=written, warning=warning)


def _unread(companion: Companion, error: OSError) -> Beside:
    """Without a hash, so that the next run tries again."""
    why = f"{display(companion.name)} can't be read: {error.strerror or error}"
    return Beside(replace(companion, content_hash=None), warning=why)


def _hash(source: BinaryIO, beats: Beats | None) -> str:
    digest = blake3()
    while block := source.read(_BLOCK):
        digest.update(block)
        if beats is not None:
            beats.beat()
    return str(digest.hexdigest())
