"""A small catalog whose every value is fixed, and the app on it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot

from storage import catalog as catalogs
from storage import faces, ledger, photos, subjects
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.photos import ScanBatch
from storage.records import EventKind, FaceMark, Photo, Purpose, Rights
from storage.rights import put as put_rights
from storage.safe_text import display
from tui import app as app_module
from tui.app import KyodakuApp
from tui.screens import room as room_module
from tui.screens.room import Room
from tui.terminal import Preview

SPACE = "dlib-resnet-v1"
PEOPLE = ("Noy Vongsa", "ສົມສັກ ພົມມາ", "สมหญิง ใจดี", "山田 花子", "Ana Ruiz")
HOSTILE = b"/archive/2021/a\x1b]52;c;aGk=\x07[b]\xe2\x80\xae\xff\n.jpg"
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a catalog of 60 photographs and five people, four of them named; no picture is on disk."""
    folder = tmp_path_factory.mktemp("pristine") / "sample"
    with catalogs.create(folder) as catalog:
        _photographs(catalog)
        _people(catalog)
    return folder


@pytest.fixture
def sample(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of that catalog, in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    shutil.copytree(pristine, tmp_path / "sample")
    yield tmp_path / "sample"
    monkeypatch.undo()
    time.tzset()


def _photographs(catalog: Catalog) -> None:
    paths = [f"/archive/{2019 + n // 20}/IMG_{n:04d}.jpg".encode() for n in range(59)] + [HOSTILE]
    rows = [
        Photo(
            id=0,
            path=path,
            path_text=display(path),
            size=2_000_000 + n,
            mtime_ns=n,
            ctime_ns=n,
            inode=n,
            content_hash=f"{n:064x}",
            format="JPEG",
            width=1024,
            height=768,
            taken_at=datetime(2019, 3, 1, 9) + timedelta(days=15 * n) if n % 10 else None,
            taken_offset=420 if n % 10 else None,
            camera=("Nikon Z 6", "FUJIFILM X-T4", "SONY ILCE-7M3")[n % 3],
            lens="50mm f/1.8",
            exposure_s=1 / 250,
            f_number=2.8,
            iso=400,
            focal_mm=50.0,
            error="it is truncated" if n == 7 else None,
        )
        for n, path in enumerate(paths)
    ]
    photos.apply_scan(catalog, ScanBatch(new=rows))


def _people(catalog: Catalog) -> None:
    """Everyone is seen in ten photographs; every fifth photograph shows two; the last five show nobody."""
    random = np.random.default_rng(5)
    found: dict[int, list[NewFace]] = {}
    for n in range(1, 61):
        boxes = [(100, 100, 300, 320)] if n <= 55 else []
        boxes += [(500, 120, 690, 330)] if boxes and n % 5 == 0 else []
        found[n] = [
            NewFace(box, 0.99, random.normal(size=128).astype(np.float32), sharpness=80.0, age_estimate=31.0)
            for box in boxes
        ]
    faces.replace_many(catalog, found, SPACE)
    seen = sorted(faces.page(catalog), key=lambda face: face.id)
    for cluster in range(1, 6):
        faces.place(catalog, [face.id for face in seen[cluster - 1 :: 5]], cluster)
    for cluster, name in enumerate(PEOPLE[:4], start=1):
        born = date(2010, 5, 1) if cluster == 3 else date(1980 + cluster, 5, 1)
        person = subjects.add(catalog, name, born=born, by="Chan", at=NOW - timedelta(days=40))
        catalog.connection.execute("UPDATE subjects SET uid = ? WHERE id = ?", (f"{cluster:032x}", person.id))
        faces.assign(catalog, [face.id for face in faces.of_cluster(catalog, cluster)], person.id, by_person=True)
    for uid, kind, purposes in (
        (1, EventKind.GRANT, tuple(Purpose)),
        (2, EventKind.GRANT, (Purpose.PRINT,)),
        (4, EventKind.REFUSAL, (Purpose.PUBLISH, Purpose.TRAIN_COMPOSITE)),
    ):
        ledger.append(
            catalog, kind=kind, subject_uid=f"{uid:032x}", purposes=purposes, by="Chan", at=NOW - timedelta(days=30)
        )
    faces.set_mark(catalog, [seen[-1].id], FaceMark.NOT_A_FACE)
    put_rights(catalog, [59, 60], Rights.MINE)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apps take a rest, and look for changes, only when told."""
    monkeypatch.setattr(room_module, "REST_S", 3600.0)
    monkeypatch.setattr(app_module, "TICK_S", 3600.0)


@pytest.fixture
def app(sample: Path, unhurried: None) -> KyodakuApp:  # noqa: ARG001 # what it patches holds while the app runs
    """The app on the sample."""
    return KyodakuApp(sample, Preview("off", "a test"))


Settle = Callable[["Pilot[None]"], Awaitable[None]]


@pytest.fixture
def settle() -> Settle:
    """Wait until nothing is under way, no message, no worker, no reading; then let the cursor have rested."""

    async def calm(pilot: Pilot[None]) -> None:
        quiet = 0
        while quiet < 2:  # a message may be about to begin other work
            await pilot.pause()
            running = [worker for worker in pilot.app.workers if worker.group != "dialog"]
            quiet = 0 if running else quiet + 1
            if running:
                await pilot.app.workers.wait_for_complete(running)

    async def wait(pilot: Pilot[None]) -> None:
        await calm(pilot)
        if isinstance(pilot.app.screen, Room):
            pilot.app.screen.rest()
            await calm(pilot)

    return wait
