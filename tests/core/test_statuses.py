"""The cache of statuses: after any change it says what the ledger says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import consent_actions, statuses
from core.errors import NoSuchRecord
from storage import catalog as catalogs
from storage import faces, ledger, photos, subjects
from storage import statuses as cache
from storage.catalog import Catalog
from storage.records import EventKind, FaceMark, Purpose, Rights, Status

NOW = datetime(2026, 6, 1, tzinfo=UTC)
COMPOSITE = Purpose.TRAIN_COMPOSITE
PHOTOS, PEOPLE = 6, 3


@pytest.fixture
def peopled(catalog: Catalog) -> Catalog:
    """Six photographs; photograph n shows the first n - 1 of three people, and the last a nameless face too."""
    people_it(catalog)
    return catalog


def people_it(catalog: Catalog) -> None:
    for number in range(1, PEOPLE + 1):
        subjects.add(catalog, f"Person {number}", born=date(1980 + number, 1, 1), at=NOW)
    with catalog.transaction() as db:
        db.execute("INSERT INTO folders(id, path) VALUES (1, ?)", (b"/a",))
        for number in range(1, PHOTOS + 1):
            db.execute(
                "INSERT INTO photos(folder_id, name, path_text, size, mtime_ns, ctime_ns, inode, taken_at, faces_space)"
                " VALUES (1, ?, '', 1, 1, 1, 1, '2021-01-01T00:00:00', 'dlib')",
                (str(number).encode(),),
            )
            for person in [*range(1, min(number, PEOPLE + 1)), *([None] if number == PHOTOS else [])]:
                db.execute(
                    "INSERT INTO faces(photo_id, x0, y0, x1, y1, probability, space, embedding, subject_id,"
                    " assigned_by_person)"
                    " VALUES (?, 0, 0, 9, 9, 1, 'dlib', x'', ?, 1)",
                    (number, person),
                )


def cached(catalog: Catalog, purpose: Purpose = COMPOSITE) -> list[Status]:
    return [standing[purpose] for standing in statuses.of_photos(catalog, range(1, PHOTOS + 1)).values()]


def test_what_changes_is_ruled_on_anew_and_nothing_else(peopled: Catalog) -> None:
    assert statuses.refresh(peopled, NOW) == PHOTOS
    assert statuses.refresh(peopled, NOW) == 0
    assert cached(peopled) == [Status.UNKNOWN] * PHOTOS
    consent_actions.grant(peopled, [1], [COMPOSITE], by="me", at=NOW)
    photos.set_rights(peopled, [1], Rights.MINE)
    assert statuses.refresh(peopled, NOW) == PHOTOS
    assert cached(peopled)[:3] == [Status.GRANTED, Status.GRANTED, Status.UNKNOWN]
    consent_actions.refuse(peopled, [3], [COMPOSITE], by="me", at=NOW)
    assert statuses.refresh(peopled, NOW) == 3
    assert cached(peopled)[3:] == [Status.REFUSED] * 3


def test_time_alone_makes_stale(peopled: Catalog) -> None:
    ends = NOW + timedelta(days=1)
    consent_actions.grant(peopled, [1], [COMPOSITE], by="me", valid_until=ends, at=NOW)
    statuses.refresh(peopled, NOW)
    assert cached(peopled)[1] is Status.GRANTED
    assert statuses.refresh(peopled, ends - timedelta(microseconds=1)) == 0
    assert statuses.refresh(peopled, ends) == 5
    assert cached(peopled)[1] is Status.EXPIRED


def test_a_clock_set_back_does_not_hide_a_withdrawal(peopled: Catalog) -> None:
    consent_actions.grant(peopled, [1], [COMPOSITE], by="me", at=NOW)
    ledger.append(
        peopled,
        kind=EventKind.WITHDRAWAL,
        subject_uid=subjects.get(peopled, 1).uid,
        purposes=[COMPOSITE],
        at=NOW + timedelta(hours=1),
    )
    statuses.refresh(peopled, NOW)
    assert cached(peopled)[1] is Status.WITHDRAWN


def test_batches_end_where_all_is_done(peopled: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statuses, "BATCH", 4)
    told: list[tuple[int, int | None]] = []
    assert statuses.refresh(peopled, NOW, report=lambda step: told.append((step.done, step.total))) == PHOTOS
    assert told == [(4, 6), (6, 6)]
    assert cache.stale(peopled, NOW, 10) == []


def test_explaining_one_photograph(peopled: Catalog) -> None:
    consent_actions.grant(peopled, [1], [COMPOSITE], by="me", at=NOW)
    told = statuses.explain(peopled, 3, NOW)
    assert set(told) == set(Purpose)
    assert told[COMPOSITE].status is Status.UNKNOWN
    assert told[COMPOSITE].why == "Person 2: nothing is recorded about train-composite"
    with pytest.raises(NoSuchRecord):
        statuses.explain(peopled, 99, NOW)


def _grant(catalog: Catalog, days: int) -> None:
    ledger.append(
        catalog,
        kind=EventKind.GRANT,
        subject_uid=subjects.get(catalog, 1 + days % PEOPLE).uid,
        purposes=list(Purpose)[days % 6 :],
        valid_from=NOW + timedelta(days=days - 9) if days % 2 else None,
        valid_until=NOW + timedelta(days=days + 1) if days % 3 else None,
        at=NOW,
    )


def _reborn(catalog: Catalog, number: int) -> None:
    person = subjects.get(catalog, 1 + number % PEOPLE)
    catalog.connection.execute(
        "UPDATE subjects SET born = ?, minor = ? WHERE id = ?",
        ((None, "1980-01-01", "2006-06-01", "2008-06-02")[number % 4], int(number % 5 == 0), person.id),
    )


ACTS: list[Callable[[Catalog, int], object]] = [
    _grant,
    _grant,
    _reborn,
    lambda catalog, n: consent_actions.refuse(catalog, [1 + n % PEOPLE], [COMPOSITE], by="me", at=NOW),
    lambda catalog, n: photos.set_rights(catalog, [1 + n % PHOTOS], list(Rights)[n % 3]),
    lambda catalog, n: photos.set_errors(catalog, {1 + n % PHOTOS: "cut off"}),
    lambda catalog, n: faces.assign(catalog, [1 + n % 9], [None, 1, 2, 3][n % 4], by_person=True),
    lambda catalog, n: faces.set_mark(catalog, [1 + n % 9], [None, *FaceMark][n % 3]),
    lambda catalog, n: statuses.refresh(catalog, NOW + timedelta(days=n)),
]


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(acts=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 40)), max_size=12), days=st.integers(0, 800))
def test_the_cache_never_differs_from_the_ledger(
    acts: list[tuple[Callable[[Catalog, int], object], int]], days: int
) -> None:
    at = NOW + timedelta(days=41 + days)
    with TemporaryDirectory() as folder, catalogs.create(Path(folder) / "catalog") as catalog:
        people_it(catalog)
        statuses.refresh(catalog, NOW)
        for act, number in acts:
            act(catalog, number)
        statuses.refresh(catalog, at)
        for number, standing in statuses.of_photos(catalog, range(1, PHOTOS + 1)).items():
            assert standing == {p: ruling.status for p, ruling in statuses.explain(catalog, number, at).items()}
