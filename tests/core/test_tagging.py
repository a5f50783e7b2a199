"""What a key on a photograph records of the people in it, and of whom it records nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import consent_actions, tagging
from core.errors import Refused
from storage import artifacts, decisions, faces, ledger, subjects
from storage.catalog import Catalog
from storage.records import CohortRules, EventKind, FaceMark, ModelState, Purpose, Status, Subject
from tests import composites, world
from tests.tiny_base import write_tiny_base

LEFT, RIGHT = (20, 40, 80, 110), (250, 40, 310, 110)


@pytest.fixture
def two(catalog: Catalog) -> list[Subject]:
    """Two adults who have said nothing yet."""
    return [world.adult(catalog, name, Purpose.CATALOGUE) for name in ("Ann", "Bo")]


def test_everybody_seen_says_it_and_nobody_else(catalog: Catalog, two: list[Subject]) -> None:
    photo = world.photograph(catalog, [(two[0], LEFT), (two[1], RIGHT)])
    alone = world.photograph(catalog, [(two[0], LEFT)])
    assert tagging.seen_in(catalog, [photo]) == [one.id for one in two]
    assert tagging.names_in(catalog, [photo, alone]) == ["Ann", "Bo"]
    said = tagging.say(catalog, tagging.seen_in(catalog, [alone]), Purpose.PRINT, allow=True, by="Chan")
    assert (said.people, said.counts) == (("Ann",), True)
    said = tagging.say(catalog, tagging.seen_in(catalog, [photo]), Purpose.PRINT, allow=True, by="Chan")
    assert said.people == ("Bo",), "who has allowed it already is not recorded again"
    assert not tagging.say(catalog, [two[0].id], Purpose.PRINT, allow=True, by="Chan").counts
    for person in two:
        newest = ledger.events_of(catalog, person.uid)[-1]
        assert (newest.kind, newest.purposes) == (EventKind.GRANT, (Purpose.PRINT,))


@pytest.mark.parametrize("how", ["unnamed", "alike", "nobody"])
def test_what_nobody_said_is_recorded_of_nobody(catalog: Catalog, two: list[Subject], how: str) -> None:
    seen = {"unnamed": [(two[0], LEFT), (None, RIGHT)], "alike": [(None, LEFT)], "nobody": []}[how]
    photo = world.photograph(catalog, seen)
    if how == "alike":
        faces.assign(catalog, [faces.of_photo(catalog, photo)[0].id], two[0].id, by_person=False)
    told = {
        "unnamed": "blocked: 1 face unnamed",
        "alike": "blocked: 1 face named by likeness alone",
        "nobody": "blocked: nobody is seen",
    }[how]
    with pytest.raises(Refused, match=told):
        tagging.seen_in(catalog, [photo])


def test_a_face_taken_out_of_the_rules_is_not_asked_about(catalog: Catalog, two: list[Subject]) -> None:
    photo = world.photograph(catalog, [(two[0], LEFT), (None, RIGHT)])
    stranger = next(face.id for face in faces.of_photo(catalog, photo) if face.subject_id is None)
    faces.set_mark(catalog, [stranger], FaceMark.NOT_A_FACE)
    assert tagging.seen_in(catalog, [photo]) == [two[0].id]


def test_nobody_allows_training_for_a_minor(catalog: Catalog, two: list[Subject]) -> None:
    child = subjects.add(catalog, "Child")
    catalog.connection.execute("UPDATE subjects SET minor = 1 WHERE id = ?", (child.id,))
    photo = world.photograph(catalog, [(two[0], LEFT), (child, RIGHT)])
    with pytest.raises(Refused, match="Child can't be granted train-composite"):
        tagging.say(catalog, tagging.seen_in(catalog, [photo]), Purpose.TRAIN_COMPOSITE, allow=True, by="Chan")
    status = consent_actions.show(catalog, two[0].id).status[Purpose.TRAIN_COMPOSITE]
    assert status is Status.UNKNOWN, "all of them or none"


def test_a_refusal_that_takes_a_model_out_of_use_is_asked_about_first(catalog: Catalog, tmp_path: Path) -> None:
    base = write_tiny_base(tmp_path / "tiny")
    made = composites.build(catalog, base, ["Ann", "Bo"], CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=2))
    ann, before = made.people[0], decisions.last(catalog)
    said = tagging.say(catalog, [ann.id], Purpose.TRAIN_COMPOSITE, allow=False, by="Chan")
    assert (said.done, said.counts) == (False, False)
    assert said.settled.quarantined == [made.loras[0]]
    assert artifacts.get_model(catalog, made.loras[0]).state is ModelState.OK
    assert decisions.last(catalog) == before
    said = tagging.say(catalog, [ann.id], Purpose.TRAIN_COMPOSITE, allow=False, by="Chan", sure=True)
    assert said.settled.quarantined == [made.loras[0]]
    assert artifacts.get_model(catalog, made.loras[0]).state is ModelState.QUARANTINED
