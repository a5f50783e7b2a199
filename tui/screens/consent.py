"""Consent: where each person stands for each purpose, the events behind it, and recording new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Input, Static

from core import consent_actions, jobs, tagging, withdrawal
from core.counted import counted
from core.query_language import in_quotes
from storage import faces, subjects
from storage.catalog import Catalog
from storage.records import Job, Purpose, Status, Subject
from storage.safe_text import display
from tui import actions
from tui.consent_record import DUE_DAYS, Ends, Standing, columns_for, due, ending, person_cells, record, standings
from tui.screens.consent_forms import check_date, check_event, instant, purpose_fields, ticked
from tui.screens.dialogs import Confirm, Field, Form, Reading
from tui.screens.room import Room
from tui.widgets.row_table import ListTable, RowTable
from tui.widgets.text_line import TextLine

NOBODY = "No person is on record. a adds one; naming a cluster in People does too."
NOBODY_DUE = f"Nobody's consent has ended, or ends within {DUE_DAYS} days. d shows everyone."
OF_A_PERSON = frozenset({"allow", "deny", "grant", "refuse", "withdraw", "age", "photos"})


class ConsentRoom(Room):
    """People and their statuses on the left; on the right one person's record, event by event."""

    ROOM = "consent"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("consent")
    DEFAULT_CSS = """
    ConsentRoom #searching { height: 1; background: $surface; }
    ConsentRoom #searching Static { width: auto; padding: 0 1; color: $text-muted; }
    ConsentRoom #searching #count { width: 16; text-align: right; }
    ConsentRoom #search { width: 1fr; border: none; height: 1; padding: 0; background: $surface; }
    ConsentRoom #search:focus { border: none; background: $panel; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._people: dict[int, Standing] = {}
        self._ends: Ends | None = None  # while only those are shown who are to be asked anew
        self.purpose = Purpose.TRAIN_COMPOSITE  # what y and n are about

    def body(self) -> ComposeResult:
        with Horizontal(id="searching"):
            yield Static("/")
            yield TextLine(placeholder="everyone", id="search")
            yield Static("", id="count")
        with Vertical(classes="split"):
            table: ListTable[int] = ListTable(
                columns_for(self.purpose),
                empty=NOBODY,
                id="people",
            )
            table.add_class("list")
            yield table
            with VerticalScroll(classes="pane"):
                yield Static("", id="record")

    @property
    def table(self) -> ListTable[int]:
        """The people."""
        return self.query_one("#people", ListTable)

    @property
    def subject(self) -> Subject | None:
        """The person under the cursor."""
        key = self.table.key
        return None if key is None or key not in self._people else self._people[key][0]

    def on_mount(self) -> None:
        self.set_focus(self.table)

    async def load(self) -> None:
        found, self.until = await self.desk.read(standings)
        if self._ends is not None:
            self._ends = await self.desk.read(ending)
        self._people = {subject.id: (subject, statuses) for subject, statuses in found}
        self._fill()

    def _fill(self) -> None:
        wanted = self.query_one("#search", Input).value.casefold()
        shown = [pair for pair in self._people.values() if wanted in pair[0].name.casefold()]
        if self._ends is not None:
            shown = due(shown, self._ends)
        self.table.empty = NOBODY_DUE if self._ends is not None and self._people else NOBODY
        self.table.fill([(subject.id, person_cells(subject, statuses, self._ends)) for subject, statuses in shown])
        told = "" if self._ends is None else f"; shown: whose consent has ended, or ends within {DUE_DAYS} days"
        self.place(f"{counted(len(self._people), 'person')} on record{told}")
        self.query_one("#count", Static).update(counted(len(shown), "person"), layout=False)
        self.keys.look_again()

    @on(Input.Changed, "#search")
    def _typed(self) -> None:
        self._fill()

    @on(Input.Submitted, "#search")
    def _searched(self) -> None:
        self.set_focus(self.table)

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self.moved()

    def rested(self) -> None:
        self.begin(self._look, group="look")

    async def _look(self) -> None:
        subject = self.subject
        text = Text("") if subject is None else await self.desk.read(partial(record, subject))
        self.query_one("#record", Static).update(text)

    # Actions

    def why_not(self, name: str) -> str | None:
        if name in OF_A_PERSON and self.subject is None:
            return "there is no person under the cursor; a adds one"
        return super().why_not(name)

    def do_purpose(self, step: int = 1) -> None:
        purposes = list(Purpose)
        self.purpose = purposes[(purposes.index(self.purpose) + step) % len(purposes)]
        self.table.set_columns(columns_for(self.purpose, self._ends))
        self.say(f"y allows {self.purpose}, n refuses it")

    def do_purpose_before(self) -> None:
        self.do_purpose(-1)

    def do_due(self) -> None:
        self._ends = {} if self._ends is None else None
        self.table.set_columns(columns_for(self.purpose, self._ends))
        self.begin(self.load, group="load")

    async def do_allow(self) -> None:
        await self._decide(True)

    async def do_deny(self) -> None:
        await self._decide(False)

    async def _decide(self, allow: bool) -> None:
        """Record one word of the person under the cursor about the purpose chosen, and go on to the next."""
        if self.kyodaku.pen:
            await self._careful(partial(self._say_it, allow))
        else:
            self.ask(partial(self._ask_and_say, allow))

    async def _ask_and_say(self, allow: bool) -> None:
        if await self.ask_pen():
            await self._say_it(allow)

    async def _say_it(self, allow: bool, sure: bool = False) -> None:
        subject, purpose, by = self.subject, self.purpose, self.kyodaku.pen
        assert subject is not None

        def work(catalog: Catalog) -> tuple[tagging.Said, dict[Purpose, Status]]:
            said = tagging.say(catalog, [subject.id], purpose, allow=allow, by=by, sure=sure)
            return said, consent_actions.show(catalog, subject.id).status

        said, statuses = await self.desk.write(work)
        if not said.done:
            self.ask(partial(self._ask_reach, allow, said))
            return
        self._people[subject.id] = (subject, statuses)
        self.table.put(subject.id, person_cells(subject, statuses, self._ends))
        if self.kyodaku.advances:
            self.table.move_to(self.table.cursor + 1)
        self.say(said.told + ("   u undoes" if said.counts else ""))
        if said.settled.lines():
            self.ask(partial(self.tell_settled, said.settled))

    async def _ask_reach(self, allow: bool, said: tagging.Said) -> None:
        """A refusal would take models out of use: show which, and ask."""
        lines = [*said.settled.lines(), "", "A grant recorded later does not bring these models back."]
        if await self.app.push_screen_wait(Confirm(f"{said.told}?", lines, yes="refuse")):
            await self._say_it(allow, sure=True)

    def do_search(self) -> None:
        self.set_focus(self.query_one("#search", Input))

    def do_back(self) -> None:
        box = self.query_one("#search", Input)
        if box.has_focus or box.value:
            box.value = ""
            self.set_focus(self.table)
        elif self._ends is not None:
            self.do_due()
        else:
            super().do_back()

    async def do_photos(self) -> None:
        assert self.subject is not None
        await self.kyodaku.show_photos(f"subject:{in_quotes(self.subject.name)}")

    def do_grant(self) -> None:
        self.ask(self._grant)

    async def _grant(self) -> None:
        subject = self.subject
        assert subject is not None
        answers = await self.app.push_screen_wait(
            Form(
                f"What does {subject.name} allow?",
                [
                    *purpose_fields(),
                    Field("by", "Recorded by", value=self.kyodaku.pen, help="for a minor: the guardian who decides"),
                    Field("until", "Until", help="2027-12-31, that day not included; empty: open"),
                    Field("evidence", "Evidence", help="the file with the signed release; kept by its hash"),
                    Field("note", "Note"),
                ],
                about=await self._reach_line(subject),
                check=partial(check_event, until=True),
            )
        )
        if answers is None:
            return
        purposes, self.kyodaku.pen = ticked(answers), answers["by"]
        until = instant(answers["until"]) if answers["until"] else None
        evidence = Path(answers["evidence"]).expanduser() if answers["evidence"] else None
        await self.desk.write(
            lambda catalog: consent_actions.grant(
                catalog,
                [subject.id],
                purposes,
                by=answers["by"],
                valid_until=until,
                evidence=evidence,
                note=answers["note"] or None,
            )
        )
        await self._told(f"{subject.name} allows {', '.join(purposes)}")

    def do_refuse(self) -> None:
        self.ask(self._refuse)

    async def _refuse(self) -> None:
        subject = self.subject
        assert subject is not None
        answers = await self.app.push_screen_wait(
            Form(
                f"What does {subject.name} not allow?",
                [*purpose_fields(), Field("by", "Recorded by", value=self.kyodaku.pen), Field("note", "Note")],
                about=await self._reach_line(subject),
                check=check_event,
            )
        )
        if answers is None:
            return
        purposes, self.kyodaku.pen = ticked(answers), answers["by"]
        [done] = await self.desk.write(
            lambda catalog: consent_actions.refuse(
                catalog, [subject.id], purposes, by=answers["by"], note=answers["note"] or None, remake=False
            )
        )
        await self.tell_settled(done.settled)
        await self._told(f"{subject.name} refuses {', '.join(purposes)}")

    def do_withdraw(self) -> None:
        self.ask(self._withdraw)

    async def _withdraw(self) -> None:
        """Ask which, show all that it reaches, and only then do it: every average is made again without them."""
        subject = self.subject
        assert subject is not None
        answers = await self.app.push_screen_wait(
            Form(
                f"What does {subject.name} take back?",
                [
                    *purpose_fields("yes"),
                    Field("by", "Recorded by", value=self.kyodaku.pen),
                    Field("note", "Note"),
                ],
                about="Nothing is done yet: next comes what it reaches.",
                check=check_event,
            )
        )
        if answers is None:
            return
        purposes, self.kyodaku.pen = ticked(answers), answers["by"]
        reached = await self.desk.read(lambda catalog: withdrawal.reach(catalog, subject.id, purposes))
        if not await self.app.push_screen_wait(
            Confirm(
                f"Withdraw {', '.join(purposes)} for {subject.name}?",
                [*reached.lines(), "", "A grant recorded later does not bring these models back."],
                yes="withdraw",
            )
        ):
            self.say("nothing was withdrawn")
            return
        self.say(f"withdrawing for {subject.name} …")
        done, job = await self.desk.write(
            lambda catalog: withdraw(catalog, subject, purposes, by=answers["by"], note=answers["note"] or None)
        )
        lines = list(done.lines())
        if job is not None:
            lines += ["", f"Job {job.id} makes the averages again without {subject.name}; Jobs shows it."]
        await self.app.push_screen_wait(Reading(Text("\n".join(display(line) for line in lines))))
        await self._told(f"{subject.name} has withdrawn {', '.join(purposes)}")

    def do_add(self) -> None:
        self.ask(self._add)

    async def _add(self) -> None:
        answers = await self.app.push_screen_wait(
            Form(
                "A new person",
                [Field("name", "Name"), Field("born", "Born", help="1990-01-31, if known")],
                about="A person has granted nothing until a grant is recorded.",
                check=lambda answers: check_date(answers["born"]) if answers["name"] else "a name is needed",
            )
        )
        if answers is None:
            return
        born = date.fromisoformat(answers["born"]) if answers["born"] else None
        made = await self.desk.write(lambda catalog: subjects.add(catalog, answers["name"], born=born))
        await self._told(f"{made.name} is on record")
        self.table.go_to(made.id)

    def do_age(self) -> None:
        self.ask(self._age)

    async def _age(self) -> None:
        subject = self.subject
        assert subject is not None
        answers = await self.app.push_screen_wait(
            Form(
                f"What is on record about {subject.name}'s age",
                [
                    Field("born", "Born", value=str(subject.born or ""), help="1990-01-31"),
                    Field("by", "Adult, says", value=subject.adult_attested_by or "", help="who attests it"),
                    Field("how", "and knows by", value=subject.adult_attested_how or "", help="a document seen, …"),
                    Field("minor", "declared a minor: never trains", tick=True, value="yes" if subject.minor else ""),
                    Field("guardian", "Guardian", value=subject.guardian or "", help="decides for a minor"),
                ],
                about="Who was under 18 when a picture was taken never trains from it, whatever is granted.",
                check=lambda answers: check_date(answers["born"]),
            )
        )
        if answers is None:
            return
        changed = replace(
            subject,
            born=date.fromisoformat(answers["born"]) if answers["born"] else None,
            adult_attested_by=answers["by"] or None,
            adult_attested_how=answers["how"] or None,
            minor=bool(answers["minor"]),
            guardian=answers["guardian"] or None,
        )
        done = await self.desk.write(lambda catalog: withdrawal.edit_subject(catalog, changed, remake=False))
        await self.tell_settled(done.settled)
        await self._told(f"{subject.name}'s age is on record as told")

    async def _reach_line(self, subject: Subject) -> str:
        reached = await self.desk.read(lambda catalog: {f.photo_id for f in faces.of_subject(catalog, subject.id)})
        return (
            f"It reaches {counted(len(reached), 'photograph')} in which {subject.name} is seen. "
            "A group picture also needs everyone else in it."
        )

    async def _told(self, message: str) -> None:
        self.kyodaku.settle_statuses()
        await self.load()
        await self._look()
        self.say(message)


def withdraw(
    catalog: Catalog, subject: Subject, purposes: Sequence[Purpose], *, by: str, note: str | None
) -> tuple[withdrawal.Withdrawal, Job | None]:
    """Withdraw now, and have a job remake what can be had without the person: remaking loads torch, the app never."""
    done = withdrawal.withdraw(catalog, subject.id, purposes, by=by, note=note, remake=False)
    return done, jobs.submit(catalog, "remake", {}) if done.waiting else None
