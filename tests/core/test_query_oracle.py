"""Every field of the search language against a slow, obvious reading of the records."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import facets, query, query_order, statuses
from core.query import FIELDS, SORTS
from storage import companions, faces, photos, subjects
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.photos import ScanBatch
from storage.records import Face, FaceMark, Photo, PhotoState, Purpose, Rights, Status
from storage.rights import put as put_rights
from storage.safe_text import display
from storage.sphere import km_between
from tests.world import GRANTED, SPACE, adult

BOX = (0, 0, 9, 9)


@dataclass(frozen=True)
class Seen:
    """A photograph, its faces that are not marked, the names of its people and its statuses."""

    photo: Photo
    faces: list[Face]
    names: list[str]
    status: dict[Purpose, Status]


Test = Callable[[Seen], bool]


def rows() -> list[Photo]:
    return [
        Photo(
            0,
            f"/a/{'lao' if n % 2 else 'th'}/{n}.jpg".encode(),
            f"/a/{'lao' if n % 2 else 'th'}/{n}.jpg",
            *(10, 1, 1, n),
            content_hash=f"{n % 7:x}{n:02x}" + "0" * 61,
            format=[None, "JPEG", "HEIF"][n % 3],
            width=[None, 4000, 6000][n % 3],
            height=[None, 3000, 4000][n % 3],
            camera=[None, "Canon R5", "NIKON D750"][n % 3],
            lens=[None, "EF 24-70mm", "EF 85mm f/1.8", "Z 50"][n % 4],
            iso=[None, 100, 400, 1600][n % 4],
            f_number=[None, 1.8, 2.8][n % 3],
            focal_mm=[24.0, 85.0, None, 50.0, 200.0][n % 5],
            lat=None if n % 4 == 0 else 17 + n / 50,
            lon=None if n % 4 == 0 else 102 + n / 70,
            place=[None, "Vientiane", "Nong Khai"][n % 3],
            country=[None, "LA", "TH"][n % 3],
            taken_at=None if n % 5 == 0 else datetime(2017 + n % 4, 1 + n % 12, 1 + n % 28, n % 24),
            rating=[None, 1, 5][n % 3],
            caption=[None, "market", "First dance", "lao new year"][n % 4],
            error="cut off" if n % 11 == 0 else None,
            tags=((), ("market", "Luang Prabang"), ("sea",), ("seaside", "market"))[n % 4],
        )
        for n in range(1, 61)
    ]


def fill(catalog: Catalog) -> None:
    """Photographs with faces of two people, of nobody's, marked ones and unsought ones; some are gone."""
    photos.apply_scan(catalog, ScanBatch(new=rows()))
    people = [adult(catalog, "Noy Vong"), adult(catalog, "Bun", Purpose.PRINT)]
    for n in range(1, 61):
        if n % 6 == 0:
            continue
        boxes = [(20 * k, 0, 20 * k + 9, 9) for k in range(n % 4)]
        faces.replace_faces(catalog, n, [NewFace(box, 0.9, np.zeros(2, np.float32)) for box in boxes], SPACE)
        for k, face in enumerate(faces.of_photo(catalog, n)):
            whose = [people[0], people[1], None][(n + k) % 3]
            faces.place(catalog, [face.id], 1 + (n + k) % 5)
            faces.assign(catalog, [face.id], None if whose is None else whose.id, by_person=True)
            if (n + k) % 7 == 0:
                faces.set_mark(catalog, [face.id], FaceMark.NOT_A_FACE)
    with catalog.transaction() as db:
        db.executemany("INSERT INTO alike(photo_id, group_id) VALUES (?, 1)", [(2,), (3,), (5,)])
    put_rights(catalog, [3, 6, 8], Rights.MINE)
    photos.apply_scan(catalog, ScanBatch(gone=[5, 10, 15]))


def read(catalog: Catalog) -> list[Seen]:
    statuses.refresh(catalog)
    records = photos.page(catalog, limit=999)
    ids = [record.id for record in records]
    seen, standing = faces.of_photos(catalog, ids), statuses.of_photos(catalog, ids)
    names = {person.id: person.name for person in subjects.list_all(catalog)}
    tags = companions.tags_of(catalog, ids)
    return [
        Seen(
            replace(record, tags=tuple(tags[record.id])),
            [face for face in seen[record.id] if face.mark is None],
            [names[f.subject_id] for f in seen[record.id] if f.mark is None and f.subject_id is not None],
            standing[record.id],
        )
        for record in records
    ]


