"""The terminal app: rooms, themes and the catalog's changes put together."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections import deque
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import Hit, Hits, Provider
from textual.message import Message
from textual.screen import Screen

from core.errors import KyodakuError
from core.progress import Report
from storage import jobs
from storage.catalog import Catalog, open_catalog
from storage.records import Face, JobState
from tui import actions, registers, terminal
from tui.config import Config
from tui.desk import Desk
from tui.screens.dialogs import Field, Form
from tui.screens.opening import Opening
from tui.screens.room import Room
from tui.themes import THEMES

if TYPE_CHECKING:
    from tui.screens.archive import ArchiveRoom
    from tui.screens.captions import CaptionsRoom
    from tui.screens.people import PeopleRoom

TICK_S = 1.0  # how often the catalog is asked whether another process changed it


class Commands(Provider):
    """The palette: every action of the room one is in, and the rooms themselves."""

    async def discover(self) -> Hits:
        for hit in self._all(None):
            yield hit

    async def search(self, query: str) -> Hits:
        for hit in self._all(query):
            yield hit

    def _all(self, query: str | None) -> list[Hit]:
        room = self.screen
        if not isinstance(room, Room):
            return []
        matcher = self.matcher(query or "")
        hits: list[Hit] = []

        def add(title: str, does: Callable[[], Any], about: str) -> None:
            score = 1.0 if query is None else matcher.match(title)
            if score > 0:
                hits.append(Hit(score, title if query is None else matcher.highlight(title), does, title, about))

        for action in actions.of_room(room.ROOM):
            if action.name == "palette":
                continue
            why = room.why_not(action.name)
            about = action.help if why is None else f"not now: {why}"
            add(f"{action.title}  ({actions.shown_key(action)})", self._asker(room, action.name), about)
        for info in actions.ROOMS:
            add(f"go to {info.title}  ({actions.room_key(info, room.ROOM)})", self._goer(room, info.name), info.about)
        return hits

    @staticmethod
    def _asker(room: Room, name: str) -> Callable[[], Any]:
        return lambda: room.run_worker(room.action_do(name))

    @staticmethod
    def _goer(room: Room, name: str) -> Callable[[], Any]:
        return lambda: room.run_worker(room.kyodaku.go(name))


def _room(module: str, name: str) -> Callable[[], Screen[Any]]:
    """A room whose module is loaded when the room is first shown: the first frame waits for none of them."""
    return lambda: cast("Screen[Any]", getattr(import_module(module), name)())


class KyodakuApp(App[None]):
    """One catalog in a terminal."""

    class KeyPassed(Message):
        """A key that a widget was handed has passed through it and all above it."""

    TITLE = "Kyodaku"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS = {Commands}  # noqa: RUF012
    MODES = {  # noqa: RUF012
        "archive": _room("tui.screens.archive", "ArchiveRoom"),
        "people": _room("tui.screens.people", "PeopleRoom"),
        "consent": _room("tui.screens.consent", "ConsentRoom"),
        "cohorts": _room("tui.screens.cohorts", "CohortsRoom"),
        "captions": _room("tui.screens.captions", "CaptionsRoom"),
        "training": _room("tui.screens.training", "TrainingRoom"),
        "models": _room("tui.screens.models", "ModelsRoom"),
        "jobs": _room("tui.screens.jobs", "JobsRoom"),
    }
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q,ctrl+c", "quit", show=False, priority=True)]

    def __init__(self, folder: Path, preview: terminal.Preview | None = None, settings: Config | None = None) -> None:
        super().__init__()
        self._settings = settings or Config()
        self.desk = Desk(folder)
        self.preview = preview or terminal.Preview("halfblock", "not asked")
        self._version: int | None = None
        self._seen: dict[str, int | None] = {}  # the version of the catalog that each room shows
        self._entered: set[str] = set()
        self._settling = False
        self._job = ""  # the job that runs, for the status line
        self._before: list[str] = []
        self._typed: deque[events.Key] = deque()
        self._held = False
        self._passing = False  # a key is on its way through widgets
        self.registers = registers.Registers()
        self.pen = self._settings.by  # who records decisions, once that was said
        self.advances = True  # whether the cursor goes on after a decision
        self.animation_level = "none"
        self.failure: Exception | None = None  # why it could not be opened

    def get_default_screen(self) -> Screen[Any]:
        return Opening(f"{self.desk.folder.name}: opening")

    def on_mount(self) -> None:
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = self._settings.theme
        self.hold_keys()
        self.call_after_refresh(self.run_worker, self._open())

    async def _open(self) -> None:
        """Finish what a crash left over, then show the archive; keys typed meanwhile are for it."""
        try:
            await self.desk.write(_finish_left_over)
        except (KyodakuError, sqlite3.Error, OSError) as error:  # told by the shell's line, as for any command
            self.failure = error
            self.exit()
            return
        await asyncio.to_thread(import_module, "tui.screens.archive")
        await self.switch_mode("archive")
        self.set_interval(TICK_S, self.look)
        self.release_keys()

    def on_unmount(self) -> None:
        self.desk.close()

    async def on_event(self, event: events.Event) -> None:
        """Handle an event; keys wait while a dialog is being opened, so that it gets them, and for a register's."""
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
            return
        if event.key == "escape" and self.registers.stop():
            return
        self._typed.append(event)
        await self._handle_keys()

    async def _press(self, key: events.Key) -> None:
        """Act on a key. The next waits until what a widget was handed has passed through it and all above it.

        Else keys that come in one packet would all go to the widget that had the keyboard when the first came.
        """
        widget = self.focused or self.screen
        await super().on_event(key)
        if key.is_forwarded:
            self._passing = widget.post_message(self.KeyPassed())  # goes the key's way, behind it

    async def on_kyodaku_app_key_passed(self) -> None:
        self._passing = False
        await self._handle_keys()

    async def _handle_keys(self) -> None:
        """Keys of a register that is played come first, each in a turn of its own, so that Esc can stop it."""
        while not self._held and not self._passing:
            played = self.registers.next()
            if played is not None:
                if self.registers.asked is not None:
                    await self._name_register(played)
                else:
                    await self._press(played)
                self.call_later(self._handle_keys)
                return
            if not self._typed:
                return
            key = self._typed.popleft()
            self.registers.hear(key)
            if self.registers.asked is not None:
                await self._name_register(key)
            else:
                await self._press(key)

    def hold_keys(self) -> None:
        """Keep what is typed until `release_keys`."""
        self._held = True

    def release_keys(self) -> None:
        """Handle what was typed meanwhile, in its order."""
        self._held = self._passing = False
        self.call_later(self._handle_keys)

    def ask_register(self, what: str, times: int = 1) -> None:
        """The next key names the register to "record" or to "play"."""
        self.registers.asked, self.registers.times = what, times
        self._room_says(f"{what} which register? a letter")

    async def record(self) -> None:
        """Begin to record keys, or end it."""
        if self.registers.recording is None:
            self.ask_register("record")
            return
        name, keys = self.registers.end()
        await self.desk.write(partial(registers.keep, name, keys))
        self._room_says(f"@{name} plays {len(keys):,} keys" if keys else f"@{name} is empty now")
        self._show_open()

    async def _name_register(self, key: events.Key) -> None:
        what, self.registers.asked = self.registers.asked, None
        name = self.registers.last if key.key == "at" and what == "play" else key.character
        if name is None or not (key.key == "at" or registers.is_name(key)):
            self._room_says("a register is a letter or a digit", error=key.key != "escape")
            return
        if what == "record":
            self.registers.begin(name)
            self._room_says(f"recording @{name}; q ends it")
            self._show_open()
            return
        keys = await self.desk.read(partial(registers.read, name))
        why = self.registers.play(name, keys, self.registers.times) if keys else f"nothing was recorded as @{name}"
        if why is not None:
            self._room_says(why, error=True)

    def _room_says(self, message: str, *, error: bool = False) -> None:
        if isinstance(self.screen, Room):
            self.screen.say(message, error=error)

    def _show_open(self) -> None:
        if isinstance(self.screen, Room):
            self.screen.show_open()

    async def ask_pen(self) -> bool:
        """Ask who records what is decided, where that was not said yet; False where it is left unsaid."""
        if not self.pen:
            answers = await self.push_screen_wait(
                Form(
                    "Who records what is decided?",
                    [Field("by", "Recorded by", help="your name: it goes into the ledger with each decision")],
                    about="Asked once; it is then one key a decision.",
                    check=lambda answers: None if answers["by"] else "say who records it",
                )
            )
            self.pen = "" if answers is None else answers["by"]
        return bool(self.pen)

    async def go(self, room: str) -> None:
        """Show a room; `back` returns."""
        if room != self.current_mode:
            self._before.append(self.current_mode)
            await self.switch_mode(room)

    def back(self) -> None:
        """Show the room one came from."""
        if self._before:
            self.switch_mode(self._before.pop())

    def room(self, name: str) -> Room:
        """The room of that name, once it has been shown."""
        stack = self._screen_stacks[name]
        assert isinstance(stack[0], Room)
        return stack[0]

    async def show_photos(self, query: str) -> None:
        """Show the photographs that a search finds, in the archive."""
        await self.go("archive")
        cast("ArchiveRoom", self.room("archive")).search_for(query)

    async def show_person(self, face: Face) -> None:
        """Show the entry of People that a face belongs to."""
        await self.go("people")
        people = cast("PeopleRoom", self.room("people"))
        people.begin(partial(people.show_face, face), group="load")

    async def show_captions(self, cohort: str) -> None:
        """Show what a cohort's pictures are called."""
        await self.go("captions")
        captions = cast("CaptionsRoom", self.room("captions"))
        captions.begin(partial(captions.show_cohort, cohort), group="load")

    def settle_statuses(self) -> None:
        """Bring the statuses that searches read up to the clock, in the background."""
        if isinstance(self.screen, Room) and not self._settling:
            self._settling = True
            self.screen.begin(self._settle, group="settle", alone=False)

    async def _settle(self) -> None:
        try:
            settled = await self.desk.tidy(partial(_refresh_statuses, self.desk.go_on))
        finally:
            self._settling = False
        if settled and isinstance(self.screen, Room):
            self.screen.begin(self.screen.changed, group="load")

    def entered(self, room: Room) -> None:
        """A room is on screen: it reads the catalog if that has changed since it last did."""
        if self._passing:  # with a dialog that was left, what was on its way through it
            self._passing = False
            self.call_later(self._handle_keys)
        seen, self._seen[room.ROOM] = self._seen.get(room.ROOM), self._version
        room.status.show(job=self._job)
        if room.ROOM not in self._entered:
            self._entered.add(room.ROOM)
            room.begin(partial(self._load_first, room), group="load")
        elif seen != self._version:
            room.begin(room.changed, group="load")

    async def _load_first(self, room: Room) -> None:
        """Read a room for the first time; what is changed from here on is seen at the next look."""
        if self._version is None:
            self._version = await self.desk.version()
        self._seen[room.ROOM] = self._version
        await room.load()

    def next_theme(self) -> None:
        """The next of dark, light and high contrast."""
        names = [theme.name for theme in THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)]

    async def look(self) -> None:
        """Has anyone (a job, the command line, this app) changed the catalog? Then read it again."""
        version = await self.desk.version()
        changed, self._version = self._version != version, version
        if changed:
            self._job = await self.desk.read(job_line)
        room = self.screen
        if isinstance(room, Room):
            if changed:
                self.entered(room)
            await room.ticked()


def _finish_left_over(catalog: Catalog) -> None:
    from core import left_over  # in the thread that writes, behind the first frame

    left_over.finish(catalog)


def _refresh_statuses(report: Report, catalog: Catalog) -> int:
    from core import statuses  # loads numpy

    return statuses.refresh(catalog, report=report)


def job_line(catalog: Catalog) -> str:
    """The newest job that runs, in a few words; empty when none does."""
    running = [job for job in jobs.newest(catalog, limit=20) if job.state is JobState.RUNNING]
    return f"job {running[0].id} {running[0].kind} {running[0].progress:.0%}" if running else ""


def run(catalog_folder: Path, settings: Config | None = None) -> int:
    """Open the app on the catalog in `catalog_folder`; the exit status. Raises what `open_catalog` raises."""
    # Started under nohup the hang-up is ignored, and the app would read a line that has ended for ever.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with open_catalog(catalog_folder):  # migrates an older one, and says at once what is wrong with it
        pass
    app = KyodakuApp(catalog_folder, terminal.ask(), settings)
    try:
        app.run()
    except KyodakuError:
        app.desk.close()
        raise
    if app.failure is not None:
        raise app.failure
    return app.return_code or 0
