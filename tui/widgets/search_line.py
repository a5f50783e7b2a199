"""The archive's search line: Tab goes through what the term before the cursor may become."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message

from core.completion import Offer
from storage.safe_text import display
from tui.widgets.text_line import TextLine

Ask = Callable[[str, int], Awaitable[Offer]]
"""What the text, with the cursor at a place, may go on with."""

NOTHING = "nothing goes on so"


class SearchLine(TextLine):
    """A line in which Tab completes a field or a value (again: the next, Shift+Tab: the one before)."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete(1)", show=False, priority=True),
        Binding("shift+tab", "complete(-1)", show=False, priority=True),
    ]

    class Offered(Message):
        """What Tab goes through, and the place in it that stands in the line now."""

        def __init__(self, offer: Offer, place: int) -> None:
            super().__init__()
            self.offer, self.place = offer, place

    def __init__(self, ask: Ask, *, placeholder: str, id: str) -> None:
        super().__init__(placeholder=placeholder, id=id)
        self._ask = ask
        self._offer: Offer | None = None
        self._place = 0
        self._made = ""  # the text as it was completed last: Tab goes on while it stands
        self._rest = ""  # of the text, behind the term

    @property
    def is_completed(self) -> bool:
        """Whether the text is as Tab left it."""
        return self._offer is not None and self.value == self._made

    async def action_complete(self, step: int) -> None:
        """Put the next of the words that are possible in the place of the term before the cursor."""
        offer = self._offer
        if offer is None or not self.is_completed or len(offer.words) == 1:
            offer = await self._ask(self.value, self.cursor_position)
            self._offer, self._rest = offer, self.value[offer.end :]
            self._place = 0 if step > 0 else len(offer.words) - 1
        elif offer.words:
            self._place = (self._place + step) % len(offer.words)
        if offer.words:
            begun = self.value[: offer.start] + offer.words[self._place]
            self._made = begun + self._rest
            self.value = self._made
            self.cursor_position = len(begun)
        self.post_message(self.Offered(offer, self._place))


def menu(offer: Offer, place: int, width: int) -> Text:
    """The words that are offered around the one at `place`, which stands out, on one line of `width` cells."""
    if not offer.words:
        return Text(NOTHING)
    told = f"{place + 1} of {len(offer.words):,}  "
    left, first = width - cell_len(told), place
    sizes = [cell_len(display(word)) + 2 for word in offer.words]
    left -= sizes[place]
    while first > 0 and sizes[first - 1] <= left // 2:
        first -= 1
        left -= sizes[first]
    line = Text(told, style="dim", no_wrap=True, overflow="ellipsis")
    for number in range(first, len(offer.words)):
        if number > place:
            left -= sizes[number]
            if left < 0:
                break
        line.append(display(offer.words[number]), style="not dim reverse" if number == place else "not dim").append(
            "  "
        )
    return line
