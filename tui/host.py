"""What a room may ask of the app around it: its state, keys in their order, registers, and the way to other rooms.

`tui.app` is that app. Rooms know no more of it than stands here, so it may know all of them.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from pathlib import Path
from typing import Any

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.message import Message
from textual.screen import Screen

from core.counted import counted
from storage.records import Face
from tui import registers, terminal
from tui.desk import Desk

LAPS = 2  # the second is behind what the key itself sent up, such as that a line was entered


class Host(App[None]):
    """An app that acts on keys one after the other, in the order typed, and plays those that a register holds."""

    class KeyPassed(Message):
        """A key that a widget was handed has passed through it and all above it."""

    def __init__(self, folder: Path, preview: terminal.Preview, pen: str) -> None:
        super().__init__()
        self.desk = Desk(folder)
        self.preview = preview
        self.pen = pen  # who records decisions, once that was said
        self.advances = True  # whether the cursor goes on after a decision
        self.registers = registers.Registers()
        self._typed: deque[events.Key] = deque()
        self._held = False
        self._passing = False  # a key is on its way through widgets
        self._way: DOMNode = self  # which way that is
        self._laps = 0  # to go on it
        self._within: Screen[Any] | None = None  # the screen that it is on

    # What the app does for its rooms

    def says(self, message: str, *, error: bool = False) -> None:
        """Have the room that is on screen say this."""
        raise NotImplementedError

    def show_open(self) -> None:
        """What is open for the next key is another: have the room that is on screen show it."""
        raise NotImplementedError

    async def go(self, room: str) -> None:
        """Show a room; `back` returns."""
        raise NotImplementedError

    def back(self) -> None:
        """Show the room one came from."""
        raise NotImplementedError

    async def show_photos(self, query: str) -> None:
        """Show the photographs that a search finds, in the archive."""
        raise NotImplementedError

    async def show_person(self, face: Face) -> None:
        """Show the entry of People that a face belongs to."""
        raise NotImplementedError

    async def show_captions(self, cohort: str) -> None:
        """Show what a cohort's pictures are called."""
        raise NotImplementedError

    def settle_statuses(self) -> None:
        """Bring the statuses that searches read up to the clock, in the background."""
        raise NotImplementedError

    def next_theme(self) -> None:
        """The next of dark, light and high contrast."""
        raise NotImplementedError

    # Keys

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
        self._way, self._laps, self._within = self.focused or self.screen, LAPS, self.screen
        await super().on_event(key)
        if key.is_forwarded:
            self._passing = self._way.post_message(self.KeyPassed())  # goes the key's way, behind it

    async def on_host_key_passed(self) -> None:
        self._laps -= 1
        if self._laps > 0 and self._way.post_message(self.KeyPassed()):
            return
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
        self._held = False
        self.pass_keys()

    def pass_keys(self) -> None:
        """Another screen is shown: what a key was on its way through is gone, so go on with the next."""
        if self._within is not self.screen:
            self._passing = False
        self.call_later(self._handle_keys)

    # Registers

    def ask_register(self, what: str, times: int = 1) -> None:
        """The next key names the register to "record" or to "play"."""
        self.registers.asked, self.registers.times = what, times
        self.says(f"{what} which register? a letter")

    async def record(self) -> None:
        """Begin to record keys, or end it."""
        if self.registers.recording is None:
            self.ask_register("record")
            return
        name, keys = self.registers.end()
        await self.desk.write(partial(registers.keep, name, keys))
        self.says(f"@{name} plays {counted(len(keys), 'key')}" if keys else f"@{name} is empty now")
        self.show_open()

    async def _name_register(self, key: events.Key) -> None:
        what, self.registers.asked = self.registers.asked, None
        name = self.registers.last if key.key == "at" and what == "play" else key.character
        if name is None or not (key.key == "at" or registers.is_name(key)):
            self.says("a register is a letter or a digit", error=key.key != "escape")
            return
        if what == "record":
            self.registers.begin(name)
            self.says(f"recording @{name}; q ends it")
            self.show_open()
            return
        keys = await self.desk.read(partial(registers.read, name))
        why = self.registers.play(name, keys, self.registers.times) if keys else f"nothing was recorded as @{name}"
        if why is not None:
            self.says(why, error=True)
