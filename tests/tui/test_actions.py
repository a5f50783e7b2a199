"""The registry of actions: complete, without contradictions, and in step with the rooms."""

from __future__ import annotations

import pytest

from tui import actions
from tui.app import KyodakuApp
from tui.screens.room import Room
from tui.widgets.row_table import RowTable

EVERY = (*actions.ROOMS, *actions.INNER)


@pytest.mark.parametrize("info", EVERY, ids=lambda info: info.name)
def test_a_room_can_do_all_that_the_registry_says(info: actions.RoomInfo) -> None:
    room = KyodakuApp.MODES[info.name]()
    assert isinstance(room, Room)
    assert info.name == room.ROOM
    for action in actions.of_room(info.name):
        assert callable(getattr(room, f"do_{action.name}")), action.name


@pytest.mark.parametrize("info", EVERY, ids=lambda info: info.name)
def test_no_key_means_two_things_in_a_room(info: actions.RoomInfo) -> None:
    keys = [key for action in actions.of_room(info.name) for key in action.keys]
    keys += [room.key for room in actions.ROOMS]
    assert len(keys) == len(set(keys))


def test_no_key_of_a_room_is_one_that_moves_in_a_table() -> None:
    moving = {key for binding in RowTable.BINDINGS for key in binding.key.split(",")}  # type: ignore[union-attr]
    assert not moving & {key for action in actions.REGISTRY for key in action.keys}


def test_help_is_written_in_sentences() -> None:
    for action in actions.REGISTRY:
        assert action.help[0].isupper()
        assert action.help.endswith(".")


def test_every_room_has_its_number() -> None:
    assert [info.key for info in actions.ROOMS] == ["1", "2", "3", "4", "5", "6", "7"]
