"""A catalog as a photographer's archive of ten years leaves it, made without one: what the benchmarks search.

    python -m benchmarks.big_catalog FOLDER [--photos 1000000] [--seed 5]

The rows go in by batched SQL, with indexes and triggers set aside meanwhile. Cameras come and go with the
years, people too; folders are events; some names tell the time and some are counters.
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import statuses
from storage import catalog as catalogs
from storage import ledger
from storage.catalog import Catalog
from storage.records import EventKind, Purpose, Status

SUBJECTS = 500
FACES_A_PHOTO = 1.2
DIMENSIONS = 128
SPACE = "dlib-resnet-v1"
FIRST_DAY = datetime(2012, 1, 3)
DAYS = 14 * 365
BATCH = 20_000
CLUSTERS = 4_000  # of faces that nobody has named

# make and model, share, first and last year, how its files are named, pixels
CAMERAS = (
    ("Canon EOS 5D Mark III", 16, 2012, 2018, "IMG_", (5760, 3840)),
    ("Canon EOS R5", 15, 2020, 2025, "3R5A", (8192, 5464)),
    ("NIKON D750", 14, 2015, 2021, "DSC_", (6016, 4016)),
    ("NIKON Z 6", 9, 2019, 2025, "DSC_", (6048, 4024)),
    ("SONY ILCE-7M3", 9, 2018, 2025, "DSC0", (6000, 4000)),
    ("FUJIFILM X-T4", 7, 2020, 2025, "DSCF", (6240, 4160)),
    ("Apple iPhone 12", 10, 2020, 2024, "phone", (4032, 3024)),
    ("samsung SM-G960F", 7, 2018, 2021, "phone", (4032, 3024)),
    ("Canon PowerShot G7 X", 3, 2014, 2019, "IMG_", (5472, 3648)),
    ("RICOH GR III", 2, 2019, 2025, "R000", (6000, 4000)),
    ("LEICA M10", 0.4, 2017, 2025, "L100", (5952, 3968)),
    ("HASSELBLAD X1D", 0.03, 2017, 2020, "B000", (8272, 6200)),
)
LENSES = tuple(
    f"{make} {focal}mm f/{stop}"
    for make in ("EF", "NIKKOR Z", "FE", "XF")
    for focal, stop in (
        ("24-70", "2.8"), ("70-200", "2.8"), ("85", "1.8"), ("50", "1.4"), ("35", "2"), ("16-35", "4"),
        ("100-400", "5.6"), ("24", "1.4"), ("135", "2"), ("90", "2.8"),
    )
)  # fmt: skip
ISOS = (100, 125, 160, 200, 250, 320, 400, 500, 640, 800, 1000, 1250, 1600, 2000, 2500, 3200, 4000, 6400, 12800, 25600)
STOPS = (1.4, 1.8, 2.0, 2.8, 3.5, 4.0, 5.6, 8.0, 11.0)
FOCALS = (16, 20, 24, 28, 35, 40, 50, 55, 70, 85, 90, 100, 105, 135, 200, 300, 400)
EVENTS = ("wedding", "market", "portraits", "birthday", "lao new year", "trip", "family", "concert", "studio", "school")
TOWNS = (
    ("Vientiane", "LA", 17.97, 102.6), ("Luang Prabang", "LA", 19.886, 102.135), ("Pakse", "LA", 15.12, 105.8),
    ("Savannakhet", "LA", 16.55, 104.75), ("Nong Khai", "TH", 17.88, 102.74), ("Chiang Mai", "TH", 18.79, 98.98),
    ("Bangkok", "TH", 13.75, 100.5), ("Hanoi", "VN", 21.03, 105.85), ("Hue", "VN", 16.46, 107.6),
    ("Paris", "FR", 48.857, 2.352), ("Annecy", "FR", 45.9, 6.12), ("Kyoto", "JP", 35.01, 135.77),
    ("Tokyo", "JP", 35.68, 139.69), ("Porto", "PT", 41.15, -8.61), ("Tromsø", "NO", 69.65, 18.96),
)  # fmt: skip
CAPTIONS = ("first dance", "morning market in {}", "the family in {}", "portrait", "golden hour, {}", "backstage")


def build(folder: Path, photos: int, seed: int = 5, *, dimensions: int = DIMENSIONS) -> Catalog:
    """A new catalog in `folder` with so many photographs, their faces, people and statuses; open."""
    catalog = catalogs.create(folder)
    draws = np.random.default_rng(seed)
    db = catalog.connection
    people = _people(catalog, draws)
    db.execute("PRAGMA synchronous = OFF")
    with _set_aside(db), catalog.transaction():
        years = _photographs(db, photos, draws)
        owners = _faces(db, years, people, draws, dimensions)
        if _is_table(db, "photo_status"):
            _statuses(db, photos, owners, draws)
    if not _is_table(db, "photo_status"):
        with catalog.transaction():
            db.execute("INSERT OR IGNORE INTO status_dirty SELECT id FROM photos")
        statuses.refresh(catalog)
    db.execute("ANALYZE")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("PRAGMA synchronous = FULL")
    return catalog


def _is_table(db: sqlite3.Connection, name: str) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)).fetchone() is not None


@contextmanager
def _set_aside(db: sqlite3.Connection) -> Iterator[None]:
    """Without the triggers and the indexes of the big tables, which come back."""
    rows = db.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND type IN ('index', 'trigger')"
        " AND tbl_name IN ('photos', 'photo_rights', 'faces', 'face_embeddings', 'photo_status', 'status_dirty')"
    ).fetchall()
    for kind, name, _ in rows:
        db.execute(f"DROP {kind} {name}")
    yield
    for _, _, sql in rows:
        db.execute(sql)
    for part, number, table in _COLUMNS_OF:  # what the triggers would have told searches
        db.execute(
            f"INSERT OR REPLACE INTO column_versions SELECT '{part}', {number} >> 12, random() FROM {table} GROUP BY 2"
        )


# People ----------------------------------------------------------------------------------------------


def _people(catalog: Catalog, draws: np.random.Generator) -> NDArray[np.int64]:
    """Ids of subjects, of whom most adults have granted something; a few are minors or have no age on record."""
    first = ("Noy", "Bun", "Keo", "Mali", "Somchai", "Linh", "Anna", "João", "Yuki", "Eva", "Tom", "Phet")
    last = ("Vong", "Sisavath", "Chan", "Nguyen", "Martin", "Silva", "Tanaka", "Berg", "Keomany", "Dupont")
    kinds = draws.choice(["born", "attested", "minor", "unsettled"], SUBJECTS, p=[0.7, 0.22, 0.04, 0.04])
    with catalog.transaction() as db:
        for number in range(SUBJECTS):
            name = f"{first[number % len(first)]} {last[number // len(first) % len(last)]}"
            name += f" {number // 120 + 1}" if number >= 120 else ""
            kind = kinds[number]
            born = f"{1950 + number % 45}-0{1 + number % 9}-11" if kind == "born" else None
            by = "the photographer" if kind == "attested" else None
            db.execute(
                "INSERT INTO subjects(uid, name, born, adult_attested_by, adult_attested_how, minor)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (f"{number:032x}", name, born, by, by and "identity card", int(kind == "minor")),
            )
            _consents(catalog, f"{number:032x}", number, draws)
        ids = [row[0] for row in db.execute("SELECT id FROM subjects ORDER BY id")]
    return np.array(ids)


def _consents(catalog: Catalog, uid: str, number: int, draws: np.random.Generator) -> None:
    allowed = tuple(purpose for purpose in Purpose if draws.random() < (0.9 if number < 50 else 0.55))
    if allowed:
        ledger.append(catalog, kind=EventKind.GRANT, subject_uid=uid, purposes=allowed, by="me")
    if allowed and draws.random() < 0.05:
        ledger.append(catalog, kind=EventKind.WITHDRAWAL, subject_uid=uid, purposes=allowed[:1], by="me")
    refused = tuple(purpose for purpose in Purpose if purpose not in allowed)
    if refused and draws.random() < 0.3:
        ledger.append(catalog, kind=EventKind.REFUSAL, subject_uid=uid, purposes=refused[:2], by="me")


# Photographs -----------------------------------------------------------------------------------------

_COLUMNS_OF = (("photos", "id", "photos"), ("faces", "photo_id", "faces"), ("statuses", "photo_id", "photo_status"))
_COLUMNS = (
    "id, folder_id, name, path_text, size, mtime_ns, ctime_ns, inode, state, content_hash, format, width, height,"
    " taken_at, taken_offset, taken_source, camera, lens, exposure_s, f_number, iso, focal_mm, lat, lon, place,"
    " country, rating, caption, error, faces_space"
)


def _photographs(db: sqlite3.Connection, photos: int, draws: np.random.Generator) -> NDArray[np.int64]:
    """Write the photographs, ids 1.. by path; gives the year each was taken in, by id."""
    # an archive grows: more photographs a day from year to year
    moments = np.sort((1 - (1 - draws.random(photos)) ** 1.4) * DAYS * 86400)
    moments = np.floor(moments * 0.999)  # all before the end of 2025
    per_folder = 150
    years = np.empty(photos + 1, np.int64)
    marks = f"({', '.join('?' * len(_COLUMNS.split(', ')))})"
    for start in range(0, photos, BATCH):
        rows = _rows(start, moments[start : start + BATCH], per_folder, draws, years)
        folders = {(row[1], row[3].rpartition("/")[0].encode()) for row in rows}
        db.executemany("INSERT OR IGNORE INTO folders(id, path) VALUES (?, ?)", sorted(folders))
        db.executemany(f"INSERT INTO photos({_COLUMNS}) VALUES {marks}", [row[:-1] for row in rows])
        db.executemany("INSERT INTO photo_rights VALUES (?, 'mine')", [(row[0],) for row in rows if row[-1]])
    return years


def _rows(
    start: int,
    moments: NDArray[np.float64],
    per_folder: int,
    draws: np.random.Generator,
    years: NDArray[np.int64],
) -> list[tuple[Any, ...]]:
    n = len(moments)
    events = (start + np.arange(n)) // per_folder
    hours = np.clip(draws.normal(14, 4, n), 0, 23.99)
    shares, first, last = (np.array([camera[k] for camera in CAMERAS], float) for k in (1, 2, 3))
    year_now = FIRST_DAY.year + moments / 86400 / 365.25
    weights = shares * (first <= year_now[:, None]) * (year_now[:, None] < last + 1)
    cameras = (weights.cumsum(1) > draws.random((n, 1)) * weights.sum(1, keepdims=True)).argmax(1)
    lenses = np.minimum(draws.exponential(8, n).astype(int), len(LENSES) - 1)
    isos = np.minimum(draws.exponential(6, n).astype(int), len(ISOS) - 1)
    stops, focals = draws.integers(0, len(STOPS), n), draws.integers(0, len(FOCALS), n)
    towns = (np.minimum(draws.exponential(3, n), len(TOWNS) - 1).astype(int) + events * 7) % len(TOWNS)
    towns = np.where(draws.random(n) < 0.5, 0, towns)  # half of it at home
    spread = draws.normal(0, 0.02, (n, 2))
    dice = draws.random((n, 8))
    rows: list[tuple[Any, ...]] = []
    for k in range(n):
        id, event = start + k + 1, int(events[k])
        day = FIRST_DAY + timedelta(days=int(moments[k] // 86400))
        taken = day + timedelta(seconds=int(hours[k] * 3600))
        years[id] = taken.year
        camera, _, _, _, stem, (width, height) = CAMERAS[cameras[k]]
        folder = f"/archive/{taken.year}/{taken:%Y-%m}/{event:05} {EVENTS[event * 7 % len(EVENTS)]}"
        name = f"IMG_{taken:%Y%m%d_%H%M%S}_{id % 1000:03}.jpg" if stem == "phone" else f"{stem}{id % 10000:04}.JPG"
        upright = dice[k, 0] < 0.25
        kind = "HEIF" if stem == "phone" and dice[k, 1] < 0.5 else "PNG" if dice[k, 1] < 0.004 else "JPEG"
        town = TOWNS[towns[k]] if dice[k, 2] < 0.6 else None
        scanned = dice[k, 3] < 0.03  # nothing of a camera in it
        failed = dice[k, 4] < 0.002
        rows.append((
            id, 0, name.encode(), f"{folder}/{name}", 5_000_000 + id % 977_000, id, id, id,
            "gone" if dice[k, 5] < 0.01 else "present", f"{id * 0x9E3779B97F4A7C15 % 2**64:016x}" * 4,
            None if failed else kind, *((None, None) if failed else (height, width) if upright else (width, height)),
            *((None, None, None) if scanned else (taken.isoformat(), 420 if town else None, "exif-offset")),
            *((None,) * 6 if scanned else (
                camera, None if stem == "phone" else LENSES[lenses[k]], 0.004, STOPS[stops[k]], ISOS[isos[k]],
                float(FOCALS[focals[k]]))),
            *((town[2] + spread[k, 0], town[3] + spread[k, 1], town[0], town[1]) if town else (None,) * 4),
            int(1 + dice[k, 7] * 60) if dice[k, 7] < 0.08 else None,
            CAPTIONS[id % len(CAPTIONS)].format(town[0] if town else "town") if dice[k, 6] > 0.9 else None,
            "the picture is cut off" if failed else None, None if failed or dice[k, 5] > 0.97 else SPACE,
            dice[k, 6] < 0.3,
        ))  # fmt: skip
    return _with_folders(rows)


def _with_folders(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Number the folders by their path's event and month, which no two share."""
    numbered = []
    for row in rows:
        parts = row[3].split("/")
        event, month = int(parts[4].partition(" ")[0]), int(parts[3].replace("-", ""))
        numbered.append((row[0], event * 300_000 + month, *row[2:]))
    return numbered


