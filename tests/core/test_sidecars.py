"""Sidecars: what is said follows the ledger, what others wrote stays, and photographs are not touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core import claims, erasure, scan, sidecars
from core.interchange import xmp
from storage import faces, ledger, photos, subjects
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.records import Bar, ClaimField, EventKind, Purpose, Subject
from tests import world
from tests.core.interchange.test_assertions import VOCABULARY, packet

TakePicture = Callable[..., Path]
BOX = (6, 4, 18, 20)
EVERYBODY = tuple(Purpose)


@pytest.fixture
def taken(catalog: Catalog, archive: Path, take_picture: TakePicture) -> Path:
    """A picture, turned by its EXIF: 48 x 32 as stored, taken in 2020 at UTC."""
    exif = {"0th": {0x0112: 6}, "Exif": {0x9003: b"2020:06:01 12:00:00", 0x9011: b"+00:00"}}
    path = take_picture(archive / "a.jpg", exif=exif)
    scan.index(catalog, [archive])
    return path


def shown(catalog: Catalog, path: Path, *people: Subject | None) -> int:
    """The photograph's id, with these people's faces side by side."""
    photo = photos.by_path(catalog, os.fsencode(path))
    assert photo is not None
    vector = np.zeros(4, dtype=np.float32)
    boxes = [(BOX[0] + 2 * number, *BOX[1:]) for number in range(len(people))]
    faces.replace_faces(catalog, photo.id, [NewFace(box, 0.99, vector) for box in boxes], "dlib")
    for face, person in zip(faces.of_photo(catalog, photo.id), people, strict=True):
        if person is not None:
            faces.assign(catalog, [face.id], person.id, by_person=True)
    return photo.id


def words(path: Path) -> dict[ClaimField, set[str]]:
    found: dict[ClaimField, set[str]] = {}
    for one in xmp.read(path.read_bytes()).asserted:
        found.setdefault(one.field, set()).add(one.value)
    return found


def test_a_sidecar_says_what_the_ledger_says(catalog: Catalog, taken: Path) -> None:
    person = world.adult(catalog, "Noy", Purpose.PUBLISH, Purpose.CATALOGUE)
    photo = shown(catalog, taken, person)
    before = taken.read_bytes(), taken.stat().st_mtime_ns
    assert sidecars.write(catalog, [photo], dry_run=True).written == {photo: f"{taken}.xmp"}
    assert not Path(f"{taken}.xmp").exists()
    assert sidecars.write(catalog, [photo]).written == {photo: f"{taken}.xmp"}
    sidecar = Path(f"{taken}.xmp")
    [event] = [event for event in ledger.events_of(catalog, person.uid) if event.kind is EventKind.GRANT]
    assert words(sidecar) == {
        ClaimField.RELEASE_STATUS: {"MR-LMR"},
        ClaimField.RELEASE_ID: {event.hash},
        ClaimField.MINOR_AGE: {"AG-A25"},
        ClaimField.DATA_MINING: {"DMI-PROHIBITED-GENAIMLTRAINING"},
        ClaimField.PERSON: {"Noy"},
        ClaimField.REGION: {"Noy"},
    }
    [region] = [one for one in xmp.read(sidecar.read_bytes()).asserted if one.field is ClaimField.REGION]
    x0, y0, x1, y1 = BOX  # in 32 x 48, upright; a quarter turn to the left is how it is stored
    assert region.area == pytest.approx((y0 / 48, 1 - x1 / 32, y1 / 48, 1 - x0 / 32), abs=1e-5)
    assert (taken.read_bytes(), taken.stat().st_mtime_ns) == before
    assert sidecar.stat().st_mode & 0o777 == taken.stat().st_mode & 0o666


def test_written_and_indexed_again_nothing_is_claimed_or_read(catalog: Catalog, taken: Path) -> None:
    photo = shown(catalog, taken, world.adult(catalog, "Noy", Purpose.PUBLISH))
    sidecars.write(catalog, [photo])
    result = scan.index(catalog, [taken.parent])
    assert (result.unchanged, result.changed) == (1, 0)
    claims.read(catalog, [photo])
    assert list(claims.of_photos(catalog, [photo])) == []
    assert photos.get(catalog, photo).barred == frozenset()
    again = sidecars.write(catalog, [photo])
    assert (again.unchanged, again.written) == (1, {})


def test_a_withdrawal_changes_what_is_said(catalog: Catalog, taken: Path) -> None:
    person = world.adult(catalog, "Noy", *EVERYBODY)
    photo = shown(catalog, taken, person)
    sidecars.write(catalog, [photo])
    sidecar = Path(f"{taken}.xmp")
    assert ClaimField.DATA_MINING not in words(sidecar)  # never said to be allowed
    ledger.append(catalog, kind=EventKind.WITHDRAWAL, subject_uid=person.uid, purposes=EVERYBODY, by="me")
    sidecars.write(catalog, [photo])
    assert words(sidecar) == {
        ClaimField.RELEASE_STATUS: {"MR-NON"},
        ClaimField.MINOR_AGE: {"AG-A25"},
        ClaimField.DATA_MINING: {"DMI-PROHIBITED-GENAIMLTRAINING"},
    }


def test_who_is_erased_leaves_the_sidecars_too(catalog: Catalog, taken: Path) -> None:
    person = world.adult(catalog, "Noy", Purpose.CATALOGUE, Purpose.PUBLISH)
    photo = shown(catalog, taken, person)
    sidecars.write(catalog, [photo])
    sidecar = Path(f"{taken}.xmp")
    assert words(sidecar)[ClaimField.PERSON] == {"Noy"}
    assert erasure.plan(catalog, person.id).sidecars == 1
    done = erasure.erase(catalog, person.id, by="the photographer")
    assert (done.sidecars, done.sidecars_left) == ([str(sidecar)], [])
    assert b"Noy" not in sidecar.read_bytes()
    assert not words(sidecar).keys() & {ClaimField.PERSON, ClaimField.REGION, ClaimField.RELEASE_ID}
    claims.read(catalog, [photo])
    assert list(claims.of_photos(catalog, [photo])) == []
    assert sidecars.write(catalog, [photo]).unchanged == 1


def test_a_sidecar_that_cannot_be_written_anew_is_told(catalog: Catalog, taken: Path) -> None:
    person = world.adult(catalog, "Noy", Purpose.CATALOGUE)
    photo = shown(catalog, taken, person)
    sidecars.write(catalog, [photo])
    taken.unlink()
    done = erasure.erase(catalog, person.id, by="the photographer")
    assert not done.sidecars
    assert any(line.startswith(f"beside this a sidecar still tells of them: {taken}: ") for line in done.lines())
    assert b"Noy" not in (catalog.folder / "catalog.db").read_bytes()


def test_nobody_is_named_who_did_not_grant_catalogue(catalog: Catalog, taken: Path) -> None:
    photo = shown(catalog, taken, world.adult(catalog, "Noy", Purpose.PUBLISH), None)
    assert sidecars.write(catalog, [photo]).unnamed == 1
    assert "Noy" not in Path(f"{taken}.xmp").read_text()
    assert words(Path(f"{taken}.xmp"))[ClaimField.MINOR_AGE] == {"AG-UNK"}  # of a stranger


@pytest.mark.parametrize(("year", "code"), [(2010, "AG-U14"), (2003, "AG-A17"), (2002, "AG-A18"), (1990, "AG-A25")])
def test_the_youngest_age_is_disclosed(catalog: Catalog, taken: Path, year: int, code: str) -> None:
    young = subjects.add(catalog, "B", born=world.GRANTED.date().replace(year=year, month=6, day=1))
    photo = shown(catalog, taken, world.adult(catalog, "Noy", Purpose.PUBLISH), young)
    sidecars.write(catalog, [photo])
    assert words(Path(f"{taken}.xmp"))[ClaimField.MINOR_AGE] == {code}


def test_what_was_claimed_outside_stays_a_claim(catalog: Catalog, taken: Path) -> None:
    sidecar = Path(f"{taken}.xmp")
    said = "DMI-PROHIBITED-GENAIMLTRAINING"
    sidecar.write_bytes(packet("", f'plus:DataMining="{VOCABULARY}{said}"'))
    scan.index(catalog, [taken.parent])
    photo = shown(catalog, taken, world.adult(catalog, "Noy", Purpose.PUBLISH))
    sidecars.write(catalog, [photo])  # would say the same
    claims.read(catalog, [photo])
    assert photos.get(catalog, photo).barred == {Bar.PROHIBITED}


@pytest.mark.parametrize("there", [b"not xml", b"<a/>", b"<!DOCTYPE a><a/>"])
def test_what_is_no_sidecar_is_left_alone(catalog: Catalog, taken: Path, there: bytes) -> None:
    sidecar = Path(f"{taken}.xmp")
    sidecar.write_bytes(there)
    photo = shown(catalog, taken, None)
    assert "left alone" in sidecars.write(catalog, [photo]).left_out[photo]
    assert sidecar.read_bytes() == there
    sidecar.unlink()
    sidecar.symlink_to(taken)
    assert photo in sidecars.write(catalog, [photo]).left_out
    assert sidecar.is_symlink()


def test_a_photograph_that_changed_gets_none(catalog: Catalog, taken: Path, take_picture: TakePicture) -> None:
    photo = shown(catalog, taken, None)
    take_picture(taken, 9, size=(64, 64))
    assert "run kyodaku index" in sidecars.write(catalog, [photo]).left_out[photo]
    assert sorted(path.name for path in taken.parent.iterdir()) == ["a.jpg"]


def test_the_sidecar_of_the_stem_is_used(catalog: Catalog, taken: Path) -> None:
    stem = taken.with_suffix(".xmp")
    stem.write_bytes(packet(""))
    scan.index(catalog, [taken.parent])
    photo = shown(catalog, taken, None)
    assert sidecars.write(catalog, [photo]).written == {photo: str(stem)}
    assert not Path(f"{taken}.xmp").exists()
