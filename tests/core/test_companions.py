from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import piexif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import image, query, reading, scan
from core.companions import Group, apart, grouped
from core.scan import ScanResult
from storage import companions, faces, photos, subjects
from storage.catalog import Catalog
from storage.records import Companion, CompanionKind, FaceMark, Photo, PhotoState
from tests import raws

TakePicture = Callable[..., Path]
OTHER_TIME = "2021:01:01 08:00:00"


def names(*lines: str) -> list[Group]:
    return grouped([name.encode() for line in lines for name in line.split()])


def group(main: str, raw: str = "", sidecars: str = "") -> Group:
    return Group(main.encode(), *(tuple(word.encode() for word in words.split()) for words in (raw, sidecars)))


# Names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "photographs"),
    [
        ("b.jpg a.jpg", [group("a.jpg"), group("b.jpg")]),
        ("a.NEF a.JPG a.xmp", [group("a.JPG", "a.NEF", "a.xmp")]),
        ("a.HEIC a.CR3", [group("a.HEIC", "a.CR3")]),
        ("a.nef a.jpg A.jpg", [group("A.jpg"), group("a.jpg", "a.nef")]),
        ("a.jpg a.JPG", [group("a.JPG"), group("a.jpg")]),
        ("a.jpg a.JPG a.nef", [group("a.JPG"), group("a.jpg"), group("a.nef")]),
        ("a.nef a.dng a.jpg", [group("a.jpg", "a.dng a.nef")]),
        ("a.nef a.dng", [group("a.dng", "a.nef")]),
        ("a.jpg a.tif a.png", [group("a.jpg"), group("a.png"), group("a.tif")]),
        ("a.nef a.tif", [group("a.nef"), group("a.tif")]),
        ("a.nef a.tif a.jpg", [group("a.jpg", "a.nef"), group("a.tif")]),
        ("a.nef.xmp a.xmp a.nef a.jpg a.jpg.xmp", [group("a.jpg", "a.nef", "a.jpg.xmp a.nef.xmp a.xmp")]),
        ("a.jpg a.JPG a.nef a.xmp", [group("a.JPG"), group("a.jpg"), group("a.nef", "", "a.xmp")]),
        ("a.png a.jpg a.XMP", [group("a.jpg", "", "a.XMP"), group("a.png")]),
        ("b.xmp a.jpg", [group("a.jpg")]),
        ("a-1.jpg a.nef", [group("a-1.jpg"), group("a.nef")]),
    ],
)
def test_which_names_are_one_photograph(folder: str, photographs: list[Group]) -> None:
    assert names(folder) == photographs


@settings(deadline=None, max_examples=300)
@given(
    st.sets(
        st.builds(
            lambda stem, suffix, more: (stem + suffix + more).encode(),
            st.sampled_from(["a", "A", "b", "a.nef"]),
            st.sampled_from([".jpg", ".JPG", ".nef", ".NEF", ".dng", ".heic", ".tif", ".xmp"]),
            st.sampled_from(["", "", ".xmp"]),
        )
    )
)
def test_every_picture_belongs_to_one_photograph_and_a_sidecar_to_one_at_most(folder: set[bytes]) -> None:
    groups = grouped(sorted(folder))
    pictures = [name for each in groups for name in (each.main, *each.raws)]
    sidecars = [name for each in groups for name in each.sidecars]
    assert sorted(pictures) == sorted(name for name in folder if not name.endswith(b".xmp"))
    assert len(sidecars) == len(set(sidecars))
    assert set(sidecars) <= folder
    assert grouped(sorted(folder, reverse=True)) == groups
    for each in groups:
        for raw in each.raws:
            rest, own = apart(each, raw)
            assert sorted([*rest.raws, own.main]) == sorted(each.raws)
            assert sorted([*rest.sidecars, *own.sidecars]) == sorted(each.sidecars)


# Archives -------------------------------------------------------------------------------------------


def counts(result: ScanResult) -> dict[str, int]:
    """The counts that are not 0."""
    return {name: n for name, n in asdict(result).items() if n and name not in {"seconds", "warnings"}}


def jpeg(path: Path, *, taken: str | None = raws.TAKEN, size: tuple[int, int] = (600, 400), seed: int = 0) -> Path:
    exif = {} if taken is None else {"Exif": {piexif.ExifIFD.DateTimeOriginal: taken.encode()}}
    path.write_bytes(raws.jpeg(size, seed=seed))
    piexif.insert(piexif.dump(exif), str(path))
    return path


