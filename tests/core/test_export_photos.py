"""Only what everyone allows to be published leaves, stripped, and never over a file that is there."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from core import decoding, export_photos, image, processes, scan
from core.errors import BadValue
from core.interchange import xmp
from storage import claims as stored
from storage import ledger
from storage.catalog import Catalog
from storage.records import Bar, Claim, ClaimField, EventKind, Purpose, Rights
from storage.rights import put as put_rights
from tests import bad_files, world
from tests.core.interchange import test_copies
from tests.core.test_sidecars import shown


@pytest.fixture
def taken(catalog: Catalog, archive: Path) -> Path:
    path = archive / "a b.jpg"
    path.write_bytes(test_copies.picture("JPEG", 6))
    scan.index(catalog, [archive])
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_granted_photograph_is_copied(catalog: Catalog, taken: Path, out: Path) -> None:
    photo = shown(catalog, taken, world.adult(catalog, "Noy", Purpose.PUBLISH, Purpose.CATALOGUE))
    before = taken.read_bytes(), taken.stat().st_mtime_ns
    assert export_photos.export(catalog, [photo], out, dry_run=True).written == {photo: str(out / f"a_b-{photo}.jpg")}
    assert not out.exists()
    done = export_photos.export(catalog, [photo], out)
    [path] = out.iterdir()
    assert done.written == {photo: str(path)}
    data = path.read_bytes()
    assert test_copies.SECRET not in data
    assert test_copies.position(data) == {}
    said = {(one.field, one.value) for one in xmp.read(image.probe(io.BytesIO(data)).xmp).asserted}
    assert (ClaimField.PERSON, "Noy") in said
    assert (ClaimField.RELEASE_STATUS, "MR-LMR") in said
    assert (ClaimField.DATA_MINING, "DMI-PROHIBITED-GENAIMLTRAINING") in said
    assert (taken.read_bytes(), taken.stat().st_mtime_ns) == before


def test_with_gps_and_without_names(catalog: Catalog, taken: Path, out: Path) -> None:
    photo = shown(catalog, taken, world.adult(catalog, "Noy", *Purpose))
    export_photos.export(catalog, [photo], out, gps=True, names=False)
    [path] = out.iterdir()
    assert test_copies.position(path.read_bytes())
    assert b"Noy" not in path.read_bytes()


@pytest.mark.parametrize("why", ["nobody asked", "withdrawn", "a stranger beside", "claimed unreleased", "minor"])
def test_what_is_not_granted_stays(catalog: Catalog, taken: Path, out: Path, why: str) -> None:
    granted = [] if why == "nobody asked" else [Purpose.PUBLISH]
    person = world.adult(catalog, "Noy", Purpose.PRINT, *granted)
    photo = shown(catalog, taken, person, *([None] if why == "a stranger beside" else []))
    if why == "withdrawn":
        ledger.append(catalog, kind=EventKind.WITHDRAWAL, subject_uid=person.uid, purposes=(Purpose.PUBLISH,), by="Noy")
    if why == "claimed unreleased":
        claim = Claim(ClaimField.RELEASE_STATUS, "MR-NON", "a.jpg", bars=Bar.UNRELEASED)
        stored.replace_all(catalog, {photo: [claim]})
    if why == "minor":
        catalog.connection.execute("UPDATE subjects SET minor = 1, guardian = NULL, born = '2019-01-01'")
    done = export_photos.export(catalog, [photo], out)
    assert (done.written, list(done.refused)) == ({}, [photo])
    assert list(out.iterdir()) == []


def test_nothing_is_overwritten(catalog: Catalog, taken: Path, out: Path) -> None:
    photo = shown(catalog, taken, world.adult(catalog, "Noy", Purpose.PUBLISH))
    out.mkdir()
    there = out / f"a_b-{photo}.jpg"
    there.write_text("mine")
    assert "there already" in export_photos.export(catalog, [photo], out).left_out[photo]
    assert there.read_text() == "mine"
    assert [path.name for path in out.iterdir()] == [there.name]


def test_a_file_that_is_not_the_one_indexed_stays(catalog: Catalog, taken: Path, out: Path) -> None:
    photo = shown(catalog, taken, world.adult(catalog, "Noy", Purpose.PUBLISH))
    data = taken.read_bytes()
    taken.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])  # a pixel's, and as many
    assert "changed since" in export_photos.export(catalog, [photo], out).left_out[photo]
    taken.unlink()
    os.mkfifo(taken)  # nobody waits for a writer
    assert photo in export_photos.export(catalog, [photo], out).left_out
    assert list(out.iterdir()) == []


def test_neither_archive_nor_catalog_is_written_to(catalog: Catalog, taken: Path) -> None:
    photo = shown(catalog, taken, world.adult(catalog, "Noy", Purpose.PUBLISH))
    for folder in (taken.parent, catalog.folder / "exports"):
        with pytest.raises(BadValue, match=r"catalog|archive"):
            export_photos.export(catalog, [photo], folder)


def test_a_picture_of_nobody_needs_its_rights(catalog: Catalog, taken: Path, out: Path) -> None:
    photo = shown(catalog, taken)
    assert photo in export_photos.export(catalog, [photo], out).refused
    put_rights(catalog, [photo], Rights.MINE)
    export_photos.export(catalog, [photo], out)
    [path] = out.iterdir()
    said = {one.value for one in xmp.read(image.probe(path).xmp).asserted}
    assert said == {"MR-NAP"}


def test_files_that_hang_grow_or_crash_their_decoder_are_left_out(
    catalog: Catalog, taken: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "MOST_STILL", 1.0)
    bad_files.endless_raw(taken.parent / "endless.nef")
    bad_files.endless_raw(taken.parent / "deadly.nef")
    bad_files.bomb_tiff(taken.parent / "bomb.tif")
    assert scan.index(catalog, [taken.parent]).errors == 0
    person = world.adult(catalog, "Noy", Purpose.PUBLISH)
    names = ["endless.nef", "bomb.tif", "deadly.nef", taken.name]
    ids = [shown(catalog, taken.parent / name, person) for name in names]
    bad_files.die_at(monkeypatch, taken.parent / "deadly.nef")
    done = export_photos.export(catalog, ids, out)
    assert done.left_out == {ids[0]: decoding.STUCK, ids[1]: image.GREEDY, ids[2]: processes.CRASHES}
    assert list(done.written) == [ids[3]]
