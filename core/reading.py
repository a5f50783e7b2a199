"""What one photograph's files hold: content hash, EXIF, XMP and size in pixels, read once, never written.

`core.readers` does it in processes of their own, so that a file which crashes or stalls a decoder costs
its own row an error and nothing else.
"""

from __future__ import annotations

import io
import os
import stat as stats
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any, BinaryIO

from blake3 import blake3

from core import beside, exif, image, jpeg
from core.beside import Beside
from core.companions import Group, Shot, apart, same_exposure
from core.errors import BadImage
from core.interchange import xmp
from core.interchange.assertions import Assertion
from core.interchange.regions import upright
from core.pulse import Beats, Pulse
from storage.photos import join, kept, split
from storage.records import Claim, CompanionKind, Photo
from storage.safe_text import display

CHANGED = "changed while it was read"
GREEDY = "reading it takes more memory than is safe"

_WHOLE = 128 << 20  # files up to this many bytes are kept in memory while they are looked at
_BLOCK = 256 << 10  # bytes at a time: the hash finds them in the processor's cache, and a slow disk is seen to give


@dataclass(frozen=True, slots=True)
class Reading:
    """One file as read. `photo.id` is 0; its `content_hash` is None where the file was not read to its end."""

    photo: Photo
    warning: str | None = None  # what could not be read although the photograph can be used
    stored: int = 1  # EXIF orientation of the pixels in the file, which regions are told of


def read_file(path: bytes, pulse: Pulse | Beats | None = None) -> Reading | None:
    """Read one file; None when it is not there (any more) or is no regular file.

    Never raises for what the file is or holds: `photo.error` says why it can't be used. `pulse` is
    told how far it came.
    """
    try:
        # never follow a link, never wait for the writer of a pipe put where the file was
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return _unopened(path, error)
    with os.fdopen(file, "rb", buffering=0) as source:
        before = os.fstat(file)
        if not stats.S_ISREG(before.st_mode):
            return None
        photo = _photo(path, before)
        if pulse is not None:
            pulse.opened(photo.size, photo.mtime_ns, photo.ctime_ns, photo.inode)
        try:
            reading = _read(source, photo, pulse)
        except OSError as error:
            return Reading(replace(photo, error=f"can't be read: {error.strerror or error}"))
        except MemoryError:
            return Reading(replace(photo, error=GREEDY))
        if reading is None or _mark(os.fstat(file)) != _mark(before):
            return Reading(replace(photo, error=CHANGED))
        return reading


