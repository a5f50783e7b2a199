"""One key a decision, on a real catalog: what is recorded, where the cursor goes, what blocks, and undo."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input

from core import consent_actions
from storage import companions, decisions, ledger, photos, subjects
from storage.catalog import open_catalog
from storage.records import EventKind, Purpose, Rights, Status
from tests.tui.conftest import PEOPLE, Settle
from tui.app import KyodakuApp
from tui.screens.archive import ArchiveRoom
from tui.screens.consent import ConsentRoom
from tui.screens.dialogs import Confirm, Form

SIZE = (140, 40)


def room(app: KyodakuApp) -> ArchiveRoom:
    """The archive, on screen."""
    assert isinstance(app.screen, ArchiveRoom)
    return app.screen


def rights(folder: Path) -> dict[Rights, int]:
    """How many photographs are whose."""
    with open_catalog(folder, readonly=True) as catalog:
        found = [photos.get(catalog, one).rights for one in photos.ids(catalog)]
    return {one: found.count(one) for one in set(found)}


async def test_one_key_decides_and_goes_on_and_undo_comes_back(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        first = room(app).table.ids[0]
        await pilot.press("l")
        await settle(pilot)
        assert isinstance(app.screen, Form), "who says whose they are goes into the ledger"
        await pilot.press(*"Chan", "enter")
        await settle(pilot)
        await pilot.press("l")
        assert room(app).table.cursor == 2
        assert room(app).status.message == "licensed: 1 photograph   u undoes"
        await pilot.press("u", "u")
        assert (room(app).table.cursor, room(app).table.photo_id) == (0, first)
        assert room(app).status.message == "undone: 1 photograph: licensed"
        await pilot.press("u")
        assert "nothing to undo" in room(app).status.message
        await pilot.press("U", "U")
        await pilot.press("a", "z", "z")
        assert room(app).table.cursor == 1, "the cursor stays when told to"
        assert room(app).status.message == "unknown: 1 photograph, 0 changed"
    with open_catalog(sample, readonly=True) as catalog:
        assert photos.get(catalog, first).rights is Rights.LICENSED
        assert {event.by for event in ledger.all(catalog) if event.kind is EventKind.RIGHTS} == {"Chan"}
        assert [one.told for one in decisions.newest(catalog, 2)] == [
            "1 photograph: unknown",
            "1 photograph: licensed",
        ]


async def test_counts_ranges_marks_and_the_whole_result(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    before = rights(sample)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        app.pen = "Chan"
        await pilot.press("1", "2", "l")
        assert room(app).table.cursor == 12
        await pilot.press("v", "2", "j")
        assert room(app).reason.open == "range of 3"
        await pilot.press("full_stop")
        assert (room(app).table.cursor, rights(sample)[Rights.LICENSED]) == (15, 15)
        await pilot.press("space", "j", "space")
        assert room(app).reason.open == "2 marked"
        await pilot.press("semicolon")
        assert room(app).reason.open == "next goes to 2 marked"
        await pilot.press("escape")
        assert room(app).reason.open == "2 marked"
        await pilot.press("semicolon", "l")
        assert (room(app).table.cursor, rights(sample)[Rights.LICENSED]) == (18, 17)
        await pilot.press("escape", "percent_sign")
        assert room(app).reason.open == "next goes to all 60"
        await pilot.press("m")
        assert rights(sample) == {Rights.MINE: 60}
        await pilot.press(*"uuuu")
        await settle(pilot)
    assert rights(sample) == before


async def test_a_keyword_is_asked_once_and_then_one_key(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await pilot.press("t", *"sea", "enter")
        await pilot.app.workers.wait_for_complete()  # that of the closed dialog too, which records the keyword
        await settle(pilot)
        await pilot.press("full_stop", "3", "full_stop")
        await settle(pilot)
        ids = list(room(app).table.ids[:6])
    with open_catalog(sample, readonly=True) as catalog:
        assert [len(one) for one in companions.tags_of(catalog, ids).values()] == [1, 1, 1, 1, 1, 0]


async def test_what_blocks_is_told_before_and_when_tried(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        archive = room(app)
        unnamed = next(place for place in range(60) if (row := archive.table.row(place)) and row.unnamed)
        archive.table.move_to(unnamed)
        await settle(pilot)
        assert archive.reason.reason.startswith("blocked: 1 face unnamed")
        app.pen = "Chan"
        await pilot.press("y")
        assert archive.status.message.startswith("blocked: 1 face unnamed")
        assert archive.table.cursor == unnamed
    with open_catalog(sample, readonly=True) as catalog:
        assert decisions.last(catalog) is None


async def test_the_people_of_a_photograph_allow_and_refuse(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        archive = room(app)
        place = next(place for place in range(60) if (row := archive.table.row(place)) and row.subjects == (PEOPLE[1],))
        archive.table.move_to(place)
        await pilot.press("y")
        await settle(pilot)
        assert isinstance(app.screen, Form), "who records it is asked once"
        app.screen.query_one("#field-by", Input).value = "Chan"
        await pilot.press("enter")
        await settle(pilot)
        assert archive.table.cursor == place + 1
        archive.table.move_to(place)
        await pilot.press("y")
        assert "allow train-composite already" in archive.status.message
        archive.table.move_to(place)
        await pilot.press("2", "n")
        await settle(pilot)
        assert isinstance(app.screen, Confirm | ArchiveRoom)
        await pilot.press("escape")
    with open_catalog(sample, readonly=True) as catalog:
        [event] = [
            event
            for event in ledger.events_of(catalog, subjects.get(catalog, PEOPLE[1]).uid)
            if event.kind is EventKind.GRANT and event.by == "Chan" and Purpose.TRAIN_COMPOSITE in event.purposes
        ]
        assert event.purposes == (Purpose.TRAIN_COMPOSITE,), "no other purpose is granted with it"


async def test_consent_is_one_key_a_person(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("f3")
        await settle(pilot)
        consent = app.screen
        assert isinstance(consent, ConsentRoom)
        app.pen = "Chan"
        who = [consent._people[key][0].name for key in consent.table._keys]
        await pilot.press("p", "right", "left", "n", "n")
        await settle(pilot)
        assert consent.purpose is Purpose.RELEASE
        assert consent.table.cursor == 2
        await pilot.press("u")
        await settle(pilot)
    with open_catalog(sample, readonly=True) as catalog:
        told = [consent_actions.show(catalog, name).status[Purpose.RELEASE] for name in who[:2]]
        assert told[0] is Status.REFUSED
        assert told[1] is not Status.REFUSED


async def test_keys_are_recorded_and_played_and_stay(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        app.pen = "Chan"
        await pilot.press("q", "a")
        assert "recording @a" in room(app).reason.open
        await pilot.press("l", "j", "q")
        assert room(app).status.message == "@a plays 2 keys"
        await pilot.press("3", "at", "a")
        await settle(pilot)
        assert room(app).table.cursor == 8
        await pilot.press("at", "at")
        await settle(pilot)
        assert (room(app).table.cursor, rights(sample)[Rights.LICENSED]) == (10, 5)
        await pilot.press("at", "b")
        await settle(pilot)
        assert "nothing was recorded as @b" in room(app).status.message
    again = KyodakuApp(sample, app.preview)
    async with again.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await pilot.press("at", "a")
        await settle(pilot)
        assert rights(sample)[Rights.LICENSED] == 5, "the first is licensed already"


async def test_a_register_that_plays_itself_ends(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await pilot.press("q", "a", "at", "a", "q")
        await settle(pilot)
        await pilot.press("at", "a")
        await settle(pilot)
        assert not app.registers.playing
        assert room(app).status.message == "@a plays itself"


async def test_a_register_stops_at_what_is_refused(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        app.pen = "Chan"
        await pilot.press("q", "a", "u", "l", "q")
        await settle(pilot)
        await pilot.press("u")
        before = rights(sample)
        await pilot.press("9", "at", "a")
        await settle(pilot)
        await settle(pilot)
        assert rights(sample) == before, "u had nothing to undo: nothing after it is played"
