"""Where people stand, as the table of Consent writes it, and one person's record in full."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from rich.text import Text

from core import consent, consent_actions
from storage import ledger, subjects
from storage.catalog import Catalog
from storage.records import Event, Purpose, Status, Subject
from storage.safe_text import display
from tui.widgets.row_table import Cell, Column
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


DUE_DAYS = 90  # ahead
Ends = dict[str, datetime]
"""When the next grant of a person's ends, by name."""


def columns_for(purpose: Purpose, ends: Ends | None = None) -> list[Column]:
    """The table's columns; the one of the purpose that y and n are about stands out. With `ends`, those are shown."""
    said = [Column(SHORT[one].upper() if one is purpose else SHORT[one], 5) for one in Purpose]
    return [Column("Who", 0), Column("Born", 10, optional=1) if ends is None else Column("Ends", 10), *said]


def ending(catalog: Catalog) -> Ends:
    """Of whom a grant in force ends within `DUE_DAYS`, and when the first of them does."""
    found: Ends = {}
    for one in consent_actions.due(catalog, timedelta(days=DUE_DAYS)):
        found.setdefault(one.subject, one.until)
    return found


def due(people: Iterable[Standing], ends: Ends) -> list[Standing]:
    """Of these people whom to ask anew: first those of whom a grant has ended, then those of whom one ends soonest."""
    asked = [
        (Status.EXPIRED not in statuses.values(), ends.get(subject.name), subject.name, (subject, statuses))
        for subject, statuses in people
        if Status.EXPIRED in statuses.values() or subject.name in ends
    ]
    return [pair for *_, pair in sorted(asked, key=lambda one: (one[0], str(one[1] or ""), one[2]))]


def standings(catalog: Catalog) -> tuple[list[Standing], datetime | None]:
    """Everyone on record with the status for each purpose at this moment, by name; and from when on time alone may
    have changed one.
    """
    everyone = subjects.list_all(catalog)
    events = ledger.events_of_many(catalog, [subject.uid for subject in everyone])
    now = ledger.instant(catalog)
    rulings = [
        (subject, {p: consent.person_ruling(subject, events[subject.uid], p, now) for p in Purpose})
        for subject in everyone
    ]
    turns = (ruling.until for _, by_purpose in rulings for ruling in by_purpose.values() if ruling.until is not None)
    found = [(subject, {p: ruling.status for p, ruling in by_purpose.items()}) for subject, by_purpose in rulings]
    return found, min(turns, default=None)


def person_cells(subject: Subject, statuses: dict[Purpose, Status], ends: Ends | None = None) -> Sequence[Cell]:
    """A person as the table writes it: one sign for each purpose. With `ends`, when it ends in the place of the age."""
    signs = [(f"  {SIGNS[statuses[p]]}", ROLES[statuses[p]]) for p in Purpose]
    if ends is not None:
        end = ends.get(subject.name)
        return subject.name, f"{end.astimezone():%Y-%m-%d}" if end else ("ended", "warn"), *signs
    born: Cell = ("minor", "bad") if subject.minor else (str(subject.born) if subject.born else "")
    if not born and subject.adult_attested_by:
        born = ("adult", "dim")
    return subject.name, born, *signs


def record(subject: Subject, catalog: Catalog) -> Text:
    """All that is on record of a person's consent: where they stand and why, then every event, newest first."""
    text = Text().append(display(subject.name) + "\n", style="bold")
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
    what = "".join(f" {purpose}," for purpose in event.purposes).rstrip(",")
    until = f" until {event.valid_until.astimezone():%Y-%m-%d}" if event.valid_until else ""
    by = f", by {event.by}" if event.by else ""
    evidence = f", evidence {event.evidence[:12]}…" if event.evidence else ""
    note = f": {event.note}" if event.note else ""
    return f"{event.at.astimezone():%Y-%m-%d %H:%M} {event.kind}{what}{until}{by}{evidence}{note}"
