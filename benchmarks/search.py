"""Searches, measured: `python -m benchmarks.search [--photos 300000]`.

Every field of the language with values that are rare, frequent and in no photograph, turned round and joined: p95 of
the first page of 100 (by date, both ways), of exact counts, of facets. The worst of each kind is printed beside the
same condition as SQL over the rows, ordered and cut off, as a catalog without anything made for it would do.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from benchmarks import big_catalog
from benchmarks.table import Row, show
from core import query
from storage import catalog as catalogs
from storage import columns, photos
from storage.catalog import Catalog
from storage.photos import ScanBatch
from storage.records import Photo

SINGLE = (
    "taken:2019", "taken:2012-01-03", "taken:none", "-taken:2016..2020", "year:2015", "month:6", "hour:22..4",
    "camera:canon", "camera:hasselblad", "camera:nothing", "-camera:nikon", "lens:85", "lens:none", "iso:100",
    "iso:>=800", "iso:25600", "f:1.4..2", "focal:>200", "width:>8000", "height:3024", "mp:>40", "format:jpeg",
    "format:heic", "place:vientiane", "place:troms*", "country:LA", "country:NO", "lat:17..18", "lon:<0",
    "near:17.97,102.6,5", "near:69.65,18.96,1", "faces:0", "faces:3", "-faces:0", "subject:1", "subject:none",
    "subject:*", "-subject:*", "cluster:7", "cluster:>3990", "rating:5", "rating:none", "tag:none", "tag:market",
    "caption:market", "caption:none", "status:refused", "status:gone", "train-composite:granted",
    "print:withdrawn", "publish:unknown", "release:minor", "error:any", "error:none", "hash:ab", "hash:abcdef",
    "name:DSC_00", "path:wedding", "wedding", "3R5A0001", "DSC_0042", "lao", "zzzznothing", "a",
)  # fmt: skip
THREE = (
    "train-composite:granted subject:1 taken:2019",
    "train-composite:granted subject:1 camera:canon",
    "publish:refused subject:2 iso:>=800",
    "train-individual:unknown subject:3 -camera:nikon",
    "train-composite:granted subject:* wedding",
    "print:granted -subject:none month:6",
)
FACETED = ("", "camera:canon", "train-composite:granted subject:1")
SQL = {  # the same conditions over the rows
    "wedding": "path_text LIKE '%wedding%' OR caption LIKE '%wedding%'",
    "camera:canon": "camera LIKE '%canon%'",
    "camera:hasselblad": "camera LIKE '%hasselblad%'",
    "iso:>=800 -camera:nikon": "iso >= 800 AND NOT coalesce(camera LIKE '%nikon%', 0)",
    "zzzznothing": "path_text LIKE '%zzzznothing%' OR caption LIKE '%zzzznothing%'",
    "month:6": "CAST(substr(taken_at, 6, 2) AS INTEGER) = 6",
    "status:refused": "id IN (SELECT photo_id FROM photo_status WHERE status = 'refused')",
}
SORTED = ("", "camera:canon", "camera:hasselblad", "wedding", "train-composite:granted")
_ORDERS = [f"{text} by {field}{way}" for text in SORTED for field in query.SORTS for way in ("", "-")]
PAGE = 100
RUNS = 30
WRITTEN = 50_000  # photographs, to see what keeping the columns right costs who writes
BEFORE = """
    CREATE INDEX photos_by_camera ON photos(camera, id);
    CREATE INDEX photos_by_spot ON photos(lat, lon) WHERE lat IS NOT NULL;
