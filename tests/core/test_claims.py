"""What came from outside takes consent away and never gives any."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from core import claims, cohort, consent, scan, statuses
from core.errors import BadValue, ConsentLost, Refused
from storage import artifacts, ledger, photos
from storage import claims as stored
from storage.catalog import Catalog
from storage.records import ADULT_ONLY_PURPOSES, Bar, Claim, ClaimField, CohortRules, EventKind, Purpose, Status
from tests import world
from tests.core.interchange.test_assertions import LIGHTROOM, VOCABULARY, packet

TakePicture = Callable[..., Path]
MINOR = Claim(ClaimField.MINOR_AGE, "AG-A15", "a.jpg.xmp", bars=Bar.MINOR)
PROHIBITED = Claim(ClaimField.DATA_MINING, "DMI-PROHIBITED", "a.jpg", bars=Bar.PROHIBITED)
UNRELEASED = Claim(ClaimField.RELEASE_STATUS, "MR-NON", "a.jpg", bars=Bar.UNRELEASED)
FRIENDLY = (
    Claim(ClaimField.RELEASE_STATUS, "MR-UMR", "a.jpg"),
    Claim(ClaimField.RELEASE_ID, "R-1", "a.jpg"),
    Claim(ClaimField.MINOR_AGE, "AG-A25", "a.jpg"),
    Claim(ClaimField.DATA_MINING, "DMI-ALLOWED", "a.jpg"),
    Claim(ClaimField.PERSON, "Noy", "a.jpg"),
)


def standing(catalog: Catalog, photo: int) -> dict[Purpose, Status]:
    """A photograph's statuses as they are kept, which must be those that the ledger gives."""
    kept = statuses.of_photos(catalog, [photo])[photo]
    assert kept == {purpose: ruling.status for purpose, ruling in statuses.explain(catalog, photo).items()}
    return kept


def claimed(catalog: Catalog, photo: int, *what: Claim) -> None:
    stored.replace_all(catalog, {photo: what})


@pytest.mark.parametrize("by", ["nobody", "somebody of unsettled age"])
def test_no_claim_grants_names_or_dates_anybody(catalog: Catalog, by: str) -> None:
    person = None if by == "nobody" else world.adult(catalog, "Noy", *Purpose, born=None)
    photo = world.photograph(catalog, [(person, world.FACE)])
    before = standing(catalog, photo)
    claimed(catalog, photo, *FRIENDLY)
    assert standing(catalog, photo) == before
    assert Status.GRANTED not in {before[purpose] for purpose in ADULT_ONLY_PURPOSES}


@pytest.mark.parametrize(
    ("claim", "purposes", "status"),
    [
        (MINOR, ADULT_ONLY_PURPOSES, Status.AGE_UNSETTLED),
        (PROHIBITED, {Purpose.TRAIN_COMPOSITE, Purpose.TRAIN_INDIVIDUAL}, Status.UNKNOWN),
        (UNRELEASED, ADULT_ONLY_PURPOSES | {Purpose.PUBLISH}, Status.UNKNOWN),
    ],
)
def test_a_claim_on_the_safe_side_bars_until_it_is_settled(
    catalog: Catalog, claim: Claim, purposes: set[Purpose], status: Status
) -> None:
    person = world.adult(catalog, "Noy", *Purpose)
    photo = world.photograph(catalog, [(person, world.FACE)])
    assert set(standing(catalog, photo).values()) == {Status.GRANTED}
    claimed(catalog, photo, claim)
    now = standing(catalog, photo)
    assert {purpose for purpose, one in now.items() if one is status} == purposes
    assert all(now[purpose] is Status.GRANTED for purpose in Purpose if purpose not in purposes)
    assert claims.settle(catalog, [photo], field=None, by="me", why="seen", dry_run=True)
    assert standing(catalog, photo) == now
    claims.settle(catalog, [photo], field=None, by="me", why="seen their card")
    assert set(standing(catalog, photo).values()) == {Status.GRANTED}
    [now_settled] = claims.of_photos(catalog, [photo])
    assert now_settled.settled is not None
    event = ledger.by_hash(catalog, [now_settled.settled])[now_settled.settled]
    assert (event.kind, event.by, event.details["value"]) == (EventKind.CLAIM, "me", claim.value)
    assert ledger.verify(catalog).ok
    ledger.append(catalog, kind=EventKind.WITHDRAWAL, subject_uid=person.uid, purposes=tuple(Purpose), by="me")
    assert set(standing(catalog, photo).values()) == {Status.WITHDRAWN}  # settling granted nothing of its own


def test_settling_needs_who_and_why(catalog: Catalog) -> None:
    photo = world.photograph(catalog, [(None, world.FACE)])
    claimed(catalog, photo, MINOR)
    for by, why in (("", "seen"), ("me", " ")):
        with pytest.raises(BadValue, match="who settles it"):
            claims.settle(catalog, [photo], field=None, by=by, why=why)
    assert photos.get(catalog, photo).barred == {Bar.MINOR}


