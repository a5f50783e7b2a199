"""Ruling in bulk gives each photograph what the rule for one gives it, whatever is ruled on beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import consent, consent_actions, statuses
from core.standings import Ruler
from storage import catalog as catalogs
from storage import subjects
from storage.catalog import Catalog
from storage.records import FaceMark, Purpose, Rights
from storage.statuses import PhotoFacts

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BORN = date(2001, 2, 28)
GROWN = datetime(2019, 2, 28)  # the day on which who was born so is 18


@pytest.fixture(scope="module")
def peopled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Five people: two who grew up lately, one with no age, one attested, one a minor; each allows something else."""
    with catalogs.create(tmp_path_factory.mktemp("standings") / "catalog") as catalog:
        born, plain = subjects.add(catalog, "A", born=BORN), subjects.add(catalog, "B")
        same = subjects.add(catalog, "C", born=BORN, adult_attested_by="w", adult_attested_how="passport")
        attested = subjects.add(catalog, "D", adult_attested_by="w", adult_attested_how="passport")
        subjects.add(catalog, "E", minor=True)
        for number, person in enumerate((born, same, attested, plain)):
            ends = NOW + timedelta(days=1 + number % 2)
            since = datetime(2025, 1, 1, tzinfo=UTC)
            consent_actions.grant(catalog, [person], list(Purpose)[number % 2 :], by="me", valid_until=ends, at=since)
        yield catalog


taken = st.none() | st.integers(-60, 60).map(lambda hours: (GROWN + timedelta(hours=hours)).isoformat())
face = st.tuples(
    st.sampled_from([None, 1, 2, 3, 4, 5, 99]), st.integers(0, 1), st.sampled_from([None, None, *FaceMark])
)
photograph = st.tuples(
    taken | st.just("1990-01-01T00:00:00"),
    st.sampled_from([None, -720, 0, 840, 9999]),
    st.sampled_from(["exif-offset", consent.BY_PLACE]),
    st.sampled_from(Rights),
    st.sampled_from([0, 0, 1]),
    st.sampled_from([1, 1, 0]),
    st.sampled_from([None, None, "minor", "prohibited", "unreleased", "minor,unreleased"]),
    st.lists(face, max_size=3).map(json.dumps),
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(drawn=st.lists(photograph, min_size=2, max_size=40))
def test_bulk_and_plain_rulings_are_the_same(peopled: Catalog, drawn: list[tuple[object, ...]]) -> None:
    rows = [PhotoFacts._make((number, *facts[:7], None, facts[7])) for number, facts in enumerate(drawn)]
    found = Ruler(peopled, NOW).standings(rows)
    assert {seen.id: standing for standing, several in found.items() for seen in several} == (
        Ruler(peopled, NOW).plainly(rows)
    )


def test_alike_photographs_share_one_standing(peopled: Catalog) -> None:
    rows = [
        PhotoFacts(
            number,
            f"2020-01-{1 + number % 28:02}T12:00:00",
            *(0, "gps", "unknown", 0, 1, None, None),
            "[[1, 1, null]]",
        )
        for number in range(100)
    ]
    found = Ruler(peopled, NOW).standings(rows)
    assert list(found.values()) == [rows]
    assert statuses.refresh(peopled) == 0
