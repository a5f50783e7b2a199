from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import photos
from storage.catalog import Catalog
from storage.errors import NoSuchRecord
from storage.photos import ScanBatch
from storage.records import Photo, PhotoState, Rights
from storage.rights import put as put_rights


def photo(path: bytes, content: str = "aa", **fields: object) -> Photo:
    return replace(Photo(0, path, path.decode(), 10, 1, 1, 1, content_hash=content), **fields)  # type: ignore[arg-type]


def added(catalog: Catalog, *rows: Photo) -> list[Photo]:
    photos.apply_scan(catalog, ScanBatch(new=rows))
    return [found for row in rows if (found := photos.by_path(catalog, row.path))]


def with_face(catalog: Catalog, id: int) -> None:
    with catalog.transaction() as db:
        db.execute(
            "INSERT INTO faces(photo_id, x0, y0, x1, y1, probability, space)"
            " VALUES (?, 0, 0, 9, 9, 1, 'dlib-resnet-v1')",
            (id,),
        )
        db.execute("UPDATE photos SET faces_space = 'dlib-resnet-v1' WHERE id = ?", (id,))


def faces(catalog: Catalog, id: int) -> int:
    return int(catalog.connection.execute("SELECT count(*) FROM faces WHERE photo_id = ?", (id,)).fetchone()[0])


def test_a_photograph_comes_back_as_it_was_stored(catalog: Catalog) -> None:
    row = photo(
        b"/a/b.jpg",
        taken_at=datetime(2019, 4, 5, 10, 30),
        taken_offset=420,
        taken_source="exif-offset",
        f_number=2.8,
        lat=17.97,
        lon=102.6,
        place="Vientiane",
        country="LA",
        format="JPEG",
        width=4,
        height=3,
        orientation=6,
    )
    (stored,) = added(catalog, row)
    assert stored == replace(row, id=stored.id)
    assert photos.get(catalog, stored.id) == stored


def test_names_need_not_be_text(catalog: Catalog) -> None:
    row = replace(photo(b"/a/b.jpg"), path=b"/\xff\xfe/\xe9.jpg")
    (stored,) = added(catalog, row)
    assert stored.path == b"/\xff\xfe/\xe9.jpg"
    assert photos.by_path(catalog, b"/\xff\xfe/e.jpg") is None


def test_get_many_keeps_the_order_asked_for_and_names_what_is_missing(catalog: Catalog) -> None:
    stored = added(catalog, photo(b"/1.jpg"), photo(b"/2.jpg"), photo(b"/3.jpg"))
    ids = [p.id for p in reversed(stored)]
    assert [p.id for p in photos.get_many(catalog, ids)] == ids
    with pytest.raises(NoSuchRecord, match="999"):
        photos.get_many(catalog, [ids[0], 999])


def test_swapped_names_swap_rows_and_keep_faces(catalog: Catalog) -> None:
    one, two = added(catalog, photo(b"/a/1.jpg", "aa"), photo(b"/a/2.jpg", "bb"))
    with_face(catalog, one.id)
    photos.apply_scan(catalog, ScanBatch(same=[replace(one, path=b"/a/2.jpg"), replace(two, path=b"/a/1.jpg")]))
    found = photos.by_path(catalog, b"/a/2.jpg")
    assert found is not None
    assert (found.id, found.content_hash, faces(catalog, found.id)) == (one.id, "aa", 1)


def test_other_content_under_a_known_name_loses_faces_and_rights(catalog: Catalog) -> None:
    (one,) = added(catalog, photo(b"/a/1.jpg"))
    with_face(catalog, one.id)
    put_rights(catalog, [one.id], Rights.MINE)
    photos.apply_scan(catalog, ScanBatch(changed=[replace(one, content_hash="bb")]))
    now = photos.get(catalog, one.id)
    assert (now.content_hash, now.faces_space, now.rights, faces(catalog, one.id)) == (
        "bb",
        None,
        Rights.UNKNOWN,
        0,
    )


def test_gone_and_back_keeps_everything(catalog: Catalog) -> None:
    (one,) = added(catalog, photo(b"/a/1.jpg"))
    with_face(catalog, one.id)
    photos.apply_scan(catalog, ScanBatch(gone=[one.id]))
    assert photos.get(catalog, one.id).state is PhotoState.GONE
    photos.apply_scan(catalog, ScanBatch(back=[one.id]))
    assert photos.get(catalog, one.id).state is PhotoState.PRESENT
    assert faces(catalog, one.id) == 1


def test_a_batch_is_written_whole_or_not_at_all(catalog: Catalog) -> None:
    (one,) = added(catalog, photo(b"/a/1.jpg"))
    with pytest.raises(Exception, match="UNIQUE"):
        photos.apply_scan(catalog, ScanBatch(changed=[replace(one, size=99)], new=[photo(b"/a/1.jpg")]))
    assert photos.get(catalog, one.id).size == 10


def test_what_is_known_of_a_folder_a_path_and_a_content(catalog: Catalog) -> None:
    one, two, _ = added(catalog, photo(b"/a/1.jpg"), photo(b"/a/b/2.jpg", error="cut off"), photo(b"/ab/3.jpg", "bb"))
    assert list(photos.in_folder(catalog, b"/a")) == [b"1.jpg"]
    assert photos.in_folder(catalog, b"/nowhere") == {}
    known = photos.at_paths(catalog, [b"/a/1.jpg", b"/a/b/2.jpg", b"/a/9.jpg"])
    assert {path: (k.id, k.failed) for path, k in known.items()} == {
        b"/a/1.jpg": (one.id, False),
        b"/a/b/2.jpg": (two.id, True),
    }
    assert [k.path for k in photos.with_content(catalog, ["aa", "cc"])["aa"]] == [b"/a/1.jpg", b"/a/b/2.jpg"]
    assert photos.folders_below(catalog, b"/a") == [b"/a", b"/a/b"]
    assert photos.folders_below(catalog, b"/") == [b"/a", b"/a/b", b"/ab"]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=12),
    st.booleans(),
    st.integers(1, 5),
)
def test_pages_put_together_are_the_sorted_whole(
    catalog: Catalog, isos: list[int | None], descending: bool, limit: int
) -> None:
    with catalog.transaction() as db:
        db.execute("DELETE FROM status_dirty")
        db.execute("DELETE FROM photos")
    added(catalog, *(photo(b"/%d.jpg" % n, iso=iso) for n, iso in enumerate(isos)))
    seen: list[Photo] = []
    while batch := photos.page(
        catalog,
        order="p.iso",
        descending=descending,
        after=seen[-1].id if seen else None,
        limit=limit,
    ):
        seen.extend(batch)
    key = [(-1 if p.iso is None else p.iso, p.id) for p in seen]
    assert key == sorted(key, reverse=descending)
    assert len(seen) == len(isos) == photos.count(catalog)
    assert list(photos.ids(catalog)) == sorted(p.id for p in seen)


def test_a_page_reads_its_index_and_never_sorts(catalog: Catalog) -> None:
    added(catalog, *(photo(b"/%d.jpg" % n, taken_at=datetime(2019, 1, 1 + n)) for n in range(5)))
    plans: list[str] = []
    catalog.connection.set_trace_callback(plans.append)
    photos.page(catalog, order="p.taken_at", after=2, limit=2)
    catalog.connection.set_trace_callback(None)
    (sql,) = [sql for sql in plans if "ORDER BY" in sql]
    plan = " ".join(row[3] for row in catalog.connection.execute(f"EXPLAIN QUERY PLAN {sql}"))
    assert "photos_by_taken" in plan
    assert "TEMP B-TREE" not in plan
