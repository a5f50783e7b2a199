"""Decoding in processes: a file that hangs, is no file any more, or asks for too much costs its own row an error."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import decoding, image, readers, scan
from core.decoding import Decoders, ask
from core.faces.index import index_faces
from core.similar.find import hash_new
from storage import photos
from storage.catalog import Catalog
from storage.records import Photo

TakePicture = Callable[..., Path]
LONGEST = 64
SCANS = 20_000  # of `endless`: a minute or two of decoding


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent that waits for a second instead of four."""
    monkeypatch.setattr(readers, "MOST_STILL", 1.0)


def endless(path: Path) -> Path:
    """A JPEG of 40 megapixels that tells its picture in thousands of passes, each of 50 bytes, each over all of it."""
    wide, high, runs = 8000, 5000, 20
    left = wide * high // 64 // runs - (1 << 14)  # blocks of each run beyond the least
    bits = f"0{left:014b}" * runs
    bits = bits.ljust(-(-len(bits) // 8) * 8, "1")
    data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, high, wide, 1) + b"\x01\x11\0"
    codes = b"\xff\xc4" + struct.pack(">HB", 20, 0x10) + bytes([1, *[0] * 15]) + b"\xe0"  # 0: skip up to 32767 blocks
    table = b"\xff\xdb" + struct.pack(">HB", 67, 0) + bytes([1] * 64)
    one = b"\xff\xda" + struct.pack(">HB", 8, 1) + b"\x01\0" + bytes([1, 63, 0]) + data
    path.write_bytes(b"\xff\xd8" + table + frame + codes + one * SCANS + b"\xff\xd9")
    return path


def bomb(path: Path) -> Path:
    """A PNG of 160 megapixels, half a gigabyte of pixels, in half a megabyte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 16_000, 10_000, 8, 2, 0, 0, 0))
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + 3 * 16_000)) for _ in range(10_000)) + packer.flush()
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


@pytest.fixture(scope="module")
def a_bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bomb(tmp_path_factory.mktemp("bombs") / "bomb.png")


@pytest.fixture
def wild(catalog: Catalog, archive: Path, take_picture: TakePicture, a_bomb: Path) -> dict[str, Photo]:
    """Six photographs as indexed; of three something is wrong by now."""
    for number, name in enumerate(("a", "fifo", "link", "z")):
        take_picture(archive / f"{name}.jpg", number, size=(300, 200))
    endless(archive / "endless.jpg")
    shutil.copy(a_bomb, archive / "bomb.png")
    assert scan.index(catalog, [archive]).errors == 0
    for name in ("fifo", "link"):
        (archive / f"{name}.jpg").unlink()
    os.mkfifo(archive / "fifo.jpg")
    (archive / "link.jpg").symlink_to(archive / "a.jpg")
    return {Path(os.fsdecode(photo.path)).stem: photo for photo in photos.page(catalog, limit=9)}


def decoded(*asked: Photo, jobs: int = 1, longest: int = LONGEST) -> list[decoding.Decoded]:
    with Decoders(jobs, longest) as queue:
        return queue.decode([ask(photo, longest) for photo in asked])


def test_pixels_are_those_that_are_decoded_here(wild: dict[str, Photo]) -> None:
    found = decoded(*[wild["a"], wild["z"]] * 4, jobs=2)
    for photo, one in zip([wild["a"], wild["z"]] * 4, found, strict=True):
        here = image.load(photo.path, photo.orientation, longest=LONGEST)
        assert one.picture is not None
        assert np.array_equal(np.asarray(one.picture), np.asarray(here))


@pytest.mark.usefixtures("impatient")
def test_what_is_wrong_with_a_file_costs_that_file(wild: dict[str, Photo]) -> None:
    names = ["a", "endless", "fifo", "bomb", "link", "z"]
    found = dict(zip(names, decoded(*(wild[name] for name in names)), strict=True))
    assert [name for name in names if found[name].picture is not None] == ["a", "z"]
    assert {name: found[name].error for name in ("endless", "fifo", "link")} == {
        "endless": decoding.STUCK,
        "fifo": None,
        "link": None,
    }
    assert image.GREEDY in (found["bomb"].error or "")


def test_a_file_that_changed_since_is_not_decoded(wild: dict[str, Photo]) -> None:
    assert decoded(replace(wild["a"], mtime_ns=1)) == [decoding.Decoded(None)]
    assert decoded(replace(wild["a"], size=1)) == [decoding.Decoded(None)]


class Waylaid(Decoders):
    """Decoders of which a process is stopped whenever it is seen at a certain file that it has not read to its end."""

    def __init__(self, path: bytes) -> None:
        super().__init__(1, LONGEST)
        self.path = path

    def _look(self, patience: float) -> None:
        for worker in self._workers:
            at = worker.at()
            if at is not None and at[0] == self.path and at[1].digest is None:
                os.kill(worker.process.pid, signal.SIGSTOP)
        super()._look(min(patience, 0.0005))


@pytest.mark.usefixtures("impatient")
def test_a_disk_that_hangs_at_one_file_costs_that_file(archive: Path, wild: dict[str, Photo]) -> None:
    large = archive / "large.tif"
    Image.new("L", (9000, 7000)).save(large)  # 63 MB: read as it is decoded
    stat = large.stat()
    row = replace(wild["a"], path=os.fsencode(large), size=stat.st_size, mtime_ns=stat.st_mtime_ns)
    with Waylaid(row.path) as queue:
        found = queue.decode([ask(photo, LONGEST) for photo in (wild["a"], row, wild["z"])])
    assert [one.error for one in found] == [None, readers.SILENT, None]


@pytest.mark.usefixtures("impatient")
def test_look_alikes_are_sought_on_past_bad_files(catalog: Catalog, wild: dict[str, Photo]) -> None:
    assert hash_new(catalog, 2) == (2, 2, 2)
    assert photos.get(catalog, wild["endless"].id).error == decoding.STUCK
    assert image.GREEDY in (photos.get(catalog, wild["bomb"].id).error or "")


@pytest.mark.usefixtures("impatient")
def test_faces_are_sought_on_past_bad_files(catalog: Catalog, wild: dict[str, Photo]) -> None:
    done = index_faces(catalog, embedder="dlib", device="cpu", workers=1)
    assert (done.photos, done.errors, done.skipped) == (2, 2, 2)
    assert photos.get(catalog, wild["endless"].id).error == decoding.STUCK
    assert image.GREEDY in (photos.get(catalog, wild["bomb"].id).error or "")
