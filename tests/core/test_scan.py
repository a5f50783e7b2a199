from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import piexif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import reading, scan, settling, walk
from core.errors import BadValue, UnreadablePath
from core.progress import Step
from core.scan import ScanResult
from storage import catalog as catalogs
from storage import photos
from storage.catalog import Catalog
from storage.records import Photo, PhotoState

TakePicture = Callable[..., Path]


def counts(result: ScanResult) -> dict[str, int]:
    """The counts that are not 0."""
    return {name: n for name, n in asdict(result).items() if n and name not in {"seconds", "warnings"}}


def all_photos(catalog: Catalog) -> dict[str, Photo]:
    return {p.path.rsplit(b"/", 1)[1].decode(errors="replace"): p for p in photos.page(catalog, limit=999)}


def give_face(catalog: Catalog, photo: Photo) -> None:
    with catalog.transaction() as db:
        db.execute(
            "INSERT INTO faces(photo_id, x0, y0, x1, y1, probability, space)"
            " VALUES (?, 0, 0, 9, 9, 1, 'dlib-resnet-v1')",
            (photo.id,),
        )
        db.execute("UPDATE photos SET faces_space = 'dlib-resnet-v1' WHERE id = ?", (photo.id,))


def faces_of(catalog: Catalog, photo: Photo) -> int:
    row = catalog.connection.execute("SELECT count(*) FROM faces WHERE photo_id = ?", (photo.id,))
    return int(row.fetchone()[0])


@pytest.mark.parametrize("jobs", [None, 2])
def test_a_second_run_sees_nothing_new(
    catalog: Catalog, archive: Path, take_picture: TakePicture, jobs: int | None
) -> None:
    for n in range(40):
        take_picture(archive / f"{n % 3}" / f"{n}.jpg", n)
    assert counts(scan.index(catalog, [archive], jobs=jobs)) == {"seen": 40, "new": 40}
    before = photos.page(catalog, limit=99)
    assert counts(scan.index(catalog, [archive], jobs=jobs)) == {"seen": 40, "unchanged": 40}
    assert photos.page(catalog, limit=99) == before


def test_only_pictures_are_photographs(
    catalog: Catalog, archive: Path, take_picture: TakePicture, tmp_path: Path
) -> None:
    take_picture(archive / "a.JPEG", 1)
    take_picture(archive / "b.HeiC", 2, format="PNG")
    take_picture(tmp_path / "elsewhere" / "c.jpg", 3)
    (archive / "notes.txt").write_text("x")
    (archive / "jpg").write_text("x")
    (archive / "link.jpg").symlink_to(tmp_path / "elsewhere" / "c.jpg")
    (archive / "folder").symlink_to(tmp_path / "elsewhere")
    (archive / "loop").symlink_to(archive)
    os.mkfifo(archive / "pipe.jpg")
    (archive / "folder.jpg").mkdir()
    assert counts(scan.index(catalog, [archive])) == {"seen": 2, "new": 2}
    assert {name: p.format for name, p in all_photos(catalog).items()} == {"a.JPEG": "JPEG", "b.HeiC": "PNG"}


def test_what_can_not_be_used_gets_a_row_and_a_reason(
    catalog: Catalog, archive: Path, take_picture: TakePicture
) -> None:
    good = take_picture(archive / "good.jpg", 1)
    (archive / "empty.jpg").touch()
    (archive / "text.jpg").write_text("not a picture")
    (archive / "cut.jpg").write_bytes(good.read_bytes()[:-40])
    assert counts(scan.index(catalog, [archive])) == {"seen": 4, "new": 4, "errors": 3}
    rows = all_photos(catalog)
    assert {name: row.error for name, row in rows.items()} == {
        "cut.jpg": "the file is cut off: its end is missing",
        "empty.jpg": "the file is empty",
        "good.jpg": None,
        "text.jpg": "it is no picture in a known format",
    }
    assert counts(scan.index(catalog, [archive])) == {"seen": 4, "unchanged": 4, "errors": 3}


