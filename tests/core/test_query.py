from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import query
from core.errors import BadQuery, BadValue
from core.query import FIELDS, SORTS
from core.query_masks import mask, reads_statuses
from core.query_tree import And, DaysAgo, Everything, Not, Number, Or, Taken, Text, Word
from storage import columns, photos
from storage.catalog import Catalog
from storage.photos import ScanBatch
from storage.records import Photo, Purpose

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def photo(number: int, **fields: object) -> Photo:
    base = Photo(0, b"/archive/%d.jpg" % number, f"/archive/{number}.jpg", 10, 1, 1, 1)
    path = fields.get("path_text")
    if isinstance(path, str):
        fields["path"] = path.encode()
    return replace(base, **fields)  # type: ignore[arg-type]


def store(catalog: Catalog, *rows: Photo) -> None:
    photos.apply_scan(catalog, ScanBatch(new=rows))


def numbers(found: list[Photo]) -> list[int]:
    return [p.id for p in found]


# The language ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", Everything()),
        ("  ", Everything()),
        ("lao", Word("lao")),
        ('"night market"', Word("night market")),
        ('"or"', Word("or")),
        (r'"a \"b\" \\ c"', Word(r'a "b" \ c')),
        ("a b or c", Or((And((Word("a"), Word("b"))), Word("c")))),
        ("a (b or c)", And((Word("a"), Or((Word("b"), Word("c")))))),
        ("a AND not b", And((Word("a"), Not(Word("b"))))),
        ("-a -(b c)", And((Not(Word("a")), Not(And((Word("b"), Word("c"))))))),
        ("--a", Not(Not(Word("a")))),
        ("- a", And((Word("-"), Word("a")))),
        ("Camera:canon", Text("camera", "canon", False)),
        ('camera:"Canon EOS"', Text("camera", "Canon EOS", False)),
        ("camera:=X100", Text("camera", "X100", True)),
        ('caption:"a:b"', Text("caption", "a:b", False)),
        ("path:a:b", Text("path", "a:b", False)),
        ("iso:400", Number("iso", 400, 400)),
        ("iso:>=400", Number("iso", 400, None)),
        ("iso:<400", Number("iso", None, 400, below=True)),
        ("iso:100..", Number("iso", 100, None)),
        ("hour:22..4", Number("hour", 22, 4)),
        ("taken:2019", Taken(datetime(2019, 1, 1), datetime(2020, 1, 1))),
        ("taken:2019-12", Taken(datetime(2019, 12, 1), datetime(2020, 1, 1))),
        ("taken:2020-02-29", Taken(datetime(2020, 2, 29), datetime(2020, 3, 1))),
        ("taken:2019-04-05T10:30", Taken(datetime(2019, 4, 5, 10, 30), datetime(2019, 4, 5, 10, 31))),
        ("taken:2018..2020-06", Taken(datetime(2018, 1, 1), datetime(2020, 7, 1))),
        ("taken:..2018", Taken(None, datetime(2019, 1, 1))),
        ("taken:>2018", Taken(datetime(2019, 1, 1), None)),
        ("taken:<=2018", Taken(None, datetime(2019, 1, 1))),
        ("taken:9999-12-31", Taken(datetime(9999, 12, 31), None)),
        ("taken:yesterday", Taken(DaysAgo(1), DaysAgo(0))),
        ("taken:2w", Taken(DaysAgo(14), None)),
        ("year:2018..2020", Taken(datetime(2018, 1, 1), datetime(2021, 1, 1))),
    ],
)  # fmt: skip
def test_what_a_search_means(text: str, tree: object) -> None:
    assert query.parse(text) == tree


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("sunset camra:canon", "there is no field 'camra': sunset ^camra:canon", "did you mean camera?"),
        ("a or", "a term is missing at the end: a or^", ""),
        ("or a", "a term is missing here: ^or a", ""),
        ("(a b", "this parenthesis is never closed: ^(a b", ""),
        ("a) b", "there is nothing that this parenthesis closes: a^) b", ""),
        ('camera:"Can', 'these quotes are never closed: camera:^"Can', ""),
        ("camera:", "camera needs a value: camera:^", "camera:canon"),
        (":x", "a field is missing before the colon: ^:x", "fields are"),
        ("iso:fast", "iso needs a number, not 'fast': iso:^fast", "iso:400"),
        ("iso:1.5", "iso is a whole number: iso:^1.5", ""),
        ("month:13", "month lies between 1 and 12: month:^13", ""),
        ("iso:400..100", "the range runs backwards: iso:^400..100", ""),
        ("iso:..", "the range has no end at all: iso:^..", ""),
        ("taken:2019-02-30", "there is no '2019-02-30' in the calendar: taken:^2019-02-30", ""),
        ("taken:soon", "'soon' is no date: taken:^soon", "taken:2019"),
        ("taken:2020..2019", "the range runs backwards: taken:^2020..2019", ""),
        ("year:2019-04", "'2019-04' is no year: year:^2019-04", ""),
        ("camera:>canon", "camera is text and has no order: camera:^>canon", ""),
        ("country:Laos", "'Laos' is no country code: country:^Laos", "country:LA"),
        ("format:gif", "format can't be 'gif': format:^gif", "jpeg"),
        ("publish:maybe", "publish can't be 'maybe': publish:^maybe", "granted unknown expired"),
        ("status:lost", "status can't be 'lost': status:^lost", "present gone"),
        ("near:1,2", "near needs a latitude, a longitude and kilometres: near:^1,2", "near:17.97"),
        ("near:91,2,3", "there is no such place or distance: near:^91,2,3", ""),
        ("hash:xyz", "'xyz' is no hash: hash:^xyz", ""),
        ("camera:x\x1b[2J y:1", "there is no field 'y': camera:x\\x1b[2J ^y:1", ""),
    ],
)
def test_a_mistake_is_one_line_that_points_at_its_place(text: str, message: str, hint: str) -> None:
    with pytest.raises(BadQuery) as caught:
        query.parse(text)
    assert caught.value.message == message
    assert caught.value.hint.startswith(hint) or hint in caught.value.hint
    assert len(str(caught.value).splitlines()) == 1


