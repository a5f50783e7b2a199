"""Every action of the app, once: keys, palette, footer and help are all made from this registry.

An action `name` is done by the method `do_<name>` of the screen it is asked of. Whether it can be done
now is that screen's `why_not(name)`: None, or a sentence that says why not. Such an action is shown
dimmed, never hidden, and asking for it says the sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from textual.binding import Binding, BindingType

from core.errors import BadValue


@dataclass(frozen=True, slots=True)
class RoomInfo:
    """A room of the app: its mode's name, its number (a key; F and the number is one too), title and what it is for."""

    name: str
    key: str
    title: str
    about: str
    within: str = ""  # the room that it is opened from, where it is none of the numbered ones


ROOMS: tuple[RoomInfo, ...] = (
    RoomInfo("archive", "1", "Archive", "every photograph, searched and looked at"),
    RoomInfo("people", "2", "People", "whose faces they are"),
    RoomInfo("consent", "3", "Consent", "what each person allows"),
    RoomInfo("cohorts", "4", "Cohorts", "which pictures may train, and why others may not"),
    RoomInfo("training", "5", "Training", "what trains, how its loss falls, what it draws"),
    RoomInfo("models", "6", "Models", "what was made, from whom, and whether it may be used"),
    RoomInfo("jobs", "7", "Jobs", "long work, which goes on when this terminal closes"),
)
INNER = (RoomInfo("captions", "", "Captions", "what a cohort's pictures are called when they train", within="cohorts"),)
"""Rooms that are reached from another one."""
COUNTING = frozenset({"archive", "captions"})
"""Rooms in which digits are a count, so that other rooms are reached by their F key alone."""


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
    Action(
        "archive", "search", ("slash",), "search", "Edit the search. Tab completes, Enter keeps, Esc takes it back."
    ),
    Action("archive", "mine", ("m",), "mine", "Say that the photographs are yours. It counts where no face is seen."),
    Action("archive", "licensed", ("l",), "licensed", "Say that the photographs are licensed, which counts likewise."),
    Action("archive", "nobodys", ("z",), "rights unknown", "Say that it is not known whose they are.", footer=False),
    Action("archive", "keyword", ("t",), "tag", "Give a keyword; the period gives it again with one key."),
    Action("archive", "no_keyword", ("T",), "untag", "Take a keyword off.", footer=False),
    Action("archive", "allow", ("y",), "they allow", "Record that everyone seen in it allows the purpose shown."),
    Action("archive", "refuse", ("n",), "they refuse", "Record that everyone seen in it refuses the purpose shown."),
    Action("archive", "again", ("full_stop",), "again", "Make the last decision again."),
    Action(
        "archive", "range", ("v",), "range", "Begin a range; the next decision goes to it. Esc lets go.", footer=False
    ),
    Action("archive", "mark", ("space",), "mark", "Mark the photograph, or the open range.", footer=False),
    Action("archive", "marked", ("semicolon",), "to marked", "The next decision goes to what is marked.", footer=False),
    Action(
        "archive", "all", ("percent_sign",), "to all", "The next decision goes to all that was found.", footer=False
    ),
    Action("archive", "next_open", ("right_square_bracket",), "next open", "Go to the next that is not settled."),
    Action("archive", "advance", ("a",), "go on", "Whether the cursor goes on after a decision.", footer=False),
    Action("archive", "facets", ("b",), "count by", "Count the result by year, camera, person … and narrow it by one."),
    Action("archive", "purpose", ("p",), "purpose", "Show the status for the next purpose."),
    Action("archive", "sort", ("s",), "sort", "Sort by the next of: time taken, path, camera."),
    Action("archive", "details", ("i", "enter"), "details", "Show or hide the picture and its details."),
    Action("archive", "faces", ("f",), "faces", "Go to the people in this photograph."),
    # People
    Action("people", "name", ("n",), "name", "Give the cluster a name; Tab completes one, a new one is a new person."),
    Action("people", "again", ("full_stop",), "again", "Give the last name again, to the entry or the face."),
    Action("people", "next_unnamed", ("right_square_bracket",), "next", "Go to the next entry without a name."),
    Action("people", "merge", ("m",), "merge", "Say that two entries are one person: the other's name stays."),
    Action("people", "faces", ("enter",), "faces", "Go through the entry's faces one by one."),
    Action("people", "assign", ("a",), "assign face", "Say whose face the one under the cursor is."),
    Action("people", "ignore", ("x",), "ignore face", "Take a face out of the rules, with who and why."),
    Action("people", "split", ("s",), "not theirs", "Say that a face is not this person's; it waits for a name."),
    Action("people", "unnamed", ("w",), "unnamed", "Show only entries without a name, or all."),
    Action("people", "photos", ("o",), "photographs", "Show the entry's photographs in the archive."),
    # Consent
    Action("consent", "allow", ("y",), "allow", "Record that the person allows the purpose chosen, and go on."),
    Action("consent", "deny", ("n",), "refuse", "Record that the person refuses the purpose chosen, and go on."),
    Action("consent", "purpose", ("p", "right"), "purpose", "Choose the next purpose for y and n."),
    Action("consent", "purpose_before", ("left",), "purpose before", "Choose the purpose before.", footer=False),
    Action("consent", "grant", ("Y",), "grant …", "Record several purposes, until when, evidence and a note."),
    Action("consent", "refuse", ("N",), "refuse …", "Record that several purposes are refused, with a note."),
    Action(
        "consent",
        "withdraw",
        ("x",),
        "withdraw",
        "Take consent back: shows every photograph, cohort and model it reaches before anything is done.",
    ),
    Action("consent", "add", ("a",), "add person", "Add a person of whom there is no face yet."),
    Action("consent", "age", ("b",), "age", "Record a birth date, or who attests that the person is an adult."),
    Action("consent", "due", ("d",), "due", "Show only whose consent has ended or ends soon, or everyone."),
    Action("consent", "search", ("slash",), "search", "Show only people whose name holds these letters."),
    Action("consent", "photos", ("o",), "photographs", "Show the person's photographs in the archive."),
    # Cohorts
    Action("cohorts", "create", ("c",), "create", "Make a cohort: a search, a purpose and rules of balance."),
    Action("cohorts", "freeze", ("f",), "freeze", "Fix the exact pictures under a Merkle root."),
    Action("cohorts", "sheet", ("s",), "sheet", "Draw what trains, as it is cut, page by page; Esc ends it."),
    Action("cohorts", "captions", ("t", "enter"), "captions", "Show what its pictures are called, and change it."),
    Action("cohorts", "photos", ("o",), "photographs", "Show the cohort's photographs, or the one left out."),
    # Captions
    Action("captions", "write", ("e", "enter"), "write", "Write the caption by hand; {place} and the like count."),
    Action("captions", "add", ("t",), "tag", "Add a tag at the end; the period adds it again with one key."),
    Action("captions", "remove", ("T",), "untag", "Take a tag out."),
    Action("captions", "prepend", ("p",), "in front", "Put a tag in front.", footer=False),
    Action("captions", "replace", ("r",), "replace", "Put one text in the place of another."),
    Action(
        "captions", "clear", ("c",), "as the recipe", "Forget its own caption: the template counts again.", footer=False
    ),
    Action("captions", "accept", ("i",), "proposed", "Add the tags that taggers proposed (I asks one)."),
    Action("captions", "propose", ("I",), "ask a tagger", "Let a tagger look at all pictures, as a job.", footer=False),
    Action("captions", "again", ("full_stop",), "again", "Make the last change again.", footer=False),
    Action("captions", "holding", ("h",), "mark holding", "Mark the pictures that hold the tag chosen on the right."),
    Action("captions", "range", ("v",), "range", "Begin a range; the next change goes to it.", footer=False),
    Action("captions", "mark", ("space",), "mark", "Mark the picture, or the open range.", footer=False),
    Action("captions", "marked", ("semicolon",), "to marked", "The next change goes to what is marked.", footer=False),
    Action("captions", "all", ("percent_sign",), "to all", "The next change goes to all pictures.", footer=False),
    # Training
    Action("training", "train", ("t",), "train", "Start a training on a frozen cohort, as a job."),
    Action("training", "cancel", ("x",), "stop", "Ask the training to stop at its next safe place."),
    Action("training", "resume", ("r",), "resume", "Go on from the last checkpoint."),
    Action("training", "curve", ("c",), "next curve", "Show the curve of another LoRA of the job."),
    Action("training", "picture", ("v",), "next picture", "Show the picture drawn before."),
    # Models
    Action("models", "mark", ("space",), "mark", "Mark the LoRA, to be averaged with others."),
    Action("models", "mark_all", ("percent_sign",), "mark all", "Mark all usable LoRAs of its training.", footer=False),
    Action("models", "merge", ("m",), "average", "Average the marked LoRAs; what does not allow it is said before."),
    Action("models", "bake", ("b",), "bake", "Merge the LoRA into a base, as a checkpoint of its own."),
    Action("models", "draw", ("d",), "draw", "Draw pictures of a prompt with the model, and their contact sheet."),
    Action("models", "audit", ("a",), "audit", "Draw pictures and look whether they are like anyone in the catalog."),
    Action("models", "remake", ("r",), "remake", "Make what a withdrawal left tainted again, without the person."),
    Action("models", "verify", ("v",), "verify", "Read the model's file again and compare its hash."),
    Action("models", "sheet", ("s",), "next sheet", "Show the next picture made with this model."),
    # Jobs
    Action("jobs", "cancel", ("x",), "cancel", "Ask the job to stop at the next safe place."),
    Action("jobs", "resume", ("r",), "resume", "Go on with an interrupted job from its last checkpoint."),
    # Everywhere
    Action(None, "undo", ("u",), "undo", "Take back the newest decision, to any depth: consent by a new event."),
    Action(None, "redo", ("U",), "redo", "Do again what was undone last.", footer=False),
    Action(None, "record", ("q",), "record", "Record keys under a letter; again ends it.", footer=False),
    Action(None, "play", ("at",), "play", "Play the keys of a letter, so often as the count says.", footer=False),
    Action(None, "help", ("question_mark",), "help", "What can be done here, and why some of it can't now."),
    Action(None, "palette", ("colon",), "palette", "Find an action or a room by its name."),
    Action(None, "refresh", ("ctrl+r",), "read again", "Read the catalog again.", footer=False),
    Action(None, "theme", ("ctrl+t",), "theme", "Change colours: dark, light, high contrast.", footer=False),
    Action(None, "back", ("escape",), "back", "Leave the search, or go back to the room before.", footer=False),
    Action(None, "leave", ("Q", "ctrl+c"), "quit", "Close the app. Jobs go on.", footer=True),
)

