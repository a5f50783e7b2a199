"""What is found alike on real pictures, what is not, and how groups live on."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import piexif
import pytest
from PIL import Image, ImageEnhance

from core import image, query, scan
from core.similar import looking
from core.similar.find import SimilarResult, compare, find
from core.similar.grouping import NEAR_DETAIL, NEAR_KEY
from core.similar.hashing import DETAIL, KEY, perceptual_hash
from storage import photos, similar
from storage.catalog import Catalog
from storage.similar import Likeness

SAMPLE = Path("sample_data/photos")
TRUTH = Path("sample_data/truth.csv")


def portrait_paths() -> list[Path]:
    with TRUTH.open(encoding="utf-8") as file:
        return sorted({Path("sample_data") / row["path"] for row in csv.DictReader(file)})


def edge(picture: Image.Image, part: float) -> Image.Image:
    """Without `part` of its width and height, half at each side."""
    wide, high = picture.size
    return picture.crop((round(wide * part / 2), round(high * part / 2), round(wide * (1 - part / 2)), high))


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    kept = io.BytesIO()
    picture.save(kept, "JPEG", quality=quality)
    return Image.open(kept).convert("RGB")


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved again": lambda picture: jpeg(picture, 40),
    "half the size": lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
    "cut": lambda picture: edge(picture, 0.02),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.15),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.8),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
}


def bits(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def is_near(one: bytes, other: bytes) -> bool:
    return bits(one[:KEY], other[:KEY]) <= NEAR_KEY and bits(one[KEY:], other[KEY:]) <= NEAR_DETAIL


def hashed(picture: Image.Image) -> bytes:
    made = perceptual_hash(picture)
    assert made is not None
    assert len(made) == KEY + DETAIL
    return made


@pytest.fixture(scope="module")
def originals() -> list[Image.Image]:
    """Every tenth photograph with people of the sample archive."""
    return [image.load(path, image.probe(path).orientation) for path in portrait_paths()[::10]]


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_picture_changed_a_little_is_found(originals: list[Image.Image], change: str) -> None:
    found = [is_near(hashed(one), hashed(CHANGES[change](one))) for one in originals]
    assert len(found) > 40
    assert np.mean(found) > 0.97


def test_pictures_of_different_moments_are_not(originals: list[Image.Image]) -> None:
    all_of_them = [hashed(one) for one in originals]
    near = [(a, b) for a in range(len(all_of_them)) for b in range(a) if is_near(all_of_them[a], all_of_them[b])]
    assert near == []


def test_the_scale_it_was_decoded_at_makes_no_difference(originals: list[Image.Image]) -> None:
    for path, whole in list(zip(portrait_paths()[::10], originals, strict=True))[:8]:
        small = image.load(path, image.probe(path).orientation, longest=looking.LONGEST)
        assert bits(hashed(whole), hashed(small)) <= 20


def test_a_picture_with_nothing_in_it_has_no_hash() -> None:
    noise = np.random.default_rng(1).integers(0, 5, (300, 400, 3), dtype=np.uint8)
    for picture in (Image.new("RGB", (400, 300)), Image.new("RGB", (5, 3), "white"), Image.fromarray(noise)):
        assert perceptual_hash(picture) is None


# Whole runs ------------------------------------------------------------------------------------------


def find_all(catalog: Catalog, folder: Path) -> SimilarResult:
    scan.index(catalog, [folder], jobs=1)
    return find(catalog, jobs=1)


def groups(catalog: Catalog) -> dict[int, tuple[Likeness, list[str]]]:
    """Each group's kind and the names of its files."""
    return {
        group.id: (
            group.kind,
            [Path(photo.path_text).name for photo in photos.get_many(catalog, [one.photo for one in group.members])],
        )
        for group in similar.groups(catalog)
    }


def id_of(catalog: Catalog, path: Path) -> int:
    found = photos.by_path(catalog, bytes(path))
    assert found is not None
    return found.id


@pytest.fixture
def scenes(archive: Path, originals: list[Image.Image]) -> Path:
    """`1.png` to `4.png`: four different photographs."""
    for number, picture in enumerate(originals[:4], 1):
        picture.save(archive / f"{number}.png")
    return archive


