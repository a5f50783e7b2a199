"""What every room shares: the lines around it, asking for actions, saying what went wrong in a sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.message import Message
from textual.reactive import Reactive
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input
from textual.worker import Worker

from core import jobs
from core.errors import KyodakuError
from storage.catalog import Catalog
from storage.safe_text import display
from tui import actions
from tui.desk import Desk
from tui.host import Host
from tui.screens.dialogs import Confirm, Field, Form, Reading
from tui.widgets.lines import KeyLine, RoomsLine, StatusLine
from tui.widgets.signs import SIGNS

if TYPE_CHECKING:
    from core.decisions.undo import Undone
    from core.withdrawal import Settled

T = TypeVar("T")

REST_S = 0.15  # a cursor that has not moved for so long is looked from


class Room(Screen[None]):
    """A screen with number, keys and help out of the registry. Subclasses compose `body`."""

    ROOM: ClassVar[str] = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 # declared so by Textual
    DEFAULT_CSS = """
    Room { background: $background; layout: vertical; }
    Room .pane { background: $background; padding: 0 1; }
    Room .split { height: 1fr; }
    Room VerticalScroll { scrollbar-size-vertical: 1; scrollbar-background: $panel; }
    Room.-wide .split { layout: horizontal; }
    Room.-narrow .split { layout: vertical; }
    Room.-wide .list { width: 3fr; height: 1fr; }
    Room.-wide .pane { width: 2fr; height: 1fr; }
    Room.-narrow .list { width: 1fr; height: 3fr; }
    Room.-narrow .pane { width: 1fr; height: 2fr; }
    """

    # The two widgets draw themselves; Textual's own declaration draws the whole screen anew as well.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    class Entered(Message):
        """The room is on screen now."""

        def __init__(self, room: Room) -> None:
            super().__init__()
            self.room = room

    def __init__(self) -> None:
        super().__init__()
        self.until: datetime | None = None  # from when on time alone may have changed what is shown of people
        self.status = StatusLine()
        self.keys = KeyLine(self.ROOM, self.why_not)
        self._rest: Timer | None = None

    @property
    def kyodaku(self) -> Host:
        """The app, by its own type."""
        return cast(Host, self.app)

    @property
    def desk(self) -> Desk:
        """Where the catalog is read and written."""
        return self.kyodaku.desk

    def compose(self) -> ComposeResult:
        yield RoomsLine(self.ROOM)
        yield from self.body()
        yield self.status
        yield from self.bottom()

    def bottom(self) -> ComposeResult:
        """The bottom line."""
        yield self.keys

    def body(self) -> ComposeResult:
        """What stands between the lines."""
        raise NotImplementedError

    async def load(self) -> None:
        """Read from the catalog what the room shows; called on entering and when the catalog changed."""
        raise NotImplementedError

    async def ticked(self) -> None:
        """A second has passed while the room is on screen."""

    async def changed(self) -> None:
        """The catalog has changed while the room was shown or away: bring what it shows up to date."""
        await self.load()

    def why_not(self, name: str) -> str | None:  # noqa: ARG002
        """Why action `name` can't be done now, in a sentence; None if it can."""
        return None

    def show_open(self) -> None:
        """What is open for the next key is another: show it, in rooms that have a line for it."""

    def rested(self) -> None:
        """The cursor has stood still for `REST_S`: show what is costly to show."""

    def rest(self) -> None:
        """The cursor has stood still: dim the keys that can't be pressed here, and show the rest."""
        self.keys.look_again()
        self.rested()

    def moved(self) -> None:
        """The cursor stands elsewhere: `rest` waits anew. Keys are dimmed then: a held key draws rows alone."""
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(REST_S, self.rest)

    def place(self, text: str) -> None:
        """Say where one is: the catalog's name and `text`; shown while there is no message."""
        self.status.show(place=f"{self.desk.folder.name}: {text}")

    def say(self, message: str, *, error: bool = False) -> None:
        """Put a sentence on the status line; an error ends what a register plays."""
        if error:
            self.kyodaku.registers.stop()
        self.status.set_class(error, "-error")
        self.status.show(message=message)

    def begin(self, work: Callable[[], Awaitable[None]], *, group: str = "work", alone: bool = True) -> None:
        """Do `work` beside the keyboard; what goes wrong is said in a sentence.

        With `alone`, work of the same `group` that is still going is given up.
        """

        async def careful() -> None:
            await self._careful(work)

        _: Worker[None] = self.run_worker(careful, group=group, exclusive=alone)

    async def _careful(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except KyodakuError as error:
            self.say(str(error), error=True)
        except sqlite3.Error as error:
            if self.app.is_running:
                self.say(f"the catalog can't be read just now: {error}", error=True)
        except OSError as error:
            self.say(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), error=True)

    def ask(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work`, which opens a dialog: keys typed before that is on screen wait for it."""
        self.kyodaku.hold_keys()
        self.begin(partial(self._asking, work), group="dialog")

    async def _asking(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        finally:
            self.kyodaku.release_keys()

    async def ask_pen(self) -> bool:
        """Ask who records what is decided, where that was not said yet; False where it is left unsaid."""
        if not self.kyodaku.pen:
            answers = await self.app.push_screen_wait(
                Form(
                    "Who records what is decided?",
                    [Field("by", "Recorded by", help="your name: it goes into the ledger with each decision")],
                    about="Asked once; it is then one key a decision.",
                    check=lambda answers: None if answers["by"] else "say who records it",
                )
            )
            self.kyodaku.pen = "" if answers is None else answers["by"]
        return bool(self.kyodaku.pen)

    def reload(self) -> None:
        """Read the room's content again."""
        self.begin(self.load, group="load")

    def on_screen_resume(self) -> None:
        self.post_message(self.Entered(self))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While text is typed, letters are letters."""
        if action in ("do", "go", "digit") and isinstance(self.focused, Input):
            return parameters[0] in actions.WHILE_TYPING
        return super().check_action(action, parameters)

    async def action_go(self, room: str) -> None:
        await self.kyodaku.go(room)

    async def action_do(self, name: str) -> None:
        """Do the action, or say why it can't be done."""
        why = self.why_not(name)
        if why is not None:
            self.say(why, error=True)
            return
        if name != "leave":
            self.say("")
        done = cast("Callable[[], object]", getattr(self, f"do_{name}"))()
        if isawaitable(done):
            await done

    async def action_digit(self, digit: int) -> None:
        """A digit of a count was typed."""
        self.do_digit(digit)

    def do_digit(self, digit: int) -> None:
        """Take a digit of a count, in rooms that count."""

    async def do_undo(self) -> None:
        from core.decisions import undo as undoing  # the first frame waits for no rule

        await self._careful(partial(self._turn, undoing.undo, "undone"))

    async def do_redo(self) -> None:
        from core.decisions import undo as undoing

        await self._careful(partial(self._turn, undoing.redo, "done again"))

    async def _turn(self, act: Callable[..., Undone], word: str) -> None:
        """Undo or redo; what would take models out of use for good, or give consent back, is shown first."""
        done = await self.decide(partial(act, sure=False))
        if not done.done:
            self.ask(partial(self._ask_turn, act, word, done))
            return
        self.say(f"{word}: {done.told}")
        await self.turned(done)

    async def _ask_turn(self, act: Callable[..., Undone], word: str, foreseen: Undone) -> None:
        lines = foreseen.settled.lines()
        if lines:
            lines += ["", "These models do not come back by themselves."]
        if foreseen.gives_back:
            lines.append("What was withdrawn would be allowed again. Do so only on the word of the person.")
        if await self.app.push_screen_wait(Confirm(f"{foreseen.told}: {word}?", lines, yes="do it")):
            done = await self.decide(partial(act, sure=True))
            await self.tell_settled(done.settled)
            self.say(f"{word}: {done.told}")
            await self.turned(done)

    async def decide(self, work: Callable[[Catalog], T]) -> T:
        """Do `work`, which makes or turns a decision: rooms that keep what decisions change may follow it."""
        return await self.desk.write(work)

    async def turned(self, done: Undone) -> None:  # noqa: ARG002 # rooms with a cursor ask of it
        """A decision was undone or done again: show it."""
        await self.changed()

    async def tell_settled(self, settled: Settled) -> None:
        """Say which models are out of use now, if any, and have a job remake what can be: that loads torch."""
        lines = settled.lines()
        if settled.waiting:
            job = await self.desk.write(lambda catalog: jobs.submit(catalog, "remake", {}))
            lines += ["", f"Job {job.id} makes them again without the person; Jobs shows it."]
        if lines:
            await self.app.push_screen_wait(Reading(Text("\n".join(display(line) for line in lines))))

    async def do_record(self) -> None:
        await self._careful(self.kyodaku.record)

    def do_play(self) -> None:
        self.kyodaku.ask_register("play", self.take_count())

    def take_count(self) -> int:
        """The count that was typed, which is used up; 1 where none was, or in rooms that don't count."""
        return 1

    def do_help(self) -> None:
        self.app.push_screen(Reading(self._help()))

    def do_palette(self) -> None:
        self.app.action_command_palette()

    def do_refresh(self) -> None:
        self.reload()

    def do_theme(self) -> None:
        self.kyodaku.next_theme()

    def do_back(self) -> None:
        self.kyodaku.back()

    def do_leave(self) -> None:
        self.app.exit()

    def _help(self) -> Group:
        info = actions.info_of(self.ROOM)
        keys = _columns()
        for action in actions.of_room(self.ROOM):
            why = self.why_not(action.name)
            keys.add_row(" ".join(map(_key_text, action.keys)), Text(action.help, style="dim" if why else ""))
            if why:
                keys.add_row("", Text(f"not now: {why}", style="italic"))
        moves, signs = _columns(), _columns()
        for pressed, what in actions.MOVES:
            moves.add_row(pressed, what)
        for status, sign in SIGNS.items():
            signs.add_row(sign, str(status))
        title = Text().append(f"{info.key} {info.title}".strip(), style="bold").append(f": {info.about}\n")
        told = Text(f"\n{self.kyodaku.preview.told}")
        return Group(title, keys, Text("\nMoving", style="bold"), moves, Text("\nStatuses", style="bold"), signs, told)


def _columns() -> Table:
    """What is pressed or seen, and what it means, which wraps within its column."""
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold", min_width=8)
    table.add_column(ratio=1)
    return table


def _key_text(key: str) -> str:
    return actions.SHOWN_KEYS.get(key, key.replace("ctrl+", "^"))