WHILE_TYPING = frozenset({"back", "refresh", "theme"})
"""What can be done while letters go into a line of text."""

MOVES: tuple[tuple[str, str], ...] = (
    ("↑ ↓  j k", "one row"),
    ("PgUp PgDn  ^b ^f", "one page"),
    ("Home End  g G", "first, last"),
    ("Tab", "next part of the screen"),
    ("12 j, 12 m, 3 @a", "in Archive and Captions, a number before a key: so many"),
)

SHOWN_KEYS = {
    "slash": "/",
    "question_mark": "?",
    "colon": ":",
    "escape": "Esc",
    "full_stop": ".",
    "semicolon": ";",
    "percent_sign": "%",
    "right_square_bracket": "]",
    "at": "@",
    "space": "Space",
    "right": "→",
    "left": "←",
    "enter": "Enter",
}


EVERYWHERE = "everywhere"  # the room's name, in settings, of actions that every room has
MOVING = frozenset(
    {"down", "j", "up", "k", "pagedown", "ctrl+f", "pageup", "ctrl+b", "home", "g", "end", "G"}
    | {"ctrl+q", "ctrl+c", "tab", "shift+tab"}
)  # keys that move, or leave


def rebound(keys: Mapping[str, Sequence[str]]) -> tuple[Action, ...]:
    """The registry with other keys, by `room.action`. Raises BadValue for no action, or a key with two meanings."""
    named = {f"{action.room or EVERYWHERE}.{action.name}": action for action in REGISTRY}
    for name in keys:
        if name not in named:
            near = ", ".join(one for one in named if one.split(".")[0] == name.split(".")[0])
            raise BadValue(f"keys: there is no action {name!r}", near or "archive.mine, everywhere.undo, …")
    made = tuple(replace(action, keys=tuple(keys[name])) if name in keys else action for name, action in named.items())
    for info in (*ROOMS, *INNER):
        digits = [*"0123456789"] if info.name in COUNTING else [one.key for one in ROOMS]
        taken: dict[str, str] = dict.fromkeys(MOVING, "moving")
        taken |= dict.fromkeys([*digits, *(f"f{one.key}" for one in ROOMS)], "rooms and counts")
        for action in [one for one in made if one.room in (info.name, None)]:
            for key in action.keys:
                if taken.setdefault(key, action.name) != action.name and key != "ctrl+c":
                    raise BadValue(
                        f"keys: in {info.title} {key!r} would mean {taken[key]} and {action.name}", "give another key"
                    )
    return made


