"""Files that are nobody's fault: each gets its row and its reason, or is left out, and the rest is read."""

from __future__ import annotations

import io
import os
import random
import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core import exif, image, processes, reading, scan
from core.companions import Shot
from core.errors import BadImage
from core.readers import Readers
from core.reading import Reading
from storage import photos
from storage.catalog import Catalog
from storage.safe_text import display

TakePicture = Callable[..., Path]
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF")


def read_all(paths: Sequence[Path]) -> list[Reading]:
    """Each file as the processes of a scan read it."""
    found: list[Reading] = []
    with Readers(1) as queue:
        for start in range(0, len(paths), 32):
            queue.submit([Shot(os.fsencode(path)) for path in paths[start : start + 32]])
        while len(queue):
            found += queue.collect()
    return found


def mutants(whole: bytes, count: int, seed: str) -> list[bytes]:
    """Copies that were cut, overwritten, had stretches doubled or lost; mostly near the front, where headers are."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            at = int(len(data) * chance.random() ** 3)
            match chance.randrange(5):
                case 0:
                    data[at : at + 1] = bytes([chance.randrange(256)])
                case 1:
                    data[at : at + 4] = struct.pack(">I", chance.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)))
                case 2:
                    del data[at : at + chance.randrange(64)]
                case 3:
                    data[at:at] = data[at : at + chance.randrange(64)]
                case 4:
                    del data[max(at, 16) :]
            data = data or bytearray(b"\0")
        made.append(bytes(data))
    return made


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells of odd tags
@pytest.mark.parametrize("format", FORMATS)
def test_damaged_files_of_every_format_have_a_row(archive: Path, take_picture: TakePicture, format: str) -> None:
    pillow_heif.register_heif_opener()
    when = {"Exif": {0x9003: b"2019:04:05 10:30:00"}, "0th": {0x010F: b"Canon", 0x0112: 6}}
    whole = take_picture(archive / "whole.jpg", 5, exif=when, format=format).read_bytes()
    paths = []
    for number, data in enumerate(mutants(whole, 250, format)):
        paths.append(archive / f"{number:03}.jpg")
        paths[-1].write_bytes(data)
    found = read_all(paths)
    assert [r.photo.path for r in found] == [os.fsencode(path) for path in paths]
    reasons = {r.photo.error for r in found}
    assert len(reasons) > 1, "mutants that nothing was wrong with"
    assert not reasons & {processes.CRASHES, processes.STUCK, processes.SILENT}
    for row in (r.photo for r in found):
        assert row.content_hash is not None
        assert row.error or (row.width and row.height and row.orientation in range(1, 9))
        try:
            pixels = image.load(row.path, row.orientation, longest=64)
        except BadImage:
            continue
        assert max(pixels.size) <= 64


_TAGS = st.one_of(
    st.sampled_from([0x010E, 0x010F, 0x0110, 0x0112, 0x4746, 0x8769, 0x8825, 0xA005, 0x9003, 0x9011, 0x9291, 0x829A,
                     0x8827, 0x920A, 0xA434, 0, 1, 2, 3, 4, 7, 29, 0x0201, 0x0202, 0x014A, 0x927C]),
    st.integers(0, 0xFFFF),
)  # fmt: skip
_ENTRIES = st.lists(
    st.tuples(
        _TAGS,
        st.integers(0, 13),
        st.one_of(st.integers(0, 9), st.integers(0, 0xFFFFFFFF)),
        st.one_of(st.integers(0, 200), st.integers(0, 0xFFFFFFFF)),
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=100)
@given(st.lists(_ENTRIES, min_size=1, max_size=3), st.sampled_from("<>"), st.binary(max_size=120))
def test_any_directory_of_tags_is_read_or_says_why_not(
    directories: list[list[tuple[int, int, int, int]]], order: str, rest: bytes
) -> None:
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    for entries in directories:
        data += struct.pack(order + "H", len(entries))
        data += b"".join(struct.pack(order + "HHII", *entry) for entry in entries)
        data += struct.pack(order + "I", len(data) + 4)
    found = exif.read(io.BytesIO(data + rest))
    assert found.orientation in range(1, 9)
    assert found.iso is None or 0 <= found.iso < 2**32
    assert found.rating is None or 0 <= found.rating <= 5
    assert (found.lat is None) == (found.lon is None)
    for text in (found.camera, found.lens, found.caption, found.warning):
        assert text is None or display(text) == text


def test_odd_files_of_an_archive(catalog: Catalog, archive: Path, take_picture: TakePicture) -> None:
    good = take_picture(archive / "good.jpg", 1)
    os.link(take_picture(archive / "twin.jpg", 2), os.fsencode(archive) + b"/\xff\xfe not utf-8 \x1b[2J.jpg")
    (archive / "bomb.png").write_bytes(_bomb())
    (archive / "loop").symlink_to(".")
    (archive / "a.jpg").symlink_to("b.jpg")
    (archive / "b.jpg").symlink_to("a.jpg")
    os.mkfifo(archive / "pipe.jpg")
    os.utime(good, ns=(0, (1 << 63) + 5))  # the year 2262: more nanoseconds than SQLite counts
    result = scan.index(catalog, [archive])
    assert (result.seen, result.errors) == (4, 1)
    rows = {row.path.rpartition(b"/")[2]: row for row in photos.page(catalog, limit=9)}
    assert rows.keys() == {b"good.jpg", b"twin.jpg", b"bomb.png", b"\xff\xfe not utf-8 \x1b[2J.jpg"}
    assert "more pixels than is safe" in str(rows[b"bomb.png"].error)
    assert rows[b"\xff\xfe not utf-8 \x1b[2J.jpg"].path_text.endswith("/\\xff\\xfe not utf-8 \\x1b[2J.jpg")
    assert scan.index(catalog, [archive]).unchanged == 4


def _bomb() -> bytes:
    """A PNG of 30,000 x 30,000 pixels in a megabyte."""
    file = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(file, "PNG")
    return file.getvalue()


def test_files_that_vanish_or_come_while_the_scan_runs(
    catalog: Catalog, archive: Path, take_picture: TakePicture
) -> None:
    for number in range(120):
        take_picture(archive / f"{number % 6}" / f"{number}.jpg", number)
    stop = threading.Event()

    def meddle() -> None:
        chance = random.Random(1)
        while not stop.is_set():
            number = chance.randrange(1, 120)
            path = archive / f"{number % 6}" / f"{number}.jpg"
            if path.exists():
                path.unlink()
            else:
                take_picture(path, number)

    meddler = threading.Thread(target=meddle)
    meddler.start()
    try:
        for _ in range(4):
            assert scan.index(catalog, [archive]).seen >= 1
    finally:
        stop.set()
        meddler.join()
    result = scan.index(catalog, [archive])
    there = {os.fsencode(path.resolve()) for path in archive.rglob("*.jpg")}
    assert {row.path for row in photos.page(catalog, "p.state = 'present'", limit=999)} == there
    assert (result.seen, result.errors) == (len(there), 0)


def test_a_number_of_a_stat_fits_the_catalog() -> None:
    numbers = [0, 1, -1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**63 + 5]
    kept = [photos.kept(number) for number in numbers]
    assert all(-(2**63) <= number < 2**63 for number in kept)
    assert kept[:5] == numbers[:5]
    assert len(set(kept[:3] + kept[5:])) == 5  # 2**64 - 1 is -1


def test_a_file_that_grows_or_shrinks_while_it_is_read_is_told(
    archive: Path, take_picture: TakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = take_picture(archive / "1.jpg", 1)
    size = path.stat().st_size
    whole = reading._read
    for to in (size + 1, size // 2, size + (1 << 20)):

        def meanwhile(*args: object, to: int = to) -> object:
            os.truncate(path, to)
            return whole(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(reading, "_read", meanwhile)
        found = reading.read_file(os.fsencode(path))
        assert found is not None
        assert found.photo.error == reading.CHANGED
        os.truncate(path, size)