@pytest.mark.slow
def test_the_sample_archive(catalog: Catalog, tmp_path: Path) -> None:
    """All copies and second versions that its plan put there, and nothing else."""
    shutil.copytree(SAMPLE, tmp_path / "photos")
    find_all(catalog, tmp_path / "photos")
    found = sorted((kind, sorted(names)) for kind, names in groups(catalog).values())
    assert found == [
        (Likeness.COPY, ["DSC_0315.JPG", "DSC_0315.JPG"]),
        (Likeness.COPY, ["DSC_0339.JPG", "scan.tif"]),
        (Likeness.COPY, ["DSC_2931.JPG", "DSC_2931.JPG"]),
        (Likeness.COPY, ["IMG_4850.JPG", "IMG_4850.JPG"]),
        (Likeness.COPY, ["IMG_5617.JPG", "IMG_5617.JPG"]),
        (Likeness.NEAR_DUPLICATE, ["DSC_0333.JPG", "screenshot.jpg"]),
        (Likeness.NEAR_DUPLICATE, ["IMG_0691.HEIC", "IMG_0691.JPG"]),
        (Likeness.NEAR_DUPLICATE, ["IMG_4823.JPG", "retouched IMG_4823.png"]),
    ]


def test_groups_grow_and_keep_their_numbers(catalog: Catalog, scenes: Path) -> None:
    with Image.open(scenes / "1.png") as picture:
        picture.convert("RGB").save(scenes / "1 again.jpg", quality=60)
    first = find_all(catalog, scenes)
    assert (first.hashed, first.compared, first.groups, first.photos) == (5, 5, 1, 2)
    [(number, (kind, names))] = groups(catalog).items()
    assert (kind, sorted(names)) == (Likeness.NEAR_DUPLICATE, ["1 again.jpg", "1.png"])
    assert find(catalog, jobs=1).compared == 0

    shutil.copy(scenes / "1 again.jpg", scenes / "1 copy.jpg")
    with Image.open(scenes / "2.png") as picture:
        edge(picture.convert("RGB"), 0.02).save(scenes / "2 cut.png")
    second = find_all(catalog, scenes)
    assert (second.hashed, second.compared, second.groups, second.photos) == (1, 2, 2, 5)
    now = groups(catalog)
    assert sorted(now.pop(number)[1]) == ["1 again.jpg", "1 copy.jpg", "1.png"]
    [(other, (_, names))] = now.items()
    assert other > number
    assert sorted(names) == ["2 cut.png", "2.png"]
    member = similar.group_of(catalog, id_of(catalog, scenes / "1 copy.jpg"))
    assert member is not None
    assert {one.kind for one in member.members} == {None, Likeness.COPY, Likeness.NEAR_DUPLICATE}


def test_all_at_once_or_bit_by_bit_is_the_same(catalog: Catalog, scenes: Path, tmp_path: Path) -> None:
    for number in range(1, 5):
        with Image.open(scenes / f"{number}.png") as picture:
            picture.convert("RGB").save(scenes / f"{number}.z.jpg", quality=50)
    scan.index(catalog, [scenes / f"{number}.png" for number in range(1, 5)], jobs=1)
    find(catalog, jobs=1)
    find_all(catalog, scenes)
    bit_by_bit = sorted(sorted(names) for _, names in groups(catalog).values())
    from storage import catalog as catalogs

    with catalogs.create(tmp_path / "other") as other:
        find_all(other, scenes)
        assert sorted(sorted(names) for _, names in groups(other).values()) == bit_by_bit
    assert len(bit_by_bit) == 4


def test_what_a_person_took_out_stays_out(catalog: Catalog, scenes: Path) -> None:
    for copy in ("1 a.png", "1 b.png"):
        shutil.copy(scenes / "1.png", scenes / copy)
    find_all(catalog, scenes)
    out = id_of(catalog, scenes / "1 b.png")
    similar.set_apart(catalog, out)
    [(number, (_, names))] = groups(catalog).items()
    assert sorted(names) == ["1 a.png", "1.png"]
    shutil.copy(scenes / "1.png", scenes / "1 c.png")
    find_all(catalog, scenes)
    assert sorted(groups(catalog)[number][1]) == ["1 a.png", "1 c.png", "1.png"]
    assert similar.group_of(catalog, out) is None
    assert similar.take_back(catalog, out)
    find(catalog, jobs=1)
    assert len(groups(catalog)[number][1]) == 4


