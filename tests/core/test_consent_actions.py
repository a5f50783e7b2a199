"""Recording and telling consent through a real catalog."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import consent_actions, terms
from core.errors import BadValue, NoSuchRecord, Refused, UnreadablePath
from core.terms import Manner, Terms
from core.terms import of as terms_of
from storage import ledger, subjects
from storage.catalog import Catalog
from storage.records import ADULT_ONLY_PURPOSES, EventKind, Purpose, Status, Subject

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PRINT, COMPOSITE = Purpose.PRINT, Purpose.TRAIN_COMPOSITE


@pytest.fixture
def ann(catalog: Catalog) -> Subject:
    return subjects.add(catalog, "Ann", born=date(1980, 1, 1), at=NOW)


def test_a_grant_says_where_the_person_stands_since(catalog: Catalog, ann: Subject) -> None:
    [told] = consent_actions.grant(catalog, ["Ann"], [COMPOSITE, PRINT, PRINT], by=" me ", note="signed", at=NOW)
    [event] = [event for event in ledger.all(catalog) if event.kind is EventKind.GRANT]
    assert (told.event, told.hash, told.subject) == (event.seq, event.hash, "Ann")
    assert (event.subject_uid, event.purposes, event.by) == (ann.uid, (PRINT, COMPOSITE), "me")
    granted = {purpose for purpose, status in told.status.items() if status is Status.GRANTED}
    assert granted == {PRINT, COMPOSITE}
    assert "Ann" not in catalog.ledger_path.read_text()


def test_fifty_people_at_once_or_none(catalog: Catalog) -> None:
    people = subjects.add_many(catalog, [Subject(0, "", f"P {n}", born=date(1980, 1, 1)) for n in range(50)], at=NOW)
    before = ledger.verify(catalog).events
    with pytest.raises(NoSuchRecord):
        consent_actions.grant(catalog, [*people, "nobody"], [PRINT], by="me", at=NOW)
    assert ledger.verify(catalog).events == before
    queries: list[str] = []
    catalog.connection.set_trace_callback(queries.append)
    told = consent_actions.grant(catalog, [*people, people[0].id], [PRINT], by="me", at=NOW)
    catalog.connection.set_trace_callback(None)
    assert [one.subject for one in told] == [person.name for person in people]
    reads = [query for query in queries if query.lstrip().startswith("SELECT") and "ledger_grows" not in query]
    assert len([query for query in reads if "coalesce(max(seq)" not in query]) < 20
    assert ledger.verify(catalog).events == before + 50


def test_a_refusal(catalog: Catalog, ann: Subject) -> None:
    consent_actions.grant(catalog, [ann], list(Purpose), by="me", at=NOW)
    [told] = consent_actions.refuse(catalog, [ann], [PRINT], by="me", at=NOW)
    assert told.status[PRINT] is Status.REFUSED
    assert told.status[COMPOSITE] is Status.GRANTED


def test_a_minors_grant_is_the_guardians(catalog: Catalog) -> None:
    subjects.add(catalog, "Kim", born=date(2015, 1, 1), guardian="Lee", at=NOW)
    subjects.add(catalog, "Ono", minor=True, at=NOW)
    for who, by in (("Kim", "me"), ("Ono", "me"), ("Ono", "Lee")):
        with pytest.raises(Refused, match="guardian"):
            consent_actions.grant(catalog, [who], [PRINT], by=by, at=NOW)
    for purpose in ADULT_ONLY_PURPOSES:
        for by in ("me", "Lee"):
            with pytest.raises(Refused, match=purpose):
                consent_actions.grant(catalog, ["Kim"], [PRINT, purpose], by=by, at=NOW)
    [told] = consent_actions.grant(catalog, ["Kim"], [PRINT], by="Lee", at=NOW)
    assert told.status[PRINT] is Status.GRANTED
    assert {told.status[purpose] for purpose in ADULT_ONLY_PURPOSES} == {Status.MINOR}
    [told] = consent_actions.refuse(catalog, ["Kim"], [PRINT], by="Kim", at=NOW)
    assert told.status[PRINT] is Status.REFUSED


def test_nobody_grants_back_into_their_childhood(catalog: Catalog) -> None:
    subjects.add(catalog, "Bo", born=date(2004, 2, 29), guardian="Lee", at=NOW)
    with pytest.raises(Refused, match="was then"):
        consent_actions.grant(catalog, ["Bo"], [PRINT], by="Bo", valid_from=NOW - timedelta(days=3000), at=NOW)
    with pytest.raises(Refused, match="guardian"):
        consent_actions.grant(catalog, ["Bo"], [COMPOSITE], by="Lee", at=NOW)
    [told] = consent_actions.grant(catalog, ["Bo"], [COMPOSITE], by="Bo", at=NOW)
    assert told.status[COMPOSITE] is Status.GRANTED


def test_what_can_not_be_recorded(catalog: Catalog, ann: Subject) -> None:
    day = timedelta(days=1)
    for more in (
        {"valid_until": NOW},
        {"valid_from": NOW + day, "valid_until": NOW + day},
        {"valid_from": datetime(2026, 1, 1)},
        {"by": "  "},
    ):
        with pytest.raises(BadValue):
            consent_actions.grant(catalog, [ann], [PRINT], **({"by": "me", "at": NOW} | more))  # type: ignore[arg-type]
    for people, purposes in (([], [PRINT]), ([ann], [])):
        with pytest.raises(BadValue):
            consent_actions.grant(catalog, people, purposes, by="me", at=NOW)
    assert [event.kind for event in ledger.all(catalog)] == [EventKind.AGE]


def test_evidence_goes_in_by_its_hash(catalog: Catalog, ann: Subject, tmp_path: Path) -> None:
    release = tmp_path / "Release.PDF"
    release.write_bytes(b"signed")
    digest = hashlib.sha256(b"signed").hexdigest()
    consent_actions.grant(catalog, [ann], [PRINT], by="me", evidence=release, at=NOW)
    assert list(catalog.evidence.iterdir()) == []
    consent_actions.grant(catalog, [ann], [PRINT], by="me", evidence=release, keep_evidence=True, at=NOW)
    assert (catalog.evidence / f"{digest}.pdf").read_bytes() == b"signed"
    assert [event.evidence for event in ledger.events_of(catalog, ann.uid)][-2:] == [digest, digest]
    with pytest.raises(UnreadablePath):
        consent_actions.grant(catalog, [ann], [PRINT], by="me", evidence=tmp_path / "none", at=NOW)


def test_show_tells_the_past_as_it_was(catalog: Catalog, ann: Subject) -> None:
    consent_actions.grant(catalog, [ann], [PRINT], by="me", at=NOW)
    consent_actions.refuse(catalog, [ann], [PRINT], by="me", at=NOW + timedelta(days=2))
    then = consent_actions.show(catalog, "Ann", NOW + timedelta(days=1))
    assert then.status[PRINT] is Status.GRANTED
    assert [event.kind for event in then.events] == [EventKind.AGE, EventKind.GRANT]
    assert consent_actions.show(catalog, "Ann", NOW + timedelta(days=2)).status[PRINT] is Status.REFUSED


TERMS = Terms(Manner.SIGNED_RELEASE, language="lo", territory="Laos", conditions="no billboards")


def test_terms_stand_in_the_ledger_and_are_shown(catalog: Catalog, ann: Subject) -> None:
    consent_actions.grant(catalog, [ann], [PRINT], by="me", terms=TERMS, at=NOW)
    [event] = [event for event in ledger.events_of(catalog, ann.uid) if event.kind is EventKind.GRANT]
    assert terms_of(event.details) == TERMS
    told = consent_actions.show(catalog, "Ann", NOW).lines()
    for line in ("given by: signed-release", "language: lo", "territory: Laos", "on condition: no billboards"):
        assert f"  {line}" in told


def test_a_renewal_is_the_same_grant_given_anew(catalog: Catalog, ann: Subject) -> None:
    until, later = NOW + timedelta(days=10), NOW + timedelta(days=400)
    consent_actions.grant(catalog, [ann], [PRINT, COMPOSITE], by="me", terms=TERMS, valid_until=until, at=NOW)
    consent_actions.grant(catalog, [ann], [Purpose.PUBLISH], by="me", at=NOW)
    spoken = Terms(Manner.RECORDED_SPEECH)
    for at in (NOW + timedelta(days=5), NOW + timedelta(days=20)):  # before and after its end
        told = consent_actions.renew(catalog, [ann], by="me", valid_until=later, manner=spoken, at=at, dry_run=True)
        assert [one.status[COMPOSITE] for one in told] == [Status.GRANTED, Status.GRANTED]
    assert ledger.verify(catalog).events == 3
    told = consent_actions.renew(
        catalog, [ann], by="me", valid_until=later, manner=spoken, purposes=[COMPOSITE, PRINT], at=NOW
    )
    first, renewed = [ledger.events_of(catalog, ann.uid)[at] for at in (1, -1)]
    assert [one.hash for one in told] == [renewed.hash]
    assert renewed.details["renews"] == first.hash
    assert (renewed.purposes, renewed.valid_until) == ((PRINT, COMPOSITE), later)
    assert terms_of(renewed.details) == Terms(Manner.RECORDED_SPEECH, territory="Laos", conditions="no billboards")
    assert consent_actions.show(catalog, ann, NOW + timedelta(days=20)).status[COMPOSITE] is Status.GRANTED


def test_nothing_is_renewed_over_a_no(catalog: Catalog, ann: Subject) -> None:
    def again(*purposes: Purpose, manner: Terms = TERMS) -> None:
        end = NOW + timedelta(days=90)
        consent_actions.renew(catalog, [ann], by="me", valid_until=end, manner=manner, purposes=purposes, at=NOW)

    with pytest.raises(Refused, match="no grant to renew"):
        again()
    consent_actions.grant(catalog, [ann], [PRINT, COMPOSITE], by="me", at=NOW)
    consent_actions.refuse(catalog, [ann], [COMPOSITE], by="me", at=NOW)
    with pytest.raises(Refused, match="train-composite"):
        again(PRINT, COMPOSITE)
    with pytest.raises(BadValue, match="how it was given"):
        again(PRINT, manner=Terms())
    again()
    assert ledger.events_of(catalog, ann.uid)[-1].purposes == (PRINT,)


def test_a_dry_run_writes_nothing(catalog: Catalog, ann: Subject, tmp_path: Path) -> None:
    before = ledger.verify(catalog)
    release = tmp_path / "release.pdf"
    release.write_bytes(b"signed")
    [told] = consent_actions.grant(
        catalog, [ann], [PRINT], by="me", evidence=release, keep_evidence=True, at=NOW, dry_run=True
    )
    assert told.status[PRINT] is Status.GRANTED
    [told] = consent_actions.refuse(catalog, [ann], [PRINT], by="me", at=NOW, dry_run=True)
    assert told.status[PRINT] is Status.REFUSED
    assert ledger.verify(catalog) == before
    assert not list(catalog.evidence.iterdir())


def test_people_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "people.txt"
    file.write_text("\ufeffAnn\n\n  ບົວຄຳ # the bride\n# nobody\n7\n", encoding="utf-8")
    assert consent_actions.subjects_from(file) == ["Ann", "ບົວຄຳ", "7"]
    for content in (b"", b"# nobody\n", b"Ann\nBo\nAnn\n", b"\xff\n"):
        file.write_bytes(content)
        with pytest.raises(BadValue):
            consent_actions.subjects_from(file)
    with pytest.raises(UnreadablePath):
        consent_actions.subjects_from(tmp_path / "none")


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"manner": "shouted"}, "manner"),
        ({"manner": "in-person"}, "witness"),
        ({"language": "the language"}, "language"),
        ({"conditions": "x" * 2001}, "conditions"),
    ],
)
def test_terms_that_can_not_be(told: dict[str, str], said: str) -> None:
    with pytest.raises(BadValue, match=said):
        terms.checked(**told)  # type: ignore[arg-type]


@given(st.fixed_dictionaries({}, optional={name: st.text(max_size=20) for name in ("territory", "conditions")}))
def test_terms_come_back_as_they_were_told(told: dict[str, str]) -> None:
    made = terms.checked(**told)  # type: ignore[arg-type]
    assert terms_of(made.details()) == made
    assert all(value.strip() == value for value in made.details().values())


def test_due_tells_what_ends_soon_with_nothing_after_it(catalog: Catalog, ann: Subject) -> None:
    soon, later = NOW + timedelta(days=10), NOW + timedelta(days=90)
    bo = subjects.add(catalog, "Bo", born=date(1980, 1, 1), at=NOW)
    consent_actions.grant(catalog, [ann, bo], [PRINT], by="me", valid_until=soon, at=NOW)
    consent_actions.grant(catalog, [bo], [PRINT], by="me", valid_from=soon, valid_until=later, at=NOW)
    consent_actions.grant(catalog, [ann], [COMPOSITE], by="me", valid_until=later, at=NOW)
    told = consent_actions.due(catalog, timedelta(days=30), NOW)
    assert [(one.subject, one.purpose, one.until) for one in told] == [("Ann", PRINT, soon)]
    told = consent_actions.due(catalog, timedelta(days=90), NOW)
    assert [(one.subject, one.purpose, one.until) for one in told] == [
        ("Ann", PRINT, soon),
        ("Ann", COMPOSITE, later),
        ("Bo", PRINT, later),
    ]


def test_purposes_as_people_type_them() -> None:
    assert consent_actions.parse_purposes(" train-composite ,print;print") == (PRINT, COMPOSITE)
    for text in ("", "print,", "prints", "Print", "all", "train"):
        with pytest.raises(BadValue, match="--purpose") as caught:
            consent_actions.parse_purposes(text)
        assert "train-individual" in caught.value.hint
