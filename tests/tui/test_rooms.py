"""People, consent and jobs, driven by keys: each step is done to a real catalog."""

from __future__ import annotations

import gc
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from textual.widgets import Checkbox, Input, Static

from storage import faces, jobs, ledger, subjects
from storage.catalog import open_catalog
from storage.records import EventKind, JobState, Purpose
from tests.tui.conftest import PEOPLE, Settle
from tui import actions
from tui.app import KyodakuApp
from tui.screens.archive import ArchiveRoom
from tui.screens.consent import ConsentRoom
from tui.screens.dialogs import Confirm, Form, Reading
from tui.screens.job_room import bar
from tui.screens.jobs import JobsRoom
from tui.screens.people import PeopleRoom
from tui.screens.room import Room
from tui.themes import THEMES


async def test_number_keys_go_to_the_rooms_and_escape_comes_back(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        for info in actions.ROOMS:
            await pilot.press(f"f{info.key}")
            await settle(pilot)
            assert isinstance(app.screen, Room)
            assert info.name == app.screen.ROOM
            assert not app.screen.status.has_class("-error"), app.screen.status.message
        await pilot.press("escape")
        assert isinstance(app.screen, Room)
        assert app.screen.ROOM == "models"


async def test_what_rooms_are_made_of_is_not_looked_through_for_cycles_while_they_are_used(
    app: KyodakuApp, settle: Settle
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        assert not any(found is app.screen for found in gc.get_objects())
        await pilot.press("f2")
        await settle(pilot)
        assert not any(found is app.screen for found in gc.get_objects())
    assert gc.get_freeze_count() == 0


async def test_a_room_keeps_its_place(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press(*"jjj", "f2")
        await settle(pilot)
        await pilot.press("f1")
        await settle(pilot)
        assert isinstance(app.screen, ArchiveRoom)
        assert app.screen.table.cursor == 3


async def test_every_theme_can_be_shown(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        seen = {app.theme}
        for _ in THEMES[1:]:
            await pilot.press("ctrl+t")
            seen.add(app.theme)
        assert seen == {theme.name for theme in THEMES}


async def test_the_palette_finds_actions_and_rooms(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("colon", *"go to Cons")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, ConsentRoom)


async def test_a_face_is_taken_out_of_the_rules_with_who_and_why(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f2")
        await settle(pilot)
        room = app.screen
        assert isinstance(room, PeopleRoom)
        await pilot.press("x")
        assert "choose a face first" in room.status.message
        await pilot.press("enter")
        await settle(pilot)
        face = room.face
        assert face is not None
        await pilot.press("x")
        await settle(pilot)
        form = app.screen
        assert isinstance(form, Form)
        form.query_one("#field-no_face", Checkbox).value = True
        form.query_one("#field-why", Input).value = "a poster"
        await pilot.press("ctrl+s")
        assert app.screen is form, "who says so is missing"
        form.query_one("#field-by", Input).value = "Chan"
        await pilot.press("ctrl+s")
        await settle(pilot)
    with open_catalog(sample, readonly=True) as catalog:
        assert faces.get(catalog, face.id).mark == "not a face"
        assert any(event.kind is EventKind.FACE_MARK for event in ledger.all(catalog))


async def test_a_grant_is_recorded_for_what_was_ticked_alone(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f3")
        await settle(pilot)
        room = app.screen
        assert isinstance(room, ConsentRoom)
        room.table.go_to(next(key for key, (who, _) in room._people.items() if who.name == PEOPLE[1]))
        await pilot.press("Y")
        await settle(pilot)
        form = app.screen
        assert isinstance(form, Form)
        assert not any(box.value for box in form.query(Checkbox)), "nothing is granted by default"
        form.query_one("#field-train-composite", Checkbox).value = True
        form.query_one("#field-by", Input).value = "Chan"
        form.query_one("#field-until", Input).value = "next year"
        await pilot.press("ctrl+s")
        assert app.screen is form, "a date that is none is told in place"
        form.query_one("#field-until", Input).value = "2099-01-01"
        await pilot.press("ctrl+s")
        await settle(pilot)
        assert "train-composite: granted" in str(room.query_one("#record", Static).content)
    with open_catalog(sample, readonly=True) as catalog:
        newest = ledger.events_of(catalog, subjects.get(catalog, PEOPLE[1]).uid)[-1]
        assert (newest.kind, newest.purposes) == (EventKind.GRANT, (Purpose.TRAIN_COMPOSITE,))
        assert newest.valid_until == datetime(2099, 1, 1, tzinfo=UTC)


async def test_a_withdrawal_shows_its_reach_and_does_nothing_without_a_yes(
    app: KyodakuApp, settle: Settle, sample: Path
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f3")
        await settle(pilot)
        room = app.screen
        assert isinstance(room, ConsentRoom)
        assert room.subject is not None
        assert room.subject.name == PEOPLE[0]
        for answer, events in (("n", 1), ("y", 2)):
            await pilot.press("x")
            await settle(pilot)
            app.screen.query_one("#field-by", Input).value = "Chan"
            await pilot.press("ctrl+s")
            await settle(pilot)
            assert isinstance(app.screen, Confirm)
            await pilot.press(answer)
            await settle(pilot)
            with open_catalog(sample, readonly=True) as catalog:
                told = [e for e in ledger.events_of(catalog, room.subject.uid) if e.kind is not EventKind.AGE]
                assert len(told) == events
        assert isinstance(app.screen, Reading), "what was done is told"
        await pilot.press("escape")
        await settle(pilot)
        assert "withdrawn" in str(room.query_one("#record", Static).content)


async def test_jobs_are_listed_with_their_log(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    with open_catalog(sample) as catalog:
        job = jobs.add(catalog, "train", {"cohort": "friends"}, datetime(2026, 1, 1, tzinfo=UTC))
        jobs.log_path(catalog, job.id).write_bytes(b"step 1\rstep 2\nloss 0.1 \x1b[31mred\n" + b"more\n" * 90)
        jobs.ended(catalog, job.id, JobState.FAILED, datetime(2026, 1, 2, tzinfo=UTC), note="the disk is full")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f7")
        await settle(pilot)
        room = app.screen
        assert isinstance(room, JobsRoom)
        told = str(room.query_one("#log Static", Static).content)
        assert "step 2" in told
        assert "step 1" not in told, "a line written over is shown as it ended"
        assert "\\x1b[31mred" in told
        log = room.query_one("#log")
        assert log.scroll_offset.y == log.max_scroll_y > 0, "what it wrote last is in view"
        assert "the disk is full" in str(room.query_one("#asked Static", Static).content)
        await pilot.press("x")
        assert room.status.message == f"job {job.id} is failed"


def test_a_bar_is_as_long_as_its_progress() -> None:
    assert bar(0.0) == "░" * 12 + "   0%"
    assert bar(0.5) == "█" * 6 + "░" * 6 + "  50%"
    assert bar(1.0) == "█" * 12 + " 100%"
    assert {len(bar(n / 997)) for n in range(998)} == {17}


async def test_a_catalog_that_can_not_be_opened_ends_the_app_with_the_reason(app: KyodakuApp) -> None:
    with open_catalog(app.desk.folder) as catalog:
        catalog.connection.execute("DROP TABLE unfinished")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
    assert isinstance(app.failure, sqlite3.OperationalError)
