"""The cohorts room: what trains is drawn as it is cut, page by page, while consent for it is in force."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from core import consent_actions
from storage import catalog as catalogs
from storage import jobs, subjects
from storage.catalog import open_catalog
from storage.records import Purpose
from tests import small_archive
from tests.tui.conftest import Settle
from tui.app import KyodakuApp
from tui.screens.archive import ArchiveRoom
from tui.screens.cohorts import CohortsRoom
from tui.terminal import Preview
from tui.widgets.picture import Picture
from tui.widgets.row_table import ListTable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalog with two frozen cohorts: one of 18 pictures, which are two pages, and one of six."""
    with catalogs.create(tmp_path / "catalog") as catalog:
        archive = small_archive.build(catalog, tmp_path / "archive", people=3, pictures=6)
        archive.freeze("all")
        archive.freeze("one", of=1)
    return tmp_path / "catalog"


@pytest.fixture
def room_app(folder: Path, unhurried: None) -> KyodakuApp:  # noqa: ARG001
    return KyodakuApp(folder, Preview("halfblock", "a test"))


async def entered(pilot: Pilot[None], settle: Settle) -> CohortsRoom:
    await pilot.press("f4")
    await settle(pilot)
    assert isinstance(pilot.app.screen, CohortsRoom)
    return pilot.app.screen


def shown(room: CohortsRoom) -> bool:
    """Whether the sheet stands in the place of the summary."""
    summary = room.query_one("#summary")
    assert room.query_one("#sheet").display != summary.display
    return room.query_one("#sheet").display


async def test_what_trains_is_shown_page_by_page(room_app: KyodakuApp, settle: Settle) -> None:
    async with room_app.run_test(size=(140, 40)) as pilot:
        room = await entered(pilot, settle)
        assert not shown(room)
        room.table.go_to("all")
        await settle(pilot)
        for page in (1, 2):
            await pilot.press("s")
            await settle(pilot)
            assert shown(room)
            assert room.status.message == f"all: page {page} of 2 of what trains"
            drawn = room.query_one("#sheet", Picture)._image.image
            assert len(drawn.getcolors(100_000)) > 50, "something is drawn"
        await room.changed()
        await settle(pilot)
        assert shown(room), "it stays when something else in the catalog changes"
        await pilot.press("s")
        await settle(pilot)
        assert not shown(room), "after the last page the summary is back"
        await pilot.press("s", "escape")
        await settle(pilot)
        assert not shown(room)
        assert room_app.screen is room
        await pilot.press("s")
        await settle(pilot)
        await pilot.press("j" if room.table.cursor == 0 else "k")
        assert not shown(room), "another cohort is another sheet"


async def test_nothing_is_shown_without_consent(room_app: KyodakuApp, settle: Settle, folder: Path) -> None:
    async with room_app.run_test(size=(140, 40)) as pilot:
        room = await entered(pilot, settle)
        with open_catalog(folder) as catalog:
            archive = small_archive.SmallArchive(catalog, folder, [small_archive.subjects.get(catalog, 1)])
            archive.withdraw(archive.people[0], Purpose.TRAIN_COMPOSITE)
        await pilot.press("s")
        await settle(pilot)
        assert not shown(room)
        assert "Person 0: withdrew train-composite" in room.status.message


async def test_a_cohort_is_explained_anew_only_when_what_it_rests_on_has_changed(
    room_app: KyodakuApp, settle: Settle, folder: Path
) -> None:
    async with room_app.run_test(size=(140, 40)) as pilot:
        room = await entered(pilot, settle)
        shown = room.query_one("#summary Static", Static)
        assert "now 18 pictures of 3 people" in str(shown.content)
        with open_catalog(folder) as catalog:
            job = jobs.add(catalog, "train", {"cohort": "all"}, datetime(2026, 1, 1, tzinfo=UTC))
            waits = room._rest
            for step in range(3):
                jobs.progressed(catalog, job.id, step / 3, "training", None)
                await room.changed()
            assert room._rest is waits, "a job got on"
            archive = small_archive.SmallArchive(catalog, folder, [small_archive.subjects.get(catalog, 1)])
            archive.withdraw(archive.people[0], Purpose.TRAIN_COMPOSITE)
        await room.changed()
        assert room._rest is not waits
        await settle(pilot)
        assert "now 12 pictures of 2 people" in str(shown.content)


async def test_what_was_left_out_tells_its_whole_reason_and_its_photograph(
    room_app: KyodakuApp, settle: Settle, folder: Path
) -> None:
    with open_catalog(folder) as catalog:
        gone = subjects.list_all(catalog)[0]
        consent_actions.refuse(catalog, [gone.id], [Purpose.TRAIN_COMPOSITE], by="Chan", remake=False)
    async with room_app.run_test(size=(100, 40)) as pilot:
        room = await entered(pilot, settle)
        room.table.go_to("all")
        await settle(pilot)
        await pilot.press("tab", "tab", "end")
        await settle(pilot)
        excluded = room.query_one("#excluded", ListTable)
        assert excluded.has_focus
        number, _, reason = excluded.cells(excluded.cursor)
        assert str(reason) in room.status.message
        await pilot.press("o")
        await settle(pilot)
        assert isinstance(room_app.screen, ArchiveRoom)
        assert room_app.screen.text == f"id:{number}"
