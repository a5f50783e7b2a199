"""From files to stored faces: at reduced scale, upright, resumable, and no bad file stops it."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from core import scan
from core.errors import MissingDependency
from core.faces import detect, index
from core.faces.index import index_faces
from core.progress import Step
from storage import faces, photos
from storage.catalog import Catalog
from storage.records import Box, Photo


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    return folder


def by_name(catalog: Catalog) -> dict[str, Photo]:
    return {Path(photo.path_text).name: photo for photo in photos.page(catalog, limit=100)}


def found_at(catalog: Catalog, photo: Photo, box: Box) -> bool:
    return any(faces.overlap(box, face.box) > 0.3 for face in faces.of_photo(catalog, photo.id))


def broken_png(path: Path) -> None:
    """A PNG whose header and end are sound and whose pixels are not."""
    Image.effect_noise((64, 64), 90).convert("RGB").save(path)
    data = bytearray(path.read_bytes())
    middle = data.index(b"IDAT") + 40
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(data)


def test_an_archive_is_indexed_and_a_second_run_has_nothing_to_do(
    catalog: Catalog, folder: Path, portraits: list, company: object
) -> None:
    shutil.copy(portraits[0].path, folder / "one.jpg")
    shutil.copy(company.path, folder / "many.jpg")
    size = portraits[1].picture.size
    large = portraits[1].picture.resize((size[0] * 3, size[1] * 3), Image.Resampling.BICUBIC)
    large.save(folder / "large.jpg", quality=92)
    turned = portraits[2].picture.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(folder / "turned.jpg", quality=92, exif=exif)
    Image.new("RGB", (300, 200), "teal").save(folder / "nobody.jpg")
    broken_png(folder / "broken.png")
    scan.index(catalog, [folder], jobs=1)
    (folder / "changed.jpg").write_bytes(portraits[3].path.read_bytes())
    scan.index(catalog, [folder], jobs=1)
    with (folder / "changed.jpg").open("ab") as file:
        file.write(b"more")
    steps: list[Step] = []
    result = index_faces(catalog, embedder="dlib", device="cpu", workers=1, report=steps.append)

    assert (result.photos, result.errors, result.skipped) == (5, 1, 1)
    assert result.faces == 3 + len(company.boxes)
    assert result.embedder == "dlib-resnet-v1"
    assert (steps[-1].done, steps[-1].total) == (7, 7)
    shots = by_name(catalog)
    assert found_at(catalog, shots["one.jpg"], portraits[0].boxes[0])
    assert all(found_at(catalog, shots["many.jpg"], box) for box in company.boxes)
    x0, y0, x1, y1 = portraits[1].boxes[0]
    assert found_at(catalog, shots["large.jpg"], (3 * x0, 3 * y0, 3 * x1, 3 * y1))
    assert found_at(catalog, shots["turned.jpg"], portraits[2].boxes[0])
    assert faces.of_photo(catalog, shots["nobody.jpg"].id) == []
    assert shots["nobody.jpg"].faces_space == "dlib-resnet-v1"
    assert "decoded" in (shots["broken.png"].error or "")
    assert shots["changed.jpg"].faces_space is None
    assert shots["changed.jpg"].error is None
    [face] = faces.of_photo(catalog, shots["one.jpg"].id)
    assert faces.vectors(catalog, [face.id])[face.id].shape == (128,)
    assert face.age_estimate is not None
    assert face.sharpness is not None

    again = index_faces(catalog, device="cpu", workers=1)
    assert (again.photos, again.faces, again.skipped) == (0, 0, 1)
    assert faces.get(catalog, face.id) == face


def test_an_interrupted_run_keeps_what_it_wrote_and_goes_on(
    catalog: Catalog, folder: Path, portraits: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, shot in enumerate(portraits[:4]):
        shutil.copy(shot.path, folder / f"{number}.jpg")
    scan.index(catalog, [folder], jobs=1)
    monkeypatch.setattr(index, "WINDOW", 1)
    monkeypatch.setattr(detect, "CPU_BATCH", 1)

    def stop(_: Step) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_faces(catalog, embedder="dlib", device="cpu", workers=1, report=stop)
    assert faces.count(catalog) == 1
    chosen = [photo.id for photo in photos.page(catalog, limit=3)]
    assert index_faces(catalog, device="cpu", ids=chosen, workers=1).photos == 2
    assert index_faces(catalog, device="cpu", workers=1).photos == 1
    assert faces.count(catalog) == 4


def test_an_empty_catalog_starts_no_worker(catalog: Catalog) -> None:
    assert index_faces(catalog, embedder="dlib", device="cpu").photos == 0


def test_missing_weights_are_said_before_anything_is_read(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(MissingDependency):
        index_faces(catalog, embedder="facenet", device="cpu")


HOLDS_A_WORKER = """
import os, sys
from core.faces.embed import DlibEmbedder
from core.faces.index import _workers
with _workers(1, DlibEmbedder()) as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
def test_workers_end_with_a_process_that_is_killed() -> None:
    command = [sys.executable, "-c", HOLDS_A_WORKER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        worker = os.pidfd_open(int(holder.stdout.readline()))
        holder.kill()
    ended, _, _ = select.select([worker], [], [], 120)
    os.close(worker)
    assert ended
