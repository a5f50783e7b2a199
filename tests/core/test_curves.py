"""Curves of a training are followed as they are written, whatever else stands in the file."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from core.curves import MOST_POINTS, Curve, Curves


def line(step: int, task: str = "a", **more: object) -> bytes:
    """A line as training writes it."""
    return json.dumps({"task": task, "step": step, "loss": 1 / step, "rate": 1e-4, "seconds": 0.5, **more}).encode()


def test_lines_are_followed_as_they_come_and_a_half_written_one_waits(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    told = Curves(file)
    assert not told.follow(), "nothing is there yet"
    file.write_bytes(line(1) + b"\n" + line(2) + b"\n" + line(3)[:9])
    assert told.follow()
    assert told.by_task["a"].steps == [1, 2]
    assert not told.follow()
    with file.open("ab") as more:
        more.write(line(3)[9:] + b"\n" + line(1, "b") + b"\n")
    assert told.follow()
    assert (told.by_task["a"].steps, told.by_task["b"].steps) == ([1, 2, 3], [1])
    assert told.by_task["a"].losses == [1, 1 / 2, 1 / 3]
    assert told.by_task["a"].seconds == 0.5
    file.write_bytes(line(1) + b"\n")
    assert told.follow(), "a file that was written anew is read from its beginning"
    assert told.by_task["a"].steps == [1]


def test_what_is_no_such_line_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    wrong = [b"", b"{", b"[]", b"1", b'{"step": 1}', b"\xff\xfe", b'{"task":"a","step":"x","loss":1}']
    wrong += [b'{"task":"a","step":1,"loss":NaN}', b'{"task":"a","step":1e999,"loss":1}']
    file.write_bytes(b"\n".join([*wrong, line(5)]) + b"\n")
    told = Curves(file)
    told.follow()
    assert {task: curve.steps for task, curve in told.by_task.items()} == {"a": [5]}


def test_steps_done_again_after_a_resume_take_the_place_of_those_before() -> None:
    curve = Curve()
    for step in (1, 2, 3, 4, 2, 3):
        curve.add(step, step / 10, 0.1)
    assert curve.steps == [1, 2, 3]


@given(st.integers(1, MOST_POINTS * 5))
def test_a_long_curve_is_thinned_evenly(number: int) -> None:
    curve = Curve()
    for step in range(1, number + 1):
        curve.add(step, float(step), 0.1)
    assert len(curve.steps) <= MOST_POINTS
    assert curve.steps == sorted(curve.steps)
    assert curve.losses == [float(step) for step in curve.steps]
    gaps = {after - before for before, after in zip(curve.steps, curve.steps[1:], strict=False)}
    assert gaps <= {curve.every}
    assert number - (curve.steps[-1] if curve.steps else 0) < curve.every
