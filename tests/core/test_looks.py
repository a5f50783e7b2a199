"""What is told of ages: the record's word, why it is not settled, and the estimate that never allows."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import pytest

from core import looks
from storage.records import Face, Photo, Subject

BORN = Subject(1, "u", "Ann", born=date(1990, 6, 15))
UNKNOWN = Subject(1, "u", "Ann")
TAKEN = Photo(1, b"/a", "/a", 1, 1, 1, 1, taken_at=datetime(2020, 6, 15, 12), taken_offset=0)
FACE = Face(1, 1, (0, 0, 9, 9), 0.9, "s", age_estimate=29.6)


@pytest.mark.parametrize(
    ("subject", "photo", "expected"),
    [
        (BORN, TAKEN, "aged 30 then"),
        (BORN, replace(TAKEN, taken_at=datetime(2020, 6, 14, 12)), "aged 29 then"),
        (BORN, replace(TAKEN, taken_offset=None), "aged 29 or more then"),
        (BORN, replace(TAKEN, taken_at=None), "age not settled: when it was taken is unknown"),
        (replace(BORN, adult_attested_by="Noy"), replace(TAKEN, taken_at=None), "an adult, says Noy"),
        (
            replace(BORN, adult_attested_by="Noy"),
            replace(TAKEN, taken_at=datetime(1980, 1, 1)),
            "age not settled: it says that it was taken before they were born",
        ),
        (UNKNOWN, TAKEN, "age not settled: neither a birth date nor an adult's attestation is on record"),
        (replace(UNKNOWN, minor=True, guardian="Noy"), TAKEN, "declared a minor"),
        (None, TAKEN, "age not settled: nobody has said who this is"),
    ],
)
def test_the_age_when_it_was_taken(subject: Subject | None, photo: Photo, expected: str) -> None:
    assert looks.age_then(subject, photo) == expected
    assert (looks.years_then(subject, photo) is not None) == expected.startswith("aged")


def test_the_estimate_says_what_it_is_not_used_for() -> None:
    assert looks.told(FACE, BORN, TAKEN) == "aged 30 then, estimated 30; never used to allow"
    assert looks.estimated(replace(FACE, age_estimate=None)) is None
    assert looks.told(replace(FACE, age_estimate=None), BORN, TAKEN) == "aged 30 then"
