"""The lines around a room at every width: the room one is in is named, and help can be found."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult

from tui import actions
from tui.widgets.lines import KeyLine, room_labels

ROOMS = [info.name for info in actions.ROOMS]


@pytest.mark.parametrize("room", ROOMS)
def test_all_rooms_fit_from_forty_columns_on(room: str) -> None:
    own = next(info for info in actions.ROOMS if info.name == room)
    for width in range(40, 121):
        labels = room_labels(room, width)
        assert sum(map(cell_len, labels)) <= width
        assert any(label.endswith(f" {own.title} ") for label in labels), "where one is stands there whole"
    assert [label.split(maxsplit=1)[1] for label in room_labels(room, 80)] == [f"{one.title} " for one in actions.ROOMS]


class Keys(App[None]):
    """A line of keys and nothing else."""

    def __init__(self, room: str) -> None:
        super().__init__()
        self.line = KeyLine(room, lambda _: None)

    def compose(self) -> ComposeResult:
        yield self.line


@pytest.mark.parametrize("room", ROOMS)
async def test_help_is_there_however_narrow_the_line_and_no_key_is_cut(room: str) -> None:
    app = Keys(room)
    async with app.run_test(size=(120, 24)) as pilot:
        for width in (20, 60, 80, 120):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            shown = app.line.render().plain
            assert "? help" in shown
            assert cell_len(shown.rstrip()) <= width
            assert all(part in TITLES for part in shown.split("  ") if part.strip()), shown


TITLES = {f"{actions.shown_key(one)} {one.title}".strip() for one in actions.REGISTRY}
TITLES |= {f" {title}" for title in TITLES}
