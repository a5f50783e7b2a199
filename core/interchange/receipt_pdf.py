"""A receipt as a page to hand over: on the left what is allowed and used, on the right how to take it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.interchange import receipt as receipts
from core.interchange.page import WIDTH, Page, Style
from core.interchange.receipt_pictures import Shown
from core.interchange.wording import Language, words
from storage.records import Status

INK, MUTED, FAINT = (33, 37, 41), (104, 110, 116), (214, 210, 201)
ACCENT, REFUSAL, PANEL = (24, 90, 84), (150, 58, 40), (244, 242, 237)

TITLE = Style(20, INK, bold=True, leading=1.4)
NAME = Style(12.5, ACCENT)
HEADING = Style(10.5, ACCENT, bold=True, leading=1.6)
TEXT = Style(9, INK)
LABEL = Style(8, MUTED)
FACT = Style(8, INK)
SMALL = Style(7.2, MUTED)
TINY = Style(6.2, MUTED, leading=1.3)

EDGE = 15.0
LEFT_WIDTH, PANEL_WIDTH, GAP = 112.0, 60.0, 8.0
PANEL_X = EDGE + LEFT_WIDTH + GAP
FOOT = 272.0  # where the footer begins
STATUS_WIDTH = 27.0
TILE, TILE_GAP = 14.5, 1.75
COLUMNS = 7
MOST_ROWS = 6
MOST_USED, MOST_EVENTS = 8, 5
PADDING = 5.0


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is being laid out: the page, the receipt and its words."""

    page: Page
    made: Mapping[str, Any]
    say: Mapping[str, str]

    def more(self, count: int) -> str:
        return self.say["more"].format(count=count)


Draw = Callable[[Sequence[int]], Sequence[Shown]]
"""Gives the pictures of these photographs."""


def pdf(made: Mapping[str, Any], draw: Draw) -> tuple[bytes, list[str]]:
    """One page of A4, and the characters on it that no font has. The same receipt and pictures give the same bytes."""
    say = words(Language(made["language"]))
    issued = datetime.fromisoformat(made["issued_at"])
    sheet = Sheet(Page(say["title"], made["language"], issued), made, say)
    top = _head(sheet)
    _panel(sheet, top)
    y = _allowed(sheet, top + 1) + 4
    room = FOOT - 5 - y - _used(sheet, 0, dry=True) - _recorded(sheet, 0, dry=True) - 8
    y = _photographs(sheet, y, room, draw) + 4
    y = _used(sheet, y) + 4
    _recorded(sheet, y)
    _foot(sheet)
    return sheet.page.bytes(), list(sheet.page.replaced)


def _head(sheet: Sheet) -> float:
    page, say = sheet.page, sheet.say
    page.box(0, 0, WIDTH, 3, ACCENT)
    day = say["made_on"].format(day=receipts.day(sheet.made["issued_at"]))
    page.put_right(WIDTH - EDGE, 17.5, day, LABEL)
    y = page.put(EDGE, 14, LEFT_WIDTH + 20, say["title"], TITLE, 1)
    y = page.put(EDGE, y, WIDTH - 2 * EDGE, receipts.addressed(sheet.made, say), NAME, 2)
    intro = say["intro_guardian" if sheet.made["principal"]["minor"] else "intro"]
    intro = intro.format(name=sheet.made["principal"]["name"])
    return page.put(EDGE, y + 0.5, WIDTH - 2 * EDGE, intro, TEXT, 2) + 5


def _allowed(sheet: Sheet, y: float) -> float:
    page, say = sheet.page, sheet.say
    y = page.put(EDGE, y, LEFT_WIDTH, say["allowed_title"], HEADING)
    width = LEFT_WIDTH - STATUS_WIDTH - 3
    for purpose, standing in sheet.made["purposes"].items():
        status = standing["status"]
        colour = {Status.GRANTED: ACCENT, Status.REFUSED: REFUSAL, Status.WITHDRAWN: REFUSAL}.get(status, MUTED)
        page.box(EDGE, y, LEFT_WIDTH, 0.15, FAINT)
        y += 1
        page.put(EDGE, y, STATUS_WIDTH, say[f"status_{status}"], Style(9, colour, bold=status == Status.GRANTED), 1)
        y = page.put(EDGE + STATUS_WIDTH + 3, y, width, say[f"purpose_{purpose}"], TEXT, 2)
        y = page.put(EDGE + STATUS_WIDTH + 3, y, width, receipts.detail_of(standing, say), SMALL, 2) + 1
    return y


