"""Decoding in processes: a file that hangs, is no file any more, or asks for too much costs its own row an error."""

from __future__ import annotations

import os
import shutil
import signal
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from core import decoding, image, processes, scan
from core.decoding import Cut, Decoders, ask
from core.errors import BadImage, Changed
from core.faces.index import index_faces
from core.portraits import portrait
from core.similar.find import hash_new
from core.thumbnails import thumbnail
from core.training.pictures import picture_of
from storage import faces, photos
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.records import CohortItem, Photo
from tests import bad_files
from tests.bad_files import bomb, endless

TakePicture = Callable[..., Path]
LONGEST = 64


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent that waits for a second instead of four."""
    monkeypatch.setattr(processes, "MOST_STILL", 1.0)


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
    assert [one.error for one in found] == [None, processes.SILENT, None]


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


# One at a time, by the process that is kept for it --------------------------------------------------


def shown(catalog: Catalog, photo: Photo) -> object:
    """Its portrait, of a face in it."""
    faces.replace_faces(catalog, photo.id, [NewFace((5, 5, 25, 25), 0.9, np.zeros(4, dtype=np.float32))], "dlib")
    return portrait(catalog, faces.of_photo(catalog, photo.id)[0])


def trained_on(photo: Photo) -> object:
    """What is cut of it for training."""
    box = (0, 0, 30, 30)
    return picture_of(photo, CohortItem(photo.id, 1, 1, "u", photo.content_hash or "", box, (), "", "", ""), (16, 16))


CALLERS: dict[str, Callable[[Catalog, Photo], object]] = {
    "a thumbnail": thumbnail,
    "a portrait": shown,
    "training": lambda _, photo: trained_on(photo),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("caller", CALLERS)
def test_a_bad_file_is_named_with_what_is_wrong_and_the_next_is_decoded(
    catalog: Catalog, wild: dict[str, Photo], caller: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = CALLERS[caller]
    reasons = {"endless": "longer than is safe", "bomb": "more memory", "fifo": "gone, or changed", "link": "gone, or"}
    for name, why in reasons.items():
        with pytest.raises(BadImage, match=f"{name}.*{why}"):
            call(catalog, wild[name])
    bad_files.die_at(monkeypatch, Path(os.fsdecode(wild["endless"].path)))
    with pytest.raises(BadImage, match=r"endless.*crashes the decoder"):
        call(catalog, wild["endless"])
    assert call(catalog, wild["a"])


def test_what_is_cut_is_what_the_whole_picture_shows_there(wild: dict[str, Photo]) -> None:
    photo = wild["a"]
    whole = image.load(photo.path, photo.orientation)
    assert decoding.picture(ask(photo)).tobytes() == whole.tobytes()
    here = whole.crop((20, 10, 120, 90)).resize((32, 32), Image.Resampling.LANCZOS)
    cut = ask(photo, content_hash=photo.content_hash, cut=Cut((20, 10, 120, 90), (32, 32)))
    assert decoding.picture(cut).tobytes() == here.tobytes()


def test_bytes_that_were_asked_for_count_and_not_their_time(wild: dict[str, Photo]) -> None:
    touched = replace(wild["a"], mtime_ns=1)
    assert decoding.picture(ask(touched, content_hash=touched.content_hash)).size == (300, 200)
    for asked in (ask(touched), ask(touched, content_hash="00" * 32)):
        with pytest.raises(Changed):
            decoding.picture(asked)


def test_threads_have_the_pictures_that_they_asked_for(wild: dict[str, Photo]) -> None:
    asked = [ask(wild[name], longest) for longest in (20, 40, 60) for name in ("a", "z")] * 5
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(decoding.picture, asked))
    for one, picture in zip(asked, found, strict=True):
        assert picture.tobytes() == image.load(one.path, one.orientation, longest=one.longest).tobytes()


def test_a_process_that_was_ended_while_nothing_was_asked_is_replaced(wild: dict[str, Photo]) -> None:
    assert decoding.picture(ask(wild["a"]))
    queue = decoding._resident._queue
    assert queue is not None
    [worker] = queue._workers
    worker.process.kill()
    worker.process.wait()
    assert decoding.picture(ask(wild["z"])).size == (300, 200)


def test_what_was_asked_and_not_awaited_is_given_to_nobody(
    wild: dict[str, Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(processes.Processes, "collect", interrupt)
        with pytest.raises(KeyboardInterrupt):
            decoding.picture(ask(wild["a"], 20))
    assert decoding.picture(ask(wild["z"])).size == (300, 200)


def test_colours_are_turned_into_those_that_are_taken_for_granted_where_asked(catalog: Catalog, archive: Path) -> None:
    """In this profile red and blue have changed places."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    at = {bytes(profile[n : n + 4]): n for n in range(132, 132 + 12 * struct.unpack(">I", profile[128:132])[0], 12)}
    red, blue = at[b"rXYZ"], at[b"bXYZ"]
    profile[red + 4 : red + 12], profile[blue + 4 : blue + 12] = (
        bytes(profile[blue + 4 : blue + 12]),
        bytes(profile[red + 4 : red + 12]),
    )
    picture = Image.new("RGB", (8, 8), (250, 0, 0))
    for name, told in (("1.png", bytes(profile)), ("2.png", None), ("3.png", b"no profile at all")):
        picture.save(archive / name, icc_profile=told)
    scan.index(catalog, [archive])
    odd, plain, broken = photos.page(catalog, limit=3)
    turned = np.asarray(decoding.picture(ask(odd, srgb=True)))[4, 4]
    assert turned[2] > 240
    assert turned[0] < 10
    for one in (ask(odd), ask(plain, srgb=True)):
        assert decoding.picture(one).tobytes() == picture.tobytes()
    with pytest.raises(BadImage, match="profile can't be read"):
        decoding.picture(ask(broken, srgb=True))


def test_large_photographs_have_memory_and_time_in_proportion() -> None:
    def one(pixels: int, size: int, longest: int | None = None) -> decoding.Ask:
        return decoding.Ask(b"", 1, size, 0, pixels, longest)

    phone, large, sparse = one(12_000_000, 4 << 20), one(60_000_000, 20 << 20), one(160_000_000, 1 << 20)
    assert (decoding.memory(phone), decoding.patience(phone)) == (256 << 20, 1.0)
    assert (decoding.memory(large), decoding.patience(large)) == (5 * 256 << 20, 5.0)
    assert decoding.patience(one(60_000_000, 20 << 20, 320)) == 1.0
    assert (decoding.memory(sparse), decoding.patience(sparse)) == (256 << 20, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_large_photograph_is_decoded_whole(catalog: Catalog, archive: Path, format: str) -> None:
    """60 megapixels: a progressive JPEG at full colour, and a PNG with transparency, take the most."""
    band = np.random.default_rng(0).integers(0, 256, (50, 8000), dtype=np.uint8)
    noise = Image.fromarray(np.tile(band, (150, 1)))
    large = Image.merge("RGBA", [noise, *[Image.new("L", noise.size, 200)] * 3])
    path = archive / f"large.{format.lower()}"
    if format == "JPEG":
        large.convert("RGB").save(path, quality=75, progressive=True, subsampling=0)
    else:
        large.save(path, compress_level=1)
    assert scan.index(catalog, [archive]).errors == 0
    photo = photos.get(catalog, 1)
    cut = ask(photo, content_hash=photo.content_hash, cut=Cut((0, 0, 4000, 4000), (64, 64)))
    assert decoding.picture(cut).size == (64, 64)
    assert decoding.picture(ask(photo)).size == (8000, 7500)
