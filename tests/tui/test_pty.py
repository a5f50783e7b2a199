"""The app in a real terminal: it starts and ends well, writes little, and no file name commands the terminal."""

from __future__ import annotations

import re
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks import big_catalog
from core import cohort, listing, tagging
from core.consent_actions import grant
from core.statuses import refresh
from storage import decisions, photos, statuses
from storage.catalog import open_catalog
from storage.records import CohortRules, Purpose, Rights
from tests.tui.terminal_driver import Terminal

STEPS = 8
BYTES_A_STEP = 1500
BYTES_A_QUESTION = 2000  # the bottom line, and two rows in one of which a cursor stands


def test_it_starts_without_torch_and_leaves_the_terminal_as_it_was(sample: Path) -> None:
    with Terminal(sample) as terminal:
        terminal.wait_for("60 photographs")
        for key in ("\x1bOQ", *"34567"):  # F2, then the rooms' numbers
            terminal.type(key)
            terminal.settle()
        assert "libtorch" not in Path(f"/proc/{terminal.pid}/maps").read_text()
        terminal.type("Q")
        assert terminal.wait_end() == 0
    assert b"\x1b[?1049l" in terminal.seen, "the alternate screen was not left"
    assert b"Traceback" not in terminal.seen


def test_no_name_of_a_file_commands_the_terminal(sample: Path) -> None:
    with Terminal(sample, columns=160) as terminal:
        terminal.wait_for("60 photographs")
        terminal.type("/52;c\r")
        terminal.wait_for("1 photograph ")
        terminal.settle()
        terminal.type("Q")
        terminal.wait_end()
    assert b"\\x1b]52;c;aGk=\\x07[b]\\u202e\\xff\\x0a.jpg" in terminal.seen, "it is shown, escaped"
    assert b"\x1b]52" not in terminal.seen
    assert "\u202e".encode() not in terminal.seen
    assert b"\x07" not in re.sub(rb"\x1b\]22;[a-z]*\x07", b"", terminal.seen), "but for the shape of the pointer"


def test_a_step_costs_few_bytes_and_rest_costs_none(sample: Path) -> None:
    with Terminal(sample) as terminal:
        terminal.wait_for("60 photographs")
        terminal.type("i")  # the table alone
        terminal.settle()
        terminal.type("j" * STEPS)  # as a held key; what is drawn once at rest is among it
        assert terminal.settle() / STEPS < BYTES_A_STEP
        assert terminal.settle() == 0
        terminal.type("Q")
        assert terminal.wait_end() == 0


def test_a_question_and_each_letter_of_its_answer_draw_their_line_alone(sample: Path) -> None:
    with Terminal(sample) as terminal:
        terminal.wait_for("60 photographs")
        terminal.type("\x1bOQ")  # F2
        terminal.wait_for("5 entries")
        terminal.settle()
        drawn = []
        for key in ("m", "S", "\x1b"):
            terminal.type(key)
            drawn.append(terminal.settle())
        assert max(drawn) < BYTES_A_QUESTION, drawn
        terminal.type("Q")
        assert terminal.wait_end() == 0


def test_nothing_that_a_file_says_commands_the_terminal(sample: Path) -> None:
    """Camera, caption, town and keyword of a file hold C0, C1, bidi, markup and a combining flood."""
    wild = "a\x1b[31m\x9b41m\u202e\u2066[red]b[/red]\r\n\x07" + "\u0301" * 40
    with open_catalog(sample) as catalog, catalog.transaction() as db:
        db.execute("UPDATE photos SET camera = ?1, lens = ?1, caption = ?1, place = ?1, error = ?1", (wild,))
        db.execute("INSERT INTO tags(photo_id, tag) SELECT id, ? FROM photos", (wild,))
    with Terminal(sample, columns=200) as terminal:
        terminal.wait_for("60 photographs")
        for keys in ("j", "\x1bOQ", "2", "3", "4", "5", "6", "7", "1", ":", "\x1b", "?"):
            terminal.type(keys)
            terminal.settle()
        terminal.type("\x1b")
        terminal.settle()  # else Esc and Q are one key
        terminal.type("Q")
        terminal.wait_end()
    assert b"\\x1b[31m" in terminal.seen, "it is shown, escaped"
    assert b"[red]b[/red]" in terminal.seen, "what looks like markup is text"
    assert b"\x1b[31m" not in terminal.seen
    for letter in ("\x9b", "\u202e", "\u2066"):
        assert letter.encode() not in terminal.seen


