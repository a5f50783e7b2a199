"""What it takes to say nobody, and that a match counts however little else there is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.audit_copies import Copy
from core.audit_fit import Fit
from core.audit_pull import Pull
from core.audit_strangers import Threshold
from core.audit_verdict import Seen, verdict_of

THRESHOLD = Threshold(3.0, 0.02, 600, 50, 50, 70.0, 12, 0.001, 0.05, 1.0, enough=True)
FIT = Fit(48, 46, 44, 32.0, 20.0)
CLEAN = Seen(pictures=64, faceless=2, faces=62, matches=1)


def test_nobody() -> None:
    verdict = verdict_of(CLEAN, THRESHOLD, FIT)
    assert (verdict.said, verdict.why) == ("nobody", [])
    assert verdict.needed == 9
    assert verdict.least_share is not None
    assert verdict.least_share < 1 / 3


@pytest.mark.parametrize(
    ("seen", "threshold", "fit", "why"),
    [
        (replace(CLEAN, faces=29), THRESHOLD, FIT, "29 faces were found"),
        (replace(CLEAN, faceless=40), THRESHOLD, FIT, "40 of 64 pictures show no face"),  # broken: it draws no faces
        (replace(CLEAN, faces=0, faceless=64, matches=0), THRESHOLD, FIT, "0 faces"),
        (CLEAN, replace(THRESHOLD, enough=False), FIT, "too few to know"),
        (CLEAN, THRESHOLD, replace(FIT, recognised=20), "too small or too blurred"),  # blurred: it hides everybody
        (CLEAN, THRESHOLD, Fit(5, 5, 5, 32.0, 20.0), "5 people could be looked at"),
        (replace(CLEAN, faces=31), THRESHOLD, FIT, "draw more pictures"),
        (CLEAN, replace(THRESHOLD, upper=0.2), FIT, "draw more pictures"),
    ],
)
def test_not_enough_evidence(seen: Seen, threshold: Threshold, fit: Fit, why: str) -> None:
    verdict = verdict_of(seen, threshold, fit)
    assert verdict.said == "not enough evidence"
    assert any(why in one for one in verdict.why)


def test_as_many_matches_as_chance_never_gives_are_somebody() -> None:
    assert verdict_of(replace(CLEAN, matches=8), THRESHOLD, FIT).said == "nobody"
    assert verdict_of(replace(CLEAN, matches=9), THRESHOLD, FIT).said == "resembles"
    few = Seen(pictures=64, faceless=60, faces=4, matches=4)  # counts though the pictures could clear nobody
    assert verdict_of(few, THRESHOLD, Fit(0, 0, 0, 0.0, 0.0)).said == "resembles"


def test_a_copy_or_a_pull_is_somebody() -> None:
    copy = Copy(3, 12, 1, 0.01, 0.1, 2, 0.1, ("patches",))
    assert verdict_of(CLEAN, THRESHOLD, FIT, [copy]).said == "resembles"
    pull = Pull("Person 1", 0.5, 0.4, 0.3, 200)
    assert verdict_of(CLEAN, THRESHOLD, FIT, [], pull).said == "resembles"
    assert verdict_of(CLEAN, THRESHOLD, FIT, [], replace(pull, lower=0.3)).said == "nobody"


def test_half_of_one_person_is_never_nobody() -> None:
    assert verdict_of(CLEAN, THRESHOLD, FIT, largest=0.49).said == "nobody"
    verdict = verdict_of(CLEAN, THRESHOLD, FIT, largest=0.6)
    assert verdict.said == "not enough evidence"
    assert verdict.why == ["by its lineage 60% of it is one person's: no pictures can say that it is nobody"]
