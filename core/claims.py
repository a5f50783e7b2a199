"""What came from outside about photographs: read from their files, shown, and settled by a person of the house.

A claim is never a grant, a name or a birth date. Those that stand against something (`consent.CLAIMED`) take consent
away until somebody has looked into them, said who they are and why it does not hold, which the ledger records.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.companions import Shot
from core.errors import BadValue
from core.progress import Report, Step, silent
from core.readers import Readers
from storage import claims, companions, ledger, photos
from storage.catalog import Catalog
from storage.records import Claim, ClaimField, Event, EventKind, Photo
from storage.safe_text import display

BATCH = 500
_CHUNK = 32  # photographs a process reads before it answers


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """What reading files again came to: photographs read, those with claims, and the claims that bar something.

    `left_out` are photographs, by id, that could not be read, with the reason; their claims stay as they were.
    """

    photos: int
    claiming: int
    claims: int
    barring: int
    left_out: dict[int, str]


def of_photos(catalog: Catalog, photo_ids: Sequence[int]) -> Iterator[Claim]:
    """The claims of these photographs, in their order."""
    for start in range(0, len(photo_ids), BATCH):
        yield from (
            each for own in claims.of_photos(catalog, photo_ids[start : start + BATCH]).values() for each in own
        )


def read(catalog: Catalog, photo_ids: Sequence[int], *, report: Report = silent) -> ReadAgain:
    """Read anew what the files of these photographs claim; nothing else of the catalog changes.

    Processes of their own read, as in a scan. A photograph whose file is not the one that was indexed is left out.
    """
    left_out: dict[int, str] = {}
    counts = [0, 0, 0]
    with Readers(len(os.sched_getaffinity(0))) as readers:
        for start in range(0, len(photo_ids), BATCH):
            some = photo_ids[start : start + BATCH]
            fresh = _read(catalog, photos.get_many(catalog, some), readers, left_out)
            claims.replace_all(catalog, fresh)
            now = claims.of_photos(catalog, list(fresh))
            counts[0] += sum(bool(own) for own in now.values())
            counts[1] += sum(map(len, now.values()))
            counts[2] += sum(each.bars is not None and each.settled is None for own in now.values() for each in own)
            report(Step("claims", start + len(some), len(photo_ids)))
    claiming, number, barring = counts
    return ReadAgain(len(photo_ids) - len(left_out), claiming, number, barring, left_out)


def _read(
    catalog: Catalog, some: Sequence[Photo], readers: Readers, left_out: dict[int, str]
) -> dict[int, tuple[Claim, ...]]:
    by_path = {photo.path: photo for photo in some}
    beside = companions.of_photos(catalog, [photo.id for photo in some])
    shots = [Shot(photo.path, tuple(beside[photo.id])) for photo in some]
    found: dict[int, tuple[Claim, ...]] = {}
    for start in range(0, len(shots), _CHUNK):
        readers.submit(shots[start : start + _CHUNK])
        while readers.busy or (len(readers) and start + _CHUNK >= len(shots)):
            for reading in readers.collect():
                known = by_path.get(reading.photo.path)
                if known is None:
                    continue  # a RAW that is of another exposure
                if reading.photo.content_hash != known.content_hash or reading.photo.claims is None:
                    left_out[known.id] = reading.photo.error or "not what was indexed: run kyodaku index"
                else:
                    found[known.id] = reading.photo.claims
    for photo in some:
        if photo.id not in found:
            left_out.setdefault(photo.id, "its file is gone")
    return found


def settle(
    catalog: Catalog, photo_ids: Sequence[int], *, field: ClaimField | None, by: str, why: str, dry_run: bool = False
) -> list[Claim]:
    """Record that what these photographs' files claim does not hold, by whom and why; the claims that were settled.

    Only those that bar something and are open, of `field` where it is given. One ledger event a photograph and value
    names its content, never a person. Nothing is granted by it: the rules go on as if the claim had not been made.
    Raises BadValue.
    """
    if not by.strip() or not why.strip():
        raise BadValue("who settles it, and why, must be said", "give --by and --why")
    with catalog.transaction():
        wanted = [
            claim
            for claim in of_photos(catalog, photo_ids)
            if claim.bars is not None and claim.settled is None and field in (None, claim.field)
        ]
        if wanted and not dry_run:
            _record(catalog, wanted, by.strip(), why.strip())
    return wanted


def _record(catalog: Catalog, wanted: Sequence[Claim], by: str, why: str) -> None:
    contents = {
        photo.id: photo.content_hash for photo in photos.get_many(catalog, sorted({one.photo_id for one in wanted}))
    }
    said = list(dict.fromkeys((one.photo_id, one.field, one.value) for one in wanted))
    now = ledger.instant(catalog)
    events = ledger.append_many(
        catalog,
        [
            Event(
                seq=0,
                at=now,
                kind=EventKind.CLAIM,
                subject_uid=None,
                by=by,
                note=why,
                details={"content": contents[photo_id], "field": str(field), "value": value},
            )
            for photo_id, field, value in said
        ],
    )
    event_of = {key: event.hash for key, event in zip(said, events, strict=True)}
    claims.settle(catalog, {one.id: event_of[one.photo_id, one.field, one.value] for one in wanted})


def told(claim: Claim) -> str:
    """A claim in words for people, safe on a terminal."""
    where = "" if claim.area is None else f" at {', '.join(f'{edge:.2f}' for edge in claim.area)}"
    stands = "" if claim.bars is None else ", settled" if claim.settled else f", bars: {claim.bars}"
    return f"{claim.field}: {display(claim.value)}{where} (by {display(claim.source)}{stands})"