def has(field: str, test: Callable[[float], bool]) -> Test:
    def check(seen: Seen) -> bool:
        value = getattr(seen.photo, field)
        return value is not None and test(value)

    return check


def taken(test: Callable[[datetime], bool]) -> Test:
    return lambda seen: seen.photo.taken_at is not None and test(seen.photo.taken_at)


def text(field: str, part: str) -> Test:
    return lambda seen: part in (getattr(seen.photo, field) or "").lower()


def size(test: Callable[[float], bool]) -> Test:
    return lambda seen: seen.photo.width is not None and test(seen.photo.width * (seen.photo.height or 0) / 1e6)


def near(lat: float, lon: float, km: float) -> Test:
    return lambda seen: (km_between(seen.photo.lat, seen.photo.lon, lat, lon) or math.inf) <= km


def sought(test: Callable[[int], bool]) -> Test:
    return lambda seen: seen.photo.faces_space is not None and test(len(seen.faces))


LEAVES: list[tuple[str, Test]] = [
    ("lao", lambda s: "lao" in s.photo.path_text or "lao" in (s.photo.caption or "")),
    ("path:/lao/1", text("path_text", "/lao/1")),
    ("path:*7.jpg", lambda s: s.photo.path_text.endswith("7.jpg")),
    ("path:/a*1*g", lambda s: "1" in s.photo.path_text),
    ("name:1", lambda s: "1" in s.photo.path_text.rpartition("/")[2]),
    ("name:2*", lambda s: s.photo.path_text.rpartition("/")[2].startswith("2")),
    ("name:=33.jpg", lambda s: s.photo.id == 33),
    ("camera:canon", text("camera", "canon")),
    ("camera:none", lambda s: s.photo.camera is None),
    ("camera:any", lambda s: s.photo.camera is not None),
    ('lens:"85mm"', text("lens", "85mm")),
    ("lens:ef*", text("lens", "ef")),
    ("iso:400", has("iso", lambda v: v == 400)),
    ("iso:>100", has("iso", lambda v: v > 100)),
    ("iso:..400", has("iso", lambda v: v <= 400)),
    ("f:2.8", has("f_number", lambda v: v == 2.8)),
    ("f:<2.8", has("f_number", lambda v: v < 2.8)),
    ("focal:24..85", has("focal_mm", lambda v: 24 <= v <= 85)),
    ("rating:2..5", has("rating", lambda v: 2 <= v <= 5)),
    ("width:>=6000", has("width", lambda v: v >= 6000)),
    ("height:<4000", has("height", lambda v: v < 4000)),
    ("mp:12", size(lambda v: v == 12)),
    ("mp:>12.5", size(lambda v: v > 12.5)),
    ("format:heic", lambda s: s.photo.format == "HEIF"),
    ("place:vien", text("place", "vien")),
    ("country:la", lambda s: s.photo.country == "LA"),
    ("lat:17.5..17.9", has("lat", lambda v: 17.5 - 1e-9 <= v <= 17.9 + 1e-9)),
    ("lon:>102.5", has("lon", lambda v: v > 102.5 + 1e-9)),
    ("lat:none", lambda s: s.photo.lat is None),
    ("near:17.5,102.4,20", near(17.5, 102.4, 20)),
    ("near:17.5,102.4,3000", near(17.5, 102.4, 3000)),
    ("taken:2018", taken(lambda at: at.year == 2018)),
    ("taken:2018..2019", taken(lambda at: 2018 <= at.year <= 2019)),
    ("taken:<2019", taken(lambda at: at.year < 2019)),
    ("taken:none", lambda s: s.photo.taken_at is None),
    ("year:>=2019", taken(lambda at: at.year >= 2019)),
    ("month:3..5", taken(lambda at: 3 <= at.month <= 5)),
    ("hour:22..4", taken(lambda at: at.hour >= 22 or at.hour <= 4)),
    ("faces:0", sought(lambda n: n == 0)),
    ("faces:>=2", sought(lambda n: n >= 2)),
    ("subject:noy*", lambda s: "Noy Vong" in s.names),
    ("subject:2", lambda s: "Bun" in s.names),
    ("subject:any", lambda s: bool(s.names)),
    ("subject:none", lambda s: any(face.subject_id is None for face in s.faces)),
    ("cluster:3", lambda s: any(face.cluster == 3 for face in s.faces)),
    ("cluster:>=4", lambda s: any((face.cluster or 0) >= 4 for face in s.faces)),
    ("caption:dance", text("caption", "dance")),
    ("tag:sea", lambda s: any("sea" in tag for tag in s.photo.tags or ())),
    ("tag:=sea", lambda s: "sea" in (s.photo.tags or ())),
    ('tag:"luang prabang"', lambda s: "Luang Prabang" in (s.photo.tags or ())),
    ("tag:m*t", lambda s: "market" in (s.photo.tags or ())),
    ("similar:2", lambda s: s.photo.id in (2, 3, 5)),
    ("-similar:yes", lambda s: s.photo.id not in (2, 3, 5)),
    ("tag:none", lambda s: not s.photo.tags),
    ("error:any", lambda s: s.photo.error is not None),
    ("error:cut", text("error", "cut")),
    ("status:gone", lambda s: s.photo.state is PhotoState.GONE),
    ("status:unknown", lambda s: Status.UNKNOWN in s.status.values()),
    ("hash:3", lambda s: (s.photo.content_hash or "").startswith("3")),
    ("id:7..21", lambda s: 7 <= s.photo.id <= 21),
    *[
        (f"{purpose}:{status}", lambda s, p=purpose, st=status: s.status.get(p) is st)
        for purpose in Purpose
        for status in (Status.GRANTED, Status.UNKNOWN)
    ],
]  # fmt: skip
TREES: st.SearchStrategy[tuple[str, Test]] = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        inner.map(lambda t: (f"-({t[0]})", lambda s: not t[1](s))),
        st.tuples(inner, inner).map(lambda t: (f"({t[0][0]} {t[1][0]})", lambda s: t[0][1](s) and t[1][1](s))),
        st.tuples(inner, inner).map(lambda t: (f"({t[0][0]} or {t[1][0]})", lambda s: t[0][1](s) or t[1][1](s))),
    ),
    max_leaves=8,
)


