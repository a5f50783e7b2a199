"""Consent: who is to be asked anew, and how one leaves what was narrowed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from textual.widgets import Input

from core import consent_actions, withdrawal
from storage import faces, subjects
from storage.catalog import open_catalog
from storage.records import Event, EventKind, Purpose, Status
from tests.tui.conftest import PEOPLE, Settle
from tui.app import KyodakuApp
from tui.consent_record import event_line
from tui.screens.archive import ArchiveRoom
from tui.screens.consent import ConsentRoom
from tui.screens.dialogs import Confirm
from tui.screens.people import PeopleRoom


def names(room: ConsentRoom) -> list[str]:
    """Who is shown, in their order."""
    return [str(room.table.cells(row)[0]) for row in range(room.table.count)]


async def test_those_to_be_asked_anew_are_shown_the_most_urgent_first(
    app: KyodakuApp, settle: Settle, sample: Path
) -> None:
    now = datetime.now(UTC)
    with open_catalog(sample) as catalog:
        for name, days in ((PEOPLE[0], 20), (PEOPLE[3], 5)):
            consent_actions.grant(catalog, [name], [Purpose.PUBLISH], by="Chan", valid_until=now + timedelta(days=days))
        consent_actions.grant(
            catalog,
            [PEOPLE[1]],
            [Purpose.CATALOGUE],
            by="Chan",
            valid_until=now - timedelta(days=3),
            at=now - timedelta(days=9),
        )
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f3", "d")
        await settle(pilot)
        room = app.screen
        assert isinstance(room, ConsentRoom)
        assert names(room) == [PEOPLE[1], PEOPLE[3], PEOPLE[0]]
        assert [room.table.cells(row)[1] for row in range(3)] == [
            ("ended", "warn"),
            *(f"{(now + timedelta(days=days)).astimezone():%Y-%m-%d}" for days in (5, 20)),
        ]
        assert "ends within 90 days" in room.status.place
        await pilot.press("escape")
        await settle(pilot)
        assert app.screen is room
        assert len(names(room)) == 4


async def test_escape_leaves_the_search_and_not_the_room(app: KyodakuApp, settle: Settle) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f3", "slash", *"ana", "enter")
        await settle(pilot)
        room = app.screen
        assert isinstance(room, ConsentRoom)
        await pilot.press("escape")
        await settle(pilot)
        assert (app.screen, room.query_one("#search", Input).value) == (room, "")
        await pilot.press("escape")
        await settle(pilot)
        assert app.screen is not room


def test_an_event_without_a_purpose_names_none() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    age = Event(0, at, EventKind.AGE, "0" * 32, (), by="Chan")
    assert f"{EventKind.AGE}, by Chan" in event_line(age)
    grant = Event(0, at, EventKind.GRANT, "0" * 32, (Purpose.PRINT, Purpose.PUBLISH))
    assert event_line(grant).endswith("grant print, publish")


async def test_a_name_of_any_letters_is_asked_for_as_it_is(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    """From Consent, and from an entry of People."""
    name = 'Ann "Nan" Lee'
    with open_catalog(sample) as catalog:
        person = subjects.get(catalog, PEOPLE[0])
        subjects.edit(catalog, replace(person, name=name), by="Chan")
        photographs = len(faces.photos_of_subject(catalog, person.id))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f3", "slash", *"nan", "enter", "o")
        await settle(pilot)
        assert isinstance(app.screen, ArchiveRoom)
        assert (app.screen.text, app.screen.table.count) == ('subject:"Ann \\"Nan\\" Lee"', photographs)
        await pilot.press("f2")
        await settle(pilot)
        people = app.screen
        assert isinstance(people, PeopleRoom)
        people.groups.go_to(next(key for key, group in people.listed.items() if group.subject == name))
        await pilot.press("o")
        await settle(pilot)
        assert isinstance(app.screen, ArchiveRoom)
        assert app.screen.table.count == photographs


async def test_one_key_gives_no_withdrawn_consent_back(app: KyodakuApp, settle: Settle, sample: Path) -> None:
    with open_catalog(sample) as catalog:
        withdrawal.withdraw(catalog, PEOPLE[0], [Purpose.PRINT], by="Chan", remake=False)

    def status() -> Status:
        with open_catalog(sample, readonly=True) as catalog:
            return consent_actions.show(catalog, PEOPLE[0]).status[Purpose.PRINT]

    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("u")
        await settle(pilot)
        assert isinstance(app.screen, Confirm)
        await pilot.press("n")
        await settle(pilot)
        assert status() is Status.WITHDRAWN
        await pilot.press("u")
        await settle(pilot)
        await pilot.press("y")
        await settle(pilot)
        assert status() is Status.GRANTED
        await pilot.press("U")
        await settle(pilot)
        assert status() is Status.WITHDRAWN, "taking back is never asked about"
