"""Random histories: `core.consent` against a slow, obvious reading of the rules. No difference, and never a minor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core import consent
from storage.records import (
    ADULT_ONLY_PURPOSES,
    Bar,
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
from tests.core import consent_oracle as oracle

BIRTHDAYS = [
    date(2000, 2, 29),
    date(2004, 2, 29),
    date(2002, 3, 1),
    date(2002, 12, 31),
    date(2003, 1, 1),
    date(2015, 6, 1),
]
SUBJECTS = 3
LATER = datetime(2026, 1, 1, tzinfo=UTC)


HOURS = [-48, -27, -26, -25, -14, -13, -12, -11, -1, 0, 1, 11, 12, 13, 14, 24, 25, 26, 27, 48]
NUDGES = [timedelta(), timedelta(microseconds=1), timedelta(microseconds=-1)]


def near(born: date) -> st.SearchStrategy[datetime]:
    """Instants that crowd around an 18th birthday, so that its boundaries are hit."""
    turn = datetime.combine(oracle.eighteenth_birthday(born), datetime.min.time(), UTC)
    return st.builds(
        lambda hour, nudge: turn + timedelta(hours=hour) + nudge, st.sampled_from(HOURS), st.sampled_from(NUDGES)
    )


def instants() -> st.SearchStrategy[datetime]:
    """Instants that fall together often, so that events meet their boundaries."""
    some = [datetime(2017, 1, 1, tzinfo=UTC) + timedelta(days=183 * half_years) for half_years in range(13)]
    return st.builds(lambda instant, nudge: instant + nudge, st.sampled_from(some), st.sampled_from(NUDGES))


@st.composite
def subject(draw: st.DrawFn, number: int, focus: date) -> Subject:
    attested = draw(st.booleans())
    return Subject(
        id=number,
        uid=f"uid{number}",
        name=f"Person {number}",
        born=draw(st.sampled_from([None, focus, focus, focus]) | st.sampled_from(BIRTHDAYS)),
        adult_attested_by="a witness" if attested else None,
        adult_attested_how="saw a passport" if attested else None,
        minor=draw(st.sampled_from([False, False, False, False, True])),
        guardian=draw(st.sampled_from([None, "a parent"])),
    )


@st.composite
def event(draw: st.DrawFn, number: int, focus: date) -> Event:
    kind = draw(st.sampled_from([EventKind.GRANT] * 4 + [EventKind.REFUSAL, EventKind.WITHDRAWAL, EventKind.AGE]))
    of_grant = kind is EventKind.GRANT
    when = instants() | near(focus)
    return Event(
        seq=number,
        at=draw(when),
        kind=kind,
        subject_uid=f"uid{draw(st.integers(1, SUBJECTS))}",
        purposes=tuple(draw(st.lists(st.sampled_from(list(Purpose)), min_size=1, max_size=4, unique=True))),
        valid_from=draw(st.none() | when) if of_grant else None,
        valid_until=draw(st.none() | when) if of_grant else None,
        details={"guardian": True} if of_grant and draw(st.integers(0, 3)) == 0 else {},
        hash=f"hash{number}",
    )


@dataclass(frozen=True)
class World:
    photo: Photo
    faces: list[Face]
    people: list[Subject]
    events: list[Event]
    at: datetime


@st.composite
def worlds(draw: st.DrawFn) -> World:
    focus = draw(st.sampled_from(BIRTHDAYS[:5]))
    taken = (near(focus) | near(focus) | instants()).map(lambda instant: instant.replace(tzinfo=None))
    photo = Photo(
        id=1,
        path=b"/p.jpg",
        path_text="/p.jpg",
        size=1,
        mtime_ns=1,
        ctime_ns=1,
        inode=1,
        taken_at=draw(st.sampled_from([False, True, True, True]).flatmap(lambda known: taken if known else st.none())),
        taken_offset=draw(st.sampled_from([None, None, -720, 0, 330, 840])),
        rights=draw(st.sampled_from(list(Rights))),
        error=draw(st.sampled_from([None] * 6 + ["cut off"])),
        faces_space=draw(st.sampled_from(["dlib"] * 6 + [None])),
        barred=draw(st.sampled_from([frozenset[Bar]()] * 6 + [frozenset({bar}) for bar in Bar])),
    )
    owners = draw(st.lists(st.sampled_from([1, 1, 1, 2, 2, 3, None]), max_size=4))
    marks = st.sampled_from([None] * 5 + list(FaceMark))
    faces = [
        Face(
            id=10 + place,
            photo_id=1,
            box=(0, 0, 9, 9),
            probability=0.9,
            space="dlib",
            age_estimate=draw(st.none() | st.floats(1, 90)),
            subject_id=owner,
            assigned_by_person=draw(st.sampled_from([True, True, True, False])),
            mark=draw(marks),
        )
        for place, owner in enumerate(owners)
    ]
    people = [draw(subject(number, focus)) for number in range(1, SUBJECTS + 1)]
    events = [draw(event(number, focus)) for number in range(1, draw(st.integers(0, 10)) + 1)]
    return World(photo, faces, people, events, draw(near(focus) | instants() | st.just(LATER)))


def ruled(world: World, purpose: Purpose, at: datetime) -> consent.PhotoRuling:
    subjects = {person.id: person for person in world.people}
    events = {
        person.uid: [event for event in world.events if event.subject_uid == person.uid] for person in world.people
    }
    return consent.photo_ruling(world.photo, world.faces, subjects, events, purpose, at)


often = settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@often
@given(worlds())
def test_no_difference_from_the_oracle(world: World) -> None:
    for purpose in Purpose:
        ruling = ruled(world, purpose, world.at)
        wanted = oracle.photo_status(world.photo, world.faces, world.people, world.events, purpose, world.at)
        assert ruling.status == wanted
        for face in world.faces:
            said = ruling.per_face[face.id]
            each = oracle.face_status(face, world.people, world.photo, world.events, purpose, world.at)
            assert ("ignored" if said is None else said.status) == each


@often
@given(worlds())
def test_never_a_minor_and_never_without_a_grant(world: World) -> None:
    people = {person.id: person for person in world.people}
    for purpose in Purpose:
        if ruled(world, purpose, world.at).status is not Status.GRANTED:
            continue
        assert world.photo.error is None
        assert world.photo.faces_space is not None
        for face in world.faces:
            if face.mark is not None:
                continue
            assert face.subject_id is not None
            person = people[face.subject_id]
            given = [
                event
                for event in world.events
                if event.kind is EventKind.GRANT and event.subject_uid == person.uid and purpose in event.purposes
            ]
            assert given
            if purpose in ADULT_ONLY_PURPOSES:
                assert not person.minor
                assert person.born is not None or person.adult_attested_by
                assert any(not event.details for event in given)
                if person.born is not None:
                    assert oracle.adult_everywhere(person.born, world.at)
                    if world.photo.taken_at is not None:
                        offset = world.photo.taken_offset
                        assert oracle.adult_when_taken(person.born, world.photo.taken_at, offset)


@often
@given(worlds(), st.lists(instants(), min_size=1, max_size=8))
def test_a_ruling_holds_until_it_says(world: World, later: list[datetime]) -> None:
    for purpose in Purpose:
        first = ruled(world, purpose, world.at)
        ends = [first.until - timedelta(microseconds=1)] if first.until is not None else []
        assert first.until is None or first.until > world.at
        for at in later + ends:
            if at >= world.at and (first.until is None or at < first.until):
                then = ruled(world, purpose, at)
                assert (then.status, then.why, then.per_face) == (first.status, first.why, first.per_face)


@often
@given(worlds(), st.integers(1, SUBJECTS), st.sampled_from([EventKind.REFUSAL, EventKind.WITHDRAWAL]))
def test_a_no_ends_every_grant_before_it(world: World, number: int, kind: EventKind) -> None:
    for purpose in Purpose:
        said = Event(99, world.at, kind, f"uid{number}", (purpose,), hash="no")
        after = replace(world, events=[*world.events, said])
        shown = any(face.subject_id == number and face.mark is None for face in world.faces)
        if shown:
            assert ruled(after, purpose, world.at).status is not Status.GRANTED
        for other in set(Purpose) - {purpose}:
            assert ruled(after, other, world.at) == ruled(world, other, world.at)


@often
@given(worlds(), st.sampled_from([1, 2, 3, None]))
def test_one_more_face_never_permits_more(world: World, owner: int | None) -> None:
    more = Face(77, 1, (0, 0, 9, 9), 0.9, "dlib", b"", subject_id=owner, assigned_by_person=True)
    wider = replace(world, faces=[*world.faces, more])
    for purpose in Purpose:
        before, after = ruled(world, purpose, world.at), ruled(wider, purpose, world.at)
        if any(face.mark is None for face in world.faces):
            assert consent.WORST_FIRST.index(after.status) <= consent.WORST_FIRST.index(before.status)
        elif after.status is Status.GRANTED:
            assert after.per_face[77] is not None


@often
@given(worlds(), st.lists(st.floats(0, 99) | st.none(), min_size=4, max_size=4))
@example(
    World(
        Photo(1, b"/p", "/p", 1, 1, 1, 1, taken_at=datetime(2020, 1, 1), faces_space="dlib"),
        [Face(10, 1, (0, 0, 9, 9), 0.9, "dlib", b"", subject_id=1, assigned_by_person=True)],
        [Subject(1, "uid1", "Person 1")],
        [Event(1, datetime(2019, 1, 1, tzinfo=UTC), EventKind.GRANT, "uid1", tuple(Purpose), hash="h")],
        datetime(2021, 1, 1, tzinfo=UTC),
    ),
    [60.0, 60.0, 60.0, 60.0],
)
def test_an_age_estimate_changes_nothing(world: World, estimates: list[float | None]) -> None:
    guessed = [replace(face, age_estimate=guess) for face, guess in zip(world.faces, estimates, strict=False)]
    for purpose in Purpose:
        assert ruled(replace(world, faces=guessed), purpose, world.at) == ruled(world, purpose, world.at)


@pytest.mark.parametrize("born", BIRTHDAYS[:5])
@pytest.mark.parametrize("offset", [None, -721, -720, 0, 330, 840, 841])
def test_every_hour_around_an_eighteenth_birthday(born: date, offset: int | None) -> None:
    """The whole grid: each hour and a microsecond to either side, of when it was taken and of when it is ruled on."""
    turn = datetime.combine(oracle.eighteenth_birthday(born), datetime.min.time(), UTC)
    moments = [turn + timedelta(hours=hour) + nudge for hour in HOURS for nudge in NUDGES]
    person = Subject(1, "uid1", "Person 1", born=born)
    face = Face(10, 1, (0, 0, 9, 9), 0.9, "dlib", b"", subject_id=1, assigned_by_person=True)
    known = offset if offset is not None and -720 <= offset <= 840 else None
    for taken, at in [(moment, LATER) for moment in moments] + [
        (turn + timedelta(days=9), moment) for moment in moments
    ]:
        local = taken.replace(tzinfo=None)
        photo = Photo(1, b"/p", "/p", 1, 1, 1, 1, taken_at=local, taken_offset=offset, faces_space="dlib")
        for granted_at in (at, turn - timedelta(days=30)):
            given = Event(1, granted_at, EventKind.GRANT, "uid1", tuple(Purpose), hash="hash1")
            world = World(photo, [face], [person], [given], at)
            plain = replace(photo, taken_offset=known)
            for purpose in (Purpose.TRAIN_COMPOSITE, Purpose.PUBLISH):
                wanted = oracle.photo_status(plain, world.faces, world.people, world.events, purpose, at)
                assert ruled(world, purpose, at).status == wanted
