"""The captions of a cohort: seen, counted, changed many at once and by hand, undone, and safe to look at."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from core import jobs as work
from core.captioning import change
from storage import captions, proposals
from storage import catalog as catalogs
from storage import jobs as table_of_jobs
from storage.catalog import open_catalog
from storage.records import Purpose
from tests import small_archive
from tests.tiny_tagger import write_wd14
from tests.tui.conftest import Settle
from tui.app import KyodakuApp
from tui.screens.captions import CaptionsRoom
from tui.screens.cohorts import CohortsRoom
from tui.screens.dialogs import Form
from tui.terminal import Preview
from tui.widgets.picture import Picture

PLAIN = "photo of {trigger} person"
SIZE = (140, 40)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalog with a frozen cohort of two people with three pictures each."""
    with catalogs.create(tmp_path / "catalog") as catalog:
        archive = small_archive.build(catalog, tmp_path / "archive", people=2, pictures=3)
        archive.freeze("friends")
    return tmp_path / "catalog"


@pytest.fixture
def app(folder: Path, unhurried: None) -> KyodakuApp:  # noqa: ARG001
    return KyodakuApp(folder, Preview("halfblock", "a test"))


def said(folder: Path) -> list[str]:
    """What the pictures are called, as the catalog has it, in the order of the room."""
    with open_catalog(folder, readonly=True) as catalog:
        called = sorted(change.listing(catalog, "friends"), key=lambda one: one.key[::-1])
        return [one.caption for one in called]


async def entered(pilot: Pilot[None], settle: Settle) -> CaptionsRoom:
    await pilot.press("f4")
    await settle(pilot)
    await pilot.press("t")
    await settle(pilot)
    assert isinstance(pilot.app.screen, CaptionsRoom)
    return pilot.app.screen


async def typed(pilot: Pilot[None], settle: Settle, key: str, text: str) -> None:
    """Press a key that asks, and answer."""
    await pilot.press(key)
    await settle(pilot)
    assert isinstance(pilot.app.screen, Form)
    pilot.app.screen.query(Input).first().value = text
    await pilot.press("enter")
    await settle(pilot)


async def test_pictures_are_shown_with_what_they_are_called(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        assert room.table.count == 6
        assert [room.table.cells(row)[2] for row in range(6)] == [(PLAIN, "dim")] * 6
        assert room.status.place == "catalog: friends: 6 pictures, 0 with a caption of their own"
        assert room.reason.reason == f"{PLAIN}   (the recipe's template)"
        drawn = room.query_one("#picture", Picture)._image.image
        assert len(drawn.getcolors(100_000)) > 50, "the picture as it is cut is drawn"
        assert [room.tags.cells(row) for row in range(room.tags.count)] == [("6", PLAIN)]
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, CohortsRoom)