def test_another_picture_under_the_name_is_compared_anew(catalog: Catalog, scenes: Path) -> None:
    shutil.copy(scenes / "1.png", scenes / "1 a.png")
    find_all(catalog, scenes)
    assert len(groups(catalog)) == 1
    shutil.copy(scenes / "2.png", scenes / "1 a.png")
    scan.index(catalog, [scenes], jobs=1)
    assert groups(catalog) == {}
    assert query.count(catalog, "similar:yes") == 0
    find(catalog, jobs=1)
    [(_, names)] = groups(catalog).values()
    assert sorted(names) == ["1 a.png", "2.png"]


def test_searches(catalog: Catalog, scenes: Path) -> None:
    shutil.copy(scenes / "1.png", scenes / "1 a.png")
    find_all(catalog, scenes)
    one, copy, two = (id_of(catalog, scenes / name) for name in ("1.png", "1 a.png", "2.png"))
    assert list(query.ids(catalog, f"similar:{one}")) == sorted([one, copy])
    assert list(query.ids(catalog, f"similar:{two}")) == []
    assert list(query.ids(catalog, "similar:yes")) == sorted([one, copy])
    assert query.count(catalog, "similar:no") == 3


def test_black_frames_make_no_group_unless_they_are_copies(catalog: Catalog, archive: Path) -> None:
    for number in range(4):
        Image.new("RGB", (64, 64 + number)).save(archive / f"{number}.png")
    shutil.copy(archive / "0.png", archive / "copy.png")
    find_all(catalog, archive)
    [(kind, names)] = groups(catalog).values()
    assert (kind, sorted(names)) == (Likeness.COPY, ["0.png", "copy.png"])


def test_a_burst_is_of_one_camera_and_a_few_seconds(catalog: Catalog, archive: Path) -> None:
    """A subject that walks through the picture: frames too far apart for near-duplicates, and alike."""
    draws = np.random.default_rng(4)
    ground = Image.fromarray(draws.integers(60, 200, (6, 9, 3), dtype=np.uint8)).resize((360, 240), Image.BICUBIC)
    subject = Image.fromarray(draws.integers(0, 255, (5, 3, 3), dtype=np.uint8)).resize((60, 120), Image.BICUBIC)

    def take(name: str, step: int, seconds: float, camera: bytes) -> None:
        frame = ground.copy()
        frame.paste(subject, (40 + 25 * step, 80))
        at = (datetime(2024, 5, 1, 12) + timedelta(seconds=seconds)).strftime("%Y:%m:%d %H:%M:%S").encode()
        block = piexif.dump({"0th": {piexif.ImageIFD.Model: camera}, "Exif": {piexif.ExifIFD.DateTimeOriginal: at}})
        frame.save(archive / name, quality=92, exif=block)

    for number in range(4):
        take(f"burst{number}.jpg", number, 2 * number, b"A")
    take("other camera.jpg", 4, 4, b"B")
    take("later.jpg", 4, 60, b"A")
    find_all(catalog, archive)
    found = groups(catalog)
    assert [names for kind, names in found.values() if kind is Likeness.BURST] == [
        [f"burst{number}.jpg" for number in range(4)]
    ]


def test_a_file_that_cannot_be_decoded_stops_nothing(catalog: Catalog, scenes: Path) -> None:
    data = bytearray((scenes / "1.png").read_bytes())
    at = data.index(b"IDAT") + 40
    data[at : at + 200] = bytes(200)
    (scenes / "broken.png").write_bytes(data)
    result = find_all(catalog, scenes)
    assert (result.hashed, result.errors) == (4, 1)
    assert photos.get(catalog, id_of(catalog, scenes / "broken.png")).error is not None
    assert find(catalog, jobs=1).errors == 0


def test_a_file_that_changed_since_it_was_indexed_waits(catalog: Catalog, scenes: Path) -> None:
    scan.index(catalog, [scenes], jobs=1)
    shutil.copy(scenes / "2.png", scenes / "1.png")
    result = find(catalog, jobs=1)
    assert (result.hashed, result.stale) == (3, 1)
    assert find_all(catalog, scenes).stale == 0


def test_a_split_while_groups_are_worked_out_is_kept(catalog: Catalog, scenes: Path) -> None:
    shutil.copy(scenes / "1.png", scenes / "1 a.png")
    scan.index(catalog, [scenes], jobs=1)
    from core.similar.find import hash_new

    hash_new(catalog, 1)
    out = id_of(catalog, scenes / "1 a.png")
    done: list[int] = []

    def meanwhile(_: object) -> None:
        if not done:
            done.append(out)
            similar.set_apart(catalog, out)

    assert compare(catalog, meanwhile) == 4
    assert done == [out]
    assert groups(catalog) == {}
