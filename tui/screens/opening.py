"""What stands there at once, with the rooms' names, while the rooms are being loaded."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from tui.widgets.lines import RoomsLine, StatusLine


class Opening(Screen[None]):
    """The lines around a room, and nothing in it yet."""

    DEFAULT_CSS = """
    Opening { background: $background; layout: vertical; }
    Opening #room { height: 1fr; }
    """

    def __init__(self, place: str) -> None:
        super().__init__()
        self._status = StatusLine()
        self._status.show(place=place)

    def compose(self) -> ComposeResult:
        yield RoomsLine("archive")
        yield Static("", id="room")
        yield self._status