async def test_tags_are_added_to_one_to_many_to_marked_and_to_all(
    app: KyodakuApp, settle: Settle, folder: Path
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        await typed(pilot, settle, "t", "hat")
        assert room.status.message == "with 'hat': 1 picture, 1 changed   u undoes"
        assert room.table.cursor == 1
        await pilot.press("2", "full_stop")
        await settle(pilot)
        assert (said(folder)[:4], room.table.cursor) == ([f"{PLAIN}, hat"] * 3 + [PLAIN], 3)
        room.tags.go_to("hat")
        await pilot.press("h", "semicolon")
        assert room.reason.open == "next goes to 3 marked"
        await typed(pilot, settle, "T", "hat")
        assert said(folder) == [PLAIN] * 6
        await pilot.press("percent_sign")
        await typed(pilot, settle, "p", "wedding")
        assert said(folder) == [f"wedding, {PLAIN}"] * 6
        assert [room.tags.cells(row)[0] for row in range(room.tags.count)] == ["6", "6"]
        await pilot.press("u")
        await settle(pilot)
        assert said(folder) == [PLAIN] * 6
        assert room.table.cells(5)[2] == (PLAIN, "dim")
        await pilot.press("u")
        await settle(pilot)
        assert said(folder)[:4] == [f"{PLAIN}, hat"] * 3 + [PLAIN]
        await pilot.press("escape", "c")
        await settle(pilot)
        assert room.hand.marks == {}


async def test_one_is_written_by_hand_and_what_is_wrong_is_said_in_its_place(
    app: KyodakuApp, settle: Settle, folder: Path
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        await pilot.press("e")
        await settle(pilot)
        form = app.screen
        assert isinstance(form, Form)
        box = form.query(Input).first()
        assert box.value == PLAIN
        for text, wrong in (
            ("a person", "must hold {trigger}"),
            ("{trigger}, schoolgirl", "names a minor"),
            ("{trigger}, nude", "names sexual content"),
            ("", "nothing is said"),
        ):
            box.value = text
            await pilot.press("enter")
            await settle(pilot)
            assert app.screen is form
            assert wrong in str(form.query_one(".error", Static).content)
        box.value = "{trigger}, {framing}"
        await pilot.press("enter")
        await settle(pilot)
        assert said(folder) == ["{trigger}, close-up", *[PLAIN] * 5]
        assert room.table.cells(0)[2] == "{trigger}, close-up"
        room.table.move_to(0)
        assert room.reason.reason == "{trigger}, {framing}"
        await pilot.press("r")
        await settle(pilot)
        old, new = app.screen.query(Input)
        old.value, new.value = "{framing}", "hat"
        await pilot.press("ctrl+s")
        await settle(pilot)
        assert said(folder)[0] == "{trigger}, hat"
        room.table.move_to(0)
        await pilot.press("c")
        await settle(pilot)
        assert said(folder) == [PLAIN] * 6


async def test_what_taggers_proposed_is_added_when_a_person_says_so(
    app: KyodakuApp, settle: Settle, folder: Path
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        await typed(pilot, settle, "i", "0.35")
        form = app.screen
        assert isinstance(form, Form)
        assert "no tagger has looked at these pictures" in str(form.query_one(".error", Static).content)
        await pilot.press("escape")
        with open_catalog(folder) as catalog:
            proposals.put(catalog, "a tagger", {key: {"sea": 0.9, "sand": 0.5, "hat": 0.2} for key in room.ids[:2]})
        await pilot.press("percent_sign", "i")
        await settle(pilot)
        threshold, most, without = app.screen.query(Input)
        threshold.value = "much"
        await pilot.press("enter")
        await settle(pilot)
        assert "a number from 0 to 1" in str(app.screen.query_one(".error", Static).content)
        threshold.value, most.value, without.value = "0.1", "2", "sand, rain"
        await pilot.press("enter")
        await settle(pilot)
        assert said(folder) == [f"{PLAIN}, sea, hat"] * 2 + [PLAIN] * 4
        await pilot.press("u")
        await settle(pilot)
        assert said(folder) == [PLAIN] * 6


async def test_a_tagger_looks_as_a_job(app: KyodakuApp, settle: Settle, folder: Path, tmp_path: Path) -> None:
    tagger = write_wd14(tmp_path / "tagger")
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        await typed(pilot, settle, "I", str(tmp_path / "nowhere"))
        assert "there is no" in str(app.screen.query_one(".error", Static).content)
        app.screen.query(Input).first().value = str(tagger)
        await pilot.press("enter")
        await settle(pilot)
        with open_catalog(folder) as catalog:
            (job,) = table_of_jobs.newest(catalog)
            looked = work.result_of(work.follow(catalog, job.id, every=0.01))
            assert looked["pictures"] == len(room.ids)
            assert proposals.of_pictures(catalog, room.ids).keys() == set(room.ids)
            again = work.result_of(work.follow(catalog, work.submit(catalog, "propose", job.args).id, every=0.01))
            assert (again["pictures"], again["before"]) == (0, len(room.ids))
        assert said(folder) == [PLAIN] * 6, "nothing is said of anybody until a person takes it"


async def test_what_others_write_is_shown_and_can_drive_no_terminal(
    app: KyodakuApp, settle: Settle, folder: Path
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        with open_catalog(folder) as catalog:
            captions.put(catalog, {room.ids[0]: "{trigger}\x1b]52;c;aGk=\x07\u202e"})
        await room.changed()
        await settle(pilot)
        lines = [room.table.render_line(y).text for y in range(4)]
        assert any("\\x1b]52;c;aGk=\\x07" in line for line in lines)
        assert not any("\x1b" in line or "\u202e" in line for line in lines)
        assert "\x1b" not in room.reason.reason


async def test_nothing_is_shown_without_consent(app: KyodakuApp, settle: Settle, folder: Path) -> None:
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        with open_catalog(folder) as catalog:
            archive = small_archive.SmallArchive(catalog, folder, [small_archive.subjects.get(catalog, 1)])
            archive.withdraw(archive.people[0], Purpose.TRAIN_COMPOSITE)
        room.begin(room.changed)
        await settle(pilot)
        assert room.table.count == 0
        assert "Person 0: withdrew train-composite" in room.status.message
        await pilot.press("t")
        assert "there is no picture" in room.status.message
