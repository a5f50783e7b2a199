"""Every kind of decision, undone and done again on a real catalog; and any mix of them, to any depth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import consent, consent_actions, people, tagging, withdrawal
from core.decisions import noting
from core.decisions import undo as undoing
from core.errors import BadValue, Refused
from storage import artifacts, companions, decisions, faces, ledger, photos, subjects
from storage import catalog as catalogs
from storage.catalog import Catalog, open_catalog
from storage.records import CohortRules, DecisionKind, EventKind, FaceMark, ModelState, Purpose, Rights, Status, Subject
from tests import composites, world
from tests.tiny_base import write_tiny_base

PRINT, COMPOSITE = Purpose.PRINT, Purpose.TRAIN_COMPOSITE
NOW = datetime(2026, 6, 1, tzinfo=UTC)
LEFT, RIGHT = (20, 40, 80, 110), (250, 40, 310, 110)


@pytest.fixture
def ann(catalog: Catalog) -> Subject:
    return subjects.add(catalog, "Ann", born=date(1980, 1, 1), at=NOW)


def standing(catalog: Catalog, person: Subject, at: datetime | None = None) -> dict[Purpose, Status]:
    """Where the person stands now."""
    return consent_actions.show(catalog, person.id, at).status


def test_a_first_grant_is_undone_by_a_withdrawal_and_done_again_with_its_terms(catalog: Catalog, ann: Subject) -> None:
    until = NOW + timedelta(days=36500)
    consent_actions.grant(catalog, [ann], [PRINT, COMPOSITE], by="Chan", valid_until=until, note="signed")
    told = undoing.undo(catalog)
    assert (told.kind, told.told) == (DecisionKind.CONSENT, "Ann: allow print, train-composite")
    assert {standing(catalog, ann)[one] for one in (PRINT, COMPOSITE)} == {Status.WITHDRAWN}
    undoing.redo(catalog)
    assert {standing(catalog, ann)[one] for one in (PRINT, COMPOSITE)} == {Status.GRANTED}
    first, undone, again = ledger.events_of(catalog, ann.uid)[1:]
    assert (again.kind, again.purposes, again.valid_until, again.by, again.note) == (
        EventKind.GRANT,
        (PRINT, COMPOSITE),
        until,
        "Chan",
        "signed",
    )
    assert (undone.details["turns"], again.details["turns"]) == (first.hash, undone.hash)
    assert ledger.verify(catalog).ok
    with pytest.raises(BadValue, match="nothing was undone"):
        undoing.redo(catalog)


def test_a_refusal_and_a_withdrawal_give_back_what_was_granted_before(catalog: Catalog, ann: Subject) -> None:
    consent_actions.grant(catalog, [ann], [PRINT], by="Chan", note="paper")
    consent_actions.refuse(catalog, [ann], [PRINT], by="Lee", remake=False)
    withdrawal.withdraw(catalog, ann.id, [PRINT], by="Lee", remake=False)
    seen = []
    for _ in range(3):
        undoing.undo(catalog)
        seen.append(standing(catalog, ann)[PRINT])
    assert seen == [Status.REFUSED, Status.GRANTED, Status.WITHDRAWN]
    for wanted in (Status.GRANTED, Status.REFUSED, Status.WITHDRAWN):
        undoing.redo(catalog)
        assert standing(catalog, ann)[PRINT] is wanted


def test_a_withdrawal_is_undone_only_by_somebody_who_is_sure(catalog: Catalog, ann: Subject) -> None:
    consent_actions.grant(catalog, [ann], [PRINT], by="Chan")
    withdrawal.withdraw(catalog, ann.id, [PRINT], by="Chan")
    foreseen = undoing.undo(catalog, sure=False)
    assert (foreseen.done, foreseen.gives_back) == (False, True)
    assert standing(catalog, ann)[PRINT] is Status.WITHDRAWN
    assert undoing.undo(catalog).done
    assert standing(catalog, ann)[PRINT] is Status.GRANTED
    assert undoing.redo(catalog, sure=False).done, "it is withdrawn again"
    assert standing(catalog, ann)[PRINT] is Status.WITHDRAWN
    undoing.undo(catalog)
    assert undoing.undo(catalog, sure=False).done, "a grant is taken back at once"
    assert undoing.redo(catalog, sure=False).done, "and given again: nobody withdrew it"


def test_what_was_to_begin_later_still_begins_then(catalog: Catalog, ann: Subject) -> None:
    """The newest word before was a grant from next year, over a refusal now: both are said again, in their order."""
    soon = datetime.now(UTC) + timedelta(days=300)
    consent_actions.refuse(catalog, [ann], [PRINT], by="Chan", remake=False)
    consent_actions.grant(catalog, [ann], [PRINT], by="Chan", valid_from=soon)
    consent_actions.grant(catalog, [ann], [PRINT], by="Chan")
    undoing.undo(catalog)
    assert standing(catalog, ann)[PRINT] is Status.REFUSED
    assert standing(catalog, ann, soon + timedelta(days=1))[PRINT] is Status.GRANTED


def test_nobodys_newer_word_is_overruled(catalog: Catalog, ann: Subject) -> None:
    consent_actions.refuse(catalog, [ann], [PRINT], by="Chan", remake=False)
    consent_actions.grant(catalog, [ann], [PRINT], by="Chan")
    ledger.append(catalog, kind=EventKind.WITHDRAWAL, subject_uid=ann.uid, purposes=[PRINT], by="import")
    with pytest.raises(Refused, match="Ann has said something about print since"):
        undoing.undo(catalog)
    assert decisions.last(catalog) is not None
    undoing.leave(catalog)
    with pytest.raises(Refused):
        undoing.undo(catalog)


def test_undoing_a_withdrawal_allows_nothing_for_a_minor(catalog: Catalog, ann: Subject) -> None:
    consent_actions.grant(catalog, [ann], [COMPOSITE], by="Chan")
    withdrawal.withdraw(catalog, ann.id, [COMPOSITE], by="Chan", remake=False)
    catalog.connection.execute("UPDATE subjects SET minor = 1 WHERE id = ?", (ann.id,))
    with pytest.raises(Refused, match="can't be granted train-composite"):
        undoing.undo(catalog)
    assert standing(catalog, ann)[COMPOSITE] is Status.MINOR
    assert ledger.events_of(catalog, ann.uid)[-1].kind is EventKind.WITHDRAWAL


def test_rights_and_keywords_go_back_to_what_each_photograph_had(catalog: Catalog) -> None:
    ids = [world.photograph(catalog, []) for _ in range(4)]
    tagging.set_rights(catalog, ids[:1], Rights.LICENSED, "Chan")
    told = tagging.set_rights(catalog, ids, Rights.MINE, "Chan")
    assert (told.photos, told.changed) == (4, 4)
    catalog.connection.execute("INSERT INTO tags(photo_id, tag) VALUES (?, 'sea')", (ids[0],))
    assert tagging.give_keyword(catalog, ids, " sea ").changed == 3
    undoing.undo(catalog)
    assert [len(companions.tags_of(catalog, ids)[one]) for one in ids] == [1, 0, 0, 0]
    undoing.undo(catalog)
    assert [photos.get(catalog, one).rights for one in ids] == ["licensed", "unknown", "unknown", "unknown"]
    undoing.redo(catalog)
    undoing.redo(catalog)
    assert {photos.get(catalog, one).rights for one in ids} == {"mine"}
    assert all(companions.tags_of(catalog, ids)[one] == ["sea"] for one in ids)
    assert tagging.set_rights(catalog, ids, Rights.MINE, "Chan").changed == 0, "what changes nothing is no decision"
    tagging.take_keyword(catalog, ids, "sea")
    undoing.undo(catalog)
    by_person = dict(catalog.connection.execute("SELECT photo_id, by_person FROM tags").fetchall())
    assert by_person == dict(zip(ids, (0, 1, 1, 1), strict=True)), "a file's keyword is not turned into a person's"


@pytest.mark.parametrize("word", ["", "  ", "a" * 121, "a\x1bb"])
def test_what_is_no_keyword_is_told(catalog: Catalog, word: str) -> None:
    with pytest.raises(BadValue, match="no keyword"):
        tagging.give_keyword(catalog, [], word)


def test_names_splits_and_merges_are_undone(catalog: Catalog, ann: Subject) -> None:
    bo = subjects.add(catalog, "Bo", born=date(1980, 1, 1), at=NOW)
    for _ in range(3):
        world.photograph(catalog, [(ann, LEFT), (bo, RIGHT)])
    world.photograph(catalog, [(None, LEFT)])
    stranger = next(face.id for face in faces.page(catalog) if face.subject_id is None)
    faces.place(catalog, [stranger], 7)
    everyone = [face.id for face in faces.page(catalog)]
    states = [decisions.face_states(catalog, everyone)]
    people.name(catalog, 7, "Cai")
    states.append(decisions.face_states(catalog, everyone))
    people.split(catalog, "Ann", [faces.of_subject(catalog, ann.id)[0].id])
    states.append(decisions.face_states(catalog, everyone))
    people.assign(catalog, stranger, "Bo")
    states.append(decisions.face_states(catalog, everyone))
    people.merge(catalog, "Ann", "Bo")
    states.append(decisions.face_states(catalog, everyone))
    for wanted in reversed(states[:-1]):
        undoing.undo(catalog)
        assert decisions.face_states(catalog, everyone) == wanted
    for wanted in states[1:]:
        undoing.redo(catalog)
        assert decisions.face_states(catalog, everyone) == wanted


def test_a_merge_is_done_again_only_where_it_is_still_safe(catalog: Catalog, ann: Subject) -> None:
    bo = subjects.add(catalog, "Bo", born=date(1980, 1, 1), at=NOW)
    catalog.connection.execute("UPDATE subjects SET born = NULL")
    world.photograph(catalog, [(ann, LEFT), (bo, RIGHT)])
    people.merge(catalog, "Ann", "Bo")
    undoing.undo(catalog)
    catalog.connection.execute("UPDATE subjects SET minor = 1 WHERE name = 'Bo'")
    with pytest.raises(Refused, match="on record about age differs"):
        undoing.redo(catalog)
    assert len(faces.of_subject(catalog, bo.id)) == 1


def test_a_face_that_changed_hands_since_stays_where_it_is(catalog: Catalog) -> None:
    world.photograph(catalog, [(None, LEFT)])
    [face] = faces.page(catalog)
    subjects.add(catalog, "Ann", at=NOW)
    people.assign(catalog, face.id, "Ann")
    faces.assign(catalog, [face.id], None, by_person=True)
    with pytest.raises(Refused, match=f"face {face.id} has changed hands since"):
        undoing.undo(catalog)


def test_a_mark_is_undone_by_another_line_in_the_ledger(catalog: Catalog, ann: Subject) -> None:
    world.photograph(catalog, [(ann, LEFT)])
    [face] = faces.page(catalog)
    people.ignore(catalog, face.id, FaceMark.NOT_A_FACE, "a poster", "Chan")
    undoing.undo(catalog)
    assert faces.get(catalog, face.id).mark is None
    undoing.redo(catalog)
    assert faces.get(catalog, face.id).mark is FaceMark.NOT_A_FACE
    marks = [event for event in ledger.all(catalog) if event.kind is EventKind.FACE_MARK]
    assert [event.note for event in marks] == ["a poster", "undone: a poster", "done again: a poster"]


def test_a_fact_of_age_is_undone_and_told_to_the_ledger(catalog: Catalog, ann: Subject) -> None:
    withdrawal.edit_subject(catalog, replace(ann, minor=True), by="Chan", remake=False)
    undoing.undo(catalog)
    assert subjects.get(catalog, ann.id) == ann
    undoing.redo(catalog)
    assert subjects.get(catalog, ann.id).minor
    assert [event.kind for event in ledger.events_of(catalog, ann.uid)] == [EventKind.AGE] * 4


def test_a_dry_run_changes_nothing(catalog: Catalog, ann: Subject) -> None:
    consent_actions.grant(catalog, [ann], [PRINT], by="Chan")
    head = ledger.head(catalog)
    assert undoing.undo(catalog, dry_run=True).told == undoing.undo(catalog, dry_run=True).told
    assert ledger.head(catalog) == head
    assert standing(catalog, ann)[PRINT] is Status.GRANTED


def test_decisions_outlive_the_process_and_a_new_one_forgets_those_undone(catalog: Catalog) -> None:
    [photo] = [world.photograph(catalog, [])]
    for rights in (Rights.MINE, Rights.LICENSED):
        tagging.set_rights(catalog, [photo], rights, "Chan")
    with open_catalog(catalog.folder) as other:
        assert undoing.undo(other).told == "1 photograph: licensed"
        assert undoing.undo(other).told == "1 photograph: mine"
        with pytest.raises(BadValue, match="nothing to undo"):
            undoing.undo(other)
    undoing.redo(catalog)
    tagging.give_keyword(catalog, [photo], "sea")
    with pytest.raises(BadValue, match="nothing was undone"):
        undoing.redo(catalog)
    assert [one.told for one in decisions.newest(catalog)] == ["1 photograph: tagged sea", "1 photograph: mine"]


def test_decisions_about_a_person_can_be_forgotten(catalog: Catalog, ann: Subject) -> None:
    bo = subjects.add(catalog, "Bo", at=NOW)
    consent_actions.grant(catalog, [ann, bo], [PRINT], by="Chan")
    consent_actions.grant(catalog, [bo], [PRINT], by="Chan")
    decisions.forget_subjects(catalog, [ann.id])
    assert [one.told for one in decisions.newest(catalog)] == ["Bo: allow print"]


RULES = CohortRules(COMPOSITE, min_subjects=2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


def test_undoing_a_grant_takes_out_what_it_trained(catalog: Catalog, base: Path) -> None:
    made = composites.build(catalog, base, ["Ann", "Bo", "Cai"], RULES)
    foreseen = undoing.undo(catalog, dry_run=True)
    assert foreseen.for_good
    assert foreseen.settled.quarantined == [made.loras[2]]
    assert artifacts.get_model(catalog, made.loras[2]).state is ModelState.OK
    assert undoing.undo(catalog).settled.quarantined == [made.loras[2]]
    assert not undoing.redo(catalog).for_good
    states = [artifacts.get_model(catalog, name).state for name in made.loras]
    assert states == [ModelState.OK, ModelState.OK, ModelState.QUARANTINED]


def test_undoing_whose_face_it_is_takes_out_what_it_trained(catalog: Catalog, base: Path) -> None:
    made = composites.build(catalog, base, ["Ann", "Bo", "Cai"], RULES)
    face = faces.of_subject(catalog, made.people[0].id)[0].id
    faces.assign(catalog, [face], None, by_person=True)
    with catalog.transaction(), noting.noted_faces(catalog, [face], "it is Ann's"):
        faces.assign(catalog, [face], made.people[0].id, by_person=True)
    assert undoing.undo(catalog).settled.quarantined == [made.loras[0]]


Act = Callable[[Catalog, int], object]
WORD = [Rights.MINE, Rights.LICENSED, Rights.UNKNOWN]
ACTS: tuple[Act, ...] = (
    lambda c, n: tagging.set_rights(c, _some(c, n), WORD[n % 3], "Chan"),
    lambda c, n: tagging.give_keyword(c, _some(c, n), f"word {n % 3}"),
    lambda c, n: tagging.take_keyword(c, _some(c, n), f"word {n % 3}"),
    lambda c, n: people.assign(c, n % 4 + 1, "Ann" if n % 2 else "Bo"),
    lambda c, n: people.split(c, faces.get(c, n % 4 + 1).subject_id or 1, [n % 4 + 1]),
    lambda c, n: people.ignore(c, n % 4 + 1, [FaceMark.NOT_A_FACE, None][n % 2], "a poster", "Chan"),
    lambda c, n: consent_actions.grant(c, [n % 2 + 1], _purposes(n), by="Chan", valid_from=_begin(n)),
    lambda c, n: consent_actions.refuse(c, [n % 2 + 1], _purposes(n), by="Chan", remake=False),
    lambda c, n: withdrawal.withdraw(c, n % 2 + 1, _purposes(n), by="Chan", remake=False),
)


def _some(catalog: Catalog, n: int) -> list[int]:
    return [photo for photo in photos.ids(catalog) if (n >> photo) & 1]


def _purposes(n: int) -> list[Purpose]:
    return [purpose for place, purpose in enumerate(Purpose) if (n >> place) & 1] or [PRINT]


def _begin(n: int) -> datetime | None:
    return datetime.now(UTC) + timedelta(days=n) if n % 3 == 0 else None


def _picture(catalog: Catalog) -> tuple[object, ...]:
    """All that decisions are about, without the ledger."""
    everyone = [face.id for face in faces.page(catalog)]
    return (
        {photo: photos.get(catalog, photo).rights for photo in photos.ids(catalog)},
        [tuple(row) for row in catalog.connection.execute("SELECT * FROM tags ORDER BY 1, 2")],
        decisions.face_states(catalog, everyone),
        {face: faces.get(catalog, face).mark for face in everyone},
    )


def _allowed(catalog: Catalog) -> list[Status]:
    """Where everyone stands now and when all that was said has begun; nothing on record and withdrawn are one."""
    known = subjects.list_all(catalog)
    events = ledger.events_of_many(catalog, [one.uid for one in known])
    now = ledger.instant(catalog)
    found = [
        consent.person_ruling(person, events[person.uid], purpose, at).status
        for person in known
        for purpose in Purpose
        for at in (now, now + timedelta(days=500))
    ]
    return [Status.WITHDRAWN if status is Status.UNKNOWN else status for status in found]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, three photographs, four faces."""
    folder = tmp_path_factory.mktemp("begun") / "catalog"
    with catalogs.create(folder) as catalog:
        both = [subjects.add(catalog, name, born=date(1980, 1, 1), at=NOW) for name in ("Ann", "Bo")]
        world.photograph(catalog, [(both[0], LEFT), (both[1], RIGHT)])
        world.photograph(catalog, [(both[0], LEFT), (None, RIGHT)])
        world.photograph(catalog, [])
    return folder


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(range(len(ACTS))), st.integers(1, 400)), min_size=1, max_size=9))
def test_any_decisions_are_undone_to_the_beginning_and_done_again_to_the_end(
    begun: Path, acts: list[tuple[int, int]]
) -> None:
    with open_catalog(begun) as catalog:
        catalog.connection.execute("DELETE FROM decisions")
        pictures, allowed = [_picture(catalog)], [_allowed(catalog)]
        for which, n in acts:
            before = decisions.last(catalog)
            try:
                ACTS[which](catalog, n)
            except BadValue:
                continue  # a face that is nobody's can't be split off
            if decisions.last(catalog) != before:
                pictures.append(_picture(catalog))
                allowed.append(_allowed(catalog))
        for turn, order in ((undoing.undo, range(len(pictures) - 2, -1, -1)), (undoing.redo, range(1, len(pictures)))):
            for place in order:
                turn(catalog)
                assert _picture(catalog) == pictures[place]
                assert _allowed(catalog) == allowed[place]
            with pytest.raises(BadValue):
                turn(catalog)
        assert ledger.verify(catalog).ok