@pytest.fixture
def pen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A settings file that says who records, so that the app need not ask."""
    (tmp_path / "config.toml").write_text('by = "Chan"', encoding="utf-8")
    monkeypatch.setenv("KYODAKU_CONFIG", str(tmp_path / "config.toml"))


@pytest.mark.usefixtures("pen")
def test_two_apps_and_the_command_line_see_each_other_and_lose_nothing(sample: Path) -> None:
    with Terminal(sample) as one, Terminal(sample) as other:
        for terminal in (one, other):
            terminal.wait_for("60 photographs")
            terminal.settle()
        for number, terminal in enumerate((one, other, one)):
            watching = other if terminal is one else one
            terminal.type(f"t{'abc'[number]}\r")
            terminal.wait_for("tag")
            watching.settle()
        one.type("l")
        other.type("j")
        with open_catalog(sample) as catalog:
            tagging.give_keyword(catalog, [1, 2], "by command")
            photo_id = next(photos.ids(catalog))
            photos.set_errors(catalog, {photo_id: "it was eaten"})
        for terminal in (one, other):
            terminal.type("G")
            terminal.wait_for("no time")
            terminal.settle()
    with open_catalog(sample, readonly=True) as catalog:
        told = [decision.told for decision in decisions.newest(catalog)]
    assert sorted(told) == sorted(
        [f"1 photograph: tagged {word}" for word in "abc"]
        + ["1 photograph: licensed", "2 photographs: tagged by command"]
    )


def test_a_change_made_elsewhere_comes_by_itself(sample: Path) -> None:
    with Terminal(sample) as terminal:
        terminal.wait_for("60 photographs")
        terminal.settle()
        with open_catalog(sample) as catalog:
            tagging.set_rights(catalog, [58], Rights.MINE, "Chan")  # the third row: nobody is seen
        terminal.wait_for("granted")


@pytest.mark.parametrize(
    ("key", "shown"),
    [("\x1bOP", "expired"), ("\x1bOR", "train-composite: expired"), ("\x1bOS", "the grant of train-composite ended")],
    ids=["Archive", "Consent", "Cohorts"],
)
def test_what_the_clock_alone_ends_is_seen_when_it_ends(sample: Path, key: str, shown: str) -> None:
    """A grant that ends while the app shows it: nobody writes then, and nobody presses a key."""
    with open_catalog(sample) as catalog:
        cohort.create(catalog, "friends", 'subject:"Noy Vongsa"', CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=1))
    with Terminal(sample) as terminal:
        terminal.wait_for("60 photographs")
        terminal.type(key)
        terminal.settle()
        with open_catalog(sample) as catalog:
            ends = datetime.now(UTC) + timedelta(seconds=2.5)
            grant(catalog, ["Noy Vongsa"], [Purpose.TRAIN_COMPOSITE], by="Chan", valid_until=ends)
        terminal.wait_for(shown)
        terminal.settle(1.5)
        assert terminal.settle(1.5) == 0, "at rest again"


def test_the_next_instant_at_which_time_changes_a_status_is_told(sample: Path) -> None:
    with open_catalog(sample) as catalog:
        eighteen = statuses.next_due(catalog)  # of the one who was born in 2010
        assert eighteen is not None
        assert eighteen.year == 2028
        ends = datetime.now(UTC) + timedelta(days=1)
        grant(catalog, ["Noy Vongsa"], [Purpose.PRINT], by="Chan", valid_until=ends)
        assert statuses.next_due(catalog) == ends
        refresh(catalog, ends)
        assert statuses.next_due(catalog) == eighteen


@pytest.mark.slow
@pytest.mark.usefixtures("pen")
def test_a_thousand_photographs_are_tagged_one_key_each_and_all_of_it_is_undone(tmp_path: Path) -> None:
    with big_catalog.build(tmp_path / "catalog", 1000) as catalog, catalog.transaction() as db:
        db.execute("DELETE FROM photo_rights")  # some are somebody's: the same again is no decision
    keys = [key for number in range(250) for key in ("l", "m", "l", ".")]
    assert len(keys) == 1000
    with Terminal(tmp_path / "catalog") as terminal:
        terminal.wait_for("1,000 photographs")
        terminal.settle()
        for key in keys:
            terminal.type(key)
            terminal.read_some()
        terminal.settle(2.0)
        with open_catalog(tmp_path / "catalog", readonly=True) as catalog:
            ids = list(listing.ids(catalog, ""))
            now = [photos.get(catalog, one).rights for one in ids]
            made = len(decisions.newest(catalog, 2000))
        assert now == [{"l": "licensed", "m": "mine", ".": "licensed"}[key] for key in keys]
        assert made == 1000
        for _ in keys:
            terminal.type("u")
            terminal.read_some()
        terminal.settle(2.0)
        with open_catalog(tmp_path / "catalog", readonly=True) as catalog:
            assert {photos.get(catalog, one).rights for one in ids} == {"unknown"}
        terminal.type("Q")
        assert terminal.wait_end() == 0


def test_a_terminal_is_asked_what_it_can_draw_before_the_app_owns_the_keyboard(sample: Path) -> None:
    with Terminal(sample, preview="auto") as terminal:
        terminal.wait_for("\x1b[c")
        terminal.type("\x1b[6;20;10t\x1b[?62;4c")
        terminal.wait_for("60 photographs")
        terminal.type("Q")
        assert terminal.wait_end() == 0


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN], ids=["plainly", "under nohup"])
def test_a_line_that_hangs_up_ends_the_app(sample: Path, handler: signal.Handlers) -> None:
    """What is started under nohup inherits an ignored hang-up; the app ends all the same."""
    before = signal.signal(signal.SIGHUP, handler)
    try:
        with Terminal(sample) as terminal:
            terminal.wait_for("60 photographs")
            terminal.hang_up()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert terminal.status is not None