def test_the_oracle_knows_every_field_and_most_leaves_part_the_archive(catalog: Catalog) -> None:
    asked = {leaf.removeprefix("-").partition(":")[0] for leaf, _ in LEAVES if ":" in leaf}
    assert asked == set(FIELDS)
    fill(catalog)
    seen = read(catalog)
    for leaf, test in LEAVES:
        assert sum(map(test, seen)) > 0, leaf
    assert sum(all(map(test, seen)) for _, test in LEAVES) <= 2


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREES)
def test_a_search_finds_what_its_words_say(catalog: Catalog, tree: tuple[str, Test]) -> None:
    if photos.count(catalog) == 0:
        fill(catalog)
    text, test = tree
    expected = [seen.photo.id for seen in read(catalog) if test(seen)]
    assert list(query.ids(catalog, text)) == expected
    assert query.count(catalog, text) == len(expected)


KEYS: dict[str, Callable[[Photo], object]] = {
    "taken": lambda p: p.taken_at, "path": lambda p: p.path_text, "camera": lambda p: p.camera,
    "lens": lambda p: p.lens, "iso": lambda p: p.iso, "f": lambda p: p.f_number, "focal": lambda p: p.focal_mm,
    "width": lambda p: p.width, "height": lambda p: p.height,
    "mp": lambda p: p.width and p.width * (p.height or 0), "format": lambda p: p.format,
    "place": lambda p: p.place, "country": lambda p: p.country, "lat": lambda p: p.lat, "lon": lambda p: p.lon,
    "rating": lambda p: p.rating, "caption": lambda p: p.caption, "error": lambda p: p.error, "id": lambda p: p.id,
}  # fmt: skip


@pytest.mark.parametrize("field", SORTS)
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("few", [0, 1000])  # found photographs that are sorted by themselves
def test_pages_put_together_are_the_sorted_whole(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, field: str, descending: bool, few: int
) -> None:
    monkeypatch.setattr(query_order, "_FEW", few)
    fill(catalog)
    with catalog.transaction() as db:  # folders within folders, whose paths don't sort as their folders do
        for id, path in {2: "/a", 4: "/a!/x", 7: "/a/b/c", 9: "/a/b!", 11: "/é"}.items():
            db.execute("UPDATE photos SET path_text = ? WHERE id = ?", (path, id))
    everything = [replace(seen.photo, tags=None) for seen in read(catalog)]
    found = [photo for photo in everything if photo.iso != 400]
    expected = ordered(found, field, descending)
    sort = field + "-" * descending
    for size in (1, 7, 999):
        pages: list[Photo] = []
        while page := query.find(catalog, "-iso:400", sort=sort, limit=size, after=pages[-1].id if pages else None):
            pages += page
        assert pages == expected
    assert query.find(catalog, "-iso:400", sort=sort) == expected
    assert list(query.ordered_ids(catalog, "-iso:400", sort=sort)) == [p.id for p in expected]
    assert list(query.ordered_ids(catalog, "-iso:400", sort=sort, limit=9)) == [p.id for p in expected[:9]]
    behind = ordered([*found, everything[9]], field, descending)  # a page may begin at what the search doesn't find
    place = behind.index(everything[9])
    assert query.find(catalog, "-iso:400", sort=sort, limit=5, after=10) == behind[place + 1 : place + 6]


