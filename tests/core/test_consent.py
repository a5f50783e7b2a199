"""The rules of consent, each where it bites: to the day, to the hour, to the instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from core import consent
from storage.records import (
    ADULT_ONLY_PURPOSES,
    Event,
    EventKind,
    Face,
    FaceMark,
    Photo,
    Purpose,
    Rights,
    Status,
    Subject,
)

COMPOSITE, PUBLISH = Purpose.TRAIN_COMPOSITE, Purpose.PUBLISH
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ANN = Subject(1, "u1", "Ann", born=date(1980, 5, 5))
INSTANT = timedelta(microseconds=1)


def event(kind: EventKind, *purposes: Purpose, at: datetime = datetime(2020, 1, 1, tzinfo=UTC), **more: Any) -> Event:
    number = more.pop("seq", 1)
    return Event(number, at, kind, more.pop("uid", "u1"), purposes, hash=f"h{number}", **more)


def grant(*purposes: Purpose, **more: Any) -> Event:
    return event(EventKind.GRANT, *(purposes or tuple(Purpose)), **more)


def face(subject_id: int | None = 1, mark: FaceMark | None = None, id: int = 1) -> Face:
    return Face(id, 1, (0, 0, 9, 9), 0.9, "dlib", b"", subject_id=subject_id, assigned_by_person=True, mark=mark)


def photo(taken: datetime | None = datetime(2021, 1, 1), offset: int | None = 0, **more: Any) -> Photo:
    fields = {"faces_space": "dlib", "taken_at": taken, "taken_offset": offset} | more
    return Photo(1, b"/p", "/p", 1, 1, 1, 1, **fields)


def ruled(
    of: Photo,
    purpose: Purpose = COMPOSITE,
    *,
    faces: Sequence[Face] = (face(),),
    people: Sequence[Subject] = (ANN,),
    events: Sequence[Event] = (grant(),),
    at: datetime = NOW,
) -> consent.PhotoRuling:
    by_uid = {one.uid: [event for event in events if event.subject_uid == one.uid] for one in people}
    return consent.photo_ruling(of, faces, {one.id: one for one in people}, by_uid, purpose, at)


# Time --------------------------------------------------------------------------------------------


def test_nothing_on_record_is_unknown() -> None:
    for purpose in Purpose:
        assert consent.subject_status([], purpose, NOW).status is Status.UNKNOWN


def test_a_grant_permits_what_it_names_and_nothing_else() -> None:
    for named in Purpose:
        for purpose in Purpose:
            status = consent.subject_status([grant(named)], purpose, NOW).status
            assert (status is Status.GRANTED) == (purpose is named)


def test_a_grant_runs_from_its_beginning_to_just_before_its_end() -> None:
    begins, ends = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    events = [grant(COMPOSITE, valid_from=begins, valid_until=ends)]
    for at, status, until in (
        (begins - INSTANT, Status.UNKNOWN, begins),
        (begins, Status.GRANTED, ends),
        (ends - INSTANT, Status.GRANTED, ends),
        (ends, Status.EXPIRED, None),
    ):
        ruling = consent.subject_status(events, COMPOSITE, at)
        assert (ruling.status, ruling.until) == (status, until)


def test_a_grant_that_has_not_begun_leaves_the_older_word_in_force() -> None:
    begins = datetime(2030, 1, 1, tzinfo=UTC)
    later = grant(COMPOSITE, valid_from=begins, seq=2)
    for older, status in ((event(EventKind.REFUSAL, COMPOSITE), Status.REFUSED), (grant(COMPOSITE), Status.GRANTED)):
        ruling = consent.subject_status([older, later], COMPOSITE, NOW)
        assert (ruling.status, ruling.event_hash, ruling.until) == (status, "h1", begins)
        assert consent.subject_status([older, later], COMPOSITE, begins).event_hash == "h2"


def test_a_withdrawal_takes_a_grant_that_has_not_begun_with_it() -> None:
    later = grant(COMPOSITE, valid_from=datetime(2030, 1, 1, tzinfo=UTC))
    events = [later, event(EventKind.WITHDRAWAL, COMPOSITE, seq=2)]
    assert consent.subject_status(events, COMPOSITE, datetime(2031, 1, 1, tzinfo=UTC)).status is Status.WITHDRAWN


def test_a_withdrawal_of_one_purpose_leaves_the_others() -> None:
    events = [grant(COMPOSITE, PUBLISH), event(EventKind.WITHDRAWAL, COMPOSITE, seq=2)]
    assert consent.subject_status(events, COMPOSITE, NOW).status is Status.WITHDRAWN
    assert consent.subject_status(events, PUBLISH, NOW).status is Status.GRANTED


def test_a_newer_grant_after_a_withdrawal_is_in_force_again() -> None:
    events = [grant(COMPOSITE), event(EventKind.WITHDRAWAL, COMPOSITE, seq=2), grant(COMPOSITE, seq=3)]
    ruling = consent.subject_status(events, COMPOSITE, NOW)
    assert (ruling.status, ruling.event_hash) == (Status.GRANTED, "h3")


def test_a_newer_grant_that_ended_is_not_saved_by_an_older_one() -> None:
    short = grant(COMPOSITE, seq=2, valid_until=datetime(2021, 1, 1, tzinfo=UTC))
    assert consent.subject_status([grant(COMPOSITE), short], COMPOSITE, NOW).status is Status.EXPIRED


def test_the_past_is_ruled_by_what_was_recorded_then() -> None:
    events = [grant(COMPOSITE), event(EventKind.WITHDRAWAL, COMPOSITE, seq=2, at=NOW)]
    before = consent.subject_status(events, COMPOSITE, NOW - INSTANT)
    assert (before.status, before.until) == (Status.GRANTED, NOW)
    assert consent.subject_status(events, COMPOSITE, NOW).status is Status.WITHDRAWN


def test_events_of_somebody_else_do_not_count() -> None:
    stray = consent.face_ruling(face(), ANN, [grant(uid="u2")], COMPOSITE, consent.taken(photo()), NOW)
    assert stray is not None
    assert stray.status is Status.UNKNOWN


# Age ---------------------------------------------------------------------------------------------

BORN = date(2004, 2, 29)  # 18 on 1 March 2022
DAY = datetime(2022, 3, 1)
GROWN = replace(ANN, born=BORN)
GIVEN_LATER = grant(at=datetime(2023, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("taken", "offset", "status"),
    [
        (DAY - INSTANT, 0, Status.MINOR),
        (DAY, 0, Status.GRANTED),
        (datetime(2022, 2, 28, 23, 59), 540, Status.MINOR),
        (DAY, 540, Status.GRANTED),  # its offset is known, so its own day counts
        (DAY, None, Status.MINOR),  # the clock may have been 26 hours ahead of the place
        (DAY + timedelta(hours=26) - INSTANT, None, Status.MINOR),
        (DAY + timedelta(hours=26), None, Status.GRANTED),
        (DAY, 841, Status.MINOR),  # no such offset: as unknown
        (DAY, -721, Status.MINOR),
        (datetime(2004, 2, 29), 0, Status.MINOR),
        (datetime(2004, 2, 28, 23, 59), 0, Status.AGE_UNSETTLED),
        (datetime.min, None, Status.AGE_UNSETTLED),
        (None, None, Status.AGE_UNSETTLED),
    ],
)
def test_eighteen_to_the_day_when_taken(taken: datetime | None, offset: int | None, status: Status) -> None:
    for purpose in Purpose:
        ruling = ruled(photo(taken, offset), purpose, people=[GROWN], events=[GIVEN_LATER])
        assert ruling.status is (status if purpose in ADULT_ONLY_PURPOSES else Status.GRANTED)


@pytest.mark.parametrize("taken", [None, datetime(2035, 1, 1)])
def test_who_is_not_yet_eighteen_is_a_minor_whatever_the_camera_says(taken: datetime | None) -> None:
    attested = replace(GROWN, adult_attested_by="me", adult_attested_how="looks it")
    comes_of_age = datetime(2022, 3, 1, 12, tzinfo=UTC)  # midnight where the day begins last
    before = ruled(photo(taken), people=[attested], at=comes_of_age - INSTANT)
    assert (before.status, before.until) == (Status.MINOR, comes_of_age)
    assert ruled(photo(taken), people=[attested], at=comes_of_age).status is not Status.MINOR


@pytest.mark.parametrize("born", [date(2004, 2, 29), date(2004, 3, 1)])
def test_born_on_or_after_a_leap_day_both_are_eighteen_on_the_first_of_march(born: date) -> None:
    person = replace(ANN, born=born)
    assert ruled(photo(datetime(2022, 2, 28, 23, 59)), people=[person], events=[GIVEN_LATER]).status is Status.MINOR
    assert ruled(photo(DAY), people=[person], events=[GIVEN_LATER]).status is Status.GRANTED


def test_an_undated_scan_of_somebody_born_in_2005_is_not_settled() -> None:
    person = replace(ANN, born=date(2005, 1, 1))
    given = [grant(at=datetime(2024, 1, 1, tzinfo=UTC))]
    assert ruled(photo(None), people=[person], events=given).status is Status.AGE_UNSETTLED
    attested = replace(person, adult_attested_by="me", adult_attested_how="saw her passport")
    assert ruled(photo(None), people=[attested], events=given).status is Status.GRANTED
    assert ruled(photo(datetime(2020, 1, 1)), people=[attested], events=given).status is Status.MINOR


def test_no_birth_date_needs_an_attestation_whatever_the_estimate() -> None:
    nobody_knows = replace(ANN, born=None)
    old = replace(face(), age_estimate=70.0)
    assert ruled(photo(), people=[nobody_knows], faces=[old]).status is Status.AGE_UNSETTLED
    assert ruled(photo(), PUBLISH, people=[nobody_knows], faces=[old]).status is Status.GRANTED
    attested = replace(nobody_knows, adult_attested_by="me", adult_attested_how="an old friend")
    assert ruled(photo(), people=[attested]).status is Status.GRANTED


def test_a_declared_minor_is_one_whatever_else_is_on_record() -> None:
    declared = replace(ANN, minor=True, adult_attested_by="me", adult_attested_how="sure")
    for purpose in ADULT_ONLY_PURPOSES:
        assert ruled(photo(), purpose, people=[declared]).status is Status.MINOR


def test_a_minor_is_published_by_the_guardians_grant_alone() -> None:
    child = Subject(1, "u1", "Kim", born=date(2015, 1, 1), guardian="Lee")
    assert ruled(photo(), PUBLISH, people=[child]).status is Status.UNKNOWN
    given = grant(details={consent.BY_GUARDIAN: True})
    for purpose in Purpose:
        wanted = Status.MINOR if purpose in ADULT_ONLY_PURPOSES else Status.GRANTED
        assert ruled(photo(), purpose, people=[child], events=[given]).status is wanted
    assert ruled(photo(), PUBLISH, people=[replace(child, born=None, minor=True)]).status is Status.UNKNOWN


def test_a_guardians_grant_never_trains_not_even_once_grown() -> None:
    given = [grant(details={consent.BY_GUARDIAN: True})]
    for purpose in ADULT_ONLY_PURPOSES:
        assert ruled(photo(), purpose, events=given).status is Status.UNKNOWN


def test_what_a_person_granted_while_a_minor_does_not_count_later() -> None:
    for given in (
        grant(at=datetime(2022, 3, 1, 12, tzinfo=UTC) - INSTANT),
        grant(at=NOW, valid_from=datetime(2020, 1, 1, tzinfo=UTC)),
    ):
        for purpose in (COMPOSITE, PUBLISH):
            assert ruled(photo(datetime(2024, 1, 1)), purpose, people=[GROWN], events=[given]).status is Status.UNKNOWN
    on_the_day = grant(at=datetime(2022, 3, 1, 12, tzinfo=UTC))
    assert ruled(photo(datetime(2024, 1, 1)), people=[GROWN], events=[on_the_day]).status is Status.GRANTED


def test_a_no_counts_whoever_says_it() -> None:
    child = Subject(1, "u1", "Kim", born=date(2015, 1, 1), guardian="Lee")
    given = grant(PUBLISH, details={consent.BY_GUARDIAN: True})
    for kind, status in ((EventKind.REFUSAL, Status.REFUSED), (EventKind.WITHDRAWAL, Status.WITHDRAWN)):
        events = [given, event(kind, PUBLISH, seq=2)]
        assert ruled(photo(), PUBLISH, people=[child], events=events).status is status


def test_the_end_of_the_calendar() -> None:
    last = replace(ANN, born=date.max)
    assert ruled(photo(None), people=[last]).status is Status.MINOR


# Photographs -------------------------------------------------------------------------------------


def test_a_face_without_a_name_holds_the_photograph_back() -> None:
    ruling = ruled(photo(), faces=[face(id=1), face(None, id=2)])
    assert ruling.status is Status.UNKNOWN
    assert [said.status for said in ruling.per_face.values() if said] == [Status.GRANTED, Status.UNKNOWN]


def test_an_erased_face_is_in_the_rules_as_unknown() -> None:
    ruling = ruled(photo(), faces=[face(id=1), face(None, FaceMark.ERASED, id=2)])
    assert ruling.status is Status.UNKNOWN
    assert ruling.per_face[2] is not None


@pytest.mark.parametrize("mark", [FaceMark.NOT_A_FACE, FaceMark.UNRECOGNISABLE])
def test_a_marked_face_is_out_of_the_rules(mark: FaceMark) -> None:
    ruling = ruled(photo(), faces=[face(id=1), face(None, mark, id=2)])
    assert (ruling.status, ruling.per_face[2]) == (Status.GRANTED, None)


@pytest.mark.parametrize("faces", [[], [face(1, FaceMark.UNRECOGNISABLE)]])
def test_where_no_face_counts_the_rights_must_be_settled(faces: list[Face]) -> None:
    for rights, status in (
        (Rights.UNKNOWN, Status.UNKNOWN),
        (Rights.MINE, Status.GRANTED),
        (Rights.LICENSED, Status.GRANTED),
    ):
        assert ruled(photo(rights=rights), faces=faces).status is status


def test_rights_do_not_stand_for_a_persons_consent() -> None:
    assert ruled(photo(rights=Rights.MINE), events=[]).status is Status.UNKNOWN


@pytest.mark.parametrize("unlooked", [{"faces_space": None}, {"error": "cut off"}])
def test_a_photograph_not_looked_through_is_unknown(unlooked: dict[str, Any]) -> None:
    assert ruled(photo(rights=Rights.MINE, **unlooked), faces=[]).status is Status.UNKNOWN
    assert ruled(photo(**unlooked)).status is Status.UNKNOWN
    child = replace(ANN, minor=True)
    assert ruled(photo(**unlooked), people=[child]).status is Status.MINOR


def test_a_group_takes_the_worst() -> None:
    people = [Subject(n, f"u{n}", f"P{n}", born=date(1980, 1, 1)) for n in range(1, 8)]
    people[4] = replace(people[4], born=None)
    people[5] = replace(people[5], minor=True)
    events = [
        grant(COMPOSITE, uid="u1"),
        grant(COMPOSITE, uid="u2", valid_until=datetime(2021, 1, 1, tzinfo=UTC)),
        event(EventKind.REFUSAL, COMPOSITE, uid="u3"),
        event(EventKind.WITHDRAWAL, COMPOSITE, uid="u4"),
        grant(COMPOSITE, uid="u5"),
        grant(COMPOSITE, uid="u6"),
    ]
    order = [
        Status.GRANTED,
        Status.UNKNOWN,
        Status.EXPIRED,
        Status.REFUSED,
        Status.WITHDRAWN,
        Status.AGE_UNSETTLED,
        Status.MINOR,
    ]
    seats = [1, 7, 2, 3, 4, 5, 6]
    for several in range(1, 8):
        faces = [face(seat, id=seat) for seat in seats[:several]]
        ruling = ruled(photo(), faces=faces, people=people, events=events)
        assert ruling.status is order[several - 1]
        assert f"P{seats[several - 1]}" in ruling.why


def test_the_first_of_several_ends_is_the_photographs() -> None:
    ends = [datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)]
    people = [ANN, replace(ANN, id=2, uid="u2", name="Bo")]
    events = [grant(valid_until=ends[1]), grant(valid_until=ends[0], uid="u2")]
    ruling = ruled(photo(), faces=[face(1, id=1), face(2, id=2)], people=people, events=events)
    assert (ruling.status, ruling.until) == (Status.GRANTED, ends[0])


def test_a_person_stands_as_in_a_picture_taken_now() -> None:
    assert consent.person_ruling(ANN, [grant()], COMPOSITE, NOW).status is Status.GRANTED
    assert consent.person_ruling(replace(ANN, born=None), [grant()], COMPOSITE, NOW).status is Status.AGE_UNSETTLED
    young = replace(ANN, born=date(2010, 1, 1))
    ruling = consent.person_ruling(young, [grant()], COMPOSITE, NOW)
    assert (ruling.status, ruling.until) == (Status.MINOR, datetime(2028, 1, 1, 12, tzinfo=UTC))


@pytest.mark.parametrize("purpose", list(Purpose))
def test_likeness_refuses_but_never_permits(purpose: Purpose) -> None:
    alike = replace(face(), assigned_by_person=False)
    child = replace(ANN, minor=True)
    taken = datetime(2020, 1, 1, tzinfo=UTC)
    ruled = consent.face_ruling(alike, ANN, [grant()], purpose, taken, NOW)
    assert ruled is not None
    assert (ruled.status, ruled.event_hash) == (Status.UNKNOWN, None)
    assert "by likeness" in ruled.why
    refused = consent.face_ruling(alike, child, [], purpose, taken, NOW)
    assert refused is not None
    assert refused.status is (Status.MINOR if purpose in ADULT_ONLY_PURPOSES else Status.UNKNOWN)


@pytest.mark.parametrize("hours", range(-30, 31))
@pytest.mark.parametrize("offset", [-720, -300, 0, 420, 840])
def test_a_zone_that_only_the_place_tells_is_no_zone(hours: int, offset: int) -> None:
    """Around the hour in which somebody turns 18: as strict as with no zone, and never milder than the camera's."""
    taken = datetime(1998, 5, 5) + timedelta(hours=hours)
    guessed = photo(taken, offset, taken_source=consent.BY_PLACE)
    unknown = photo(taken, None, taken_source="none")
    told = photo(taken, offset, taken_source="exif-offset")
    for purpose in ADULT_ONLY_PURPOSES:
        assert ruled(guessed, purpose) == ruled(unknown, purpose)
        if ruled(told, purpose).status is not Status.GRANTED:
            assert ruled(guessed, purpose).status is not Status.GRANTED


def test_the_place_is_where_it_would_matter() -> None:
    """At 20 hours into the birthday the camera's word makes an adult, and the place's does not."""
    taken = datetime(1998, 5, 5, 20)
    assert ruled(photo(taken, 420, taken_source="gps")).status is Status.GRANTED
    assert ruled(photo(taken, 420, taken_source=consent.BY_PLACE)).status is Status.MINOR
