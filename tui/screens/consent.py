"""Consent: where each person stands for each purpose, the events behind it, and recording new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Input, Static

from core import consent, consent_actions, jobs, withdrawal
from storage import faces, ledger, subjects
from storage.catalog import Catalog
from storage.records import Event, Job, Purpose, Status, Subject
from storage.safe_text import display
from tui import actions
from tui.screens.dialogs import Answers, Confirm, Field, Form, Reading
from tui.screens.room import Room
from tui.widgets.row_table import Cell, Column, ListTable, RowTable
from tui.widgets.signs import ROLES, SIGNS

SHORT = {
    Purpose.CATALOGUE: "catal",
    Purpose.PRINT: "print",
    Purpose.PUBLISH: "publ",
    Purpose.TRAIN_INDIVIDUAL: "t-ind",
    Purpose.TRAIN_COMPOSITE: "t-com",
    Purpose.RELEASE: "relea",
}
Standing = tuple[Subject, dict[Purpose, Status]]


class ConsentRoom(Room):
    """People and their statuses on the left; on the right one person's record, event by event."""

    ROOM = "consent"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("consent")
    DEFAULT_CSS = """
    ConsentRoom #searching { height: 1; background: $surface; }
    ConsentRoom #searching Static { width: auto; padding: 0 1; color: $text-muted; }
    ConsentRoom #searching #count { width: 16; text-align: right; }
    ConsentRoom #search { width: 1fr; border: none; height: 1; padding: 0; background: $surface; }
    ConsentRoom #search:focus { background: $panel; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._people: dict[int, Standing] = {}
        self._by = ""  # who recorded the last event: offered again

    def body(self) -> ComposeResult:
        with Horizontal(id="searching"):
            yield Static("/")
            box = Input(placeholder="everyone", id="search")
            box.cursor_blink = False
            yield box
            yield Static("", id="count")
        with Vertical(classes="split"):
            table: ListTable[int] = ListTable(
                [Column("Who", 0), Column("Born", 10, optional=1), *(Column(SHORT[p], 5) for p in Purpose)],
                empty="No person is on record. a adds one; naming a cluster in People does too.",
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
        found = await self.desk.read(standings)
        self._people = {subject.id: (subject, statuses) for subject, statuses in found}
        self._fill()

    def _fill(self) -> None:
        wanted = self.query_one("#search", Input).value.casefold()
        shown = [pair for pair in self._people.values() if wanted in pair[0].name.casefold()]
        self.table.fill([(subject.id, person_cells(subject, statuses)) for subject, statuses in shown])
        self.place(f"{len(self._people):,} people on record")
        self.query_one("#count", Static).update(f"{len(shown):,} people", layout=False)
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
        if name in ("grant", "refuse", "withdraw", "age", "photos") and self.subject is None:
            return "there is no person under the cursor; a adds one"
        return None

    def do_search(self) -> None:
        self.set_focus(self.query_one("#search", Input))

    def do_back(self) -> None:
        box = self.query_one("#search", Input)
        if box.value:
            box.value = ""
        if box.has_focus:
            self.set_focus(self.table)
        else:
            super().do_back()

    async def do_photos(self) -> None:
        assert self.subject is not None
        await self.kyodaku.show_photos(f'subject:"{self.subject.name}"')

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
                    Field("by", "Recorded by", value=self._by, help="for a minor: the guardian who decides"),
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
        purposes, self._by = ticked(answers), answers["by"]
        until = _instant(answers["until"]) if answers["until"] else None
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
                [*purpose_fields(), Field("by", "Recorded by", value=self._by), Field("note", "Note")],
                about=await self._reach_line(subject),
                check=check_event,
            )
        )
        if answers is None:
            return
        purposes, self._by = ticked(answers), answers["by"]
        [done] = await self.desk.write(
            lambda catalog: consent_actions.refuse(
                catalog, [subject.id], purposes, by=answers["by"], note=answers["note"] or None, remake=False
            )
        )
        await self._told_taken_out(done.settled)
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
                    Field("by", "Recorded by", value=self._by),
                    Field("note", "Note"),
                ],
                about="Nothing is done yet: next comes what it reaches.",
                check=check_event,
            )
        )
        if answers is None:
            return
        purposes, self._by = ticked(answers), answers["by"]
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
            lines += ["", f"Job {job.id} makes the averages again without {subject.name}; 6 shows it."]
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
        await self._told_taken_out(done.settled)
        await self._told(f"{subject.name}'s age is on record as told")

    async def _reach_line(self, subject: Subject) -> str:
        reached = await self.desk.read(lambda catalog: {f.photo_id for f in faces.of_subject(catalog, subject.id)})
        return (
            f"It reaches {len(reached):,} photographs in which {subject.name} is seen. "
            "A group picture also needs everyone else in it."
        )

    async def _told_taken_out(self, settled: withdrawal.Settled) -> None:
        """Say which models are out of use now, if any, and have a job remake what can be: that loads torch."""
        lines = settled.lines()
        if settled.waiting:
            job = await self.desk.write(lambda catalog: jobs.submit(catalog, "remake", {}))
            lines += ["", f"Job {job.id} makes them again without the person; 6 shows it."]
        if lines:
            await self.app.push_screen_wait(Reading(Text("\n".join(display(line) for line in lines))))

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


def purpose_fields(value: str = "") -> list[Field]:
    """A tick for each purpose; none is ticked unless told: consent is never defaulted."""
    return [Field(purpose, purpose, tick=True, value=value) for purpose in Purpose]


def ticked(answers: Answers) -> list[Purpose]:
    """The purposes that were ticked."""
    return [purpose for purpose in Purpose if answers[purpose]]


def check_event(answers: Answers, until: bool = False) -> str | None:
    """What is wrong with a form that records an event, or None."""
    if not ticked(answers):
        return "tick at least one purpose"
    if not answers["by"]:
        return "say who records it"
    return check_date(answers["until"]) if until else None


def check_date(text: str) -> str | None:
    """What is wrong with a date that may be empty, or None."""
    try:
        if text:
            date.fromisoformat(text)
    except ValueError:
        return f"{text} is no date: write it as 2027-12-31"
    return None


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def standings(catalog: Catalog) -> list[Standing]:
    """Everyone on record with the status for each purpose at this moment, by name."""
    everyone = subjects.list_all(catalog)
    events = ledger.events_of_many(catalog, [subject.uid for subject in everyone])
    now = ledger.instant(catalog)
    return [
        (subject, {p: consent.person_ruling(subject, events[subject.uid], p, now).status for p in Purpose})
        for subject in everyone
    ]


def person_cells(subject: Subject, statuses: dict[Purpose, Status]) -> Sequence[Cell]:
    """A person as the table writes it: one sign for each purpose."""
    born: Cell = ("minor", "bad") if subject.minor else (str(subject.born) if subject.born else "")
    if not born and subject.adult_attested_by:
        born = ("adult", "dim")
    signs = [(f"  {SIGNS[statuses[p]]}", ROLES[statuses[p]]) for p in Purpose]
    return subject.name, born, *signs


def record(subject: Subject, catalog: Catalog) -> Text:
    """All that is on record of a person's consent: where they stand and why, then every event, newest first."""
    text = Text(display(subject.name) + "\n", style="bold")
    for line in age_lines(subject):
        text.append(display(line) + "\n")
    events = ledger.events_of(catalog, subject.uid)
    now = ledger.instant(catalog)
    text.append("\nWhere they stand\n", style="bold")
    for purpose in Purpose:
        ruling = consent.person_ruling(subject, events, purpose, now)
        until = f" until {ruling.until.astimezone():%Y-%m-%d}" if ruling.until else ""
        text.append(f"{SIGNS[ruling.status]} {purpose}: {ruling.status}{until}\n")
        if ruling.status is not Status.GRANTED:
            text.append(f"  {display(ruling.why)}\n", style="dim")
    text.append("\nEvents\n", style="bold")
    for event in reversed(events):
        text.append(f"{display(event_line(event))}\n")
    if not events:
        text.append("none\n", style="dim")
    return text


def age_lines(subject: Subject) -> list[str]:
    """What is on record about a person's age."""
    lines = [f"born {subject.born}" if subject.born else "no birth date on record"]
    if subject.adult_attested_by:
        lines.append(f"an adult, says {subject.adult_attested_by}: {subject.adult_attested_how}")
    if subject.minor:
        lines.append("declared a minor" + (f", guardian {subject.guardian}" if subject.guardian else ""))
    return lines


def event_line(event: Event) -> str:
    """An event of the ledger in a line."""
    what = ", ".join(event.purposes)
    until = f" until {event.valid_until.astimezone():%Y-%m-%d}" if event.valid_until else ""
    by = f", by {event.by}" if event.by else ""
    evidence = f", evidence {event.evidence[:12]}…" if event.evidence else ""
    note = f": {event.note}" if event.note else ""
    return f"{event.at.astimezone():%Y-%m-%d %H:%M} {event.kind} {what}{until}{by}{evidence}{note}"