def test_searches_without_bound_are_refused_before_they_cost() -> None:
    for text in ("a " * 300, "(" * 300, "-" * 300 + "a", "not " * 300 + "a"):
        with pytest.raises(BadQuery):
            query.parse(text)


WORDS = st.sampled_from(
    [
        *("a", "or", "and", "not", "-", "(", ")", '"', "..", ">=", "<", "=", "*", "2019", "2019-04", "none", "any"),
        *("1,2,3", "granted", "17.5", "ff", "%", "_", "\\", "LA", "png"),
        *(" ", "'", "\x1b", "\ud800"),
        *(f"{field}:" for field in FIELDS),
    ]
)


@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.lists(WORDS, max_size=12).map("".join), st.text(max_size=30)))
def test_any_text_is_a_search_that_runs_or_a_bad_query(catalog: Catalog, text: str) -> None:
    if photos.count(catalog) == 0:
        store(catalog, photo(1), photo(2, lat=17.5, lon=102.6))
    with suppress(BadQuery):
        assert 0 <= query.count(catalog, text) <= 2


# What it finds ---------------------------------------------------------------------------------------


def test_a_comparison_leaves_out_what_is_not_on_record_and_its_opposite_takes_it_in(catalog: Catalog) -> None:
    store(catalog, photo(1, camera="Canon EOS 5D"), photo(2, camera="NIKON D750"), photo(3))
    assert numbers(query.find(catalog, "camera:canon")) == [1]
    assert numbers(query.find(catalog, "-camera:canon")) == [2, 3]
    assert numbers(query.find(catalog, "not -camera:canon")) == [1]
    assert numbers(query.find(catalog, "camera:none")) == [3]
    assert numbers(query.find(catalog, "camera:any")) == [1, 2]
    assert numbers(query.find(catalog, 'camera:="canon eos 5d"')) == [1]
    assert numbers(query.find(catalog, "camera:*d750")) == [2]
    assert numbers(query.find(catalog, "camera:d75*")) == []