def _mark(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _photo(path: bytes, stat: os.stat_result) -> Photo:
    times = kept(stat.st_mtime_ns), kept(stat.st_ctime_ns)
    return Photo(0, path, display(path), stat.st_size, *times, kept(stat.st_ino), companions=(), tags=(), claims=())


def _unopened(path: bytes, error: OSError) -> Reading | None:
    try:
        stat = os.lstat(path)
    except OSError:
        return None
    if not stats.S_ISREG(stat.st_mode):
        return None
    return Reading(replace(_photo(path, stat), error=f"can't be opened: {error.strerror}"))


def _read(source: io.FileIO, photo: Photo, pulse: Pulse | Beats | None) -> Reading | None:
    """What the file holds; None when its size is not what it was."""
    data: bytes | bytearray | None
    if photo.size <= _BLOCK:
        data = _all_of(source, photo.size)
        there, digest = len(data), blake3(data)
    else:
        data = bytearray(photo.size) if photo.size <= _WHOLE else None
        digest = blake3()
        there = _take_in(source, photo.size, data, digest, pulse)
    if there != photo.size:
        return None
    told = digest.hexdigest()
    if pulse is not None:
        pulse.hashed(told)
    if isinstance(data, bytes):
        return _described(photo, told, io.BytesIO(data), data)
    with open(source.fileno(), "rb", closefd=False) as held:
        return _described(photo, told, held, data)


def _all_of(source: io.FileIO, size: int) -> bytes:
    """The file of so many bytes; one more if it has grown, fewer if it has shrunk."""
    data = source.read(size + 1) or b""
    while 0 < len(data) < size and (more := source.read(size + 1 - len(data))):
        data += more
    return data


def _take_in(source: io.FileIO, size: int, data: bytearray | None, digest: blake3, pulse: Pulse | Beats | None) -> int:
    """Hash `size` bytes, into `data` where there is one; how many came, which is more if the file has grown."""
    block = memoryview(bytearray(_BLOCK) if data is None else data)
    there = 0
    while there < size:
        at = there if data is not None else 0
        got = source.readinto(block[at : at + _BLOCK])
        if not got:
            return there
        digest.update(block[at : at + got])
        there += got
        if pulse is not None:
            pulse.beat()
    return there + len(source.read(1) or b"")


_EXIF = [field.name for field in fields(exif.ExifFields) if field.name not in {"orientation", "warning"}]


def _described(photo: Photo, digest: str, source: BinaryIO, data: bytes | bytearray | None) -> Reading:
    """`photo` with what EXIF, XMP and the picture's header say; `data` is the whole file where it is in memory."""
    if photo.size == 0:
        return Reading(replace(photo, content_hash=digest, error="the file is empty"))
    frame = None if data is None else jpeg.frame_of(data)
    told = exif.ExifFields()
    try:
        if data is not None and frame is not None:
            # EXIF lies in front of a JPEG's first scan: lying offsets can't make the reader chew the pixels
            head = bytes(data[: frame.header])
            told = exif.read(io.BytesIO(head))
            turn = image.probe(source).orientation if told.warning else told.orientation
            facts = image.probe_jpeg(frame, turn)
            packet = jpeg.xmp_of(head)
        else:
            facts = image.probe(source)
            # exifread knows few of the ways that HEIF and WebP hold their EXIF; Pillow finds the block
            blocks: list[BinaryIO] = [io.BytesIO(block) for block in facts.exif]
            told = exif.read(*([source, *blocks] if facts.is_exif else blocks))
            packet = facts.xmp
    except BadImage as error:
        torn = frame is None and data is not None and data.startswith(jpeg.MAGIC)
        why = "the file is cut off before its picture begins" if torn else error.message
        told = told if frame is not None else beside.raw_fields(source)
        return Reading(replace(photo, content_hash=digest, error=why, **{name: getattr(told, name) for name in _EXIF}))
    photo = replace(
        photo,
        content_hash=digest,
        format=facts.format,
        width=facts.width,
        height=facts.height,
        orientation=facts.orientation,
        error=None if facts.complete else "the file is cut off: its end is missing",
        **{name: getattr(told, name) for name in _EXIF},
    )
    written = {split(photo.path)[1]: xmp.read(packet)} if xmp.worth_reading(packet) else {}
    return Reading(_with_xmp(photo, written, facts.stored), told.warning, facts.stored)


def _with_xmp(photo: Photo, written: Mapping[bytes, xmp.XmpFields], stored: int) -> Photo:
    """The photograph with the first that each field is given by, of what `written` gives; EXIF's where none does.

    Claims are added up, whatever file says them; `stored` is the EXIF orientation that their regions are told in.
    """
    if not written:
        return photo
    told = written.values()
    rating = next((each.rating for each in told if each.rating is not None), photo.rating)
    caption = next((each.caption for each in told if each.caption is not None), photo.caption)
    tags = next((each.keywords for each in told if each.keywords), photo.tags or ())
    claims = [_claim(one, name, stored) for name, each in written.items() for one in each.asserted]
    claims = [*(photo.claims or ()), *claims]
    return replace(photo, rating=rating, caption=caption, tags=tags, claims=tuple(dict.fromkeys(claims)))


def _claim(said: Assertion, name: bytes, stored: int) -> Claim:
    area = said.area
    if area is not None:
        x0, y0, x1, y1 = (round(edge, 6) for edge in upright(area, stored))
        area = x0, y0, x1, y1
    return Claim(said.field, said.value, display(name), area, said.bars)


def read_shot(shot: Shot, pulse: Pulse | None = None) -> list[Reading]:
    """Read a photograph's files. More than one reading comes back where a RAW is found to be of another exposure.

    None comes back where the file to be shown is not there any more. Never raises for what the files hold. `pulse`
    is told how far it came with the file to be shown, and of the others that bytes come.
    """
    reading = read_file(shot.path, pulse)
    if reading is None:
        return []
    if not shot.beside or reading.photo.content_hash is None:
        return [reading]
    folder, name = split(shot.path)
    beats = None if pulse is None else Beats(pulse)
    found = {each.name: read for each in shot.beside if (read := beside.read(folder, each, beats)) is not None}
    raws = tuple(name for name, each in found.items() if each.companion.kind is CompanionKind.RAW)
    group = Group(name, raws, tuple(name for name in found if name not in raws))
    pairs: list[tuple[Reading, Group]] = []
    for other in raws:
        if same_exposure(reading.photo.taken_at, found[other].fields.taken_at) is False:
            group, own = apart(group, other)
            if (alone := read_file(join(folder, other), beats)) is not None:
                pairs.append((alone, own))
    return [_with_companions(read, own, found) for read, own in [(reading, group), *pairs]]


_FIELDS = attrgetter(*Photo.__dataclass_fields__)


def read_in_process(shot: Shot, pulse: Pulse, _: memoryview) -> list[tuple[Any, ...]]:
    """`read_shot` for `core.readers`: each reading as a tuple, for a pickled record takes several times as long."""
    return [(_FIELDS(reading.photo), reading.warning) for reading in read_shot(shot, pulse)]


def _with_companions(reading: Reading, group: Group, found: Mapping[bytes, Beside]) -> Reading:
    others = [found[name] for name in (*group.raws, *group.sidecars)]
    photo = _with_xmp(reading.photo, {each.companion.name: each.written for each in others}, reading.stored)
    photo = replace(photo, companions=tuple(each.companion for each in others))
    if any(each.companion.content_hash is None for each in others):
        photo = replace(photo, claims=None)  # what is known of them stays until all of them can be read
    warnings = [each.warning for each in others if each.warning is not None]
    return Reading(photo, reading.warning or next(iter(warnings), None), reading.stored)
