"""What the next decision goes to: counts, ranges, marks, all that was found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.hand import MOST, Hand, Scope

IDS = list(range(100, 110))


def typed(digits: str) -> Hand:
    """A hand after these digits."""
    hand = Hand()
    for digit in digits:
        hand.digit(int(digit))
    return hand


def test_a_decision_goes_to_the_row_or_to_as_many_as_were_counted() -> None:
    assert Hand().targets(IDS, 3) == [103]
    assert typed("12").count == 12
    assert typed("3").targets(IDS, 3) == [103, 104, 105]
    assert typed("30").targets(IDS, 8) == [108, 109]
    assert typed("0").count is None
    assert typed("9" * 30).count == MOST
    assert Hand().targets([], 0) == []


def test_a_range_goes_both_ways_and_is_closed_by_a_decision() -> None:
    hand = Hand(begun=6)
    assert hand.targets(IDS, 4) == [104, 105, 106]
    assert hand.told(4, 10) == "range of 3"
    assert hand.used(4, 10) == 7
    assert (hand.begun, hand.targets(IDS, 4)) == (None, [104])


def test_marks_outlive_decisions_and_all_is_frozen() -> None:
    hand = Hand()
    for key in (105, 101, 105, 102):
        hand.mark(key)
    hand.scope = Scope.MARKS
    assert hand.targets(IDS, 0) == [101, 102]
    assert hand.used(0, 10) == 0, "the cursor stays"
    assert hand.told(0, 10) == "2 marked"
    hand.scope = Scope.ALL
    taken = hand.targets(IDS, 0)
    assert taken == IDS
    assert taken is not IDS
    assert hand.told(0, 10) == "next goes to all 10, 2 marked"
    assert [hand.drop(), hand.drop(), hand.drop()] == [True, True, False]


@given(st.text("0123456789", max_size=4), st.none() | st.integers(0, 9), st.integers(0, 9))
def test_what_it_goes_to_is_always_a_stretch_that_holds_the_cursor(digits: str, begun: int | None, cursor: int) -> None:
    hand = typed(digits)
    hand.begun = begun
    chosen = hand.targets(IDS, cursor)
    assert chosen == IDS[chosen[0] - 100 : chosen[-1] - 99]
    assert IDS[cursor] in chosen
