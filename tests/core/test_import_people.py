"""People from a CSV file: all of it, or nothing and every wrong line named."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from core import consent_actions, terms
from core.errors import BadValue, UnreadablePath
from core.import_people import COLUMNS, import_csv
from core.terms import Manner, Terms
from storage import ledger, subjects
from storage.catalog import Catalog
from storage.records import EventKind, Purpose, Status

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEAD = ",".join(COLUMNS[: COLUMNS.index("note") + 1])
GOOD = f"""{HEAD}
ບົວຄຳ,1980-02-29,,,no,,print;train-composite,2016-01-01,,release,,"on paper, signed"
Ann,,me,saw a passport,no,,print;publish,2016-01-01,2021-12-31,,,
Bo,1970-01-01,,,,,print,2016-01-01,,,2025-03-02,
Kim,2015-01-01,,,yes,Lee,print;train-composite,2023-05-01,,,,

Nobody asked,,,,no,,,,,,,never asked
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(GOOD, encoding="utf-8")
    return path


def status(catalog: Catalog, name: str, purpose: Purpose) -> Status:
    return consent_actions.show(catalog, name, NOW).status[purpose]


def test_people_and_what_they_allow(catalog: Catalog, table: Path) -> None:
    told = import_csv(catalog, table, by="me", at=NOW)
    assert (told.subjects, told.new, told.events) == (5, 5, 6)
    assert subjects.get(catalog, "ບົວຄຳ").born == date(1980, 2, 29)
    assert status(catalog, "ບົວຄຳ", Purpose.TRAIN_COMPOSITE) is Status.GRANTED
    assert status(catalog, "ບົວຄຳ", Purpose.RELEASE) is Status.REFUSED
    assert status(catalog, "ບົວຄຳ", Purpose.PUBLISH) is Status.UNKNOWN
    assert status(catalog, "Ann", Purpose.PUBLISH) is Status.EXPIRED
    assert status(catalog, "Bo", Purpose.PRINT) is Status.WITHDRAWN
    assert status(catalog, "Kim", Purpose.PRINT) is Status.GRANTED
    assert status(catalog, "Kim", Purpose.TRAIN_COMPOSITE) is Status.MINOR
    assert {status(catalog, "Nobody asked", purpose) for purpose in Purpose} == {Status.UNKNOWN, Status.AGE_UNSETTLED}
    [left_out] = told.left_out
    assert left_out.startswith("people.csv:5: grants: train-composite")
    kim = ledger.events_of(catalog, subjects.get(catalog, "Kim").uid)
    assert [event.purposes for event in kim if event.kind is EventKind.GRANT] == [(Purpose.PRINT,)]
    assert ledger.verify(catalog).ok
    assert not any(name in catalog.ledger_path.read_text() for name in ("ບົວຄຳ", "Ann", "Kim"))