"""  # what the catalog had for searches before it had columns


def measure(scale: int, room: Path) -> list[Row]:
    """The worst p95 of each kind of search over so many photographs."""
    large = scale > 300_000
    bounds = {"page": 20 if large else 10, "three": 60 if large else 30, "count": 150 if large else 50}
    with big_catalog.build(room / "search-catalog", scale) as catalog:
        started = time.perf_counter()
        query.prepare(catalog)
        made = time.perf_counter() - started
        query.find(catalog, "", limit=PAGE)
        rows = [
            Row("what searches read, made from the rows", made, "s"),
            *(
                _worst(catalog, f"first page, any one field, {way}", SINGLE, _sorted_by(sort), bounds["page"])
                for way, sort in (("newest first", "taken-"), ("oldest first", "taken"))
            ),
            _worst(catalog, "first page, in any order", _ORDERS, _by_any, None),
            _worst(catalog, "first page in a process that holds nothing yet", SINGLE, _cold, None, runs=3),
            _worst(catalog, "first page, three terms with a status and a subject", THREE, _page, bounds["three"]),
            _worst(catalog, "exact count", (*SINGLE, *THREE), query.count, bounds["count"]),
            _worst(catalog, "counts by year, camera, place, subject, status", FACETED, _facets, None),
        ]
        rows += [_beside(catalog, text, where) for text, where in SQL.items()]
        rows.append(_deep(catalog, scale))
    rows.append(_writing(room))
    return rows


def _page(catalog: Catalog, text: str, sort: str = "taken-") -> list[Photo]:
    return query.find(catalog, text, limit=PAGE, sort=sort)


def _sorted_by(sort: str) -> Callable[[Catalog, str], object]:
    return lambda catalog, text: _page(catalog, text, sort)


def _by_any(catalog: Catalog, sort: str) -> None:
    text, _, order = sort.partition(" by ")
    _page(catalog, text, order)


def _cold(catalog: Catalog, text: str) -> None:
    columns.let_go(catalog)
    _page(catalog, text)


def _deep(catalog: Catalog, scale: int) -> Row:
    """A page from the middle, beside OFFSET."""
    middle = query.ordered_ids(catalog, "")[scale // 2]
    ours = p95(lambda: query.find(catalog, "", limit=PAGE, after=middle))
    sql = f"SELECT * FROM photos ORDER BY taken_at, id LIMIT {PAGE} OFFSET {scale // 2 + 1}"
    peer = p95(lambda: catalog.connection.execute(sql).fetchall(), runs=5)
    return Row("a page from the middle of all", ours, "ms", "OFFSET over the index of dates", ours / peer)


def _writing(room: Path) -> Row:
    """A scan's writing, beside the same with the indexes that searches had before and no columns to keep right."""
    pictures = [
        Photo(
            0, path.encode(), path, 10, 1, 1, n, content_hash=f"{n:064x}", camera=f"camera {n % 12}", iso=100,
            taken_at=big_catalog.FIRST_DAY + timedelta(minutes=n), lat=17 + n % 1000 / 500, lon=102.0,
        )
        for n in range(WRITTEN)
        for path in [f"/archive/{n // 200:04}/{n}.jpg"]
    ]  # fmt: skip
    times = {}
    for name in ("before", "now"):
        with catalogs.create(room / f"search-writing-{name}") as catalog:
            if name == "before":
                _without_columns(catalog.connection)
            start = time.perf_counter()
            for first in range(0, WRITTEN, 500):
                photos.apply_scan(catalog, ScanBatch(new=pictures[first : first + 500]))
            times[name] = WRITTEN / (time.perf_counter() - start)
    ratio = times["now"] / times["before"]
    return Row("photographs written by a scan", times["now"], "/s", "with indexes in place of columns", ratio)


def _without_columns(db: sqlite3.Connection) -> None:
    for (name,) in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name GLOB 'version_*'"
    ).fetchall():
        db.execute(f"DROP TRIGGER {name}")
    db.executescript(BEFORE)


def _facets(catalog: Catalog, text: str) -> object:
    return query.count_by(catalog, text, ["year", "camera", "place", "subject", "status"])


def _worst(
    catalog: Catalog,
    what: str,
    texts: Sequence[str],
    ask: Callable[[Catalog, str], object],
    bound: float | None,
    *,
    runs: int = RUNS,
) -> Row:
    slowest = max((p95(lambda text=text: ask(catalog, text), runs), text) for text in texts)  # type: ignore[misc]
    goal, kept = ("", None) if bound is None else (f"p95 <= {bound:g} ms", slowest[0] <= bound)
    return Row(f"{what}: the slowest of {len(texts)}, {slowest[1]!r}", slowest[0], "ms", "", None, goal, kept)


def _beside(catalog: Catalog, text: str, where: str) -> Row:
    sql = f"SELECT * FROM photos WHERE {where} ORDER BY taken_at DESC, id DESC LIMIT {PAGE}"
    ours = p95(lambda: _page(catalog, text))
    peer = p95(lambda: catalog.connection.execute(sql).fetchall(), runs=5)
    return Row(f"first page of {text!r}", ours, "ms", "the condition as SQL over the rows", ours / peer)


def p95(work: Callable[[], object], runs: int = RUNS) -> float:
    """The 95th percentile of so many runs, in milliseconds, after one that doesn't count."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1000)
    return sorted(times)[int(0.95 * (len(times) - 1))]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--photos", type=int, default=300_000)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="kyodaku-benchmark-") as folder:
        show(f"searches of {given.photos:,} photographs", measure(given.photos, Path(folder)))


if __name__ == "__main__":
    main()