def test_settled_stays_settled_and_another_value_is_open(catalog: Catalog) -> None:
    photo = world.photograph(catalog, [(None, world.FACE)])
    claimed(catalog, photo, MINOR, PROHIBITED)
    claims.settle(catalog, [photo], field=ClaimField.MINOR_AGE, by="me", why="seen")
    assert photos.get(catalog, photo).barred == {Bar.PROHIBITED}
    moved = Claim(MINOR.field, MINOR.value, "a.xmp", bars=Bar.MINOR)
    claimed(catalog, photo, moved)
    assert photos.get(catalog, photo).barred == frozenset()
    claimed(catalog, photo, moved, Claim(ClaimField.MINOR_AGE, "AG-U14", "a.xmp", bars=Bar.MINOR))
    assert photos.get(catalog, photo).barred == {Bar.MINOR}


@pytest.mark.parametrize("claim", [MINOR, PROHIBITED, UNRELEASED])
def test_a_barred_picture_is_in_no_cohort_and_stops_a_frozen_one(catalog: Catalog, claim: Claim) -> None:
    person = world.adult(catalog, "Noy")
    first, second = world.portraits(catalog, person, 2)
    claimed(catalog, first, claim)
    cohort.create(catalog, "all", "subject:Noy", CohortRules(purpose=Purpose.TRAIN_COMPOSITE))
    told = cohort.explain(catalog, "all")
    assert (told.included, [one.photo for one in told.excluded]) == ([second], [first])
    assert "nobody has settled that" in told.excluded[0].reason
    cohort.freeze(catalog, "all")
    frozen = artifacts.get_cohort(catalog, "all")
    cohort.recheck(catalog, frozen)
    claimed(catalog, second, claim)
    with pytest.raises(ConsentLost, match="nobody has settled that"):
        cohort.recheck(catalog, frozen)


def test_a_barred_picture_is_not_drawn_from(catalog: Catalog, archive: Path, take_picture: TakePicture) -> None:
    path = take_picture(archive / "a.jpg")
    scan.index(catalog, [archive])
    photo = photos.by_path(catalog, os.fsencode(path))
    assert photo is not None
    claimed(catalog, photo.id, MINOR)
    from core import start_picture  # which loads models

    with pytest.raises(Refused, match="under 18"):
        start_picture._settled(catalog, path, photo.content_hash or "")


@pytest.mark.usefixtures("read_here")
def test_indexing_reads_claims_of_file_and_sidecar(catalog: Catalog, archive: Path, take_picture: TakePicture) -> None:
    exif = {"0th": {0x0112: 6}}
    path = take_picture(archive / "a.jpg", exif=exif)
    sidecar = archive / "a.jpg.xmp"
    sidecar.write_bytes(packet(LIGHTROOM, f'plus:MinorModelAgeDisclosure="{VOCABULARY}AG-A16"'))
    scan.index(catalog, [archive])
    photo = photos.by_path(catalog, os.fsencode(path))
    assert photo is not None
    assert photo.barred == {Bar.MINOR}
    found = {claim.field: claim for claim in claims.of_photos(catalog, [photo.id])}
    assert found[ClaimField.REGION].area == (0.5, 0.45, 0.7, 0.55)  # turned with the picture
    assert {claim.source for claim in found.values()} == {"a.jpg.xmp"}
    assert photos.get(catalog, photo.id).rating is None
    sidecar.write_bytes(packet(""))
    scan.index(catalog, [archive])
    assert photos.get(catalog, photo.id).barred == frozenset()
    assert list(claims.of_photos(catalog, [photo.id])) == []


def test_what_a_sidecar_claims_can_be_read_again(catalog: Catalog, archive: Path, take_picture: TakePicture) -> None:
    for number in range(3):
        take_picture(archive / f"{number}.jpg", number)
        (archive / f"{number}.jpg.xmp").write_bytes(packet("", f'plus:DataMining="{VOCABULARY}DMI-PROHIBITED"'))
    scan.index(catalog, [archive])
    ids = list(photos.ids(catalog))
    stored.replace_all(catalog, dict.fromkeys(ids, ()))
    (archive / "1.jpg").write_bytes(b"other")
    (archive / "2.jpg").unlink()
    result = claims.read(catalog, ids)
    assert (result.photos, result.claiming, result.barring, sorted(result.left_out)) == (1, 1, 1, ids[1:])
    assert "run kyodaku index" in result.left_out[ids[1]] or "known format" in result.left_out[ids[1]]
    assert photos.get(catalog, ids[0]).barred == {Bar.PROHIBITED}


@pytest.mark.usefixtures("read_here")
def test_another_picture_under_the_name_has_nothing_settled(
    catalog: Catalog, archive: Path, take_picture: TakePicture
) -> None:
    path = take_picture(archive / "a.jpg", 1)
    (archive / "a.jpg.xmp").write_bytes(packet("", f'plus:DataMining="{VOCABULARY}DMI-PROHIBITED"'))
    scan.index(catalog, [archive])
    photo = photos.by_path(catalog, os.fsencode(path))
    assert photo is not None
    claims.settle(catalog, [photo.id], field=None, by="me", why="my own")
    assert photos.get(catalog, photo.id).barred == frozenset()
    take_picture(archive / "a.jpg", 2)
    scan.index(catalog, [archive])
    assert photos.get(catalog, photo.id).barred == {Bar.PROHIBITED}


def test_the_rules_name_every_bar() -> None:
    assert {bar for bar, *_ in consent.CLAIMED} == set(Bar)
