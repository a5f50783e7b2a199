"""Photographs' statuses: right at every commit, at the instant of every read, and nowhere else rewritten."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from core import consent_actions, statuses, withdrawal
from core.errors import NoSuchRecord
from storage import catalog as catalogs
from storage import faces, ledger, photos, subjects
from storage import statuses as stored
from storage.catalog import Catalog
from storage.records import EventKind, FaceMark, Purpose, Rights, Status, Subject
from storage.rights import put as put_rights

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
FAR = datetime(2099, 1, 1, tzinfo=UTC)
COMPOSITE = Purpose.TRAIN_COMPOSITE
PHOTOS, PEOPLE = 6, 3


@pytest.fixture
def peopled(catalog: Catalog) -> Catalog:
    """Six photographs; photograph n shows the first n - 1 of three people, and the last a nameless face too."""
    people_it(catalog)
    return catalog


def people_it(catalog: Catalog) -> None:
    for number in range(1, PEOPLE + 1):
        subjects.add(catalog, f"Person {number}", born=date(1980 + number, 1, 1), at=LONG_AGO)
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
                    "INSERT INTO faces(photo_id, x0, y0, x1, y1, probability, space, subject_id,"
                    " assigned_by_person)"
                    " VALUES (?, 0, 0, 9, 9, 1, 'dlib', ?, 1)",
                    (number, person),
                )


def there(catalog: Catalog, purpose: Purpose = COMPOSITE) -> list[Status]:
    return [standing[purpose] for standing in statuses.of_photos(catalog, range(1, PHOTOS + 1)).values()]


def rewritten(catalog: Catalog, act: Callable[[], object]) -> list[int]:
    """Photographs whose stored standing is written while `act` is done, each as often as that happens."""
    db = catalog.connection
    db.execute("CREATE TEMP TABLE seen(photo_id INTEGER)")
    for verb in ("INSERT", "UPDATE", "DELETE"):
        row = "old" if verb == "DELETE" else "new"
        db.execute(
            f"CREATE TEMP TRIGGER saw_{verb} AFTER {verb} ON main.photo_standing"
            f" BEGIN INSERT INTO seen VALUES ({row}.photo_id); END"
        )
    act()
    found = [row[0] for row in db.execute("SELECT photo_id FROM seen ORDER BY photo_id")]
    for verb in ("INSERT", "UPDATE", "DELETE"):
        db.execute(f"DROP TRIGGER saw_{verb}")
    db.execute("DROP TABLE seen")
    return found


def test_every_commit_leaves_the_statuses_right(peopled: Catalog) -> None:
    assert there(peopled) == [Status.UNKNOWN] * PHOTOS
    consent_actions.grant(peopled, [1], [COMPOSITE], by="me")
    assert there(peopled) == [Status.UNKNOWN, Status.GRANTED, *[Status.UNKNOWN] * 4]
    put_rights(peopled, [1], Rights.MINE)
    assert there(peopled)[0] is Status.GRANTED
    consent_actions.refuse(peopled, [3], [COMPOSITE], by="me")
    assert there(peopled)[3:] == [Status.REFUSED] * 3
    withdrawal.withdraw(peopled, 1, [COMPOSITE], by="me")
    assert there(peopled)[1:] == [Status.WITHDRAWN] * 5
    with peopled.transaction():
        subjects.edit(peopled, replace_born(peopled, 2, date(2015, 1, 1)))
    assert there(peopled)[2:] == [Status.MINOR] * 4
    assert not stored.any_dirty(peopled)


def replace_born(catalog: Catalog, number: int, born: date) -> Subject:
    return replace(subjects.get(catalog, number), born=born)


@pytest.mark.parametrize(
    ("act", "reached"),
    [
        (lambda c: consent_actions.grant(c, [1], [COMPOSITE], by="me"), [2]),
        (lambda c: consent_actions.refuse(c, [3], [COMPOSITE], by="me"), [4, 5, 6]),
        (lambda c: consent_actions.refuse(c, [2, 3], list(Purpose), by="me"), [3, 4, 5, 6]),
        (lambda c: put_rights(c, [1, 2], Rights.MINE), [1]),
        (lambda c: photos.set_errors(c, {1: "cut off", 2: "cut off"}), []),
        (lambda c: faces.set_mark(c, [1], FaceMark.NOT_A_FACE), []),
        (lambda c: subjects.edit(c, replace_born(c, 3, date(2015, 1, 1))), [4, 5, 6]),
        (lambda c: ledger.append(c, kind=EventKind.RIGHTS, subject_uid=None), []),
        (lambda c: faces.settle(c, dict.fromkeys(range(1, 13), (7, None))), []),
        (statuses.refresh, []),
    ],
)
def test_only_what_is_reached_and_differs_is_rewritten(
    peopled: Catalog, act: Callable[[Catalog], object], reached: list[int]
) -> None:
    assert rewritten(peopled, lambda: act(peopled)) == reached


def test_a_transaction_that_fails_leaves_them_as_they_were(peopled: Catalog) -> None:
    def fails() -> None:
        with peopled.transaction():
            consent_actions.grant(peopled, [1], [COMPOSITE], by="me")
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert there(peopled)[1] is Status.UNKNOWN
    assert not stored.any_dirty(peopled)


def test_where_no_ruling_can_be_made_nothing_is_recorded(peopled: Catalog) -> None:
    consent_actions.grant(peopled, [1], [COMPOSITE], by="me")
    peopled.connection.execute("DROP TRIGGER ledger_keeps_values")
    peopled.connection.execute("UPDATE ledger SET body = '{}' WHERE kind = 'grant'")
    with pytest.raises(KeyError):
        photos.set_errors(peopled, {2: "cut off"})
    assert photos.get(peopled, 2).error is None


def test_what_storage_alone_changed_is_ruled_on_by_the_next_commit_or_read(peopled: Catalog) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from storage import catalog\nfrom storage.records import Rights\nfrom storage.rights import put\n"
        "with catalog.open_catalog(Path(sys.argv[1])) as c: put(c, [1], Rights(sys.argv[2]))\n"
        "assert not any(name.split('.')[0] == 'core' for name in sys.modules)"
    )

    def by_storage_alone(rights: Rights) -> None:
        subprocess.run([sys.executable, "-P", "-c", code, str(peopled.folder), rights], check=True)

    by_storage_alone(Rights.MINE)
    assert there(peopled)[0] is Status.UNKNOWN
    assert stored.count_stale(peopled, NOW) == 1
    assert statuses.differing(peopled) == statuses.Differing(PHOTOS, 0, (), 1)
    assert statuses.refresh(peopled) == 1
    assert there(peopled)[0] is Status.GRANTED
    by_storage_alone(Rights.UNKNOWN)
    photos.set_errors(peopled, {2: "cut off"})
    assert there(peopled)[0] is Status.UNKNOWN
    assert not stored.any_dirty(peopled)


def test_time_alone_changes_what_a_read_sees(peopled: Catalog) -> None:
    ends = FAR + timedelta(days=1)
    consent_actions.grant(peopled, [1], [COMPOSITE], by="me", valid_until=ends)
    assert there(peopled)[1] is Status.GRANTED
    assert statuses.refresh(peopled, ends - timedelta(microseconds=1)) == 0
    assert statuses.refresh(peopled, ends) == 5
    assert there(peopled)[1] is Status.EXPIRED


def test_a_reader_that_may_not_write_sees_them_right_too(peopled: Catalog) -> None:
    consent_actions.grant(peopled, [1], [COMPOSITE], by="me", valid_until=FAR)
    with catalogs.open_catalog(peopled.folder, readonly=True) as reader:
        assert statuses.refresh(reader, FAR) == 5
        assert there(reader)[1] is Status.EXPIRED


@pytest.mark.parametrize("born", [None, date(1981, 1, 1)])
def test_a_clock_set_back_brings_back_what_held_then(peopled: Catalog, born: date | None) -> None:
    child = date(FAR.year - 10, 1, 1)
    subjects.edit(peopled, replace_born(peopled, 2, child))
    consent_actions.grant(peopled, [1], [COMPOSITE], by="me", valid_until=FAR)
    if born is not None:
        subjects.edit(peopled, replace_born(peopled, 2, born))
    now = there(peopled)
    statuses.refresh(peopled, FAR + timedelta(days=3650))
    assert there(peopled)[1] is Status.EXPIRED
    statuses.refresh(peopled)
    assert there(peopled) == now
    statuses.refresh(peopled, FAR + timedelta(days=3650))
    put_rights(peopled, [1], Rights.MINE)
    assert there(peopled)[1] is Status.GRANTED, "a commit brings them to its own instant"
    assert statuses.differing(peopled).differ == 0


def test_a_clock_set_back_does_not_hide_a_withdrawal(peopled: Catalog) -> None:
    consent_actions.grant(peopled, [1], [COMPOSITE], by="me", at=NOW)
    ledger.append(
        peopled,
        kind=EventKind.WITHDRAWAL,
        subject_uid=subjects.get(peopled, 1).uid,
        purposes=[COMPOSITE],
        at=FAR,
    )
    assert there(peopled)[1] is Status.WITHDRAWN
    statuses.refresh(peopled, NOW)
    assert there(peopled)[1] is Status.WITHDRAWN


def test_what_time_changed_is_ruled_on_in_batches(peopled: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statuses, "BATCH", 2)
    consent_actions.grant(peopled, [1], [COMPOSITE], by="me", valid_until=FAR)
    told: list[tuple[int, int | None]] = []
    assert statuses.refresh(peopled, FAR, report=lambda step: told.append((step.done, step.total))) == 5
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert stored.count_stale(peopled, FAR) == 0


def test_standings_that_no_photograph_has_are_dropped(peopled: Catalog) -> None:
    for number in range(9):
        ends = FAR + timedelta(days=number)
        consent_actions.grant(peopled, [1, 2], [COMPOSITE], by="me", valid_until=ends)
    held = peopled.connection.execute("SELECT count(DISTINCT standing) FROM photo_standing").fetchone()[0]
    assert peopled.connection.execute("SELECT count(*) FROM standings").fetchone()[0] == held
    assert peopled.connection.execute("SELECT count(*) FROM standing_purposes").fetchone()[0] == held * len(Purpose)


@pytest.mark.parametrize(
    ("harm", "hurt"),
    [
        ("UPDATE photo_standing SET standing = (SELECT standing FROM photo_standing WHERE photo_id = 2)"
         " WHERE photo_id = 4", (4,)),
        ("DELETE FROM photo_standing WHERE photo_id = 3", (3,)),
        ("UPDATE standing_purposes SET status = 'granted' WHERE standing ="
         " (SELECT standing FROM photo_standing WHERE photo_id = 6)", (4, 5, 6)),
        ("UPDATE standings SET until = NULL WHERE id = (SELECT standing FROM photo_standing WHERE photo_id = 2)", (2,)),
    ],
)  # fmt: skip
def test_what_differs_from_the_ledger_is_found_and_mended(peopled: Catalog, harm: str, hurt: tuple[int, ...]) -> None:
    consent_actions.grant(peopled, [1], [COMPOSITE], by="me", valid_until=FAR)
    consent_actions.refuse(peopled, [3], [COMPOSITE], by="me")
    assert statuses.differing(peopled) == statuses.Differing(PHOTOS, 0, (), 0)
    right = there(peopled)
    peopled.connection.execute(harm)
    assert statuses.differing(peopled) == statuses.Differing(PHOTOS, len(hurt), hurt, 0)
    statuses.rule_anew(peopled)
    assert statuses.differing(peopled) == statuses.Differing(PHOTOS, 0, (), 0)
    assert there(peopled) == right


def test_explaining_one_photograph(peopled: Catalog) -> None:
    consent_actions.grant(peopled, [1], [COMPOSITE], by="me", at=NOW)
    told = statuses.explain(peopled, 3, NOW)
    assert set(told) == set(Purpose)
    assert told[COMPOSITE].status is Status.UNKNOWN
    assert told[COMPOSITE].why == "Person 2: nothing is recorded about train-composite"
    with pytest.raises(NoSuchRecord):
        statuses.explain(peopled, 99, NOW)
