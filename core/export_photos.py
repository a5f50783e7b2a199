"""Copies of photographs that may be published, with what the ledger says of them embedded, and the rest with reasons.

Asked is the ledger, when each batch is read, never a cached status; and what is copied are the bytes that were indexed,
told by their hash, for it is these in which faces were sought.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core import outside, said, statuses
from core.errors import BadImage
from core.interchange import copies, packet
from core.interchange.copies import Copy
from core.interchange.copying import Copiers
from core.interchange.rdf import BadPacket
from core.interchange.statement import Statement
from core.progress import Report, Step, silent
from storage import ledger, photos
from storage.catalog import Catalog
from storage.photos import split
from storage.records import Photo, PhotoState, Purpose, Status
from storage.safe_text import display
from storage.whole_files import new_file

BATCH = 16  # photographs that are ruled on together, right before they are read
_LONGEST_NAME = 80
_ODD = re.compile(r"[^\w.-]+")


@dataclass(slots=True)
class Exported:
    """Copies that were, or would be, written, by photograph; those of them whose pixels were encoded anew.

    `refused` says which photographs a rule left out, and why; `left_out` which others.
    """

    written: dict[int, str] = field(default_factory=dict)
    encoded: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)


def export(
    catalog: Catalog,
    photo_ids: Sequence[int],
    out: Path,
    *,
    gps: bool = False,
    names: bool = True,
    dry_run: bool = False,
    report: Report = silent,
) -> Exported:
    """Write a copy of each of these photographs that may be published into `out`, which is made where it is missing.

    Positions are stripped unless `gps` asks for them; with `names` people are named who granted `catalogue`. No file is
    ever overwritten, and each is there whole or not at all. Raises BadValue for a folder of the archive or catalog;
    JobFailed, UnreadablePath.
    """
    outside.require(catalog, out)
    done = Exported()
    if not dry_run:
        out.mkdir(parents=True, exist_ok=True)
    with Copiers() as copiers:
        for start in range(0, len(photo_ids), BATCH):
            some = _granted(catalog, photos.get_many(catalog, photo_ids[start : start + BATCH]), done)
            told = said.statements(catalog, some, names=names)
            for photo in some:
                try:
                    copy = _copy(copiers, photo, told[photo.id], gps)
                    path = out / f"{_stem(photo)}{copy.suffix}"
                    if path.exists():
                        raise BadImage(f"{display(str(path))} is there already")
                    if not dry_run:
                        with new_file(path) as file:
                            file.write(copy.data)
                except FileExistsError:
                    done.left_out[photo.id] = f"{display(str(path))} is there already"
                except BadImage as error:
                    done.left_out[photo.id] = error.message
                else:
                    done.written[photo.id] = str(path)
                    done.encoded += [photo.id] if copy.encoded else []
            report(Step("export", min(start + BATCH, len(photo_ids)), len(photo_ids)))
    return done


def _granted(catalog: Catalog, some: Sequence[Photo], done: Exported) -> list[Photo]:
    """Those that may be published now."""
    ids = [photo.id for photo in some]
    rulings = statuses.rulings(catalog, ids, [Purpose.PUBLISH], ledger.instant(catalog))
    allowed = []
    for photo in some:
        ruling = rulings[photo.id][Purpose.PUBLISH]
        if ruling.status is not Status.GRANTED:
            done.refused[photo.id] = f"{ruling.status}: {ruling.why}"
        elif photo.state is PhotoState.GONE:
            done.left_out[photo.id] = "its file is gone"
        else:
            allowed.append(photo)
    return allowed


def _copy(copiers: Copiers, photo: Photo, told: Statement, gps: bool) -> Copy:
    """The copy's bytes. Raises BadImage, JobFailed, UnreadablePath."""
    size = photo.width or 1, photo.height or 1
    orientation = copies.kept_orientation(photo.format or "", photo.orientation)
    try:
        xmp = packet.made(told, size, orientation)
    except BadPacket as error:
        raise BadImage(f"what is said of it can't be written: {error}") from error
    return copiers.copy(photo, xmp, gps=gps)


def _stem(photo: Photo) -> str:
    """The file's own name where it is plain, with the photograph's number, so that no two are the same."""
    name = display(split(photo.path)[1]).rpartition(".")[0]
    return f"{_ODD.sub('_', name)[:_LONGEST_NAME].lstrip('.') or 'photograph'}-{photo.id}"
