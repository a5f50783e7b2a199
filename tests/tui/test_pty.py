"""The app in a real terminal: it starts and ends well, writes little, and no file name commands the terminal."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.tui.terminal_driver import Terminal

STEPS = 8
BYTES_A_STEP = 1500


def test_it_starts_without_torch_and_leaves_the_terminal_as_it_was(sample: Path) -> None:
    with Terminal(sample) as terminal:
        terminal.wait_for("60 photographs")
        for key in "23456":
            terminal.press(key)
            terminal.settle()
        assert "libtorch" not in Path(f"/proc/{terminal.pid}/maps").read_text()
        terminal.press("Q")
        assert terminal.wait_end() == 0
    assert b"\x1b[?1049l" in terminal.seen, "the alternate screen was not left"
    assert b"Traceback" not in terminal.seen


def test_no_name_of_a_file_commands_the_terminal(sample: Path) -> None:
    with Terminal(sample, columns=160) as terminal:
        terminal.wait_for("60 photographs")
        terminal.press("/52;c\r")
        terminal.wait_for("1 photographs")
        terminal.settle()
        terminal.press("Q")
        terminal.wait_end()
    assert b"\\x1b]52;c;aGk=\\x07[b]\\u202e\\xff\\x0a.jpg" in terminal.seen, "it is shown, escaped"
    assert b"\x1b]52" not in terminal.seen
    assert "\u202e".encode() not in terminal.seen
    assert b"\x07" not in re.sub(rb"\x1b\]22;[a-z]*\x07", b"", terminal.seen), "but for the shape of the pointer"


def test_a_step_costs_few_bytes_and_rest_costs_none(sample: Path) -> None:
    with Terminal(sample) as terminal:
        terminal.wait_for("60 photographs")
        terminal.press("i")  # the table alone
        terminal.settle()
        written = 0
        for _ in range(STEPS):
            terminal.press("j")
            written += terminal.settle()
        assert written / STEPS < BYTES_A_STEP
        assert terminal.settle() == 0
        terminal.press("Q")
        assert terminal.wait_end() == 0


def test_a_terminal_is_asked_what_it_can_draw_before_the_app_owns_the_keyboard(sample: Path) -> None:
    with Terminal(sample, preview="auto") as terminal:
        terminal.wait_for("\x1b[c")
        terminal.answer(b"\x1b[6;20;10t\x1b[?62;4c")
        terminal.wait_for("60 photographs")
        terminal.press("Q")
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