@pytest.mark.parametrize("few", [0, query_order._FEW])
def test_photographs_far_apart_come_in_their_order_with_ids_of_any_size(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """Places are looked up so many at once; ids need 64 bits only where they are that large."""
    monkeypatch.setattr(query_order, "_FEW", few)
    monkeypatch.setattr(query_order, "_AT_ONCE", 3000)
    fill(catalog)
    for far in (1 << 20, 1 << 40):
        with catalog.transaction() as db:
            db.execute(
                "INSERT INTO photos(id, folder_id, name, path_text, size, mtime_ns, ctime_ns, inode, iso, taken_at)"
                " SELECT ?1, folder_id, zeroblob(?1 % 9), '/' || ?1, 1, 1, 1, ?1, 250, '2001-01-01'"
                " FROM photos LIMIT 1",
                (far,),
            )
        for sort in ("taken-", "iso", "path", "id-"):
            expected = ordered([seen.photo for seen in read(catalog)], sort.removesuffix("-"), sort.endswith("-"))
            assert list(query.ordered_ids(catalog, "", sort=sort)) == [photo.id for photo in expected]


@pytest.mark.parametrize("field", ["iso", "path", "taken"])
def test_an_order_that_is_held_is_the_one_of_the_rows_as_they_are(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    monkeypatch.setattr(query_order, "_FEW", 0)
    fill(catalog)
    for change in (
        "",
        "UPDATE photos SET iso = 12800, taken_at = '1999-01-01T00:00:00', path_text = '/0' WHERE id = 5",
    ):
        with catalog.transaction() as db:
            db.execute(change)
        expected = [p.id for p in ordered([seen.photo for seen in read(catalog)], field, True)]
        assert query.first_ids(catalog, "", sort=f"{field}-", least=4) == (array("q", expected[:4]), len(expected))
        assert list(query.ordered_ids(catalog, "", sort=f"{field}-")) == expected
        assert query.first_ids(catalog, "", sort=f"{field}-", least=4) == (array("q", expected), len(expected))


def ordered(records: list[Photo], field: str, descending: bool) -> list[Photo]:
    def key(record: Photo) -> tuple[object, ...]:
        value = KEYS[field](record)
        return (0, record.id) if value is None else (1, value, record.id)

    return sorted(records, key=key, reverse=descending)  # type: ignore[arg-type]


def test_many_equals_are_cut_by_id(catalog: Catalog) -> None:
    photos.apply_scan(catalog, ScanBatch(new=[replace(row, iso=100 if n % 3 else 50) for n, row in enumerate(rows())]))
    by_iso = sorted((p for p in photos.page(catalog, limit=99)), key=lambda p: (p.iso or 0, p.id))
    assert query.find(catalog, "", sort="iso", limit=25) == by_iso[:25]
    assert query.find(catalog, "", sort="iso-", limit=25) == by_iso[::-1][:25]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREES)
def test_facets_count_what_the_search_finds(catalog: Catalog, tree: tuple[str, Test]) -> None:
    if photos.count(catalog) == 0:
        fill(catalog)
    text, test = tree
    found = [seen for seen in read(catalog) if test(seen)]
    total, counted = query.count_by(catalog, text, ["year", "camera", "place", "subject", "status", "faces"])
    assert total == len(found)
    values: dict[str, Callable[[Seen], list[object]]] = {
        "year": lambda s: [s.photo.taken_at and s.photo.taken_at.year],
        "camera": lambda s: [s.photo.camera],
        "place": lambda s: [s.photo.place],
        "subject": lambda s: list(set(s.names)) or [None],
        "status": lambda s: [f"{purpose}:{status}" for purpose, status in s.status.items()],
        "faces": lambda s: [None if s.photo.faces_space is None else len(s.faces)],
    }
    for name, of in values.items():
        expected: dict[object, int] = {}
        for value in (value for seen in found for value in of(seen)):
            expected[value] = expected.get(value, 0) + 1
        assert {facet.value: facet.count for facet in counted[name]} == expected, name


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREES)
def test_a_search_is_narrowed_to_what_a_facet_counts_or_to_the_rest(catalog: Catalog, tree: tuple[str, Test]) -> None:
    if photos.count(catalog) == 0:
        fill(catalog)
    text, _ = tree
    total, counted = query.count_by(catalog, text, query.FACETS)
    for name, values in counted.items():
        for facet in values:
            term = facets.term(name, facet.value)
            if term is None:
                assert (name, facet.value) == ("format", None)
                continue
            assert query.count(catalog, facets.narrowed(text, term)) == facet.count, term
            assert query.count(catalog, facets.narrowed(text, term, without=True)) == total - facet.count, term