def test_names_that_are_not_text_and_names_that_drive_terminals(
    catalog: Catalog, archive: Path, take_picture: TakePicture
) -> None:
    odd = [b"\xff\xfe.jpg", b"a\x1b[2J.jpg", "ຮູບ 写真 ภาพ.jpg".encode(), b"new\nline.jpg"]
    for n, name in enumerate(odd):
        take_picture(archive / "x.jpg", n).rename(archive / os.fsdecode(name))
    assert counts(scan.index(catalog, [archive], jobs=1)) == {"seen": 4, "new": 4}
    for name in odd:
        row = photos.by_path(catalog, os.path.realpath(os.fsencode(archive)) + b"/" + name)
        assert row is not None
        assert row.path_text.isprintable()
    assert counts(scan.index(catalog, [archive])) == {"seen": 4, "unchanged": 4}


def test_town_and_zone_of_a_position_are_kept(catalog: Catalog, archive: Path, take_picture: TakePicture) -> None:
    gps = {
        piexif.GPSIFD.GPSLatitudeRef: b"N",
        piexif.GPSIFD.GPSLatitude: ((19, 1), (53, 1), (0, 1)),
        piexif.GPSIFD.GPSLongitudeRef: b"E",
        piexif.GPSIFD.GPSLongitude: ((102, 1), (8, 1), (0, 1)),
    }
    when = {piexif.ExifIFD.DateTimeOriginal: b"2019:04:05 10:30:00"}
    camera = when | {piexif.ExifIFD.OffsetTimeOriginal: b"+02:00"}
    take_picture(archive / "a.jpg", 1, exif={"GPS": gps, "Exif": when})
    take_picture(archive / "b.jpg", 2, exif={"Exif": when})
    take_picture(archive / "c.jpg", 3, exif={"GPS": gps, "Exif": camera})
    scan.index(catalog, [archive])
    rows = all_photos(catalog)
    zones = {name: (row.taken_offset, row.taken_source) for name, row in rows.items()}
    assert zones == {"a.jpg": (420, "place"), "b.jpg": (None, "none"), "c.jpg": (120, "exif-offset")}
    assert (rows["a.jpg"].place, rows["a.jpg"].country) == ("Louangphabang", "LA")
    assert (rows["b.jpg"].place, rows["b.jpg"].country) == (None, None)


# Moves, changes, gone and back ---------------------------------------------------------------------


def test_a_moved_file_is_the_same_photograph(catalog: Catalog, archive: Path, take_picture: TakePicture) -> None:
    take_picture(archive / "a" / "1.jpg", 1)
    scan.index(catalog, [archive])
    (before,) = photos.page(catalog, limit=9)
    give_face(catalog, before)
    (archive / "b").mkdir()
    (archive / "a" / "1.jpg").rename(archive / "b" / "2.jpg")
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "moved": 1}
    (after,) = photos.page(catalog, limit=9)
    assert (after.id, after.state, faces_of(catalog, after)) == (before.id, PhotoState.PRESENT, 1)
    assert after.path.endswith(b"/b/2.jpg")


def test_a_copy_is_another_photograph(catalog: Catalog, archive: Path, take_picture: TakePicture) -> None:
    one = take_picture(archive / "1.jpg", 1)
    scan.index(catalog, [archive])
    (archive / "2.jpg").write_bytes(one.read_bytes())
    assert counts(scan.index(catalog, [archive])) == {"seen": 2, "new": 1, "unchanged": 1}