# Faces and statuses ----------------------------------------------------------------------------------


def _faces(
    db: sqlite3.Connection,
    years: NDArray[np.int64],
    people: NDArray[np.int64],
    draws: np.random.Generator,
    dimensions: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Write the faces; gives for each its photograph and its subject's place in `people`, -1 for none."""
    sought = np.array([row[0] for row in db.execute("SELECT id FROM photos WHERE faces_space IS NOT NULL")])
    photo_ids = np.repeat(sought, np.minimum(draws.poisson(FACES_A_PHOTO, len(sought)), 12))
    n = len(photo_ids)
    # a long tail of people, each around for some years
    begin = draws.integers(2008, 2024, len(people))
    rank = np.minimum((len(people) ** draws.random(n)).astype(int) - 1, len(people) - 1)
    there = np.abs(years[photo_ids] - begin[rank] - 4) <= 5
    named = there & (draws.random(n) < 0.75)
    owners = np.where(named, rank, -1)
    clusters = np.where(named, rank + 1, len(people) + 1 + np.minimum(draws.exponential(500, n), CLUSTERS).astype(int))
    clusters = np.where(draws.random(n) < 0.08, 0, clusters)
    marked = draws.random(n) < 0.01
    corners, sides = draws.integers(0, 3000, (n, 2)), draws.integers(60, 900, n)
    for start in range(0, n, BATCH):
        some = range(start, min(start + BATCH, n))
        vectors = draws.standard_normal((len(some), dimensions), np.float32)
        db.executemany(
            "INSERT INTO faces(id, photo_id, x0, y0, x1, y1, probability, space, sharpness, age_estimate,"
            " cluster, subject_id, assigned_by_person, mark) VALUES (?,?,?,?,?,?,0.99,?,0.5,31.0,?,?,?,?)",
            [
                (
                    k + 1, int(photo_ids[k]), *(int(v) for v in corners[k]), *(int(v + sides[k]) for v in corners[k]),
                    SPACE, int(clusters[k]) or None,
                    int(people[owners[k]]) if owners[k] >= 0 else None, int(owners[k] >= 0),
                    "not a face" if marked[k] else None,
                )
                for k in some
            ],
        )  # fmt: skip
        db.executemany(
            "INSERT INTO face_embeddings VALUES (?, ?)", ((k + 1, vectors[k - start].tobytes()) for k in some)
        )
    return photo_ids[~marked], owners[~marked]


def _statuses(
    db: sqlite3.Connection, photos: int, faces: tuple[NDArray[np.int64], NDArray[np.int64]], draws: np.random.Generator
) -> None:
    """Write statuses with the mix that consents like these give: of each photograph the worst of its people's."""
    order = [Status.GRANTED, Status.EXPIRED, Status.UNKNOWN, Status.REFUSED, Status.WITHDRAWN, Status.AGE_UNSETTLED,
             Status.MINOR]  # fmt: skip
    photo_ids, owners = faces
    for purpose in Purpose:
        of_people = draws.choice(len(order), SUBJECTS, p=[0.62, 0.02, 0.2, 0.1, 0.02, 0.02, 0.02])
        of_people[:50] = draws.choice(len(order), 50, p=[0.9, 0, 0.02, 0.06, 0.02, 0, 0])
        worst = np.where(draws.random(photos + 1) < 0.3, 0, 2)  # no face in it: mine, or nobody's that is known
        worst[np.unique(photo_ids)] = 0
        np.maximum.at(worst, photo_ids, np.where(owners >= 0, of_people[owners], 2))
        db.executemany(
            "INSERT INTO photo_status(photo_id, purpose, status) VALUES (?, ?, ?)",
            ((id, purpose.value, order[worst[id]].value) for id in range(1, photos + 1)),
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--photos", type=int, default=1_000_000)
    arguments.add_argument("--seed", type=int, default=5)
    given = arguments.parse_args()
    start = time.perf_counter()
    with build(given.folder, given.photos, given.seed) as catalog:
        size = sum(path.stat().st_size for path in catalog.folder.glob("catalog.db*"))
    print(f"{given.photos:,} photographs in {time.perf_counter() - start:.0f} s, {size / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
