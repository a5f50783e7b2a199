"""Deciding about photographs with one key each: what the archive does beside showing them.

A decision is committed before the cursor goes on. What it goes to is a frozen list of ids: the row, so many rows,
a range, the marked ones, or all that was found, of which the number is shown before the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from core import listing, tagging
from core.counted import counted
from core.decisions.undo import Undone
from core.tagging import Said, Tagged
from storage import statuses
from storage.catalog import Catalog
from storage.records import Rights, Status
from tui.hand import Scope
from tui.reasons import reason
from tui.screens.choosing import ChoosingRoom
from tui.screens.dialogs import Confirm, Field, Form
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


class TaggingRoom(ChoosingRoom[int]):
    """A room with a table of photographs, about which decisions are made."""

    def __init__(self) -> None:
        super().__init__()
        self._again: Choice | None = None
        self._keyword = ""

    @property
    def table(self) -> PhotoTable:
        """The table of photographs."""
        raise NotImplementedError

    @property
    def ids(self) -> Sequence[int]:
        return self.table.ids

    def show_reason(self) -> None:
        """Say of the row under the cursor why it may be used or not, and what is open."""
        table = self.table
        row = table.row(table.cursor) if table.ids else None
        self.reason.show(reason(row, table.purpose), self.told_open())

    def why_not(self, name: str) -> str | None:
        if name in DECISIONS and not self.table.ids:
            return "there is no photograph to decide about"
        if name == "again" and self._again is None:
            return "nothing was decided yet that could be repeated"
        return super().why_not(name)

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
                about=f"{counted(number, 'photograph')}. The period repeats it with one key.",
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
            self.say(f"deciding about {counted(len(ids), 'photograph')} …")
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
            title = f"{verb.capitalize()} {purpose}: {counted(len(people), 'person')}?"
            seen = f"Seen in {counted(len(ids), 'photograph')}; it counts for every photograph of theirs."
            about = [seen, "", *people]
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
