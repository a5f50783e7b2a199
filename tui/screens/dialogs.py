"""Questions the app asks: a form of fields, a yes or no, and the help of a room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from typing import ClassVar, TypeVar

from rich.console import RenderableType
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Button, Checkbox, Input, Label, Static

from storage.safe_text import display

HINT = "Space: tick   Enter in a line, or ^s: do it   Esc: leave all as it is"
Answers = Mapping[str, str]
Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """Something above the room. Once it has the keyboard, keys that were typed ahead are given to it."""

    DEFAULT_CSS = "Dialog VerticalScroll { scrollbar-size-vertical: 1; scrollbar-background: $panel; }"

    class KeysWanted(Message):
        """The dialog has the keyboard: what was typed ahead is for it."""

    @on(events.ScreenResume)
    def _want_keys(self) -> None:
        self.post_message(self.KeysWanted())


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a form: free text with suggestions, or a tick (`ticked` "yes" or "")."""

    name: str
    label: str
    value: str = ""
    help: str = ""
    suggestions: Sequence[str] = ()
    tick: bool = False


class Tick(Checkbox):
    """A box to tick: `[x]` or `[ ]`, told by its shape and not by colour alone."""

    BUTTON_LEFT = BUTTON_RIGHT = ""
    BUTTON_INNER = "[ ]"

    def on_mount(self) -> None:
        self.watch_value()

    def watch_value(self) -> None:
        self.BUTTON_INNER = "[x]" if self.value else "[ ]"
        super().watch_value()


class Form(Dialog[Answers | None]):
    """Fields to fill in. Answers a mapping of field name to text ("yes" or "" for a tick), None on Esc.

    `check` names what is wrong with the answers, in place, before the form closes; it may be awaited.
    """

    DEFAULT_CSS = """
    Form { align: center middle; }
    Form > Vertical {
        width: 76; max-width: 96%; height: auto; max-height: 92%;
        background: $surface; border: round $primary; padding: 0 1;
    }
    Form VerticalScroll { height: auto; max-height: 100%; }
    Form .title { text-style: bold; height: auto; }
    Form .about, Form .hint { color: $text-muted; height: auto; }
    Form .field { height: auto; }
    Form .field > Label { width: 18; }
    Form Input { width: 1fr; border: none; height: 1; padding: 0 1; background: $panel; }
    Form Input:focus { border: none; background: $boost; text-style: bold; }
    Form Tick, Form Tick:focus { border: none; height: 1; padding: 0; background: $surface; }
    Form Tick > .toggle--button, Form Tick.-on > .toggle--button { color: $foreground; background: $surface; }
    Form .error { color: $error; text-style: bold; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", show=False, priority=True),
        Binding("ctrl+s", "submit", show=False),
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
    ]

    def __init__(
        self,
        title: str,
        fields: Sequence[Field],
        *,
        about: str = "",
        check: Callable[[Answers], str | Awaitable[str | None] | None] = lambda _: None,
    ) -> None:
        super().__init__()
        self._title = title
        self._about = about
        self._fields = fields
        self._check = check

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Text(display(self._title)), classes="title")
            if self._about:
                yield Static(Text("\n".join(display(line) for line in self._about.splitlines())), classes="about")
            with VerticalScroll(can_focus=False):
                for field in self._fields:
                    yield from self._row(field)
            yield Static("", classes="error")
            yield Static(Text(HINT), classes="hint")

    def _row(self, field: Field) -> ComposeResult:
        if field.tick:
            yield Tick(Text(display(field.label)), field.value == "yes", id=f"field-{field.name}")
            return
        with Horizontal(classes="field"):
            yield Label(Text(display(field.label)))
            box = Input(
                field.value,
                placeholder=field.help,
                suggester=SuggestFromList(field.suggestions, case_sensitive=False) if field.suggestions else None,
                id=f"field-{field.name}",
            )
            box.cursor_blink = False
            yield box

    def answers(self) -> Answers:
        """What stands in the fields now."""
        found: dict[str, str] = {}
        for field in self._fields:
            if field.tick:
                found[field.name] = "yes" if self.query_one(f"#field-{field.name}", Checkbox).value else ""
            else:
                found[field.name] = self.query_one(f"#field-{field.name}", Input).value.strip()
        return found

    @on(Input.Submitted)
    async def action_submit(self) -> None:
        answers = self.answers()
        wrong = self._check(answers)
        if isawaitable(wrong):
            wrong = await wrong
        if wrong:
            self.query_one(".error", Static).update(Text(display(wrong)))
            return
        self.dismiss(answers)

    def action_cancel(self) -> None:
        self.dismiss(None)


class Confirm(Dialog[bool]):
    """What would happen, and a yes or no. `y` does it; everything else leaves it."""

    DEFAULT_CSS = """
    Confirm { align: center middle; }
    Confirm > Vertical {
        width: 76; max-width: 96%; height: auto; max-height: 92%;
        background: $surface; border: round $warning; padding: 0 1;
    }
    Confirm VerticalScroll { height: auto; max-height: 20; }
    Confirm Horizontal { height: 1; margin-top: 1; }
    Confirm Button { min-width: 12; margin-right: 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", show=False),
        Binding("n,escape", "answer(False)", show=False),
    ]

    def __init__(self, title: str, lines: Sequence[str], *, yes: str, no: str = "leave it") -> None:
        super().__init__()
        self._title = title
        self._lines = lines
        self._yes = yes
        self._no = no

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Text(display(self._title), style="bold"))
            with VerticalScroll():
                yield Static(Text("\n".join(display(line) for line in self._lines)))
            with Horizontal():
                yield Button(Text(f"y  {self._yes}"), id="yes", variant="warning", compact=True)
                yield Button(Text(f"n  {self._no}"), id="no", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no", Button).focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)


class Reading(Dialog[None]):
    """A page to read, text or a table of it, such as the help of a room; Esc leaves it."""

    DEFAULT_CSS = """
    Reading { align: center middle; }
    Reading > VerticalScroll {
        width: 86; max-width: 96%; height: auto; max-height: 92%;
        background: $surface; border: round $primary; padding: 0 1;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "leave", show=False),
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
    ]

    def __init__(self, text: RenderableType) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        page = VerticalScroll(Static(self._text))
        page.border_subtitle = "j k scroll   Esc leaves"
        yield page

    def action_leave(self) -> None:
        self.dismiss(None)
