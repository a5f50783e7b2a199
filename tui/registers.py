"""Keys recorded by name and played again: `q a … q`, then `@a`. Kept in the catalog's settings, so they stay."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from textual import events

from storage import settings
from storage.catalog import Catalog

PREFIX = "register."
LONGEST = 500  # keys of a register
MOST_PLAYED = 200_000  # keys that one @ may play

Pressed = tuple[str, str | None]
"""A key as Textual names it, and the character it writes."""


@dataclass(slots=True)
class Registers:
    """What is being recorded, and what is being played."""

    recording: str | None = None
    asked: str | None = None  # "record" or "play": the next key is a register's name
    times: int = 1
    last: str | None = None
    heard: list[Pressed] = field(default_factory=list)
    playing: deque[Pressed] = field(default_factory=deque)
    _within: set[str] = field(default_factory=set)  # registers of which keys are being played

    def hear(self, key: events.Key) -> None:
        """A key was typed: put it down where one is recording."""
        if self.recording is not None and len(self.heard) < LONGEST:
            self.heard.append((key.key, key.character))

    def begin(self, name: str) -> None:
        """Record from now on."""
        self.recording, self.heard = name, []

    def end(self) -> tuple[str, list[Pressed]]:
        """Stop; the name and the keys, without the one that stopped it."""
        assert self.recording is not None
        done = self.recording, self.heard[:-1]
        self.recording, self.heard = None, []
        return done

    def play(self, name: str, keys: Sequence[Pressed], times: int) -> str | None:
        """Play these keys so many times, before anything else that is typed; or why not, in a sentence."""
        if name in self._within:
            return f"@{name} plays itself"
        if len(keys) * times + len(self.playing) > MOST_PLAYED:
            return f"@{name} would play more than {MOST_PLAYED:,} keys"
        self._within.add(name)
        self.last = name
        self.playing.extendleft(reversed([*keys] * times))
        return None

    def next(self) -> events.Key | None:
        """The next key to play."""
        if not self.playing:
            self._within.clear()
            return None
        return events.Key(*self.playing.popleft())

    def stop(self) -> bool:
        """Play nothing more; whether something was being played."""
        stopped = bool(self.playing)
        self.playing.clear()
        self._within.clear()
        return stopped


def is_name(key: events.Key) -> bool:
    """Whether a key names a register: one letter or digit."""
    return key.character is not None and len(key.character) == 1 and key.character.isalnum()


def keep(name: str, keys: Iterable[Pressed], catalog: Catalog) -> None:
    """Keep a register's keys; none at all: forget it."""
    pressed = list(keys)
    settings.write(catalog, {PREFIX + name: json.dumps(pressed, ensure_ascii=False) if pressed else ""})


def read(name: str, catalog: Catalog) -> list[Pressed]:
    """A register's keys; none where it was never recorded."""
    kept = settings.read(catalog).get(PREFIX + name)
    return [] if kept is None else [(key, character) for key, character in json.loads(kept)]
