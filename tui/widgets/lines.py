"""The one-line widgets around a room: rooms above, catalog and message below, keys at the bottom."""

from __future__ import annotations

from collections.abc import Callable

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from storage.safe_text import display
from tui import actions

HEAD = " 許諾 Kyodaku  "
ALWAYS = "help"  # the action whose key is shown however narrow the line is


class RoomsLine(Widget):
    """The rooms with their number keys; the one that is shown stands out. A click goes there."""

    DEFAULT_CSS = """
    RoomsLine {
        height: 1; background: $panel; color: $text-muted;
        link-color: $text-muted; link-style: none; link-background-hover: $primary; link-color-hover: $background;
    }
    """

    def __init__(self, current: str) -> None:
        super().__init__()
        self._current = current

    def render(self) -> Text:
        labels = room_labels(self._current, self.size.width)
        line = Text(no_wrap=True, overflow="crop")
        if cell_len(HEAD) + sum(map(cell_len, labels)) <= self.size.width:
            line.append(HEAD, style="bold")
        for info, label in zip(actions.ROOMS, labels, strict=True):
            here = info.name in (self._current, actions.info_of(self._current).within)
            line.append(label, style=Style(reverse=here, bold=here, meta={"@click": f"screen.go('{info.name}')"}))
        return line


def room_labels(current: str, width: int) -> list[str]:
    """The rooms' keys and titles. Where they don't fit, titles are cut to one length, but for the current room's."""
    labels: list[str] = []
    here = (current, actions.info_of(current).within)
    for letters in range(max(len(info.title) for info in actions.ROOMS), -1, -1):
        titles = [info.title if info.name in here else info.title[:letters] for info in actions.ROOMS]
        keys = [actions.room_key(info, current) for info in actions.ROOMS]
        labels = [f" {key} {title}".rstrip() + " " for key, title in zip(keys, titles, strict=True)]
        if sum(map(cell_len, labels)) <= width:
            break
    return labels


class KeyLine(Widget):
    """What can be done here, by key; dimmed and struck where it can't be done now. Help is there at any width."""

    DEFAULT_CSS = "KeyLine { height: 1; background: $panel; color: $foreground; }"

    def __init__(self, room: str, why_not: Callable[[str], str | None]) -> None:
        super().__init__()
        self._room = room
        self._why_not = why_not
        self._off: frozenset[str] = frozenset()

    def look_again(self) -> None:
        """Draw again, if something can be done now that could not, or the other way round."""
        off = self._disabled()
        if off != self._off:
            self._off = off
            self.refresh()

    def _disabled(self) -> frozenset[str]:
        return frozenset(a.name for a in actions.of_room(self._room) if self._why_not(a.name) is not None)

    def render(self) -> Text:
        self._off = self._disabled()
        line = Text(" ", no_wrap=True, overflow="crop")
        shown = [action for action in actions.of_room(self._room) if action.footer]
        left = self.size.width - 2 - sum(_cells(action) for action in shown if action.name == ALWAYS)
        for action in shown:
            if action.name != ALWAYS:
                left -= _cells(action)
                if left < 0:
                    continue  # nor does any behind it find room: the order is the registry's
            key = actions.shown_key(action)
            off = action.name in self._off
            line.append(f"{key} ", style="dim" if off else "bold")
            line.append(action.title, style="dim strike" if off else "")
            line.append("  ")
        return line


def _cells(action: actions.Action) -> int:
    """What an action's key and title take on the line, with what parts them from the next."""
    return cell_len(actions.shown_key(action)) + cell_len(action.title) + 3


class StatusLine(Widget):
    """Where one is (catalog, counts), what was just said, and the job that runs."""

    DEFAULT_CSS = """
    StatusLine { height: 1; background: $surface; color: $text-muted; }
    StatusLine.-error { color: $error; text-style: bold; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.place = ""
        self.message = ""
        self.job = ""

    def show(self, *, place: str | None = None, message: str | None = None, job: str | None = None) -> None:
        """Change any of the three parts; draws only if something did change."""
        new = (
            self.place if place is None else display(place),
            self.message if message is None else display(message),
            self.job if job is None else display(job),
        )
        if new != (self.place, self.message, self.job):
            self.place, self.message, self.job = new
            self.refresh()

    def render(self) -> Text:
        width = self.size.width
        right = f" {self.job} " if self.job else ""
        left = f" {self.message or self.place}"
        room = width - cell_len(right)
        text = Text(left, no_wrap=True, overflow="ellipsis")
        text.truncate(max(0, room), overflow="ellipsis", pad=True)
        text.append(right, style="reverse" if right else "")
        return text


class ReasonLine(Widget):
    """Why the row under the cursor may be used or not; on the right, what is open for the next key."""

    DEFAULT_CSS = "ReasonLine { height: 1; background: $panel; color: $foreground; }"

    def __init__(self) -> None:
        super().__init__()
        self.reason = ""
        self.open = ""

    def show(self, reason: str, open_: str) -> None:
        """Change either part; draws only if something did change."""
        new = (display(reason), display(open_))
        if new != (self.reason, self.open):
            self.reason, self.open = new
            self.refresh()

    def render(self) -> Text:
        right = f" {self.open} " if self.open else ""
        text = Text(f" {self.reason}", no_wrap=True, overflow="ellipsis")
        text.truncate(max(0, self.size.width - cell_len(right)), overflow="ellipsis", pad=True)
        text.append(right, style="reverse" if right else "")
        return text
