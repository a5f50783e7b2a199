"""Searches, measured: `python -m benchmarks.search [--photos 300000]`.

Every field of the language with values that are rare, frequent and in no photograph, turned round and joined: p95 of
the first page of 100 (by date, both ways), of exact counts, of facets. The worst of each kind is printed beside the
same condition as SQL over the rows, ordered and cut off, as a catalog without anything made for it would do.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import big_catalog
from benchmarks.table import Row, show
from core import query
from storage.catalog import Catalog

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
    "zzzznothing": "path_text LIKE '%zzzznothing%' OR caption LIKE '%zzzznothing%'",
    "month:6": "CAST(substr(taken_at, 6, 2) AS INTEGER) = 6",
    "status:refused": "id IN (SELECT photo_id FROM photo_status WHERE status = 'refused')",
}
PAGE = 100
RUNS = 30


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
            _worst(catalog, "first page, any one field", SINGLE, _page, bounds["page"]),
            _worst(catalog, "first page, three terms with a status and a subject", THREE, _page, bounds["three"]),
            _worst(catalog, "exact count", (*SINGLE, *THREE), query.count, bounds["count"]),
            _worst(catalog, "counts by year, camera, place, subject, status", FACETED, _facets, None),
        ]
        rows += [_beside(catalog, text, where) for text, where in SQL.items()]
        return rows


def _page(catalog: Catalog, text: str, sort: str = "taken-") -> object:
    return query.find(catalog, text, limit=PAGE, sort=sort)


def _facets(catalog: Catalog, text: str) -> object:
    return query.count_by(catalog, text, ["year", "camera", "place", "subject", "status"])


def _worst(
    catalog: Catalog, what: str, texts: Sequence[str], ask: Callable[[Catalog, str], object], bound: float | None
) -> Row:
    slowest = max((p95(lambda text=text: ask(catalog, text)), text) for text in texts)  # type: ignore[misc]
    goal, kept = ("", None) if bound is None else (f"p95 <= {bound:g} ms", slowest[0] <= bound)
    return Row(f"{what}: the slowest of {len(texts)}, {slowest[1]!r}", slowest[0], "ms", "", None, goal, kept)


def _beside(catalog: Catalog, text: str, where: str) -> Row:
    sql = f"SELECT id FROM photos WHERE {where} ORDER BY taken_at DESC, id DESC LIMIT {PAGE}"
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
