from __future__ import annotations

from dataclasses import replace

from storage import companions, photos
from storage.catalog import Catalog
from storage.photos import ScanBatch
from storage.records import Companion, CompanionKind, Photo

RAW = Companion(b"1.nef", CompanionKind.RAW, 9, 2, 3, 4, "aa")
XMP = Companion(b"1.xmp", CompanionKind.XMP, 5, 2, 3, 4, "bb")


def photo(path: bytes, **fields: object) -> Photo:
    return replace(Photo(0, path, path.decode(), 1, 1, 1, 1, content_hash="cc"), **fields)  # type: ignore[arg-type]


def stored(catalog: Catalog, *rows: Photo) -> list[Photo]:
    photos.apply_scan(catalog, ScanBatch(new=rows))
    found = [photos.by_path(catalog, row.path) for row in rows]
    return [row for row in found if row is not None]


def test_companions_and_tags_come_back_as_they_went_in(catalog: Catalog) -> None:
    one, two = stored(catalog, photo(b"/a/1.jpg", companions=(RAW, XMP), tags=("sea", "Lao")), photo(b"/a/2.jpg"))
    assert companions.of_photos(catalog, [one.id, two.id]) == {one.id: [RAW, XMP], two.id: []}
    assert companions.tags_of(catalog, [one.id, two.id]) == {one.id: ["Lao", "sea"], two.id: []}
    assert companions.in_folder(catalog, b"/a") == {one.id: {b"1.nef": RAW, b"1.xmp": XMP}}
    assert companions.in_folder(catalog, b"/b") == {}
    assert companions.with_content(catalog, ["aa", "xx"]) == {"aa": [one.id]}
    assert (one.companions, one.tags) == (None, None)  # a row doesn't look them up


def test_none_leaves_them_and_empty_takes_them_away(catalog: Catalog) -> None:
    (one,) = stored(catalog, photo(b"/a/1.jpg", companions=(RAW,), tags=("sea",)))
    photos.apply_scan(catalog, ScanBatch(same=[one]))
    assert companions.of_photos(catalog, [one.id])[one.id] == [RAW]
    photos.apply_scan(catalog, ScanBatch(same=[replace(one, companions=(XMP,), tags=("Lao",))]))
    assert (companions.of_photos(catalog, [one.id]), companions.tags_of(catalog, [one.id])) == (
        {one.id: [XMP]},
        {one.id: ["Lao"]},
    )
    photos.apply_scan(catalog, ScanBatch(same=[replace(one, companions=(), tags=())]))
    assert (companions.of_photos(catalog, [one.id]), companions.tags_of(catalog, [one.id])) == (
        {one.id: []},
        {one.id: []},
    )


def test_a_file_belongs_to_one_photograph_and_follows_it(catalog: Catalog) -> None:
    one, two = stored(catalog, photo(b"/a/1.jpg", companions=(RAW,)), photo(b"/a/2.jpg"))
    photos.apply_scan(catalog, ScanBatch(same=[replace(two, companions=(RAW,))]))
    assert companions.of_photos(catalog, [one.id, two.id]) == {one.id: [], two.id: [RAW]}
    photos.apply_scan(catalog, ScanBatch(same=[replace(two, path=b"/b/2.jpg", companions=(RAW,))]))
    assert companions.in_folder(catalog, b"/b") == {two.id: {b"1.nef": RAW}}
    assert companions.in_folder(catalog, b"/a") == {}