def test_words_match_path_and_caption_and_wildcards_of_sql_are_plain_letters(catalog: Catalog) -> None:
    store(
        catalog,
        photo(1, path_text="/a/Luang_Prabang/1.jpg"),
        photo(2, caption="Morning in luang prabang, 100%"),
        photo(3, path_text="/a/ຫຼວງພະບາງ/3.heic"),
    )
    assert numbers(query.find(catalog, "luang_p")) == [1]
    assert numbers(query.find(catalog, "luang")) == [1, 2]
    assert numbers(query.find(catalog, "100%")) == [2]
    assert numbers(query.find(catalog, "ຫຼວງ")) == [3]
    assert numbers(query.find(catalog, "name:*.heic")) == [3]
    assert numbers(query.find(catalog, "name:luang")) == []
    assert numbers(query.find(catalog, "lu*g_p")) == [1]


def test_case_does_not_count_in_any_script(catalog: Catalog) -> None:
    store(catalog, photo(1, path_text="/a/ÉTÉ/1.jpg"), photo(2, caption="Straße", camera="ΛEICA"))
    assert numbers(query.find(catalog, "été")) == [1]
    assert numbers(query.find(catalog, "STRASSE")) == [2]
    assert numbers(query.find(catalog, "camera:λeica")) == [2]


PATHS = (
    "/x.jpg",
    "/a/x.jpg",
    "/a/b/ax.jpg",
    "/a/b/c.jpg",
    "/ab/b/x.jpg.jpg",
    "/a/b.d/e f/É.JPG",
    "/a/bb/b",
    "/a/b/a/b.jpg",
)


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("ab/x.jpg*é", min_size=1, max_size=9), st.sampled_from(["path:", "name:", ""]), st.booleans())
def test_paths_match_as_their_whole_text_does(catalog: Catalog, text: str, field: str, whole: bool) -> None:
    if photos.count(catalog) == 0:
        store(catalog, *(photo(n, path_text=path) for n, path in enumerate(PATHS, 1)))
    whole = whole and bool(field)
    wanted = re.escape(text.casefold()).replace(r"\*", ".*")
    if not (whole or (field and "*" in text)):
        wanted = f".*{wanted}.*"
    texts = [path.rpartition("/")[2] if field == "name:" else path for path in PATHS]
    expected = [n for n, one in enumerate(texts, 1) if re.fullmatch(wanted, one.casefold(), re.DOTALL)]
    assert list(query.ids(catalog, f'{field}"{"=" if whole else ""}{text}"')) == expected


def test_decimals_are_as_fine_as_they_were_typed(catalog: Catalog) -> None:
    store(catalog, *(photo(n, f_number=f) for n, f in enumerate([2.8, 2.84, 2.86, 28 / 10, 3.0], 1)))
    assert numbers(query.find(catalog, "f:2.8", sort="id")) == [1, 2, 4]
    assert numbers(query.find(catalog, "f:2.80", sort="id")) == [1, 4]
    assert numbers(query.find(catalog, "f:>2.8", sort="id")) == [2, 3, 5]
    assert numbers(query.find(catalog, "f:2.8..2.84", sort="id")) == [1, 2, 4]
    assert numbers(query.find(catalog, "f:3", sort="id")) == [1, 2, 3, 4, 5]


def test_hours_and_months_go_round(catalog: Catalog) -> None:
    store(catalog, *(photo(n, taken_at=datetime(2019, n, 1, n + 11)) for n in range(1, 13)))
    assert numbers(query.find(catalog, "month:11..2", sort="id")) == [1, 2, 11, 12]
    assert numbers(query.find(catalog, "hour:22..12", sort="id")) == [1, 11, 12]


def test_today_is_the_day_of_now(catalog: Catalog) -> None:
    today = NOW.astimezone().replace(tzinfo=None, hour=9)
    store(catalog, *(photo(n, taken_at=today - timedelta(days=n)) for n in range(1, 5)), photo(9, taken_at=today))
    for text, found in {"taken:today": [5], "taken:yesterday": [1], "taken:2d": [1, 2, 5]}.items():
        with columns.snapshot(catalog) as table:
            assert table.ids[mask(query.parse(text), table, NOW)].tolist() == found, text