def raw(path: Path, *, taken: str | None = raws.TAKEN, seed: int = 0, size: tuple[int, int] = (1200, 800)) -> Path:
    path.write_bytes(raws.raw("NEF", taken=taken, seed=seed, size=size))
    return path


def sidecar(path: Path, *, rating: int = 4, caption: str = "Bun", tags: tuple[str, ...] = ("market",)) -> Path:
    items = "".join(f"<rdf:li>{tag}</rdf:li>" for tag in tags)
    path.write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        f' xmlns:dc="http://purl.org/dc/elements/1.1/" xmp:Rating="{rating}">'
        f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{caption}</rdf:li></rdf:Alt></dc:description>'
        f"<dc:subject><rdf:Bag>{items}</rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    return path


def present(catalog: Catalog) -> dict[str, Photo]:
    rows = photos.page(catalog, "p.state = 'present'", limit=99)
    return {photo.path.rsplit(b"/", 1)[1].decode(): photo for photo in rows}


def beside(catalog: Catalog, photo: Photo) -> dict[str, Companion]:
    return {each.name.decode(): each for each in companions.of_photos(catalog, [photo.id])[photo.id]}


def give_face(catalog: Catalog, photo: Photo, mark: str | None = None) -> int:
    """A named face in the middle of the picture."""
    assert photo.width is not None
    assert photo.height is not None
    box = (photo.width // 4, photo.height // 4, photo.width // 2, photo.height // 2)
    person = subjects.add(catalog, f"Person of {photo.id}")
    with catalog.transaction() as db:
        found = db.execute(
            "INSERT INTO faces(photo_id, x0, y0, x1, y1, probability, space, subject_id,"
            " assigned_by_person, mark) VALUES (?, ?, ?, ?, ?, 1, 'dlib-resnet-v1', ?, 1, ?)",
            (photo.id, *box, person.id, mark),
        )
        db.execute("UPDATE photos SET faces_space = 'dlib-resnet-v1' WHERE id = ?", (photo.id,))
    return int(found.lastrowid or 0)


def opened(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The paths of the archive that are opened from now on."""
    paths: list[bytes] = []
    real = os.open

    def watched(path: bytes, *more: int, **kinds: int) -> int:
        if isinstance(path, bytes):
            paths.append(path)
        return real(path, *more, **kinds)

    monkeypatch.setattr(os, "open", watched)
    return paths


@pytest.mark.usefixtures("read_here")
def test_a_jpeg_its_raw_and_its_sidecar_are_one_photograph(
    catalog: Catalog, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jpeg(archive / "DSC_1.JPG")
    raw(archive / "DSC_1.NEF")
    sidecar(archive / "DSC_1.xmp")
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "new": 1}
    (photo,) = present(catalog).values()
    assert (photo.format, photo.width, photo.rating, photo.caption) == ("JPEG", 600, 4, "Bun")
    found = beside(catalog, photo)
    assert {name: each.kind for name, each in found.items()} == {
        "DSC_1.NEF": CompanionKind.RAW,
        "DSC_1.xmp": CompanionKind.XMP,
    }
    nef = reading.read_file(os.fsencode(archive / "DSC_1.NEF"))
    assert nef is not None
    assert found["DSC_1.NEF"].content_hash == nef.photo.content_hash
    assert found["DSC_1.NEF"].size == (archive / "DSC_1.NEF").stat().st_size
    assert companions.tags_of(catalog, [photo.id]) == {photo.id: ["market"]}
    read = opened(monkeypatch)
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "unchanged": 1}
    assert not [path for path in read if b"DSC_1" in path]


@pytest.mark.parametrize("kind", raws.KINDS)
def test_every_kind_of_raw_is_a_companion(catalog: Catalog, archive: Path, kind: str) -> None:
    jpeg(archive / "a.jpg")
    (archive / f"a.{kind.lower()}").write_bytes(raws.raw(kind))
    scan.index(catalog, [archive], jobs=1)
    assert list(present(catalog)) == ["a.jpg"]
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "unchanged": 1}


@pytest.mark.usefixtures("read_here")
def test_a_sidecar_that_changes_comes_or_goes_is_seen_and_no_raw_is_read_for_it(
    catalog: Catalog, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jpeg(archive / "a.jpg")
    raw(archive / "a.nef")
    scan.index(catalog, [archive])
    (before,) = present(catalog).values()
    face = give_face(catalog, before)
    hashed: list[int] = []
    real = reading.beside._hash
    size_of = lambda source: os.fstat(source.fileno()).st_size  # noqa: E731
    monkeypatch.setattr(
        reading.beside, "_hash", lambda source, beats: hashed.append(size_of(source)) or real(source, beats)
    )
    night = (5, "Night", ["Lao", "sea"])
    for change, told in (
        (lambda: sidecar(archive / "a.xmp"), (4, "Bun", ["market"])),
        (lambda: sidecar(archive / "a.xmp", rating=5, caption="Night", tags=("Lao", "sea")), night),
        (lambda: sidecar(archive / "a.jpg.xmp", rating=1, caption="Own", tags=("own",)), (1, "Own", ["own"])),
        ((archive / "a.jpg.xmp").unlink, night),
        ((archive / "a.xmp").unlink, (None, None, [])),
    ):
        change()
        assert counts(scan.index(catalog, [archive])) == {"seen": 1, "unchanged": 1}
        (after,) = present(catalog).values()
        assert (after.rating, after.caption, companions.tags_of(catalog, [after.id])[after.id]) == told
        assert (after.id, after.faces_space, faces.get(catalog, face).subject_id is None) == (
            before.id, "dlib-resnet-v1", False,
        )  # fmt: skip
    assert len(hashed) == 3  # a sidecar that is new or changed
    assert max(hashed) < (archive / "a.nef").stat().st_size  # never the RAW


def test_a_sidecar_wins_over_exif_and_what_it_leaves_out_stays(catalog: Catalog, archive: Path) -> None:
    path = archive / "a.jpg"
    path.write_bytes(raws.jpeg((60, 40)))
    told = {piexif.ImageIFD.Rating: 2, piexif.ImageIFD.ImageDescription: b"of the camera"}
    piexif.insert(piexif.dump({"0th": told}), str(path))
    scan.index(catalog, [archive])
    assert (present(catalog)["a.jpg"].rating, present(catalog)["a.jpg"].caption) == (2, "of the camera")
    sidecar(archive / "a.xmp", caption="")
    scan.index(catalog, [archive])
    assert (present(catalog)["a.jpg"].rating, present(catalog)["a.jpg"].caption) == (4, "of the camera")


def test_a_broken_sidecar_costs_a_warning_once(catalog: Catalog, archive: Path) -> None:
    jpeg(archive / "a.jpg")
    (archive / "a.xmp").write_text('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>')
    result = scan.index(catalog, [archive])
    assert counts(result) == {"seen": 1, "new": 1}
    assert ["a.xmp: XMP with a document type" in line for line in result.warnings] == [True]
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "unchanged": 1}


# One photograph, shown by one file or another -------------------------------------------------------


def test_when_a_jpeg_joins_its_raw_the_photograph_stays_itself(catalog: Catalog, archive: Path) -> None:
    raw(archive / "a.nef")
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "new": 1}
    (before,) = present(catalog).values()
    face = give_face(catalog, before)
    jpeg(archive / "a.jpg")
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "moved": 1}
    (after,) = present(catalog).values()
    assert (after.id, after.path[-5:], after.format, after.width) == (before.id, b"a.jpg", "JPEG", 600)
    assert list(beside(catalog, after)) == ["a.nef"]
    # half the size of the preview; the same person, whom a new look for faces finds there
    assert faces.get(catalog, face).box == (150, 100, 300, 200)
    assert faces.get(catalog, face).assigned_by_person
    assert after.faces_space is None
    assert photos.count(catalog) == 1
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "unchanged": 1}


def test_when_the_jpeg_goes_the_raw_takes_over(catalog: Catalog, archive: Path) -> None:
    jpeg(archive / "a.jpg")
    raw(archive / "a.nef")
    sidecar(archive / "a.xmp")
    scan.index(catalog, [archive])
    (before,) = present(catalog).values()
    face = give_face(catalog, before)
    (archive / "a.jpg").unlink()
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "moved": 1}
    (after,) = present(catalog).values()
    assert (after.id, after.format, after.width, after.rating) == (before.id, "NEF", 1200, 4)
    assert faces.get(catalog, face).box == (300, 200, 600, 400)
    assert list(beside(catalog, after)) == ["a.xmp"]
    assert image.load(after.path, after.orientation).size == (1200, 800)
    jpeg(archive / "a.jpg")
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "moved": 1}
    (again,) = present(catalog).values()
    assert (again.id, again.width, faces.get(catalog, face).box) == (before.id, 600, (150, 100, 300, 200))


def test_what_was_unrecognisable_in_a_preview_may_be_plain_in_the_jpeg(catalog: Catalog, archive: Path) -> None:
    raw(archive / "a.nef")
    scan.index(catalog, [archive])
    face = give_face(catalog, present(catalog)["a.nef"], str(FaceMark.UNRECOGNISABLE))
    jpeg(archive / "a.jpg")
    scan.index(catalog, [archive])
    assert faces.get(catalog, face).mark is None


@pytest.mark.parametrize(("one", "other"), [(raws.TAKEN, OTHER_TIME), (OTHER_TIME, raws.TAKEN)])
@pytest.mark.usefixtures("read_here")
def test_names_that_meet_by_chance_are_two_photographs(
    catalog: Catalog, archive: Path, monkeypatch: pytest.MonkeyPatch, one: str, other: str
) -> None:
    raw(archive / "a.nef", taken=one)
    scan.index(catalog, [archive])
    before = present(catalog)["a.nef"]
    face = give_face(catalog, before)
    jpeg(archive / "a.jpg", taken=other)
    sidecar(archive / "a.xmp")
    assert counts(scan.index(catalog, [archive])) == {"seen": 2, "new": 1, "unchanged": 1}
    rows = present(catalog)
    assert rows["a.nef"].id == before.id
    assert faces.get(catalog, face).photo_id == before.id
    assert (rows["a.nef"].rating, rows["a.jpg"].rating) == (4, None)
    assert not beside(catalog, rows["a.jpg"])
    read = opened(monkeypatch)
    assert counts(scan.index(catalog, [archive])) == {"seen": 2, "unchanged": 2}
    assert not [path for path in read if path.startswith(os.fsencode(archive))]
    (archive / "a.jpg").unlink()
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "gone": 1, "unchanged": 1}


def test_a_picture_whose_time_nobody_knows_inherits_no_faces(catalog: Catalog, archive: Path) -> None:
    raw(archive / "a.nef", taken=None)
    scan.index(catalog, [archive])
    before = present(catalog)["a.nef"]
    give_face(catalog, before)
    jpeg(archive / "a.jpg")
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "changed": 1}
    assert (present(catalog)["a.jpg"].id, faces.of_photo(catalog, before.id)) == (before.id, [])


def test_a_pair_that_moves_is_the_same_photograph(catalog: Catalog, archive: Path) -> None:
    (archive / "one").mkdir()
    jpeg(archive / "one" / "a.jpg")
    raw(archive / "one" / "a.nef")
    sidecar(archive / "one" / "a.xmp")
    scan.index(catalog, [archive])
    (before,) = present(catalog).values()
    face = give_face(catalog, before)
    (archive / "one").rename(archive / "two")
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "moved": 1}
    (after,) = present(catalog).values()
    assert (after.id, after.faces_space) == (before.id, "dlib-resnet-v1")
    assert list(beside(catalog, after)) == ["a.nef", "a.xmp"]
    assert faces.get(catalog, face).box == (150, 100, 300, 200)
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "unchanged": 1}


def test_the_same_stem_in_two_folders_is_two_photographs(catalog: Catalog, archive: Path) -> None:
    for number, folder in enumerate(("jpeg", "raw")):
        (archive / folder).mkdir()
        (jpeg if folder == "jpeg" else raw)(archive / folder / f"a.{'jpg' if number == 0 else 'nef'}")
    assert counts(scan.index(catalog, [archive])) == {"seen": 2, "new": 2}


def test_a_raw_moved_into_the_folder_of_its_jpeg_is_counted_once(catalog: Catalog, archive: Path) -> None:
    (archive / "raw").mkdir()
    jpeg(archive / "a.jpg")
    raw(archive / "raw" / "a.nef")
    scan.index(catalog, [archive])
    shown = present(catalog)["a.jpg"]
    face = give_face(catalog, shown)
    (archive / "raw" / "a.nef").rename(archive / "a.nef")
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "unchanged": 1, "gone": 1}
    assert present(catalog).keys() == {"a.jpg"}
    assert (present(catalog)["a.jpg"].id, faces.get(catalog, face).photo_id) == (shown.id, shown.id)
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "unchanged": 1}


def test_a_dng_made_of_a_raw_is_the_same_photograph(catalog: Catalog, archive: Path) -> None:
    raw(archive / "a.nef")
    scan.index(catalog, [archive])
    before = present(catalog)["a.nef"]
    (archive / "a.dng").write_bytes(raws.raw("DNG"))
    scan.index(catalog, [archive])
    (after,) = present(catalog).values()
    assert (after.id, after.format, list(beside(catalog, after))) == (before.id, "DNG", ["a.nef"])
    (archive / "a.dng").unlink()
    scan.index(catalog, [archive])
    assert [(photo.id, photo.format) for photo in present(catalog).values()] == [(before.id, "NEF")]


@pytest.mark.parametrize("named", ["a.jpg", "a.nef", "a.xmp"])
def test_one_file_named_brings_its_photograph(catalog: Catalog, archive: Path, named: str) -> None:
    jpeg(archive / "a.jpg")
    raw(archive / "a.nef")
    sidecar(archive / "a.xmp")
    jpeg(archive / "b.jpg", seed=2)
    assert counts(scan.index(catalog, [archive / named])) == {"seen": 1, "new": 1}
    assert list(beside(catalog, present(catalog)["a.jpg"])) == ["a.nef", "a.xmp"]
    assert counts(scan.index(catalog, [archive])) == {"seen": 2, "new": 1, "unchanged": 1}


def test_a_pair_that_was_gone_comes_back(catalog: Catalog, archive: Path) -> None:
    jpeg(archive / "a.jpg")
    raw(archive / "a.nef")
    scan.index(catalog, [archive])
    (before,) = present(catalog).values()
    archive.rename(archive.parent / "away")
    archive.mkdir()
    assert counts(scan.index(catalog, [archive])) == {"gone": 1}
    (archive.parent / "away" / "a.nef").rename(archive / "a.nef")
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "moved": 1}
    assert present(catalog)["a.nef"].id == before.id
    (archive.parent / "away" / "a.jpg").rename(archive / "a.jpg")
    assert counts(scan.index(catalog, [archive])) == {"seen": 1, "moved": 1}
    assert present(catalog)["a.jpg"].id == before.id
    assert photos.get(catalog, before.id).state is PhotoState.PRESENT


@settings(deadline=None, max_examples=30)
@given(steps=st.lists(st.sets(st.sampled_from(["a.jpg", "a.nef", "a.dng", "a.xmp", "b/a.jpg", "b/a.nef"])), max_size=5))
def test_after_any_history_every_file_is_in_the_catalog_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[set[str]]
) -> None:
    from storage import catalog as catalogs

    base = tmp_path_factory.mktemp("history")
    archive = base / "archive"
    (archive / "b").mkdir(parents=True)
    makers = {"jpg": jpeg, "nef": raw, "dng": lambda path: path.write_bytes(raws.raw("DNG")), "xmp": sidecar}
    with catalogs.create(base / "catalog") as catalog:
        for step in steps:
            for old in archive.rglob("a.*"):
                if str(old.relative_to(archive)) not in step:
                    old.unlink()
            for name in step:
                if not (archive / name).exists():
                    makers[name[-3:]](archive / name)
            result = scan.index(catalog, [archive])
            rows = photos.page(catalog, "p.state = 'present'", limit=99)
            files = [photo.path for photo in rows]
            for photo in rows:
                folder, _ = photos.split(photo.path)
                files += [
                    photos.join(folder, each.name) for each in companions.of_photos(catalog, [photo.id])[photo.id]
                ]
            wanted = {os.fsencode((archive / name).resolve()) for name in step}
            orphans = {os.fsencode((archive / "a.xmp").resolve())} if step <= {"a.xmp", "b/a.jpg", "b/a.nef"} else set()
            assert sorted(files) == sorted(wanted - orphans)
            assert result.seen == len(rows)
            again = scan.index(catalog, [archive])
            assert counts(again) == ({"seen": len(rows), "unchanged": len(rows)} if rows else {})


def test_tags_are_searched(catalog: Catalog, archive: Path) -> None:
    for number, tags in enumerate([("market", "Luang Prabang"), ("marketing",), ()]):
        jpeg(archive / f"{number}.jpg", seed=number)
        sidecar(archive / f"{number}.xmp", tags=tags)
    scan.index(catalog, [archive])

    def found(text: str) -> str:
        return "".join(sorted(photo.path[-5:-4].decode() for photo in query.find(catalog, text)))

    assert found("tag:market") == found("tag:MARKET") == "01"
    assert found("tag:=market") == "0"
    assert found('tag:"luang prabang"') == "0"
    assert found("tag:mark*ing") == "1"
    assert found("-tag:market") == "2"
    assert (found("tag:any"), found("tag:none")) == ("01", "2")
    assert found("tag:market -tag:=marketing or tag:none") == "02"