def test_thousands_of_copies_are_each_looked_for_once_in_a_batch(
    catalog: Catalog, archive: Path, take_picture: TakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settling them by pairs would take a million looks here, and days for a hundred thousand blank frames."""
    take_picture(archive / "blank.jpg", 1)
    for n in range(1_000):
        os.link(archive / "blank.jpg", archive / f"{n}.jpg")
    looks: list[object] = []
    left = settling.Settler._left
    monkeypatch.setattr(settling.Settler, "_left", lambda *given: looks.append(1) or left(*given))
    assert counts(scan.index(catalog, [archive])) == {"seen": 1_001, "new": 1_001}
    assert not looks
    ids = {p.id for p in photos.page(catalog, limit=9_999)}
    for n in range(900):
        (archive / f"{n}.jpg").rename(archive / f"x{n}.jpg")
    (archive / "blank.jpg").rename(archive / "new.jpg")
    os.link(archive / "new.jpg", archive / "copy.jpg")
    assert counts(scan.index(catalog, [archive])) == {"seen": 1_002, "new": 1, "moved": 901, "unchanged": 100}
    assert len(looks) <= 3_000
    assert {p.id for p in photos.page(catalog, limit=9_999)} > ids


def test_a_file_that_a_mount_fails_to_show_is_not_gone(
    catalog: Catalog, archive: Path, take_picture: TakePicture
) -> None:
    class Entry:
        def __init__(self, path: Path, error: OSError) -> None:
            self.path, self.name, self.error = os.fsencode(path), os.fsencode(path.name), error

        def stat(self, *, follow_symlinks: bool) -> os.stat_result:
            assert not follow_symlinks
            raise self.error

    names = ("failed.jpg", "gone.jpg", "unseen.jpg")
    for n, name in enumerate(names):
        take_picture(archive / name, n)
    scan.index(catalog, [archive])
    folder = os.fsencode(archive.resolve())
    rows = {p.path.rpartition(b"/")[2].decode(): p.id for p in photos.page(catalog, limit=9)}
    entries = [
        Entry(archive / "failed.jpg", OSError(errno.EIO, "Input/output error")),
        Entry(archive / "gone.jpg", FileNotFoundError()),
    ]
    found = walk._looked_through(catalog, folder, entries)  # type: ignore[arg-type]
    assert found.rest is None
    assert sorted(found.missing) == sorted([rows["gone.jpg"], rows["unseen.jpg"]])
    assert found.warning is not None
    assert "1 file can't be looked at: Input/output error" in found.warning


def test_no_row_of_a_folder_at_rest_is_read_until_something_in_it_changes(
    catalog: Catalog, archive: Path, take_picture: TakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        take_picture(archive / f"{n % 2}" / f"{n}.jpg", n)
    (archive / "1" / "bad.jpg").write_text("no picture")
    read: list[bytes] = []
    real = photos.in_folder

    def in_folder(catalog: Catalog, folder: bytes) -> dict[bytes, photos.KnownFile]:
        read.append(folder.rpartition(b"/")[2])
        return real(catalog, folder)

    monkeypatch.setattr(photos, "in_folder", in_folder)

    def folders_read(expected: dict[str, int]) -> list[bytes]:
        read.clear()
        assert counts(scan.index(catalog, [archive])) == expected
        return sorted(name for name in read if name in b"01")

    still = {"seen": 7, "unchanged": 7, "errors": 1}
    assert folders_read({"seen": 7, "new": 7, "errors": 1}) == [b"0", b"1"]
    assert folders_read(still) == []
    os.utime(archive / "1" / "1.jpg", ns=(1, 1))
    assert folders_read(still) == [b"1"]
    assert folders_read(still) == []
    (archive / "0" / "0.jpg").rename(archive / "1" / "0.jpg")
    assert folders_read({"seen": 7, "moved": 1, "unchanged": 6, "errors": 1}) == [b"0", b"1"]
    assert folders_read(still) == []
    with catalog.transaction() as db:  # as a restored row would be
        db.execute("UPDATE photos SET size = 1 WHERE name = ?", (b"2.jpg",))
    assert folders_read(still) == [b"0"]
    photos.set_errors(catalog, {photo.id: "no face in it" for photo in photos.page(catalog, limit=2)})
    again = scan.index(catalog, [archive])
    assert again.errors == photos.count(catalog, "p.error IS NOT NULL")
    assert again.errors > 1


def test_a_dry_run_puts_no_folder_to_rest(catalog: Catalog, archive: Path, take_picture: TakePicture) -> None:
    take_picture(archive / "1.jpg", 1)
    scan.index(catalog, [archive])
    os.utime(archive / "1.jpg", ns=(1, 1))
    with catalog.transaction() as db:
        db.execute("UPDATE photos SET size = 1")
    scan.index(catalog, [archive], dry_run=True)
    assert photos.rest_of(catalog, os.fsencode(archive.resolve())) is None
    scan.index(catalog, [archive])
    assert photos.rest_of(catalog, os.fsencode(archive.resolve())) is not None


def test_gone_files_are_kept_and_come_back(catalog: Catalog, archive: Path, take_picture: TakePicture) -> None:
    take_picture(archive / "a" / "1.jpg", 1)
    take_picture(archive / "b" / "2.jpg", 2)
    scan.index(catalog, [archive])
    (archive / "a").rename(archive.parent / "away")
    (archive / "b" / "2.jpg").rename(archive.parent / "2.jpg")
    assert counts(scan.index(catalog, [archive])) == {"gone": 2}
    assert counts(scan.index(catalog, [archive])) == {}
    assert {p.state for p in photos.page(catalog, limit=9)} == {PhotoState.GONE}
    (archive.parent / "away").rename(archive / "a")
    result = scan.index(catalog, [archive])
    assert (result.seen, result.unchanged, result.new, result.moved) == (1, 1, 0, 0)
    assert {n: p.state for n, p in all_photos(catalog).items()} == {
        "1.jpg": PhotoState.PRESENT,
        "2.jpg": PhotoState.GONE,
    }


def test_other_content_under_the_same_name_is_changed(
    catalog: Catalog, archive: Path, take_picture: TakePicture
) -> None:
    take_picture(archive / "1.jpg", 1)
    scan.index(catalog, [archive])
    (before,) = photos.page(catalog, limit=9)
    give_face(catalog, before)
    take_picture(archive / "1.jpg", 2, size=(99, 77))
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "changed": 1}
    (after,) = photos.page(catalog, limit=9)
    assert (after.id, after.width, after.faces_space, faces_of(catalog, after)) == (before.id, 99, None, 0)


def test_a_touched_file_keeps_its_faces(catalog: Catalog, archive: Path, take_picture: TakePicture) -> None:
    one = take_picture(archive / "1.jpg", 1)
    scan.index(catalog, [archive])
    (before,) = photos.page(catalog, limit=9)
    give_face(catalog, before)
    os.utime(one, ns=(1, 1))
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "unchanged": 1}
    (after,) = photos.page(catalog, limit=9)
    assert (after.mtime_ns, faces_of(catalog, after)) == (1, 1)
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "unchanged": 1}


@pytest.mark.parametrize("order", ["up", "down"])
def test_a_series_renamed_by_one_keeps_every_face(
    catalog: Catalog, archive: Path, take_picture: TakePicture, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "BATCH", 2)
    for n in range(1, 13):
        take_picture(archive / f"IMG_{n:04}.jpg", n)
    scan.index(catalog, [archive])
    before = {p.content_hash: p.id for p in photos.page(catalog, limit=99)}
    for photo in photos.page(catalog, limit=99):
        give_face(catalog, photo)
    numbers = range(12, 0, -1) if order == "up" else range(1, 13)
    for n in numbers:
        (archive / f"IMG_{n:04}.jpg").rename(archive / f"IMG_{n + 1 if order == 'up' else n - 1:04}.jpg")
    take_picture(archive / f"IMG_{1 if order == 'up' else 12:04}.jpg", 200)
    result = scan.index(catalog, [archive])
    assert counts(result) == {"seen": 13, "new": 1, "moved": 12}
    after = {p.content_hash: p.id for p in photos.page(catalog, limit=99)}
    assert {h: after[h] for h in before} == before
    assert all(faces_of(catalog, p) for p in photos.page(catalog, limit=99) if p.content_hash in before)


def test_a_file_moved_over_another_takes_its_name_and_the_other_is_gone(
    catalog: Catalog, archive: Path, take_picture: TakePicture
) -> None:
    one, two = take_picture(archive / "1.jpg", 1), take_picture(archive / "2.jpg", 2, size=(50, 50))
    scan.index(catalog, [archive])
    rows = all_photos(catalog)
    saved = two.read_bytes()
    one.rename(two)
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "moved": 1, "gone": 1}
    assert photos.get(catalog, rows["1.jpg"].id).path == rows["2.jpg"].path
    assert photos.get(catalog, rows["2.jpg"].id).state is PhotoState.GONE
    (archive / "found.jpg").write_bytes(saved)
    assert counts(scan.index(catalog, [archive])) == {"seen": 2, "moved": 1, "unchanged": 1}
    assert photos.get(catalog, rows["2.jpg"].id).path.endswith(b"/found.jpg")


def test_a_new_picture_under_the_name_of_one_long_gone_leaves_that_one_alone(
    catalog: Catalog, archive: Path, take_picture: TakePicture
) -> None:
    take_picture(archive / "IMG_0001.jpg", 1)
    scan.index(catalog, [archive])
    (old,) = photos.page(catalog, limit=9)
    give_face(catalog, old)
    (archive / "IMG_0001.jpg").rename(archive.parent / "kept.jpg")
    scan.index(catalog, [archive])
    take_picture(archive / "IMG_0001.jpg", 2)
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "new": 1}
    assert (photos.get(catalog, old.id).state, faces_of(catalog, old)) == (PhotoState.GONE, 1)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=5, unique_by=lambda t: t[0]),
        min_size=2,
        max_size=4,
    )
)
def test_after_any_history_the_catalog_is_the_archive(
    tmp_path_factory: pytest.TempPathFactory, take_picture: TakePicture, histories: list[list[tuple[int, int]]]
) -> None:
    """Each step puts some content under some names; the catalog must then tell the very same."""
    base = tmp_path_factory.mktemp("history")
    with catalogs.create(base / "catalog") as catalog:
        for step in histories:
            for old in (base / "archive").glob("*.jpg"):
                old.unlink()
            (base / "archive").mkdir(exist_ok=True)
            for name, content in step:
                take_picture(base / "archive" / f"{name}.jpg", content)
            result = scan.index(catalog, [base / "archive"])
            rows = photos.page(catalog, "p.state = 'present'", limit=99)
            on_disk = {os.fsencode(p.resolve()): p.stat() for p in (base / "archive").iterdir()}
            assert {(p.path, p.size, p.inode) for p in rows} == {
                (path, stat.st_size, stat.st_ino) for path, stat in on_disk.items()
            }
            for p in rows:
                fresh = reading.read_file(p.path)
                assert fresh is not None
                assert fresh.photo.content_hash == p.content_hash
            assert result.seen == len(step) == result.new + result.changed + result.moved + result.unchanged
            again = scan.index(catalog, [base / "archive"])
            assert counts(again) == ({"seen": len(step), "unchanged": len(step)} if step else {})


# What goes wrong ------------------------------------------------------------------------------------


def test_a_root_that_is_missing_or_inside_the_catalog(catalog: Catalog, archive: Path) -> None:
    with pytest.raises(UnreadablePath, match="nowhere"):
        scan.index(catalog, [archive, archive / "nowhere"])
    with pytest.raises(BadValue, match="catalog"):
        scan.index(catalog, [catalog.models])


def test_the_catalog_itself_is_not_archived(catalog: Catalog, take_picture: TakePicture) -> None:
    take_picture(catalog.thumbs / "x.jpg", 1)
    take_picture(catalog.folder.parent / "y.jpg", 2)
    assert counts(scan.index(catalog, [catalog.folder.parent])) == {"seen": 1, "new": 1}


def test_roots_that_overlap_are_one_and_files_may_be_roots(
    catalog: Catalog, archive: Path, take_picture: TakePicture, tmp_path: Path
) -> None:
    one = take_picture(archive / "a" / "1.jpg", 1)
    take_picture(archive / "a" / "2.jpg", 2)
    (tmp_path / "link").symlink_to(archive)
    assert counts(scan.index(catalog, [one])) == {"seen": 1, "new": 1}
    roots = [archive, archive / "a", one, tmp_path / "link"]
    assert counts(scan.index(catalog, roots)) == {"seen": 2, "new": 1, "unchanged": 1}


@pytest.mark.usefixtures("without_root_powers")
def test_a_folder_that_may_not_be_read_is_one_line_and_its_photographs_stay(
    catalog: Catalog, archive: Path, take_picture: TakePicture
) -> None:
    take_picture(archive / "closed" / "below" / "1.jpg", 1)
    take_picture(archive / "open" / "2.jpg", 2)
    scan.index(catalog, [archive])
    (archive / "closed").chmod(0)
    try:
        result = scan.index(catalog, [archive])
    finally:
        (archive / "closed").chmod(0o700)
    assert counts(result) == {"seen": 1, "unchanged": 1}
    assert len(result.warnings) == 1
    assert "closed can't be read: Permission denied" in result.warnings[0]
    assert photos.count(catalog, "p.state = 'present'") == 2


@pytest.mark.usefixtures("without_root_powers")
def test_a_file_that_may_not_be_read_keeps_what_is_known_and_is_tried_again(
    catalog: Catalog, archive: Path, take_picture: TakePicture
) -> None:
    one = take_picture(archive / "1.jpg", 1)
    scan.index(catalog, [archive])
    (before,) = photos.page(catalog, limit=9)
    give_face(catalog, before)
    one.chmod(0)
    for _ in range(3):  # a folder with a file that can't be read is never at rest
        assert counts(scan.index(catalog, [archive])) == {"seen": 1, "unchanged": 1, "errors": 1}
    (closed,) = photos.page(catalog, limit=9)
    assert (closed.error, closed.content_hash) == ("can't be opened: Permission denied", before.content_hash)
    one.chmod(0o600)
    scan.index(catalog, [archive])
    (after,) = photos.page(catalog, limit=9)
    assert (after.error, faces_of(catalog, after)) == (None, 1)


@pytest.mark.usefixtures("read_here")
def test_a_file_that_changes_while_it_is_read(
    catalog: Catalog, archive: Path, take_picture: TakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = take_picture(archive / "1.jpg", 1)
    whole = reading._read

    def while_written(*args: object) -> reading.Reading:
        with one.open("ab") as file:
            file.write(b"more")
        return whole(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(reading, "_read", while_written)
        assert counts(scan.index(catalog, [archive])) == {"seen": 1, "new": 1, "errors": 1}
    (row,) = photos.page(catalog, limit=9)
    assert (row.error, row.content_hash) == (reading.CHANGED, None)
    scan.index(catalog, [archive])
    (row,) = photos.page(catalog, limit=9)
    assert row.error is None


def test_a_dry_run_tells_the_same_and_writes_nothing(
    catalog: Catalog, archive: Path, take_picture: TakePicture
) -> None:
    for n in range(5):
        take_picture(archive / f"{n}.jpg", n)
    scan.index(catalog, [archive])
    (archive / "0.jpg").rename(archive / "moved.jpg")
    (archive / "1.jpg").unlink()
    take_picture(archive / "2.jpg", 99)
    take_picture(archive / "new.jpg", 98)
    dump = list(catalog.connection.iterdump())
    planned = counts(scan.index(catalog, [archive], dry_run=True))
    assert list(catalog.connection.iterdump()) == dump
    assert planned == counts(scan.index(catalog, [archive]))
    assert planned == {"seen": 5, "new": 1, "changed": 1, "moved": 1, "gone": 1, "unchanged": 2}


def test_the_archive_is_never_written(catalog: Catalog, archive: Path, take_picture: TakePicture) -> None:
    for n in range(3):
        take_picture(archive / "a" / f"{n}.jpg", n)

    def state() -> list[tuple[Path, int, int, bytes]]:
        return [
            (p, p.stat().st_mtime_ns, p.stat().st_ctime_ns, p.read_bytes() if p.is_file() else b"")
            for p in sorted(archive.rglob("*"))
        ]

    before = state()
    scan.index(catalog, [archive])
    assert state() == before


def test_progress_ends_at_its_total(catalog: Catalog, archive: Path, take_picture: TakePicture) -> None:
    for n in range(5):
        take_picture(archive / f"{n}.jpg", n)
    steps: list[Step] = []
    scan.index(catalog, [archive], report=steps.append)
    assert (steps[-1].done, steps[-1].total) == (5, 5)


def test_an_interrupted_run_keeps_its_batches(
    catalog: Catalog, archive: Path, take_picture: TakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "BATCH", 8)
    monkeypatch.setattr(scan, "_CHUNK", 4)
    monkeypatch.setattr(scan, "_REPORT_SECONDS", 0)
    for n in range(40):
        take_picture(archive / f"{n}.jpg", n)

    def stop(step: Step, /) -> None:
        if step.done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scan.index(catalog, [archive], jobs=1, report=stop)
    written = photos.count(catalog)
    assert 8 <= written < 40
    result = scan.index(catalog, [archive])
    assert (result.unchanged, result.new) == (written, 40 - written)


KILLED = """
import os, signal, sys
from pathlib import Path
from core import scan
from storage import catalog as catalogs

def report(step):
    if step.done >= 24:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    scan.BATCH, scan._CHUNK, scan._REPORT_SECONDS = 8, 4, 0
    scan.index(catalogs.open_catalog(Path(sys.argv[1])), [Path(sys.argv[2])], jobs=1, report=report)
"""


def test_kill_9_loses_at_most_the_batch_in_flight(
    catalog: Catalog, archive: Path, take_picture: TakePicture, tmp_path: Path
) -> None:
    for n in range(40):
        take_picture(archive / f"{n}.jpg", n)
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    died = subprocess.run(
        [sys.executable, script, catalog.folder, archive], cwd=Path(scan.__file__).parents[1], check=False,
        env={**os.environ, "PYTHONPATH": str(Path(scan.__file__).parents[1])},
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL
    written = photos.count(catalog)
    assert written >= 16
    assert catalog.connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    result = scan.index(catalog, [archive])
    assert (result.unchanged, result.new) == (written, 40 - written)