@pytest.mark.parametrize(
    ("lat", "lon", "km"), [(17.97, 102.6, 30), (0, 179.9, 500), (89.5, 10, 300), (-60, -179.99, 2000), (10, 10, 0.01)]
)
def test_near_is_the_distance_on_the_sphere(catalog: Catalog, lat: float, lon: float, km: float) -> None:
    places = [
        (
            max(-90.0, min(90.0, lat + math.degrees(km / 6371) * r * math.cos(a))),
            (lon + r * math.sin(a) * 20 + 540) % 360 - 180,
        )
        for r in (0, 0.2, 0.5, 0.9, 1.1, 3)
        for a in range(8)
    ]
    store(catalog, photo(0), *(photo(n, lat=y, lon=x) for n, (y, x) in enumerate(places, 1)))

    def far(y: float, x: float) -> float:
        a, b, d = math.radians(lat), math.radians(y), math.radians(x - lon)
        one = (math.cos(a), 0.0, math.sin(a))
        two = (math.cos(b) * math.cos(d), math.cos(b) * math.sin(d), math.sin(b))
        return 6371.0088 * 2 * math.asin(math.dist(one, two) / 2)

    expected = [n + 1 for n, (y, x) in enumerate(places, 1) if far(y, x) <= km]
    assert numbers(query.find(catalog, f"near:{lat},{lon},{km}", sort="id")) == expected
    assert expected


def person(catalog: Catalog, name: str, *photo_ids: int, mark: str | None = None) -> None:
    with catalog.transaction() as db:
        db.execute("INSERT OR IGNORE INTO subjects(uid, name) VALUES (?, ?)", (name, name))
        (id,) = db.execute("SELECT id FROM subjects WHERE name = ?", (name,)).fetchone()
        for photo_id in photo_ids:
            db.execute(
                "INSERT INTO faces(photo_id, x0, y0, x1, y1, probability, space, subject_id, cluster, mark)"
                " VALUES (?, 0, 0, 9, 9, 1, 's', ?, 7, ?)",
                (photo_id, id, mark),
            )
            db.execute("UPDATE photos SET faces_space = 's' WHERE id = ?", (photo_id,))


def test_people_and_faces(catalog: Catalog) -> None:
    store(catalog, *(photo(n) for n in range(1, 7)))
    person(catalog, "Noy Vong", 1, 2)
    person(catalog, "Noy", 2, 3)
    person(catalog, "Bun", 5, mark="not a face")
    with catalog.transaction() as db:
        db.execute("UPDATE faces SET subject_id = NULL WHERE photo_id = 3")
    found = {text: list(query.ids(catalog, text)) for text in (
        "subject:noy", 'subject:"Noy Vong"', "subject:noy*", "subject:1", "subject:bun", "subject:any", "subject:none",
        "faces:0", "faces:1", "faces:>=1", "faces:2", "cluster:7", "subject:noy -subject:noy*",
    )}  # fmt: skip
    assert list(found.values()) == [
        [2], [1, 2], [1, 2], [1, 2], [], [1, 2], [3],
        [5], [1, 3], [1, 2, 3], [2], [1, 2, 3], [],
    ]  # fmt: skip


def test_status_terms_are_up_to_date(catalog: Catalog) -> None:
    store(catalog, photo(1), photo(2, error="cut off"))
    assert numbers(query.find(catalog, "train-composite:unknown", sort="id")) == [1, 2]
    assert query.count(catalog, "train-composite:granted") == 0
    assert query.count(catalog, "status:unknown") == 2
    assert query.count(catalog, "status:present error:any") == 1
    assert query.count(catalog, "status:gone") == 0
    for purpose in Purpose:
        assert reads_statuses(query.parse(f"lao or -(-{purpose}:refused x)"))
    assert not reads_statuses(query.parse("camera:granted status:gone"))


@pytest.mark.parametrize("sort", [*SORTS, *(f"{field}-" for field in SORTS)])
def test_a_search_comes_in_order_and_page_by_page(catalog: Catalog, sort: str) -> None:
    store(
        catalog,
        *(
            photo(n, iso=100 * (n % 3), taken_at=datetime(2019, 1, 1 + n % 5) if n % 4 else None, width=n, height=2)
            for n in range(1, 20)
        ),
    )
    whole = query.find(catalog, "", sort=sort)
    assert len(whole) == 19
    pages: list[Photo] = []
    while page := query.find(catalog, "", sort=sort, limit=4, after=pages[-1].id if pages else None):
        pages += page
    assert pages == whole


def test_a_sort_that_is_none_lists_what_there_is(catalog: Catalog) -> None:
    with pytest.raises(BadValue, match="taken"):
        query.find(catalog, "", sort="beauty")