def use(keys: Mapping[str, Sequence[str]]) -> None:
    """Have these keys from here on; called before the rooms are loaded, which take theirs as they are."""
    global REGISTRY  # noqa: PLW0603 # read by every room, written once, before there is any
    REGISTRY = rebound(keys)


def info_of(room: str) -> RoomInfo:
    """A room by its name."""
    return next(info for info in (*ROOMS, *INNER) if info.name == room)


def of_room(room: str) -> list[Action]:
    """The actions of a room: its own first, then those of every room."""
    own = [action for action in REGISTRY if action.room == room]
    return own + [action for action in REGISTRY if action.room is None]


def shown_key(action: Action) -> str:
    """The first key of an action as people write it: `/`, `Esc`, `^r`."""
    key = action.keys[0]
    return SHOWN_KEYS.get(key, key.replace("ctrl+", "^"))


def room_key(info: RoomInfo, where: str) -> str:
    """The key that goes to a room from another, as people write it."""
    return f"F{info.key}" if where in COUNTING else info.key


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
    made += [
        Binding(key, f"go('{info.name}')", info.title, show=False, priority=True)
        for info in ROOMS
        for key in ([f"f{info.key}"] if room in COUNTING else [info.key, f"f{info.key}"])
    ]
    if room in COUNTING:
        made += [Binding(digit, f"digit({digit})", show=False, priority=True) for digit in "0123456789"]
    return made