def test_how_a_grant_was_given_and_on_what_terms(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    head = "name,born,grants,manner,witness,language,territory,conditions"
    path.write_text(f"{head}\nAnn,1980-01-01,print,in-person,Lee,lo,Laos,no billboards\nBo,1980-01-01,,,,,,\n")
    import_csv(catalog, path, by="me", at=NOW)
    events = ledger.events_of(catalog, subjects.get(catalog, "Ann").uid)
    [grant] = [event for event in events if event.kind is EventKind.GRANT]
    assert terms.of(grant.details) == Terms(Manner.IN_PERSON, "Lee", "lo", "Laos", "no billboards")
    for line, said in (
        ("Cy,1980-01-01,print,in-person,,,,", "witness"),
        ("Cy,1980-01-01,print,shouted,,,,", "manner"),
        ("Cy,1980-01-01,,message,,,,", "grants nothing"),
        ("Cy,1980-01-01,print,message,,the language,,", "language"),
    ):
        path.write_text(f"{head}\n{line}\n")
        with pytest.raises(BadValue, match=said):
            import_csv(catalog, path, by="me", at=NOW)


def test_a_dry_run_tells_the_same_and_writes_nothing(catalog: Catalog, table: Path) -> None:
    dry = import_csv(catalog, table, by="me", dry_run=True, at=NOW)
    assert subjects.list_all(catalog) == []
    assert ledger.verify(catalog).events == 0
    wet = import_csv(catalog, table, by="me", at=NOW)
    assert (dry.subjects, dry.new, dry.events, dry.left_out, dry.plan) == (
        wet.subjects,
        wet.new,
        wet.events,
        wet.left_out,
        wet.plan,
    )


def test_an_old_file_never_grants_again(catalog: Catalog, table: Path) -> None:
    import_csv(catalog, table, by="me", at=NOW)
    head = ledger.head(catalog)
    with pytest.raises(BadValue, match=r"people.csv:2: name: .* has consent on record already"):
        import_csv(catalog, table, by="me", at=NOW)
    assert ledger.head(catalog) == head


def test_people_named_before_are_filled_in(catalog: Catalog, table: Path) -> None:
    before = subjects.add(catalog, "Bo", at=NOW)
    told = import_csv(catalog, table, by="me", at=NOW)
    assert told.new == 4
    after = subjects.get(catalog, "Bo")
    assert (after.uid, after.born) == (before.uid, date(1970, 1, 1))
    assert status(catalog, "Bo", Purpose.PRINT) is Status.WITHDRAWN


def test_facts_on_record_are_not_overwritten(catalog: Catalog, table: Path) -> None:
    subjects.add(catalog, "Bo", born=date(2010, 1, 1), at=NOW)
    with pytest.raises(BadValue, match=r"people.csv:4: name: .* other facts of age"):
        import_csv(catalog, table, by="me", at=NOW)
    assert len(subjects.list_all(catalog)) == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Zoe,1990-13-01,,,,,,,,,,", "born: '1990-13-01' is no date"),
        ("Zoe,2090-01-01,,,,,,,,,,", "born: 2090-01-01 is yet to come"),
        (",1990-01-01,,,,,,,,,,", "name: "),
        ("Zoe,,me,,,,,,,,,", "attested_by, attested_how: one without the other"),
        ("Zoe,,me,papers,yes,Lee,,,,,,", "minor: the same line attests an adult"),
        ("Zoe,,,,maybe,,,,,,,", "minor: 'maybe' is neither yes nor no"),
        ("Zoe,,,,,,print;prints,,,,,", "grants: 'prints' is no purpose"),
        ("Zoe,,,,,,print,,,publish;print,,", "refuses: print is granted in the same line"),
        ("Zoe,,,,,,print,2024-01-01,2024-01-01,,,", "until: 2024-01-01 is not after the beginning"),
        ("Zoe,,,,,,print,2024-01-01T09:00:00,,,,", "from: '2024-01-01T09:00:00' has no offset"),
        ("Zoe,,,,,,print,soon,,,,", "from: 'soon' is no date"),
        ("Zoe,,,,,,print,2024-01-01,,,2023-01-01,", "withdrawn: "),
        ("Zoe,,,,,,,,,,2023-01-01,", "withdrawn: "),
        ("Zoe,2015-01-01,,,yes,,print,,,,,", "guardian: is empty"),
        ("Ann,,,,,,,,,,,", "name: 'Ann' is in line 3 too"),
        ("Zoe,,", "3 fields where the first line names 12"),
    ],
)
def test_a_wrong_line_is_named_with_its_field_and_nothing_is_recorded(
    catalog: Catalog, table: Path, line: str, told: str
) -> None:
    table.write_text(GOOD + line + "\n", encoding="utf-8")
    with pytest.raises(BadValue) as caught:
        import_csv(catalog, table, by="me", at=NOW)
    assert f"people.csv:8: {told}" in caught.value.message
    assert subjects.list_all(catalog) == []
    assert ledger.verify(catalog).events == 0


def test_every_wrong_line_is_told(catalog: Catalog, table: Path) -> None:
    table.write_text(GOOD + "A,x,,,,,,,,,,\n" * 30, encoding="utf-8")
    with pytest.raises(BadValue) as caught:
        import_csv(catalog, table, by="me", at=NOW)
    assert caught.value.message.count("born: 'x' is no date") == 10
    assert caught.value.message.endswith("; and 20 more")


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"name,age\nA,3\n", "people.csv:1: column 'age' is unknown"),
        (b"name,name\nA,B\n", "people.csv:1: column 'name' is unknown or there twice"),
        (b"born\n1990-01-01\n", "people.csv:1: there is no column 'name'"),
        (b"", "people.csv:1: there is no column 'name'"),
        (b"name\n\xff\xfe\n", "is not UTF-8 text"),
        (b'name\n"A\n', "people.csv:2: "),
    ],
)
def test_what_is_no_such_table(catalog: Catalog, table: Path, raw: bytes, told: str) -> None:
    table.write_bytes(raw)
    with pytest.raises(BadValue) as caught:
        import_csv(catalog, table, by="me", at=NOW)
    assert told in caught.value.message


def test_names_alone_are_enough(catalog: Catalog, table: Path) -> None:
    table.write_bytes('\ufeffname,grants\r\nA,print\r\n"B, C",\r\n'.encode())
    assert import_csv(catalog, table, by="me", at=NOW).subjects == 2
    assert status(catalog, "A", Purpose.PRINT) is Status.GRANTED
    assert subjects.get(catalog, "B, C").born is None
    with pytest.raises(UnreadablePath):
        import_csv(catalog, table.with_name("none.csv"), by="me", at=NOW)