def _photographs(sheet: Sheet, y: float, room: float, draw: Draw) -> float:
    """The pictures, in as many rows as there is room for: one at least."""
    page, say, found = sheet.page, sheet.say, sheet.made["photographs"]
    y = page.put(EDGE, y, LEFT_WIDTH, say["photographs_title"].format(count=len(found)), HEADING)
    if not found:
        return y
    note = say["photographs_shown"].format(shown=len(found))
    rows = int((room - HEADING.line - page.height(note, LEFT_WIDTH, SMALL, 2) - 1) // (TILE + TILE_GAP))
    chosen = found[: COLUMNS * max(1, min(rows, MOST_ROWS))]
    note = say["photographs_shown"].format(shown=len(chosen))
    y = page.put(EDGE, y, LEFT_WIDTH, note, SMALL, 2) + 1
    for number, shown in enumerate(draw([one["photo"] for one in chosen])):
        row, column = divmod(number, COLUMNS)
        x, top = EDGE + column * (TILE + TILE_GAP), y + row * (TILE + TILE_GAP)
        if isinstance(shown, str):
            page.box(x, top, TILE, TILE, PANEL)
            lines = page.lines(say[shown], TILE - 2, TINY, 4)
            page.put(x + 1, top + (TILE - len(lines) * TINY.line) / 2, TILE - 2, say[shown], TINY, 4)
        else:
            page.picture(shown, x, top, TILE, TILE)
    return y + (len(chosen) + COLUMNS - 1) // COLUMNS * (TILE + TILE_GAP)


def _used(sheet: Sheet, y: float, *, dry: bool = False) -> float:
    found = receipts.used(sheet.made, sheet.say)
    shown = found[:MOST_USED] + ([sheet.more(len(found) - MOST_USED)] if len(found) > MOST_USED else [])
    return _list(sheet, y, sheet.say["used_title"], [(line, SMALL) for line in shown], dry)


def _recorded(sheet: Sheet, y: float, *, dry: bool = False) -> float:
    say, events = sheet.say, list(reversed(sheet.made["events"]))
    names = {"grant": "granted", "refusal": "refused", "withdrawal": "withdrawn"}
    lines = []
    for event in events[:MOST_EVENTS]:
        said = say[f"status_{names[event['event_type']]}"]
        purposes = ", ".join(say[f"short_{purpose}"] for purpose in event["purposes"])
        lines.append((f"{receipts.day(event['event_time'])}  {said}: {purposes}", SMALL))
        lines.append((event["hash"], TINY))
    if len(events) > MOST_EVENTS:
        lines.append((sheet.more(len(events) - MOST_EVENTS), SMALL))
    return _list(sheet, y, say["record_title"], lines or [(say["none"], SMALL)], dry)


def _list(sheet: Sheet, y: float, title: str, lines: Sequence[tuple[str, Style]], dry: bool) -> float:
    if dry:
        return y + HEADING.line + sum(style.line for _, style in lines)
    y = sheet.page.put(EDGE, y, LEFT_WIDTH, title, HEADING)
    for line, style in lines:
        y = sheet.page.put(EDGE, y, LEFT_WIDTH, line, style, 1)
    return y


def _panel(sheet: Sheet, y: float) -> None:
    """How to take consent back, and what ISO/IEC TS 27560 asks to be told, on a ground as long as they are."""
    page, x, width = sheet.page, PANEL_X + PADDING, PANEL_WIDTH - 2 * PADDING
    blocks = list(_told(sheet.made, sheet.say))
    height = sum(page.height(text, width, style, most) + gap for text, style, most, gap in blocks)
    page.box(PANEL_X, y, PANEL_WIDTH, height + 2 * PADDING - 1, PANEL)
    y += PADDING
    for text, style, most, gap in blocks:
        y = page.put(x, y, width, text, style, most) + gap


def _told(made: Mapping[str, Any], say: Mapping[str, str]) -> Iterator[tuple[str, Style, int | None, float]]:
    """The panel's texts, with their style, most lines, and the space below. Only what people typed is ever cut."""
    told, unstated = made["controller"] or {}, say["not_stated"]
    yield say["withdraw_title"], HEADING, None, 0.5
    yield say["withdraw_text"], TEXT, None, 1.5
    yield say["write_to"], LABEL, None, 0
    yield told.get("contact") or unstated, TEXT, 4, 5
    yield say["data_title"], HEADING, None, 0.5
    for key, text, most in (
        ("controller", told.get("name") or unstated, 3),
        ("notice", say["notice_kept"] if made["notice"]["evidence_sha256"] else unstated, None),
        ("kinds", say["kinds_text"], None),
        ("storage", say["storage_text"], None),
        ("retention", made["storage"]["retention"] or unstated, 3),
        ("jurisdiction", made["jurisdiction"] or unstated, 3),
        ("recipients", say["recipients_text"], None),
    ):
        yield say[key], LABEL, None, 0
        yield text, FACT, most, 1.2


def _foot(sheet: Sheet) -> None:
    page, say, made = sheet.page, sheet.say, sheet.made
    page.box(EDGE, FOOT - 1, WIDTH - 2 * EDGE, 0.15, FAINT)
    y = FOOT
    for key, value in (
        ("record_id", made["record_id"]),
        ("pseudonym", made["principal_id"]),
        ("ledger_head", made["ledger_head"]),
    ):
        page.put(EDGE, y, 40, say[key], TINY, 1)
        y = page.put(EDGE + 40, y, WIDTH - 2 * EDGE - 40, value, TINY, 1)
    notes = [say["days"]]
    if page.replaced:
        codes = ", ".join(f"U+{ord(letter):04X}" for letter in page.replaced)
        notes.append(say["replaced"].format(characters=codes))
    page.put(EDGE, y, WIDTH - 2 * EDGE, "  ".join(notes), TINY, 2)
