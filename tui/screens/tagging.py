"""Deciding about photographs with one key each: what the archive does beside showing them.

A decision is committed before the cursor goes on. What it goes to is a frozen list of ids: the row, so many rows,
a range, the marked ones, or all that was found, of which the number is shown before the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from core import listing, tagging
from core.decisions.undo import Undone
from core.tagging import Said, Tagged
from storage import statuses
from storage.catalog import Catalog
from storage.records import Rights, Status
from tui.hand import Hand, Scope
from tui.reasons import reason
from tui.screens.dialogs import Confirm, Field, Form
from tui.screens.room import Room
from tui.widgets.lines import ReasonLine
from tui.widgets.photo_table import PhotoTable

MANY = 2_000  # photographs from which on a decision is told while it is being made
AHEAD = 20_000  # photographs looked at together for the next that is open
NEAR = 400  # rows around the cursor where an undone photograph is sought
SETTLED = frozenset({Status.GRANTED, Status.REFUSED, Status.WITHDRAWN, Status.MINOR})


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision that can be repeated: an action's name and its word, such as a keyword."""

    name: str
    word: str = ""


class TaggingRoom(Room):
    """A room with a table of photographs, about which decisions are made."""

    table: PhotoTable

    def __init__(self) -> None:
        super().__init__()
        self.hand = Hand()
        self.reason = ReasonLine()
        self._again: Choice | None = None
        self._keyword = ""

    def show_reason(self) -> None:
        """Say of the row under the cursor why it may be used or not, and what is open."""
        table = self.table
        row = table.row(table.cursor) if table.ids else None
        told = self.hand.told(table.cursor, len(table.ids))
        if self.kyodaku.registers.recording is not None:
            told = f"{told}, " * bool(told) + f"recording @{self.kyodaku.registers.recording}"
        self.reason.show(reason(row, table.purpose), told)

    def show_open(self) -> None:
        self.show_reason()

    def is_marked(self, place: int) -> bool:
        """Whether the row at this place is marked, or in the open range."""
        hand, table = self.hand, self.table
        if hand.begun is not None and place in hand.rows(table.cursor, len(table.ids)):
            return True
        return bool(hand.marks) and table.ids[place] in hand.marks

    def let_go(self) -> bool:
        """Let go of what is open, else of the marks; False where there was neither."""
        if not self.hand.drop():
            return False
        self.hand_changed()
        return True

    def why_not(self, name: str) -> str | None:
        if name in DECISIONS and not self.table.ids:
            return "there is no photograph to decide about"
        if name == "marked" and not self.hand.marks:
            return "no photograph is marked: Space marks one"
        if name == "again" and self._again is None:
            return "nothing was decided yet that could be repeated"
        return super().why_not(name)

    # What the next key goes to

    def do_digit(self, digit: int) -> None:
        self.hand.digit(digit)
        self.show_reason()

    def take_count(self) -> int:
        if self.hand.count is None:
            return 1
        count = self.hand.take_count()
        self.show_reason()
        return count

    def do_range(self) -> None:
        self.hand.begun = None if self.hand.begun is not None else self.table.cursor
        self.hand_changed()

    def do_mark(self) -> None:
        if (photo_id := self.table.photo_id) is not None:
            if self.hand.begun is not None:
                for key in self.hand.targets(self.table.ids, self.table.cursor):
                    self.hand.marks[key] = None
                self.hand.begun = None
            else:
                self.hand.mark(photo_id)
                self.table.move_to(self.table.cursor + 1)
            self.hand_changed()

    def do_marked(self) -> None:
        self.hand.scope = Scope.MARKS
        self.show_reason()

    def do_all(self) -> None:
        self.hand.scope = Scope.ALL
        self.show_reason()

    def do_advance(self) -> None:
        self.kyodaku.advances = not self.kyodaku.advances
        self.say(
            "the cursor goes on after a decision" if self.kyodaku.advances else "the cursor stays after a decision"
        )

    async def do_next_open(self) -> None:
        await self._careful(self._next_open)

    async def _next_open(self) -> None:
        """Go to the next photograph that is not settled for the purpose shown."""
        ids, purpose = self.table.ids, self.table.purpose
        for start in range(self.table.cursor + 1, len(ids), AHEAD):
            some = ids[start : start + AHEAD]
            found = await self.desk.read(lambda catalog, some=some: statuses.of_photos(catalog, some))  # type: ignore[misc]
            for place, photo_id in enumerate(some, start=start):
                if found[photo_id].get(purpose) not in SETTLED:
                    self.table.move_to(place)
                    return
        self.say(f"no photograph below is open for {purpose}")

    def hand_changed(self) -> None:
        """What is marked or in the range is another: draw it."""
        self.show_reason()
        self.keys.look_again()
        self.table.draw_marks()

    # Decisions

    async def do_mine(self) -> None:
        await self._decide(Choice("mine"))

    async def do_licensed(self) -> None:
        await self._decide(Choice("licensed"))

    async def do_nobodys(self) -> None:
        await self._decide(Choice("nobodys"))

    async def do_allow(self) -> None:
        await self._decide(Choice("allow"))

    async def do_refuse(self) -> None:
        await self._decide(Choice("refuse"))

    def do_keyword(self) -> None:
        self.ask(partial(self._ask_keyword, "keyword", "Give which keyword?"))

    def do_no_keyword(self) -> None:
        self.ask(partial(self._ask_keyword, "no_keyword", "Take which keyword off?"))

    async def do_again(self) -> None:
        assert self._again is not None
        await self._decide(self._again)

    async def _ask_keyword(self, name: str, title: str) -> None:
        number = len(self.hand.targets(self.table.ids, self.table.cursor))
        answers = await self.app.push_screen_wait(
            Form(
                title,
                [Field("word", "Keyword", value=self._keyword)],
                about=f"{number:,} photograph{'' if number == 1 else 's'}. The period repeats it with one key.",
                check=lambda answers: None if answers["word"] else "a word is needed",
            )
        )
        if answers is not None:
            self._keyword = answers["word"]
            await self._carry_out(Choice(name, self._keyword))

    async def _decide(self, choice: Choice) -> None:
        """Carry a decision out now; what needs to be asked first, or takes long, holds the keys meanwhile."""
        ids = self.hand.targets(self.table.ids, self.table.cursor)
        if choice.name in CONSENT and (not self.kyodaku.pen or len(ids) > 1):
            self.ask(partial(self._ask_consent, choice, ids))
        elif choice.name in RIGHTS and not self.kyodaku.pen:
            self.ask(partial(self._ask_rights, choice))
        elif len(ids) > MANY:
            self.say(f"deciding about {len(ids):,} photographs …")
            self.ask(partial(self._carry_out, choice))
        else:
            await self._careful(partial(self._carry_out, choice))

    async def _ask_rights(self, choice: Choice) -> None:
        """Ask who records it, where that was not said yet: it goes to the ledger."""
        if await self.ask_pen():
            await self._carry_out(choice)

    async def _ask_consent(self, choice: Choice, ids: Sequence[int]) -> None:
        """Ask who records it, where that was not said yet, and show of whom, where it is of many photographs."""
        if not await self.ask_pen():
            return
        if len(ids) > 1:
            people = await self.desk.read(lambda catalog: tagging.names_in(catalog, ids))
            purpose, verb = self.table.purpose, "allow" if choice.name == "allow" else "refuse"
            title = f"{len(people):,} people {verb} {purpose}?"
            about = [f"Seen in {len(ids):,} photographs; it counts for every photograph of theirs.", "", *people]
            if not await self.app.push_screen_wait(Confirm(title, about, yes=verb)):
                return
        await self._carry_out(choice)

    async def _carry_out(self, choice: Choice, sure: bool = False) -> None:
        table, hand = self.table, self.hand
        ids = hand.targets(table.ids, table.cursor)
        first, last = table.first_and_last()
        after = hand.rows(table.cursor, len(table.ids)).stop if hand.scope is Scope.HERE else table.cursor
        shown = sorted({*range(first, last), min(after, len(table.ids) - 1)})
        wanted = [table.ids[place] for place in shown]
        purpose, by = table.purpose, self.kyodaku.pen

        def work(catalog: Catalog) -> tuple[Tagged | Said, list[listing.PhotoRow]]:
            if choice.name in CONSENT:
                people = tagging.seen_in(catalog, ids)
                allow = choice.name == "allow"
                said: Tagged | Said = tagging.say(catalog, people, purpose, allow=allow, by=by, sure=sure)
            else:
                said = _tag(catalog, ids, choice, by)
            return said, listing.rows(catalog, wanted)

        done, rows = await self.desk.write(work)
        if isinstance(done, Said) and not done.done:
            self.ask(partial(self._ask_reach, choice, done))
            return
        self._again = choice
        for place, row in zip(shown, rows, strict=True):
            table.put(place, [row])
        had_range = hand.begun is not None
        after = hand.used(table.cursor, len(table.ids))
        if self.kyodaku.advances:
            table.move_to(after)
        if had_range:
            self.hand_changed()
        self.show_reason()
        self.keys.look_again()
        self.say(done.lines()[0] + ("   u undoes" if done.counts else ""))
        if isinstance(done, Said) and done.settled.lines():
            self.ask(partial(self.tell_settled, done.settled))

    async def _ask_reach(self, choice: Choice, said: Said) -> None:
        """A refusal would take models out of use: show which, and ask."""
        lines = [*said.settled.lines(), "", "A grant recorded later does not bring these models back."]
        if await self.app.push_screen_wait(Confirm(f"{said.told}?", lines, yes="refuse")):
            await self._carry_out(choice, sure=True)

    async def turned(self, done: Undone) -> None:
        """Show what was undone, with the cursor on its first photograph where that is near."""
        table = self.table
        if done.photo is not None:
            start = max(0, table.cursor - NEAR)
            near = table.ids[start : table.cursor + NEAR]
            if done.photo in near:
                table.move_to(start + near.index(done.photo))
        first, last = table.first_and_last()
        wanted = table.ids[first:last]
        table.put(first, await self.desk.read(lambda catalog: listing.rows(catalog, wanted)))
        self.show_reason()


CONSENT = frozenset({"allow", "refuse"})
RIGHTS = {"mine": Rights.MINE, "licensed": Rights.LICENSED, "nobodys": Rights.UNKNOWN}
DECISIONS = CONSENT | RIGHTS.keys() | {"keyword", "no_keyword", "again", "mark", "range", "all", "next_open"}


def _tag(catalog: Catalog, ids: Sequence[int], choice: Choice, by: str) -> Tagged:
    if choice.name in RIGHTS:
        return tagging.set_rights(catalog, ids, RIGHTS[choice.name], by)
    act = tagging.give_keyword if choice.name == "keyword" else tagging.take_keyword
    return act(catalog, ids, choice.word)
