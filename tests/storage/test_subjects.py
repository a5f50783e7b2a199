"""People on record: names, pseudonyms, and that every change of age is in the ledger without saying it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from storage import ledger, subjects
from storage.catalog import Catalog
from storage.errors import BadValue, NameTaken, NoSuchRecord
from storage.records import EventKind, Subject

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_a_person_by_id_and_by_name(catalog: Catalog) -> None:
    ann = subjects.add(catalog, "  Ann ")
    lao = subjects.add(catalog, "ບົວຄຳ ສີວິໄລ", born=date(1980, 1, 2))
    assert ann.name == "Ann"
    assert ann.uid != lao.uid
    assert len(ann.uid) == 32
    for key in (ann.id, str(ann.id), "Ann", " Ann"):
        assert subjects.get(catalog, key) == ann
    assert subjects.get(catalog, "ບົວຄຳ ສີວິໄລ") == lao
    assert subjects.list_all(catalog) == [ann, lao]
    assert subjects.get_many(catalog, [lao.id, 99]) == {lao.id: lao}
    assert subjects.by_uids(catalog, [ann.uid, "x"]) == {ann.uid: ann}
    assert subjects.find(catalog, [lao.name, ann, ann.id, "Ann"]) == [lao, ann]


def test_one_spelling_of_a_name(catalog: Catalog) -> None:
    composed = subjects.add(catalog, "Jos\u00e9")
    assert subjects.get(catalog, "Jose\u0301") == composed
    with pytest.raises(NameTaken):
        subjects.add(catalog, "Jose\u0301")


def test_a_name_that_is_not_there_lists_what_is_near(catalog: Catalog) -> None:
    subjects.add(catalog, "Annika Roth")
    for asked in ("Anika Roth", ["Anika Roth"]):
        with pytest.raises(NoSuchRecord, match="Annika Roth"):
            subjects.find(catalog, asked) if isinstance(asked, list) else subjects.get(catalog, asked)
    with pytest.raises(NoSuchRecord):
        subjects.get(catalog, 7)


@pytest.mark.parametrize("name", ["", "  ", "12", "a\nb", "a\x1b[2J", "\udcff"])
def test_what_is_no_name(catalog: Catalog, name: str) -> None:
    with pytest.raises(BadValue):
        subjects.add(catalog, name)
    assert subjects.list_all(catalog) == []


def test_an_attestation_has_who_and_how(catalog: Catalog) -> None:
    for facts in ({"adult_attested_by": "me"}, {"adult_attested_how": "papers"}, {"adult_attested_by": " "}):
        ok = not any(value.strip() for value in facts.values())
        if ok:
            assert subjects.add(catalog, "Blank", **facts).adult_attested_by is None
        else:
            with pytest.raises(BadValue):
                subjects.add(catalog, "Ann", **facts)
    with pytest.raises(BadValue):
        subjects.add(catalog, "Kim", minor=True, adult_attested_by="me", adult_attested_how="papers")


def test_every_change_of_age_is_in_the_ledger(catalog: Catalog) -> None:
    ann = subjects.add(catalog, "Ann")
    assert ledger.events_of(catalog, ann.uid) == []
    ann = subjects.edit(catalog, replace(ann, born=date(2001, 2, 3)), by="me", at=NOON)
    ann = subjects.edit(catalog, replace(ann, name="Anna"), by="me", at=NOON)
    first = subjects.age_record(catalog, ann.id)
    ann = subjects.edit(catalog, replace(ann, minor=True, guardian="Lee"), by="me", at=NOON)
    events = ledger.events_of(catalog, ann.uid)
    assert [event.kind for event in events] == [EventKind.AGE] * 2
    assert [event.details["changed"] for event in events] == [["born"], ["minor", "guardian"]]
    assert events[1].details["on_record"] == ["born", "minor", "guardian"]
    assert events[0].details["record"] == first
    assert events[1].details["record"] == subjects.age_record(catalog, ann.id) != first
    assert subjects.get(catalog, "Anna") == ann


def test_the_ledger_names_nobody_and_tells_no_birth_date(catalog: Catalog) -> None:
    subjects.add(catalog, "Ann Unmistakable", born=date(2001, 2, 3), guardian="Lee Unmistakable")
    text = catalog.ledger_path.read_text()
    assert "Unmistakable" not in text
    assert "2001" not in text


def test_the_same_birth_date_is_not_told_by_the_same_hash(catalog: Catalog) -> None:
    people = subjects.add_many(catalog, [Subject(0, "", name, born=date(2001, 2, 3)) for name in ("Ann", "Bo")])
    assert len({subjects.age_record(catalog, person.id) for person in people}) == 2


def test_many_people_or_none(catalog: Catalog) -> None:
    with pytest.raises(NameTaken):
        subjects.add_many(catalog, [Subject(0, "", "Ann", born=date(2001, 1, 1)), Subject(0, "", "Ann")])
    assert subjects.list_all(catalog) == []
    assert ledger.verify(catalog).events == 0


def test_a_pseudonym_never_changes(catalog: Catalog) -> None:
    ann = subjects.add(catalog, "Ann")
    assert subjects.edit(catalog, replace(ann, uid="another")).uid == ann.uid
    with pytest.raises(NoSuchRecord):
        subjects.edit(catalog, replace(ann, id=9))
    bo = subjects.add(catalog, "Bo")
    with pytest.raises(NameTaken):
        subjects.edit(catalog, replace(bo, name="Ann"))