def test_a_facet_of_any_letters_is_asked_for_as_it_is(catalog: Catalog) -> None:
    wild = ['a "b" \\ c', "or", "-rf (x)", "<5", "a:b", display("\x1b[31m\u202e"), "山田 花子", "=x", "*"]
    rows_ = [replace(row, camera=word) for row, word in zip(rows(), wild, strict=False)]
    photos.apply_scan(catalog, ScanBatch(new=rows_))
    for word in wild[:-1]:
        term = facets.term("camera", word)
        assert term is not None
        assert [photo.camera for photo in query.find(catalog, facets.narrowed("", term))] == [word]
    assert facets.term("camera", wild[-1]) is None, "it would ask for all"


@pytest.mark.parametrize(("format", "term"), [("RAW", None), ("CR2", "format:CR2"), (None, None)])
def test_one_format_of_raws_is_not_all_of_them(format: str | None, term: str | None) -> None:
    assert facets.term("format", format) == term


def test_a_camera_that_lost_its_clock_has_a_year_too(catalog: Catalog) -> None:
    photos.apply_scan(catalog, ScanBatch(new=[replace(rows()[0], taken_at=datetime(1, 1, 1))]))
    (facet,) = query.count_by(catalog, "", ["year"])[1]["year"]
    term = facets.term("year", facet.value)
    assert term is not None
    assert query.count(catalog, term) == 1


def test_a_person_seen_twice_in_a_photograph_counts_once(catalog: Catalog) -> None:
    photos.apply_scan(catalog, ScanBatch(new=rows()[:2]))
    person = subjects.add(catalog, "Noy", born=None, at=GRANTED)
    faces.replace_faces(
        catalog, 1, [NewFace((x, 0, x + 9, 9), 0.9, np.zeros(2, np.float32)) for x in (0, 20, 40)], SPACE
    )
    faces.assign(catalog, [face.id for face in faces.of_photo(catalog, 1)][::2], person.id, by_person=True)
    _, counted = query.count_by(catalog, "", ["subject"])
    assert [(facet.value, facet.count) for facet in counted["subject"]] == [(None, 1), ("Noy", 1)]


# How it is found ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("leaf", [leaf for leaf, _ in LEAVES])
def test_a_search_scans_no_rows_and_sorts_none(catalog: Catalog, leaf: str) -> None:
    """Of every field, with stored columns and with those that a change just made stale: only indexed reads."""
    fill(catalog)
    query.prepare(catalog)
    statuses.refresh(catalog)
    put_rights(catalog, [1], Rights.LICENSED)
    photos.apply_scan(catalog, ScanBatch(gone=[20]))
    statuses.refresh(catalog)
    for sort in ("taken", "taken-", "iso"):
        for plan in plans(catalog, lambda sort=sort: query.find(catalog, leaf, limit=5, sort=sort)):  # type: ignore[misc]
            assert not any(f"SCAN {table}" in plan for table in ("p", "photos", "faces", "photo_status")), plan
            assert "TEMP B-TREE FOR ORDER BY" not in plan, plan


def test_an_order_by_path_reads_its_index(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_order, "_FEW", 0)
    fill(catalog)
    for after in (None, 7):
        found = plans(catalog, lambda after=after: query.find(catalog, "lao", limit=5, sort="path", after=after))  # type: ignore[misc]
        (ordered,) = [plan for plan in found if "photos_by_path" in plan]
        assert "COVERING INDEX photos_by_path" in ordered
        assert "TEMP B-TREE" not in ordered


def plans(catalog: Catalog, work: Callable[[], object]) -> list[str]:
    """The query plan of every statement that `work` has SQLite run."""
    statements: list[str] = []
    catalog.connection.set_trace_callback(statements.append)
    try:
        work()
    finally:
        catalog.connection.set_trace_callback(None)
    found = [
        " / ".join(row[3] for row in catalog.connection.execute(f"EXPLAIN QUERY PLAN {sql}"))
        for sql in statements
        if sql.lstrip().startswith(("SELECT", "WITH"))
    ]
    assert found
    return found
