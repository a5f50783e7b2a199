from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core import image, raw, raw_preview
from core.errors import BadImage
from core.reading import read_file
from core.thumbnails import thumbnail
from storage.catalog import Catalog
from storage.records import Photo
from tests import raws

TakePicture = Callable[..., Path]


def read(path: Path) -> Photo:
    found = read_file(os.fsencode(path))
    assert found is not None
    return found.photo


def red(picture: Image.Image) -> str:
    """The side on which the red half lies."""
    pixels = np.asarray(picture, dtype=int)[:, :, 0]
    sides = {"left": pixels[:, 0], "right": pixels[:, -1], "top": pixels[0], "bottom": pixels[-1]}
    return max(sides, key=lambda side: sides[side].mean())


@pytest.mark.parametrize("kind", raws.KINDS)
@pytest.mark.parametrize(("orientation", "side"), [(1, "left"), (6, "top"), (8, "bottom"), (3, "right")])
def test_a_raw_is_its_preview_upright_with_its_exif(tmp_path: Path, kind: str, orientation: int, side: str) -> None:
    path = tmp_path / "wrong.jpg"  # told by content
    path.write_bytes(raws.raw(kind, orientation=orientation))
    photo = read(path)
    _, model = raws.MAKES[kind]
    assert (photo.error, photo.format) == (None, kind)
    assert (photo.width, photo.height) == ((800, 1200) if orientation in (6, 8) else (1200, 800))
    assert photo.camera is not None
    assert photo.camera.endswith(model)
    assert (photo.taken_at, photo.f_number, photo.iso) == (datetime(2019, 4, 5, 10, 30), 2.8, 400)
    assert (photo.exposure_s, photo.lens) == (0.004, "85mm f/1.8")
    picture = image.load(path, photo.orientation)
    assert picture.size == (photo.width, photo.height)
    assert red(picture) == side
    assert max(image.load(path, photo.orientation, longest=300).size) == 300


