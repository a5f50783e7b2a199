"""The terminal app: rooms, themes and the catalog's changes put together."""

from __future__ import annotations

import asyncio
import gc
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.binding import Binding, BindingType
from textual.command import Hit, Hits, Provider
from textual.screen import Screen

from core.errors import KyodakuError
from core.progress import Report
from storage import jobs
from storage.catalog import Catalog, open_catalog
from storage.records import Face, JobState
from tui import actions, terminal
from tui.config import Config
from tui.host import Host
from tui.screens.dialogs import Dialog
from tui.screens.opening import Opening
from tui.screens.room import Room
from tui.themes import THEMES

if TYPE_CHECKING:
    from tui.screens.archive import ArchiveRoom
    from tui.screens.captions import CaptionsRoom
    from tui.screens.people import PeopleRoom

FIRST_LOAD_S = 1.0  # keys wait no longer for a room that is shown for the first time
TOLD_S = 8.0  # what is told without being asked for
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


class KyodakuApp(Host):
    """One catalog in a terminal."""

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
        self._settings = settings or Config()
        super().__init__(folder, preview or terminal.Preview("halfblock", "not asked"), self._settings.by)
        self._version: int | None = None
        self._seen: dict[str, int | None] = {}  # the version of the catalog that each room shows
        self._entered: set[str] = set()
        self._settling = False
        self._waited_for = ""  # the room of which the first load holds keys back
        self._job = ""  # the job that runs, for the status line
        self._due: datetime | None = None  # when time alone may change photographs' statuses
        self._before: list[str] = []
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
        if self.preview.fell_back:
            self.says(self.preview.told)
            self.set_timer(TOLD_S, self._told)
        self.release_keys()

    def _told(self) -> None:
        """How pictures are drawn was told long enough; the help says it again."""
        if isinstance(self.screen, Room) and self.screen.status.message == self.preview.told:
            self.screen.say("")

    def on_unmount(self) -> None:
        gc.unfreeze()
        self.desk.close()

    def says(self, message: str, *, error: bool = False) -> None:
        if isinstance(self.screen, Room):
            self.screen.say(message, error=error)

    def show_open(self) -> None:
        if isinstance(self.screen, Room):
            self.screen.show_open()

    @on(Dialog.KeysWanted)
    def _keys_wanted(self) -> None:
        self.release_keys()

    async def go(self, room: str) -> None:
        if room != self.current_mode:
            self._before.append(self.current_mode)
            if room not in self._entered:  # what is typed behind it is for what the room will show
                self._waited_for = room
                self.hold_keys()
                self.set_timer(FIRST_LOAD_S, partial(self._is_there, room))
            await self.switch_mode(room)

    def back(self) -> None:
        if self._before:
            self.switch_mode(self._before.pop())

    def room(self, name: str) -> Room:
        """The room of that name, once it has been shown."""
        stack = self._screen_stacks[name]
        assert isinstance(stack[0], Room)
        return stack[0]

    async def show_photos(self, query: str) -> None:
        await self.go("archive")
        cast("ArchiveRoom", self.room("archive")).search_for(query)

    async def show_person(self, face: Face) -> None:
        await self.go("people")
        people = cast("PeopleRoom", self.room("people"))
        self._read(people, partial(people.show_face, face))

    async def show_captions(self, cohort: str) -> None:
        await self.go("captions")
        captions = cast("CaptionsRoom", self.room("captions"))
        self._read(captions, partial(captions.show_cohort, cohort))

    def settle_statuses(self) -> None:
        if isinstance(self.screen, Room) and not self._settling:
            self._settling = True
            self.screen.begin(self._settle, group="settle", alone=False)

    async def _settle(self) -> None:
        try:
            settled = await self.desk.tidy(partial(_refresh_statuses, self.desk.go_on))
        finally:
            self._settling = False
        self._due = await self.desk.read(_next_due)
        if settled and isinstance(self.screen, Room):
            self.screen.begin(self.screen.changed, group="load")

    @on(Room.Entered)
    def _room_entered(self, message: Room.Entered) -> None:
        self.pass_keys()  # with a dialog that was left, what was on its way through it
        self.entered(message.room)

    def entered(self, room: Room) -> None:
        """A room is on screen: it reads the catalog if that has changed since it last did."""
        room.status.show(job=self._job)
        if room.ROOM not in self._entered:
            self._read(room, room.load)
        elif self._seen.get(room.ROOM) != self._version or _is_past(room.until):
            room.until = None  # once: the room says anew until when
            self._read(room, room.changed)

    def _read(self, room: Room, load: Callable[[], Awaitable[None]]) -> None:
        """Have a room read by `load` what it shows; that it is on screen then needs no other reading."""
        self._seen[room.ROOM] = self._version
        if room.ROOM not in self._entered:
            self._entered.add(room.ROOM)
            load = partial(self._load_first, room, load)
        room.begin(load, group="load")

    async def _load_first(self, room: Room, load: Callable[[], Awaitable[None]]) -> None:
        """Read a room for the first time; what is changed from here on is seen at the next look."""
        if self._version is None:
            self._version = await self.desk.version()
        self._seen[room.ROOM] = self._version
        try:
            await load()
        finally:
            self._is_there(room.ROOM)
        gc.freeze()  # what a room is made of stays: to look through it for cycles again took 60 ms of a key's time

    def _is_there(self, room: str) -> None:
        """Keys wait for this room no longer."""
        if self._waited_for == room:
            self._waited_for = ""
            self.release_keys()

    def next_theme(self) -> None:
        names = [theme.name for theme in THEMES]
        self.theme = names[(names.index(self.theme) + 1) % len(names)]

    async def look(self) -> None:
        """Has anyone (a job, the command line, this app) changed the catalog, or time what it says? Read it again."""
        version = await self.desk.version()
        changed, self._version = self._version != version, version
        if changed:
            self._job, self._due = await self.desk.read(lambda catalog: (job_line(catalog), _next_due(catalog)))
        if _is_past(self._due):
            self.settle_statuses()  # which is a change of the catalog, and seen as one
        room = self.screen
        if isinstance(room, Room):
            if changed or _is_past(room.until):
                self.entered(room)
            await room.ticked()


def _next_due(catalog: Catalog) -> datetime | None:
    from storage import statuses  # loads numpy

    return statuses.next_due(catalog)


def _is_past(instant: datetime | None) -> bool:
    return instant is not None and instant <= datetime.now(UTC)


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
    settings = settings or Config()
    budget = None if settings.picture_kb is None else settings.picture_kb * 1000
    app = KyodakuApp(catalog_folder, terminal.ask(settings.preview, budget), settings)
    try:
        app.run()
    except KyodakuError:
        app.desk.close()
        raise
    if app.failure is not None:
        raise app.failure
    return app.return_code or 0
