"""What image-to-image may start from: nobody who has not said so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from core import processes
from core.errors import BadImage, BadValue, Refused
from core.generated_checks import Checker
from core.start_picture import start_picture
from storage import faces, ledger, photos
from storage.catalog import Catalog
from storage.photos import ScanBatch
from storage.records import Companion, CompanionKind, EventKind, FaceMark, Purpose
from storage.whole_files import file_hash
from tests import bad_files, raws, small_archive
from tests.small_archive import SmallArchive

SAMPLE = Path(__file__).parents[2] / "sample_data" / "photos"


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker()


@pytest.fixture
def archive(catalog: Catalog, tmp_path: Path) -> SmallArchive:
    return small_archive.build(catalog, tmp_path / "archive", people=1, pictures=1)


def test_a_stranger_is_refused_however_the_file_is_marked(catalog: Catalog, tmp_path: Path, checker: Checker) -> None:
    sample = next(path for path in sorted(SAMPLE.rglob("DSCF*.JPG")) if checker.faces(Image.open(path).convert("RGB")))
    with pytest.raises(Refused, match="somebody is seen in it"):
        start_picture(catalog, sample, checker)
    marked = tmp_path / "generated.png"
    Image.open(sample).save(marked)
    with pytest.raises(Refused, match="somebody is seen in it"):
        start_picture(catalog, marked, checker)


def test_a_picture_of_nobody_is_fine(catalog: Catalog, tmp_path: Path, checker: Checker) -> None:
    path = tmp_path / "sky.png"
    Image.new("RGB", (256, 256), (90, 120, 200)).save(path)
    assert start_picture(catalog, path, checker).picture.size == (256, 256)
    path.write_bytes(b"")
    with pytest.raises(BadImage):
        start_picture(catalog, path, checker)


def test_a_mask_weakens_no_rule(archive: SmallArchive, tmp_path: Path, checker: Checker) -> None:
    """Not for whom it covers, and not for who is left as they are."""
    catalog, path = archive.catalog, archive.folder / "0-0.png"
    for number, colour in enumerate((0, 255)):
        Image.new("L", (64, 64), colour).save(tmp_path / f"{number}.png")
    start = start_picture(catalog, path, checker, tmp_path / "1.png")
    assert start.mask is not None
    assert start.square(32).picture.size == (32, 32)
    with pytest.raises(BadValue, match="black all over"):
        start_picture(catalog, path, checker, tmp_path / "0.png").square(32)
    Image.new("L", (32, 64)).save(tmp_path / "2.png")
    with pytest.raises(BadValue, match="the mask has 32 x 64 pixels, the picture 64 x 64"):
        start_picture(catalog, path, checker, tmp_path / "2.png")
    archive.withdraw(archive.people[0], Purpose.TRAIN_INDIVIDUAL)
    for number in (0, 1):
        with pytest.raises(Refused, match="Person 0: withdrew train-individual"):
            start_picture(catalog, path, checker, tmp_path / f"{number}.png")
    sample = next(path for path in sorted(SAMPLE.rglob("DSCF*.JPG")) if checker.faces(Image.open(path).convert("RGB")))
    Image.new("L", Image.open(sample).size, 255).save(tmp_path / "3.png")
    with pytest.raises(Refused, match="somebody is seen in it"):
        start_picture(catalog, sample, checker, tmp_path / "3.png")


def test_whom_the_catalog_knows_decides(archive: SmallArchive, tmp_path: Path, checker: Checker) -> None:
    catalog, (person,) = archive.catalog, archive.people
    copy = tmp_path / "copy.png"
    copy.write_bytes((archive.folder / "0-0.png").read_bytes())
    assert start_picture(catalog, copy, checker).picture.size == (64, 64)
    ledger.append(
        catalog, kind=EventKind.REFUSAL, subject_uid=person.uid, purposes=(Purpose.TRAIN_INDIVIDUAL,), by="me"
    )
    with pytest.raises(Refused, match="Person 0: refused train-individual"):
        start_picture(catalog, copy, checker)


def test_a_face_that_nobody_named_is_refused(archive: SmallArchive, checker: Checker) -> None:
    catalog, path = archive.catalog, archive.folder / "0-0.png"
    (photo,) = photos.get_many(catalog, [1])
    (face,) = faces.of_photo(catalog, photo.id)
    faces.assign(catalog, [face.id], None, by_person=True)
    with pytest.raises(Refused, match="nobody has said who this is"):
        start_picture(catalog, path, checker)
    faces.set_mark(catalog, [face.id], FaceMark.NOT_A_FACE)
    assert start_picture(catalog, path, checker).picture.size == (64, 64)


def test_whoever_refuses_in_a_jpeg_refuses_in_the_raw_beside_it(
    archive: SmallArchive, tmp_path: Path, checker: Checker
) -> None:
    catalog, (person,) = archive.catalog, archive.people
    path = tmp_path / "0-0.nef"
    path.write_bytes(raws.raw("NEF"))
    raw = Companion(b"0-0.nef", CompanionKind.RAW, 1, 1, 1, 1, file_hash(path))
    (photo,) = photos.get_many(catalog, [1])
    photos.apply_scan(catalog, ScanBatch(same=[replace(photo, companions=(raw,))]))
    assert start_picture(catalog, path, checker).picture.size == (1200, 800)
    ledger.append(
        catalog, kind=EventKind.REFUSAL, subject_uid=person.uid, purposes=(Purpose.TRAIN_INDIVIDUAL,), by="me"
    )
    with pytest.raises(Refused, match="Person 0: refused train-individual"):
        start_picture(catalog, path, checker)


@pytest.mark.parametrize("how", ["hangs", "grows", "dies"])
def test_a_file_that_defeats_its_decoder_is_refused_with_the_reason(
    catalog: Catalog, tmp_path: Path, checker: Checker, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(processes, "MOST_STILL", 1.0)
    path = (bad_files.bomb if how == "grows" else bad_files.endless)(tmp_path / "bad.jpg")
    if how == "dies":
        bad_files.die_at(monkeypatch, path)
    why = {"hangs": "longer than is safe", "grows": "more memory", "dies": "crashes the decoder"}[how]
    with pytest.raises(BadImage, match=f"bad.jpg.*{why}"):
        start_picture(catalog, path, checker)


def test_a_picture_may_be_named_by_a_link(catalog: Catalog, tmp_path: Path, checker: Checker) -> None:
    Image.new("RGB", (40, 30), (90, 120, 200)).save(tmp_path / "sky.png")
    (tmp_path / "link.png").symlink_to("sky.png")
    assert start_picture(catalog, tmp_path / "link.png", checker).picture.size == (40, 30)
    with pytest.raises(BadImage, match="no file"):
        start_picture(catalog, tmp_path / "nothing.png", checker)
