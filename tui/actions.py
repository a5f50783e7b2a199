"""Every action of the app, once: keys, palette, footer and help are all made from this registry.

An action `name` is done by the method `do_<name>` of the screen it is asked of. Whether it can be done
now is that screen's `why_not(name)`: None, or a sentence that says why not. Such an action is shown
dimmed, never hidden, and asking for it says the sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True, slots=True)
class RoomInfo:
    """A room of the app: its mode's name, its number key, its title and what it is for."""

    name: str
    key: str
    title: str
    about: str


ROOMS: tuple[RoomInfo, ...] = (
    RoomInfo("archive", "1", "Archive", "every photograph, searched and looked at"),
    RoomInfo("people", "2", "People", "whose faces they are"),
    RoomInfo("consent", "3", "Consent", "what each person allows"),
    RoomInfo("cohorts", "4", "Cohorts", "which pictures may train, and why others may not"),
    RoomInfo("models", "5", "Models", "what was made, from whom, and whether it may be used"),
    RoomInfo("jobs", "6", "Jobs", "long work, which goes on when this terminal closes"),
)


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be done in `room` (None: in every room), on one of `keys` (Textual's names)."""

    room: str | None
    name: str
    keys: tuple[str, ...]
    title: str
    help: str
    footer: bool = True


REGISTRY: tuple[Action, ...] = (
    # Archive
    Action("archive", "search", ("slash",), "search", "Edit the search. Enter keeps it, Esc takes it back."),
    Action("archive", "purpose", ("p",), "purpose", "Show the status for the next purpose."),
    Action("archive", "sort", ("s",), "sort", "Sort by the next of: time taken, path, camera."),
    Action("archive", "details", ("i", "enter"), "details", "Show or hide the picture and its details."),
    Action(
        "archive",
        "rights",
        ("R",),
        "rights",
        "Say whose the photograph is: mine or licensed. It counts where no face is seen.",
    ),
    Action("archive", "faces", ("f",), "faces", "Go to the people in this photograph."),
    # People
    Action("people", "name", ("n",), "name", "Give the cluster a name; a new name makes a new person."),
    Action("people", "merge", ("m",), "merge", "Say that two entries are one person."),
    Action("people", "faces", ("enter",), "faces", "Go through the entry's faces one by one."),
    Action("people", "assign", ("a",), "assign face", "Say whose face the one under the cursor is."),
    Action("people", "ignore", ("x",), "ignore face", "Take a face out of the rules, with who and why."),
    Action("people", "split", ("s",), "not theirs", "Say that a face is not this person's; it waits for a name."),
    Action("people", "unnamed", ("u",), "unnamed", "Show only entries without a name, or all."),
    Action("people", "photos", ("o",), "photographs", "Show the entry's photographs in the archive."),
    # Consent
    Action("consent", "grant", ("y",), "grant", "Record what the person allows, after seeing what it reaches."),
    Action("consent", "refuse", ("n",), "refuse", "Record what the person does not allow."),
    Action(
        "consent",
        "withdraw",
        ("x",),
        "withdraw",
        "Take consent back: shows every photograph, cohort and model it reaches before anything is done.",
    ),
    Action("consent", "add", ("a",), "add person", "Add a person of whom there is no face yet."),
    Action("consent", "age", ("b",), "age", "Record a birth date, or who attests that the person is an adult."),
    Action("consent", "search", ("slash",), "search", "Show only people whose name holds these letters."),
    Action("consent", "photos", ("o",), "photographs", "Show the person's photographs in the archive."),
    # Cohorts
    Action("cohorts", "create", ("c",), "create", "Make a cohort: a search, a purpose and rules of balance."),
    Action("cohorts", "freeze", ("f",), "freeze", "Fix the exact pictures under a Merkle root."),
    Action("cohorts", "photos", ("o",), "photographs", "Show the cohort's search in the archive."),
    # Models
    Action("models", "verify", ("v",), "verify", "Read the model's file again and compare its hash."),
    Action("models", "sheet", ("s",), "next sheet", "Show the next picture made with this model."),
    # Jobs
    Action("jobs", "cancel", ("x",), "cancel", "Ask the job to stop at the next safe place."),
    Action("jobs", "resume", ("r",), "resume", "Go on with an interrupted job from its last checkpoint."),
    # Everywhere
    Action(None, "help", ("question_mark",), "help", "What can be done here, and why some of it can't now."),
    Action(None, "palette", ("colon",), "palette", "Find an action or a room by its name."),
    Action(None, "refresh", ("ctrl+r",), "read again", "Read the catalog again.", footer=False),
    Action(None, "theme", ("ctrl+t",), "theme", "Change colours: dark, light, high contrast.", footer=False),
    Action(None, "back", ("escape",), "back", "Leave the search, or go back to the room before.", footer=False),
    Action(None, "leave", ("q", "ctrl+c"), "quit", "Close the app. Jobs go on.", footer=True),
)

WHILE_TYPING = frozenset({"back", "refresh", "theme"})
"""What can be done while letters go into a line of text."""

MOVES: tuple[tuple[str, str], ...] = (
    ("↑ ↓  j k", "one row"),
    ("PgUp PgDn  ^b ^f", "one page"),
    ("Home End  g G", "first, last"),
    ("Tab", "next part of the screen"),
)

SHOWN_KEYS = {
    "slash": "/",
    "question_mark": "?",
    "colon": ":",
    "escape": "Esc",
    "enter": "Enter",
}


def of_room(room: str) -> list[Action]:
    """The actions of a room: its own first, then those of every room."""
    own = [action for action in REGISTRY if action.room == room]
    return own + [action for action in REGISTRY if action.room is None]


def shown_key(action: Action) -> str:
    """The first key of an action as people write it: `/`, `Esc`, `^r`."""
    key = action.keys[0]
    return SHOWN_KEYS.get(key, key.replace("ctrl+", "^"))


def bindings(room: str) -> list[BindingType]:
    """Textual's bindings for a room, rooms' number keys included.

    They have priority, as the table's moves have: such keys are acted on one after the other, in the order
    typed, before any key is handed to a widget. Else a burst of keys, as a slow line delivers, would go to
    what had the keyboard when it arrived. (Esc has none: it must not overtake the letters of a search.)
    """
    made: list[BindingType] = [
        Binding(key, f"do('{action.name}')", action.title, show=False, priority=key != "escape")
        for action in of_room(room)
        for key in action.keys
    ]
    made += [Binding(info.key, f"go('{info.name}')", info.title, show=False, priority=True) for info in ROOMS]
    return made
