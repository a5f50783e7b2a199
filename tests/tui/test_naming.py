"""Saying whose faces they are, on the line at the bottom of People: each step is done to a real catalog."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from core.completion import completions
from storage import decisions, faces, ledger, subjects
from storage.catalog import open_catalog
from tests.tui.conftest import PEOPLE, Settle
from tests.tui.terminal_driver import Terminal
from tui.app import KyodakuApp
from tui.screens import people
from tui.screens.people import PeopleRoom

SIZE = (120, 40)
UNNAMED = (5, None)
"""The one entry of the sample that has no name."""


async def entered(pilot: Pilot[None], settle: Settle) -> PeopleRoom:
    await pilot.press("f2")
    await settle(pilot)
    assert isinstance(pilot.app.screen, PeopleRoom)
    return pilot.app.screen


async def answer(pilot: Pilot[None], key: str, name: str) -> None:
    """Ask by `key` and answer by a name of any script: the pilot has no keys for letters that combine."""
    await pilot.press(key)
    pilot.app.screen.query_one("#answer", Input).value = name
    await pilot.press("enter")


def whose(folder: Path, cluster: int) -> set[str | None]:
    """Whose the faces of a cluster are."""
    with open_catalog(folder, readonly=True) as catalog:
        names = {person.id: person.name for person in subjects.list_all(catalog)}
        found = [face for face in faces.of_cluster(catalog, cluster) if face.mark is None]
    return {names.get(face.subject_id or 0) for face in found}


def test_a_name_is_completed_by_the_beginning_of_any_word() -> None:
    names = ["Ana Ruiz", "Anan Vong", "Noy Vongsa", "ສົມສັກ ພົມມາ"]
    assert completions("an", names) == ["Ana Ruiz", "Anan Vong"]
    assert completions("VONG", names) == ["Anan Vong", "Noy Vongsa"]
    assert completions("ພົມ", names) == ["ສົມສັກ ພົມມາ"]
    assert completions("ong", names) == []
    assert completions("", names) == names


async def test_naming_a_cluster_makes_a_person_who_has_granted_nothing(
    app: KyodakuApp, settle: Settle, sample: Path
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        await pilot.press("w")
        await settle(pilot)
        assert room.groups.count == 1
        await pilot.press("n", *PEOPLE[4], "enter")
        assert room.status.message == "Ana Ruiz, a new person: 13 faces   u undoes"
        assert app.screen is room, "no dialog"
        assert room.focused is room.groups
        assert room.keys.display
        await pilot.press("ctrl+r")
        await settle(pilot)
        assert room.groups.count == 0
        await pilot.press("u")
        await settle(pilot)
        assert room.groups.count == 1
        await pilot.press("U")
        await settle(pilot)
        assert whose(sample, 5) == {PEOPLE[4]}
    with open_catalog(sample, readonly=True) as catalog:
        person = subjects.get(catalog, PEOPLE[4])
        assert len(faces.of_subject(catalog, person.id)) > 10
        assert not ledger.events_of(catalog, person.uid)


async def test_what_can_not_be_is_said_and_the_line_stays_to_be_put_right(
    app: KyodakuApp, settle: Settle, sample: Path
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        room.groups.go_to(UNNAMED)
        await pilot.press("m", *"Noi", "enter")
        assert room.status.message == "nobody is called 'Noi'; n gives a new name"
        assert room.status.has_class("-error")
        line = room.query_one("#answer", Input)
        assert (room.focused, line.value) == (line, "Noi")
        assert not room.keys.display
        await pilot.press("backspace", "tab")
        assert line.value == PEOPLE[0], "a name on record is completed"
        await pilot.press("escape")
        assert room.focused is room.groups
        assert whose(sample, 5) == {None}
        await pilot.press("m", *"No", "tab", "enter")
        assert room.status.message == "Noy Vongsa: 26 faces   u undoes"
    assert whose(sample, 5) == {PEOPLE[0]}


async def test_tab_goes_through_the_names_and_back(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        await pilot.press("m")
        line = room.query_one("#answer", Input)
        seen = []
        for key in ("tab", "tab", "shift+tab", "shift+tab"):
            await pilot.press(key)
            seen.append(line.value)
        names = sorted(PEOPLE[1:4])  # but for the entry's own
        assert seen == [names[0], names[1], names[0], names[2]]


async def test_keys_of_one_packet_name_one_entry_after_the_other(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    """Letters, Enter, what follows: nothing waits for a frame, and nothing goes to the wrong line."""
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        room.groups.go_to((1, 1))
        await pilot.press("n", "ctrl+u", *"One", "enter", "full_stop", "n", "ctrl+u", *"Two", "enter")
        await settle(pilot)
    assert [len(whose(sample, number)) for number in range(1, 6)] == [1] * 5
    with open_catalog(sample, readonly=True) as catalog:
        told = [one.told for one in reversed(decisions.newest(catalog))]
    assert [name.rsplit(" is ")[1] for name in told] == ["One", "One", "Two"]
    assert len({name.rsplit(" is ")[0] for name in told}) == 3, "the cursor went on after each"


def test_a_name_of_any_script_is_typed_with_its_enter_in_one_packet(sample: Path) -> None:
    with Terminal(sample) as terminal:
        terminal.wait_for("60 photographs")
        terminal.type("\x1bOQ")  # F2
        terminal.wait_for("5 entries")
        terminal.type("]nສົມຈິດ ใจดี\rgnAnn\x15One\r")
        terminal.wait_for("One, a new person")
        terminal.type("Q")
        assert terminal.wait_end() == 0
    assert whose(sample, 5) == {"ສົມຈິດ ใจดี"}
    with open_catalog(sample, readonly=True) as catalog:
        told = [one.told.rsplit(" is ")[1] for one in decisions.newest(catalog)]
    assert told == ["One", "ສົມຈິດ ใจดี"]


async def test_two_entries_that_are_one_person_become_one(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        room.groups.go_to((2, 2))
        await answer(pilot, "m", PEOPLE[2])
        assert "what is on record about age differs" in room.status.message, "a rule of people.merge"
        await pilot.press("escape")
        with open_catalog(sample) as catalog:
            other = subjects.add(catalog, "Somsak", by="Chan")
            faces.assign(catalog, [face.id for face in faces.of_cluster(catalog, 5)], other.id, by_person=True)
        await pilot.press("ctrl+r")
        await settle(pilot)
        room.groups.go_to((5, other.id))
        await answer(pilot, "m", PEOPLE[1])
        assert room.status.message == f"{PEOPLE[1]}: 26 faces   u undoes"
        assert room.listed[5, other.id].subject == PEOPLE[1], "the row says so at once"
        await pilot.press("u")
        await settle(pilot)
        assert whose(sample, 5) == {"Somsak"}


async def test_faces_change_hands_one_key_each(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        room.groups.go_to((1, 1))
        await pilot.press("a")
        assert room.status.message == "choose a face first: Enter goes to the entry's faces"
        await settle(pilot)
        number = room.faces.count
        await pilot.press("enter")
        first, second = room.faces.key_of(0), room.faces.key_of(1)
        await pilot.press("s")
        assert room.status.message == f"{PEOPLE[0]}: {number - 1} faces   u undoes"
        assert room.faces.key == second, "the next face is under the cursor"
        await pilot.press("a", *"nobody", "enter")
        assert "there is no subject 'nobody'" in room.status.message
        assert room.face is not None
        assert room.face.id == second, "it is still the one asked about"
        await pilot.press("escape")
        await answer(pilot, "a", PEOPLE[1])
        await pilot.press("full_stop")
        assert room.faces.count == number - 3
        assert room.listed[1, 1].faces == number - 3
    with open_catalog(sample, readonly=True) as catalog:
        now = [faces.get(catalog, one).subject_id for one in (first, second)]
        assert now == [None, subjects.get(catalog, PEOPLE[1]).id]


async def test_of_very_many_faces_the_first_are_listed_and_how_many_there_are_is_said(
    app: KyodakuApp, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "MOST_FACES", 5)
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        assert room.faces.count == 5
        told = str(room.query_one("#looks", Static).content)
        assert told == "the first 5 of 13 faces; o shows all photographs"


async def test_a_list_that_is_asked_about_waits_with_what_changed_elsewhere(
    app: KyodakuApp, settle: Settle, sample: Path
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        room.groups.go_to(UNNAMED)
        await pilot.press("n", *"Ann")
        with open_catalog(sample) as catalog:
            other = subjects.add(catalog, "Somsak", by="Chan")
            faces.assign(catalog, [face.id for face in faces.of_cluster(catalog, 1)], other.id, by_person=True)
        await room.changed()
        assert room.listed[1, 1].subject == PEOPLE[0]
        await pilot.press("enter")
        await room.changed()
        assert (room.listed[1, other.id].subject, whose(sample, 5)) == ("Somsak", {"Ann"})


async def test_after_a_correction_the_list_is_put_in_order_and_not_counted_again(
    app: KyodakuApp, settle: Settle, sample: Path
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        await pilot.press("w")
        await settle(pilot)
        await pilot.press("n", *"Ann", "enter")
        as_left = room.entries
        await room.changed()
        assert room.entries is as_left, "what the correction did not move is as it was read first"
        assert room.groups.count == 0
        await pilot.press("u")
        await settle(pilot)
        as_left = room.entries
        await room.changed()
        assert (room.entries is as_left, room.groups.count) == (True, 1)
        with open_catalog(sample) as catalog:
            subjects.add(catalog, "Somsak", by="Chan")
        await room.changed()
        assert "Somsak" in room.names


async def test_the_next_entry_without_a_name_is_found(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=SIZE) as pilot:
        room = await entered(pilot, settle)
        await pilot.press("g", "right_square_bracket")
        assert room.groups.key == UNNAMED
        await pilot.press("right_square_bracket")
        assert room.status.message == "every entry below has a name"
