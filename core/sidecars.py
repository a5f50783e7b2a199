"""XMP sidecars written beside photographs when somebody asks for them; the photographs themselves are never touched.

A sidecar that is there is kept but for the fields that are said (`core.interchange.packet`). It is read, put together
and exchanged whole, and left alone where it can't be understood or changes meanwhile. What was written is on record, so
that read again it is no claim.
"""

from __future__ import annotations

import os
import stat as stats
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from core import image, said
from core.companions import SIDECAR
from core.errors import BadImage
from core.interchange import packet, xmp
from core.interchange.packet import Words
from core.interchange.rdf import MOST_BYTES, BadPacket
from core.interchange.statement import Statement
from core.progress import Report, Step, silent
from storage import claims, companions, photos
from storage.catalog import Catalog
from storage.photos import join, kept, split
from storage.records import Companion, CompanionKind, Photo, PhotoState
from storage.safe_text import display
from storage.whole_files import whole_file

BATCH = 200
_TURNED = ("TIFF",)  # whose decoder applies the orientation, so that the row doesn't hold it


@dataclass(slots=True)
class Written:
    """Sidecars that were, or would be, written, by photograph; how many are as they should be; why others are not.

    `unnamed` people are in these photographs whose names are kept back: they have not granted `catalogue`.
    """

    written: dict[int, str] = field(default_factory=dict)
    unchanged: int = 0
    unnamed: int = 0
    left_out: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Plan:
    """A sidecar to write: where, what, and the stat of what is there now."""

    photo: Photo
    path: bytes
    data: bytes
    there: os.stat_result | None
    own: Words
    new: Words


class _NotNow(Exception):
    """Why a photograph gets no sidecar."""


def write(catalog: Catalog, photo_ids: Sequence[int], *, dry_run: bool = False, report: Report = silent) -> Written:
    """Write, or bring up to date, the sidecars of these photographs. With `dry_run` nothing is written."""
    done = Written()
    for start in range(0, len(photo_ids), BATCH):
        some = photos.get_many(catalog, photo_ids[start : start + BATCH])
        statements = said.statements(catalog, some)
        beside = companions.of_photos(catalog, [photo.id for photo in some])
        plans = []
        for photo in some:
            try:
                plan = _planned(catalog, photo, statements[photo.id], beside[photo.id])
            except _NotNow as why:
                done.left_out[photo.id] = str(why)
                continue
            done.unnamed += statements[photo.id].unnamed
            if plan is None:
                done.unchanged += 1
            else:
                plans.append(plan)
        if dry_run:
            done.written |= {plan.photo.id: display(plan.path) for plan in plans}
        else:
            _write(catalog, plans, done)
        report(Step("sidecars", min(start + BATCH, len(photo_ids)), len(photo_ids)))
    return done


def _planned(catalog: Catalog, photo: Photo, told: Statement, beside: Sequence[Companion]) -> _Plan | None:
    """What to write for a photograph, None where it stands there already."""
    if photo.state is PhotoState.GONE:
        raise _NotNow("its file is gone")
    if photo.error is not None or photo.width is None or photo.height is None:
        raise _NotNow(f"it can't be read: {photo.error}")
    orientation = _stored_orientation(photo)
    path = _place(photo, beside)
    there, before = _read(path)
    own = claims.own_words(catalog, photo.id, display(split(path)[1]))
    size = photo.width, photo.height
    try:
        if before is None:
            data, foreign = packet.made(told, size, orientation), set()
        else:
            data = packet.merged(before, told, own, size, orientation)
            foreign = {(one.field, one.value) for one in xmp.read(before).asserted} - own
    except BadPacket as error:
        raise _NotNow(f"{display(path)} is left alone: {error}") from error
    if data == before:
        return None
    return _Plan(photo, path, data, there, own, told.words() - foreign)


def _stored_orientation(photo: Photo) -> int:
    """The EXIF orientation of the pixels as they lie in the file, which must be the one that was indexed."""
    try:
        stat = os.lstat(photo.path)
        if (stat.st_size, kept(stat.st_mtime_ns)) != (photo.size, photo.mtime_ns) or not stats.S_ISREG(stat.st_mode):
            raise _NotNow("it changed since it was indexed: run kyodaku index")
        return image.probe(Path(os.fsdecode(photo.path))).stored if photo.format in _TURNED else photo.orientation
    except (OSError, BadImage) as error:
        raise _NotNow(f"it can't be read: {error}") from error


def _place(photo: Photo, beside: Sequence[Companion]) -> bytes:
    """The sidecar that is the photograph's own: that of its file, else another that it has, else a new one."""
    folder, name = split(photo.path)
    names = [each.name for each in beside if each.kind is CompanionKind.XMP]
    own = [each for each in names if each[: -len(SIDECAR)] == name]
    return join(folder, next(iter([*own, *names]), name + SIDECAR))


def _read(path: bytes) -> tuple[os.stat_result | None, bytes | None]:
    """The sidecar that is there."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None, None
    except OSError as error:
        raise _NotNow(f"{display(path)} can't be read: {error.strerror}") from error
    with os.fdopen(file, "rb") as source:
        stat = os.fstat(file)
        if not stats.S_ISREG(stat.st_mode) or stat.st_size > MOST_BYTES:
            raise _NotNow(f"{display(path)} is left alone: it is no sidecar")
        return stat, source.read(MOST_BYTES + 1)


def _write(catalog: Catalog, plans: Sequence[_Plan], done: Written) -> None:
    """Write the files of a batch; on record first, so that none of them is ever taken for somebody else's word."""
    with catalog.transaction():
        for plan in plans:
            claims.set_own_words(catalog, plan.photo.id, _name(plan), plan.own | plan.new)
    found: list[tuple[int, Companion]] = []
    for plan in plans:
        try:
            found.append((plan.photo.id, _exchange(plan)))
        except (OSError, _NotNow) as error:
            why = f"can't be written: {error.strerror}" if isinstance(error, OSError) else str(error)
            done.left_out[plan.photo.id] = f"{display(plan.path)} {why}"
        else:
            done.written[plan.photo.id] = display(plan.path)
    with catalog.transaction():
        for plan in plans:
            left = plan.own if plan.photo.id in done.left_out else plan.new
            claims.set_own_words(catalog, plan.photo.id, _name(plan), left)
        companions.put(catalog, found)


def _exchange(plan: _Plan) -> Companion:
    """Put the sidecar in its place, with the rights of the one that was there, else of the photograph."""
    path = Path(os.fsdecode(plan.path))
    with whole_file(path) as file:
        file.write(plan.data)
        like = plan.there or os.stat(plan.photo.path)  # noqa: PTH116 - the path is bytes
        os.fchmod(file.fileno(), stats.S_IMODE(like.st_mode) & 0o666)
        if _mark(path) != (None if plan.there is None else _of(plan.there)):
            raise _NotNow("changed while it was written, and is left alone")
    now = path.lstat()
    return Companion(
        split(plan.path)[1],
        CompanionKind.XMP,
        now.st_size,
        kept(now.st_mtime_ns),
        kept(now.st_ctime_ns),
        kept(now.st_ino),
        blake3(plan.data).hexdigest(),
    )


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        return _of(path.lstat())
    except FileNotFoundError:
        return None


def _of(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _name(plan: _Plan) -> str:
    return display(split(plan.path)[1])
