"""The archive's room, driven by keys."""

from __future__ import annotations

import asyncio
from array import array
from pathlib import Path

from textual.app import App
from textual.widgets import Input, Static

from core import query
from core.completion import Offer
from storage import faces, photos
from storage.catalog import open_catalog
from storage.records import Purpose
from tests.tui.conftest import Settle
from tui.app import KyodakuApp
from tui.reasons import reason
from tui.screens.archive import ArchiveRoom
from tui.screens.dialogs import Reading
from tui.screens.narrowing import Narrowing
from tui.screens.people import PeopleRoom
from tui.widgets.search_line import menu


def room(app: KyodakuApp) -> ArchiveRoom:
    """The archive, on screen."""
    assert isinstance(app.screen, ArchiveRoom)
    return app.screen


async def test_it_opens_on_the_newest_photographs(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        table = room(app).table
        assert table.count == 60
        row = table.row(0)
        assert row is not None
        assert row.photo.path.endswith(b".jpg")
        times = [found.photo.taken_at for place in range(60) if (found := table.row(place)) and found.photo.taken_at]
        assert times == sorted(times, reverse=True)


async def test_a_search_narrows_as_it_is_typed_and_escape_takes_it_back(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        await pilot.press("slash", *"camera:nikon")
        await settle(pilot)
        assert room(app).table.count == 20
        await pilot.press("escape")
        await settle(pilot)
        assert (room(app).table.count, room(app).query_one("#search", Input).value) == (60, "")
        await pilot.press("slash", *"camera:nikon", "enter")
        await settle(pilot)
        assert room(app).table.has_focus
        await pilot.press("escape")
        await settle(pilot)
        assert room(app).table.count == 60


async def test_rows_and_the_reason_of_the_first_are_shown_at_once(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        table, line = room(app).table, room(app).reason
        rows = [row for place in range(60) if (row := table.row(place)) and reason(row, table.purpose) != line.reason]
        table.show_ids(array("q", [rows[0].photo.id]), rows[:1])
        assert line.reason == reason(rows[0], table.purpose)


async def test_a_search_that_can_not_be_understood_is_told_in_place(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        await pilot.press("slash", *"colour:red")
        await settle(pilot)
        wrong = room(app).query_one("#wrong", Static)
        assert wrong.display
        assert "colour" in str(wrong.content)
        await pilot.press("enter")
        assert room(app).query_one("#search", Input).has_focus, "a search that is none can't be kept"


async def test_details_say_why_each_status_is_what_it_is(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        room(app).search_for("path:IMG_0008")
        await settle(pilot)
        told = str(room(app).query_one("#facts Static", Static).content)
        assert "FUJIFILM" in told or "NIKON" in told.upper() or "SONY" in told
        assert "May it be used?" in told
        assert "1 face" in told


async def test_what_can_not_be_done_is_said(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        await pilot.press("f")
        assert room(app).status.message == "no face has been found in this photograph"
        await pilot.press("question_mark")
        assert isinstance(app.screen, Reading)
        await pilot.press("escape")


async def test_the_purpose_shown_goes_round(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        seen = []
        for _ in Purpose:
            await pilot.press("p")
            seen.append(room(app).table.purpose)
        assert set(seen) == set(Purpose)


async def test_sorting_keeps_the_photographs(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        before = set(room(app).table.ids)
        for _ in range(3):
            await pilot.press("s")
            await settle(pilot)
            assert set(room(app).table.ids) == before


async def test_a_change_by_another_process_is_shown(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        await app.look()
        await settle(pilot)
        chosen = room(app).table.photo_id
        assert chosen is not None
        with open_catalog(sample) as catalog:
            photos.set_errors(catalog, {chosen: "it was eaten"})
        await app.look()
        await settle(pilot)
        row = room(app).table.row(room(app).table.cursor)
        assert row is not None
        assert row.photo.error == "it was eaten"


async def test_it_fits_eighty_columns_and_survives_resizing(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert room(app).table.size.width == 80
        await pilot.resize_terminal(150, 50)
        await settle(pilot)
        assert room(app).table.size.width < 100
        await pilot.resize_terminal(30, 8)
        await settle(pilot)
        await pilot.press("end", "home", "j")


async def test_a_search_is_narrowed_by_what_its_result_is_counted_by(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        await pilot.press("slash", *"taken:2019 or taken:2020", "enter")
        await settle(pilot)
        total = room(app).table.count
        await pilot.press("b", "right", "right")
        await settle(pilot)
        assert isinstance(app.screen, Narrowing)
        assert str(app.screen.query_one(".title", Static).content) == f"{total} photographs by camera"
        by_camera = {str(app.screen.table.cells(row)[0]): app.screen.table.cells(row)[1] for row in range(3)}
        await pilot.press("j", "enter")
        await settle(pilot)
        second = list(by_camera)[1]
        assert room(app).text == f'(taken:2019 or taken:2020) camera:="{second}"'
        assert str(room(app).table.count) == by_camera[second]
        await pilot.press("b")
        await settle(pilot)
        assert isinstance(app.screen, Narrowing)
        assert "by camera" in str(app.screen.query_one(".title", Static).content), "it opens where it was left"
        await pilot.press("left", "x")
        await settle(pilot)
        assert " -month:" in room(app).text
        await pilot.press("b", "escape")
        assert isinstance(app.screen, ArchiveRoom)


async def test_tab_goes_through_what_a_search_may_go_on_with(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        await pilot.press("slash", *"came", "tab")
        await settle(pilot)
        box, offered = room(app).query_one("#search", Input), room(app).query_one("#offered", Static)
        assert (box.value, offered.display) == ("camera:", True)
        assert not room(app).query_one("#wrong").display, "a term that is not whole yet is no mistake"
        await pilot.press("tab")
        await settle(pilot)
        assert (box.value, room(app).table.count) == ('camera:"FUJIFILM X-T4"', 20)
        assert str(offered.content).startswith("1 of 5")
        await pilot.press("tab", "tab", "shift+tab")
        await settle(pilot)
        assert box.value == 'camera:"Nikon Z 6"'
        await pilot.press("space")
        await settle(pilot)
        assert not offered.display, "what is typed is no completion"
        await pilot.press(*"taken:x", "tab")
        await settle(pilot)
        assert str(offered.content) == "nothing goes on so"
        await pilot.press("enter")
        await settle(pilot)
        assert box.has_focus
        assert room(app).query_one("#wrong").display
        await pilot.press("escape")
        await settle(pilot)
        assert (room(app).table.has_focus, room(app).table.count, offered.display) == (True, 60, False)


def test_the_menu_keeps_what_is_chosen_in_view() -> None:
    offer = Offer(0, 1, [f"word{number:02}" for number in range(40)])
    for place in range(40):
        line = menu(offer, place, 60)
        assert f"word{place:02}" in line.plain
        assert line.cell_len <= 60


async def test_enter_behind_a_turn_waits_for_what_it_counts() -> None:
    gate = asyncio.Event()

    async def counted(facet: str) -> tuple[int, list[query.Facet]]:
        if facet == "month":
            await gate.wait()
        return 3, [query.Facet(2019 if facet == "year" else 7, 3)]

    answers: list[tuple[str, str] | None] = []
    asked: App[None] = App()
    async with asked.run_test() as pilot:
        dialog = Narrowing("", "year", counted)
        await asked.push_screen(dialog, answers.append)
        await pilot.pause()
        dialog.action_turn(1)
        narrowing = asyncio.create_task(dialog.action_narrow(False))
        await pilot.pause()
        assert not answers
        gate.set()
        await narrowing
        await pilot.pause()
        assert answers == [("month:7", "month")]


async def test_f_goes_to_the_entry_of_the_face_in_a_room_that_was_not_shown_before(
    app: KyodakuApp, settle: Settle, sample: Path
) -> None:
    with open_catalog(sample, readonly=True) as catalog:
        face = faces.page(catalog, "f.mark IS NULL AND f.subject_id IS NOT NULL")[-1]
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        room(app).search_for(f"id:{face.photo_id}")
        await settle(pilot)
        await pilot.press("f")
        await settle(pilot)
        assert isinstance(app.screen, PeopleRoom)
        assert app.screen.groups.cursor > 0
        group = app.screen.group
        assert group is not None
        assert (group.cluster, group.subject_id) == (face.cluster, face.subject_id)