@pytest.mark.parametrize("kind", raws.KINDS)
def test_a_thumbnail_of_a_raw(catalog: Catalog, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(raws.raw(kind, orientation=6))
    with Image.open(thumbnail(catalog, read(path), 100)) as small:
        assert (max(small.size), red(small)) == (100, "top")


@pytest.mark.parametrize("kind", raws.KINDS)
def test_a_raw_without_a_preview_has_a_reason_and_its_exif(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(raws.raw(kind, preview=False))
    photo = read(path)
    assert photo.error == raw_preview.NONE
    if kind != "RAF":  # whose EXIF lies in its preview
        assert photo.taken_at == datetime(2019, 4, 5, 10, 30)
    with pytest.raises(BadImage, match="without a preview"):
        image.load(path, 1)


@pytest.mark.parametrize("kind", raws.KINDS)
def test_a_raw_cut_off_has_a_reason(tmp_path: Path, kind: str) -> None:
    whole = raws.raw(kind)
    path = tmp_path / f"a.{kind.lower()}"
    for length in range(20, len(whole) - 300, len(whole) // 12):
        path.write_bytes(whole[:length])
        photo = read(path)
        assert photo.error is not None, length
        assert photo.content_hash is not None


@pytest.mark.parametrize("kind", ["NEF", "CR2", "RAF", "CR3"])
def test_a_raw_whose_preview_is_whole_and_whose_sensor_data_are_not_is_cut_off(tmp_path: Path, kind: str) -> None:
    whole = raws.raw(kind)
    assert whole.endswith(raws.SENSOR)
    path = tmp_path / "a.nef"
    path.write_bytes(whole[:-9])
    photo = read(path)
    assert photo.error == "the file is cut off: its end is missing"
    assert (photo.width, photo.height) == (1200, 800)


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_a_lying_raw_decodes_or_is_refused_and_nothing_else(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(raws.KINDS))
    broken = bytearray(raws.raw(kind, size=(64, 48)))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, min(len(broken) - 5, 900)))
        word = data.draw(st.sampled_from([0, 1, 0xFF, 0x7FFFFFFF, 0xFFFFFFFF]) | st.integers(0, 2**32 - 1))
        broken[at : at + 4] = struct.pack(data.draw(st.sampled_from(["<I", ">I"])), word)
    source = io.BytesIO(bytes(broken))
    found = raw.of(source)
    if found is not None:
        raw.largest_preview(source, found)
    with suppress(BadImage):
        facts = image.probe(source)
        assert facts.orientation in range(1, 9)


def test_a_panasonic_whose_place_of_sensor_data_is_an_empty_list() -> None:
    broken = bytearray(raws.raw("RW2", size=(64, 48)))
    entry = broken.index(struct.pack("<HH", 0x0118, 4))
    struct.pack_into("<I", broken, entry + 4, 0)  # how many values the tag has
    found = raw.of(io.BytesIO(bytes(broken)))
    assert found is not None
    assert found.complete


def test_folders_that_point_at_each_other_end() -> None:
    first = raws.Folder({0x010F: "SONY", 0x014A: [8, 8, 8]})
    data = bytearray(raws.tiff([first]))
    struct.pack_into("<I", data, 8 + 2 + 24, 8)  # the next folder is the first
    assert raw.of(io.BytesIO(bytes(data))) is None


@pytest.mark.parametrize("make", ["NIKON", "SONY", "Epson"])
def test_a_plain_tiff_of_a_maker_of_cameras_is_a_tiff(tmp_path: Path, take_picture: TakePicture, make: str) -> None:
    path = take_picture(tmp_path / "scan.tif", format="TIFF", exif={"0th": {271: make.encode()}})
    assert read(path).format == "TIFF"
    with path.open("rb") as file:
        assert raw.of(file) is None


def test_the_largest_preview_is_taken_and_lossless_data_are_none() -> None:
    lossless = bytearray(raws.jpeg((4000, 3000)))
    lossless[lossless.index(b"\xff\xc0") + 1] = 0xC3
    folders = [
        raws.exif_folder("CR2", 1, None),
        *(
            raws.Folder({0x0103: 6}, blobs={(0x0201, 0x0202): jpeg})
            for jpeg in (raws.jpeg((300, 200)), bytes(lossless))
        ),
        raws.Folder({0x0103: 6}, blobs={(0x0201, 0x0202): raws.jpeg((1200, 800))}),
    ]
    source = io.BytesIO(raws.tiff(folders, behind=b"CR\2\0\0\0\0\0"))
    found = raw.of(source)
    assert found is not None
    best = raw.largest_preview(source, found)
    assert best is not None
    assert (best.frame.width, best.frame.height) == (1200, 800)


def test_a_preview_that_says_itself_how_it_lies_is_believed(tmp_path: Path) -> None:
    own = raws.tiff([raws.Folder({0x0112: 8})])
    first = raws.exif_folder("RW2", 6, None)
    first.values[0x002E] = raws.jpeg((1200, 800), exif=own)
    path = tmp_path / "a.rw2"
    path.write_bytes(raws.tiff([first], magic=b"IIU\0"))
    assert read(path).orientation == 8


@pytest.mark.parametrize(("orientation", "side"), [(1, "left"), (6, "top")])
def test_a_preview_in_a_makers_note_is_found_by_libraw(tmp_path: Path, orientation: int, side: str) -> None:
    path = tmp_path / "a.orf"
    path.write_bytes(raws.olympus(raws.jpeg((1200, 800)), orientation=orientation))
    with path.open("rb") as file:
        found = raw.of(file)
    assert found is not None
    assert found.previews == ()
    photo = read(path)
    assert (photo.error, photo.format, sorted([photo.width or 0, photo.height or 0])) == (None, "ORF", [800, 1200])
    picture = image.load(path, photo.orientation)
    assert (picture.size, red(picture)) == ((photo.width, photo.height), side)


def test_libraw_is_loaded_only_for_a_raw_whose_previews_are_small(tmp_path: Path, take_picture: TakePicture) -> None:
    picture = take_picture(tmp_path / "a.jpg")
    large, small = tmp_path / "large.nef", tmp_path / "small.nef"
    large.write_bytes(raws.raw("NEF"))
    small.write_bytes(raws.raw("NEF", size=(300, 200)))
    code = (
        "import sys; from core.reading import read_file\n"
        "for path in sys.argv[1:]: read_file(path.encode()); print('rawpy' in sys.modules)"
    )
    command = [sys.executable, "-P", "-c", code, picture, large, small]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False", "True"]
    assert read(small).width == 300
