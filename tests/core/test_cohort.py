"""Choosing, freezing and re-checking: who is in, who is not and why, and that nothing slips in later."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from core import cohort, consent_actions, framing, people, tagging
from core.decisions import undo
from core.errors import BadQuery, BadValue, CohortTooSmall, ConsentLost, NameTaken
from storage import artifacts, faces, jobs, ledger, photos, similar, subjects
from storage.catalog import Catalog
from storage.photos import ScanBatch
from storage.records import CohortItem, CohortRules, EventKind, FaceMark, GroupRule, Purpose, Rights, Subject
from storage.similar import Likeness, Placing
from tests.world import FACE, GRANTED, adult, photograph, portraits

INDIVIDUAL = CohortRules(Purpose.TRAIN_INDIVIDUAL)
LEFT, RIGHT, NEAR = (40, 100, 90, 160), (300, 100, 350, 160), (205, 100, 255, 160)


def made(catalog: Catalog, rules: CohortRules = INDIVIDUAL, name: str = "c") -> str:
    return cohort.create(catalog, name, "", rules).name


def items(catalog: Catalog, name: str = "c") -> list[CohortItem]:
    return list(artifacts.cohort_items(catalog, artifacts.get_cohort(catalog, name).id))


def reasons(catalog: Catalog, name: str = "c") -> dict[tuple[int, str | None], str]:
    return {(one.photo, one.subject): one.reason for one in cohort.explain(catalog, name).excluded}


def withdraw(catalog: Catalog, person: Subject, purpose: Purpose = Purpose.TRAIN_INDIVIDUAL) -> None:
    ledger.append(catalog, kind=EventKind.WITHDRAWAL, subject_uid=person.uid, purposes=[purpose], by="me")


def test_every_way_out_has_its_reason(catalog: Catalog) -> None:
    ann, ben = adult(catalog, "Ann"), adult(catalog, "Ben", Purpose.PRINT)
    young = adult(catalog, "Mae", born=date(2005, 1, 1))
    unsettled = adult(catalog, "Lou", born=None)
    lost = adult(catalog, "Kim")
    consent_actions.refuse(catalog, [lost], [Purpose.TRAIN_INDIVIDUAL], by="me")
    good = photograph(catalog, [(ann, FACE)], content="a" * 64)
    out = {
        "copy": photograph(catalog, [(ann, FACE)], content="a" * 64),
        "stranger": photograph(catalog, [(None, FACE)]),
        "nobody": photograph(catalog, []),
        "not granted": photograph(catalog, [(ben, FACE)]),
        "young": photograph(catalog, [(young, FACE)]),
        "unsettled": photograph(catalog, [(unsettled, FACE)]),
        "refused": photograph(catalog, [(lost, FACE)]),
        "before birth": photograph(catalog, [(ann, FACE)], taken_at=datetime(1970, 1, 1)),
        "broken": photograph(catalog, [], error="not a picture"),
        "not sought": photograph(catalog, [], faces_sought=False),
        "group": photograph(catalog, [(ann, LEFT), (ann, RIGHT)]),
        "tiny": photograph(catalog, [(ann, (10, 10, 20, 20))]),
    }
    gone = photograph(catalog, [(ann, FACE)])
    photos.apply_scan(catalog, ScanBatch(gone=[gone]))
    told = cohort.explain(catalog, made(catalog))
    assert (told.included, told.subjects, told.effective_subjects) == ([good], {"Ann": 1}, 1.0)
    why = {one.photo: one for one in told.excluded}
    assert why.keys() == {*out.values(), gone}
    for key, words, who in [
        ("copy", "a copy", None),
        ("stranger", "nobody has said who this is", None),
        ("nobody", "nobody's face", None),
        ("not granted", "nothing is recorded", "Ben"),
        ("young", "under 18 when it was taken", "Mae"),
        ("unsettled", "neither a birth date", "Lou"),
        ("refused", "refused", "Kim"),
        ("before birth", "before they were born", "Ann"),
        ("broken", "not a picture", None),
        ("not sought", "not looked for", None),
        ("group", "others are in it", None),
        ("tiny", "smaller than 32 pixels", "Ann"),
    ]:
        assert words in why[out[key]].reason
        assert why[out[key]].subject == who
    assert "gone" in why[gone].reason


def test_a_group_picture_is_cut_for_each_who_granted(catalog: Catalog) -> None:
    ann, ben, kim = adult(catalog, "Ann"), adult(catalog, "Ben"), adult(catalog, "Kim", Purpose.PRINT)
    group = photograph(catalog, [(ann, LEFT), (ben, FACE), (kim, RIGHT), (None, (300, 10, 330, 40))])
    cohort.freeze(catalog, made(catalog, replace(INDIVIDUAL, group=GroupRule.CROP)))
    found = items(catalog)
    assert {item.subject_id for item in found} == {ann.id, ben.id}
    for item in found:
        for face in faces.of_photo(catalog, group):
            alone = framing.common_area(face.box, item.crop)
            assert alone == (50 * 60 if face.id == item.face_id else 0)
        assert item.masks == ()
    assert reasons(catalog).keys() == {(group, "Kim"), (group, None)}


def test_heads_too_near_to_cut_apart(catalog: Catalog) -> None:
    ann, ben = adult(catalog, "Ann"), adult(catalog, "Ben")
    group = photograph(catalog, [(ann, FACE), (ben, NEAR)])
    made(catalog, replace(INDIVIDUAL, group=GroupRule.CROP))
    assert "too near" in reasons(catalog)[(group, "Ann")]


def test_masks_hide_the_others(catalog: Catalog) -> None:
    ann, kim = adult(catalog, "Ann"), adult(catalog, "Kim", Purpose.PRINT)
    beside = (212, 100, 252, 150)
    photograph(catalog, [(ann, FACE), (kim, beside)])
    cohort.freeze(catalog, made(catalog, replace(INDIVIDUAL, group=GroupRule.MASK)))
    [item] = items(catalog)
    assert item.subject_id == ann.id
    assert item.crop == framing.whole_crop(FACE, 400, 300)
    [mask] = item.masks
    assert framing.common_area(mask, beside) == framing.common_area(item.crop, beside) > 0


@pytest.mark.parametrize("group", list(GroupRule))
def test_a_picture_with_a_minor_in_it_is_out_however_it_is_cut(catalog: Catalog, group: GroupRule) -> None:
    ann, young = adult(catalog, "Ann"), adult(catalog, "Mae", born=date(2005, 1, 1))
    unsettled = adult(catalog, "Lou", born=None)
    one = photograph(catalog, [(ann, LEFT), (young, RIGHT)])
    two = photograph(catalog, [(ann, LEFT), (unsettled, RIGHT)])
    made(catalog, replace(INDIVIDUAL, group=group))
    assert cohort.explain(catalog, "c").included == []
    assert reasons(catalog).keys() == {(one, "Mae"), (two, "Lou")}


def test_a_marked_face_is_no_one(catalog: Catalog) -> None:
    ann = adult(catalog, "Ann")
    group = photograph(catalog, [(ann, FACE), (None, NEAR)])
    made(catalog)
    assert cohort.explain(catalog, "c").included == []
    [poster] = [face for face in faces.of_photo(catalog, group) if face.subject_id is None]
    faces.set_mark(catalog, [poster.id], FaceMark.NOT_A_FACE)
    assert cohort.explain(catalog, "c").included == [group]


def test_a_persons_pictures_do_not_depend_on_who_else_is_in(catalog: Catalog) -> None:
    people = [adult(catalog, name) for name in ("Ann", "Ben", "Kim")]
    for number, person in enumerate(people):
        portraits(catalog, person, 5 + 3 * number)
    photograph(catalog, [(people[0], LEFT), (people[1], RIGHT)])
    rules = CohortRules(Purpose.TRAIN_COMPOSITE, per_subject=4, group=GroupRule.CROP, min_subjects=2, seed=7)
    cohort.freeze(catalog, made(catalog, rules, "all"))
    withdraw(catalog, people[2], Purpose.TRAIN_COMPOSITE)
    cohort.freeze(catalog, made(catalog, rules, "without"))
    for person in people[:2]:
        whole = [item for item in items(catalog, "all") if item.subject_id == person.id]
        rest = [item for item in items(catalog, "without") if item.subject_id == person.id]
        assert len(whole) == 4
        assert whole == rest
        assert cohort.root_of(whole) == cohort.root_of(reversed(rest))
    cohort.freeze(catalog, made(catalog, replace(rules, seed=8), "other seed"))
    assert items(catalog, "other seed") != items(catalog, "without")


def test_freezing_is_of_its_moment_and_once(catalog: Catalog) -> None:
    ann, ben = adult(catalog, "Ann"), adult(catalog, "Ben")
    portraits(catalog, ann, 3)
    portraits(catalog, ben, 2)
    frozen = cohort.freeze(catalog, made(catalog))
    assert (frozen.photos, frozen.subjects, frozen.ledger_head) == (5, 2, ledger.head(catalog))
    stored = artifacts.get_cohort(catalog, "c")
    assert (stored.merkle_root, stored.ledger_head) == (frozen.merkle_root, frozen.ledger_head)
    portraits(catalog, ann, 1)
    assert len(items(catalog)) == 5
    with pytest.raises(BadValue, match="frozen already"):
        cohort.freeze(catalog, "c")
    withdraw(catalog, ben)
    artifacts.taint_cohorts(catalog, [stored.id])
    again = cohort.freeze(catalog, "c")
    assert (again.photos, again.subjects) == (4, 1)
    assert not artifacts.get_cohort(catalog, "c").tainted


def test_too_few_people(catalog: Catalog) -> None:
    assert cohort.least_subjects(Purpose.TRAIN_COMPOSITE, None) == 10
    assert cohort.least_subjects(Purpose.TRAIN_COMPOSITE, 3) == 3
    assert cohort.least_subjects(Purpose.TRAIN_INDIVIDUAL, None) == 1
    for name in ("Ann", "Ben", "Kim"):
        portraits(catalog, adult(catalog, name), 1)
    made(catalog, CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=4))
    with pytest.raises(CohortTooSmall, match="3 people and needs 4"):
        cohort.freeze(catalog, "c")
    assert artifacts.get_cohort(catalog, "c").merkle_root is None
    made(catalog, CohortRules(Purpose.TRAIN_COMPOSITE, max_share=0.3), "even")
    with pytest.raises(CohortTooSmall, match="more than 30%"):
        cohort.freeze(catalog, "even")


def test_an_empty_cohort_is_too_small(catalog: Catalog) -> None:
    with pytest.raises(CohortTooSmall):
        cohort.freeze(catalog, made(catalog))


def test_what_cannot_be_a_cohort(catalog: Catalog) -> None:
    made(catalog)
    with pytest.raises(NameTaken):
        made(catalog)
    with pytest.raises(BadQuery):
        cohort.create(catalog, "d", "nonsense:(", INDIVIDUAL)
    for rules in (
        replace(INDIVIDUAL, purpose=Purpose.PRINT),
        replace(INDIVIDUAL, max_share=0),
        replace(INDIVIDUAL, min_subjects=0),
        replace(INDIVIDUAL, per_subject=0),
    ):
        with pytest.raises(BadValue):
            cohort.create(catalog, "d", "", rules)
    with pytest.raises(BadValue):
        cohort.create(catalog, " ", "", INDIVIDUAL)
    assert [one.name for one in cohort.list_all(catalog)] == ["c"]


class TestRecheck:
    """Whatever happens after freezing is seen when the cohort is used."""

    @pytest.fixture
    def ann(self, catalog: Catalog) -> Subject:
        ann, ben = adult(catalog, "Ann"), adult(catalog, "Ben")
        portraits(catalog, ann, 2)
        photograph(catalog, [(ann, LEFT), (ben, RIGHT)])
        cohort.freeze(catalog, made(catalog, replace(INDIVIDUAL, group=GroupRule.CROP)))
        cohort.recheck(catalog, artifacts.get_cohort(catalog, "c"))
        return ann

    def lost(self, catalog: Catalog, person: Subject, at: datetime | None = None) -> str:
        """What the re-check says, of the whole and of the person's part."""
        frozen = artifacts.get_cohort(catalog, "c")
        with pytest.raises(ConsentLost):
            cohort.recheck(catalog, frozen, None, at)
        with pytest.raises(ConsentLost) as caught:
            cohort.recheck(catalog, frozen, person.id, at)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def others_are_untouched(self, catalog: Catalog) -> None:
        cohort.recheck(catalog, artifacts.get_cohort(catalog, "c"), subjects.get(catalog, "Ben").id)

    def test_withdrawal(self, catalog: Catalog, ann: Subject) -> None:
        withdraw(catalog, ann)
        assert "Ann" in self.lost(catalog, ann)
        self.others_are_untouched(catalog)

    def test_another_purpose_is_another_matter(self, catalog: Catalog, ann: Subject) -> None:
        withdraw(catalog, ann, Purpose.TRAIN_COMPOSITE)
        cohort.recheck(catalog, artifacts.get_cohort(catalog, "c"))

    def test_expiry(self, catalog: Catalog, ann: Subject) -> None:
        end = datetime.now(UTC) + timedelta(days=30)
        consent_actions.grant(
            catalog, [ann], [Purpose.TRAIN_INDIVIDUAL], by="me", valid_until=end, at=GRANTED + timedelta(days=1)
        )
        cohort.recheck(catalog, artifacts.get_cohort(catalog, "c"))
        assert "Ann" in self.lost(catalog, ann, end)

    def test_a_birth_date_that_comes_to_light(self, catalog: Catalog, ann: Subject) -> None:
        subjects.edit(catalog, replace(ann, born=date(2004, 1, 1)))
        assert "under 18" in self.lost(catalog, ann)

    def test_somebody_else_in_the_picture_turns_out_a_minor(self, catalog: Catalog, ann: Subject) -> None:
        subjects.edit(catalog, replace(subjects.get(catalog, "Ben"), born=None, minor=True))
        assert "also shows somebody else" in self.lost(catalog, ann)

    @pytest.mark.usefixtures("ann")
    def test_a_face_given_to_somebody_else(self, catalog: Catalog) -> None:
        face = items(catalog)[0].face_id
        owner = faces.get(catalog, face).subject_id
        other = next(one for one in subjects.list_all(catalog) if one.id != owner)
        faces.assign(catalog, [face], other.id, by_person=True)
        assert "is not what it was" in self.lost(catalog, subjects.get(catalog, owner or 0))

    def test_a_new_face_in_the_pixels(self, catalog: Catalog, ann: Subject) -> None:
        item = next(one for one in items(catalog) if one.subject_id == ann.id)
        with catalog.transaction() as db:
            x0, y0, *_ = item.crop
            db.execute(
                "INSERT INTO faces(photo_id, x0, y0, x1, y1, probability, space) VALUES (?, ?, ?, ?, ?, 1, 's')",
                (item.photo_id, x0, y0, x0 + 9, y0 + 9),
            )
        assert "another face" in self.lost(catalog, ann)

    def test_content_that_changed(self, catalog: Catalog, ann: Subject) -> None:
        item = next(one for one in items(catalog) if one.subject_id == ann.id)
        photo = photos.get(catalog, item.photo_id)
        photos.apply_scan(catalog, ScanBatch(changed=[replace(photo, content_hash="f" * 64)]))
        assert "is not what it was" in self.lost(catalog, ann)

    def test_what_is_lost_can_be_frozen_anew(self, catalog: Catalog, ann: Subject) -> None:
        withdraw(catalog, ann)
        assert cohort.freeze(catalog, "c").subjects == 1
        cohort.recheck(catalog, artifacts.get_cohort(catalog, "c"))


class TestCountedOnce:
    """Of photographs that look alike one counts, for each person by themselves."""

    def sharp(self, catalog: Catalog, photo: int, sharpness: float) -> None:
        with catalog.transaction() as db:
            db.execute("UPDATE faces SET sharpness = ? WHERE photo_id = ?", (sharpness, photo))

    def group(self, catalog: Catalog, *members: int, kind: Likeness = Likeness.NEAR_DUPLICATE) -> None:
        """Put these photographs into one group, as comparing would have."""
        since = similar.state(catalog)
        rows = [
            Placing(since.next, kind if place else None, photo, photos.get(catalog, photo).content_hash or "")
            for place, photo in enumerate(members)
        ]
        assert similar.place(catalog, rows, [], next_group=since.next + 1, since=since)

    def test_the_sharpest_then_the_first(self, catalog: Catalog) -> None:
        one, two, three, alone = portraits(catalog, adult(catalog, "Ann"), 4)
        self.group(catalog, one, two, three)
        made(catalog)
        assert cohort.explain(catalog, "c").included == [one, alone]
        self.sharp(catalog, two, 90.0)
        told = cohort.explain(catalog, "c")
        assert told.included == [two, alone]
        assert told.not_compared == 1
        assert {(each.photo, each.reason, each.subject, each.instead) for each in told.excluded} == {
            (photo, f"a near-duplicate of photograph {two} is in", "Ann", two) for photo in (one, three)
        }
        assert {each.general for each in told.excluded} == {"a near-duplicate of a photograph is in"}
        assert cohort.freeze(catalog, "c").photos == 2
        assert {item.photo_id for item in items(catalog)} == {two, alone}

    def test_a_burst_says_so(self, catalog: Catalog) -> None:
        one, two = portraits(catalog, adult(catalog, "Ann"), 2)
        self.group(catalog, one, two, kind=Likeness.BURST)
        made(catalog)
        assert reasons(catalog) == {(two, "Ann"): f"of one burst with photograph {one}, which is in"}

    def test_each_person_by_themselves(self, catalog: Catalog) -> None:
        ann, ben = adult(catalog, "Ann"), adult(catalog, "Ben")
        one = photograph(catalog, [(ann, LEFT)])
        two = photograph(catalog, [(ann, LEFT), (ben, RIGHT)])
        self.group(catalog, one, two)
        cohort.freeze(catalog, made(catalog, replace(INDIVIDUAL, group=GroupRule.CROP)))
        assert {(item.subject_id, item.photo_id) for item in items(catalog)} == {(ann.id, one), (ben.id, two)}

    def test_a_group_lends_no_consent(self, catalog: Catalog) -> None:
        ann, young = adult(catalog, "Ann"), adult(catalog, "Mae", born=date(2005, 1, 1))
        unnamed = photograph(catalog, [(None, FACE)])
        minor = photograph(catalog, [(young, FACE)])
        refused = photograph(catalog, [(adult(catalog, "Ben", Purpose.PRINT), FACE)])
        good = photograph(catalog, [(ann, FACE)])
        self.group(catalog, unnamed, minor, refused, good)
        made(catalog)
        assert cohort.explain(catalog, "c").included == [good]
        assert "near-duplicate" not in str(reasons(catalog))

    def test_one_that_may_not_train_keeps_no_other_out(self, catalog: Catalog) -> None:
        ann = adult(catalog, "Ann")
        sharper = photograph(catalog, [(ann, FACE)], taken_at=datetime(1970, 1, 1))  # before they were born
        good = photograph(catalog, [(ann, FACE)])
        self.sharp(catalog, sharper, 500.0)
        self.group(catalog, sharper, good)
        made(catalog)
        assert cohort.explain(catalog, "c").included == [good]

    def test_the_cap_counts_what_is_left(self, catalog: Catalog) -> None:
        numbers = portraits(catalog, adult(catalog, "Ann"), 5)
        self.group(catalog, *numbers[:3])
        made(catalog, replace(INDIVIDUAL, per_subject=3))
        assert cohort.explain(catalog, "c").included == [numbers[0], *numbers[3:]]

    def test_taken_out_of_the_group_it_counts(self, catalog: Catalog) -> None:
        one, two, three = portraits(catalog, adult(catalog, "Ann"), 3)
        self.group(catalog, one, two, three)
        made(catalog)
        similar.set_apart(catalog, two)
        assert cohort.explain(catalog, "c").included == [one, two]
        assert cohort.explain(catalog, "c").not_compared == 0


def test_the_grounds_of_an_explanation_change_with_what_it_reads_and_not_with_jobs(catalog: Catalog) -> None:
    ann, bob = adult(catalog, "Ann"), adult(catalog, "Bob")
    one, two = photograph(catalog, [(ann, FACE)]), photograph(catalog, [(bob, FACE)])
    face = faces.of_photo(catalog, one)[0]
    before = cohort.grounds(catalog)
    job = jobs.add(catalog, "train", {}, GRANTED)
    jobs.progressed(catalog, job.id, 0.5, "training", None)
    assert cohort.grounds(catalog) == before
    for change in (
        lambda: photograph(catalog, [(ann, FACE)]),
        lambda: withdraw(catalog, bob),
        lambda: people.assign(catalog, face.id, "Bob"),
        lambda: undo.undo(catalog),
        lambda: undo.redo(catalog),
        lambda: people.ignore(catalog, face.id, FaceMark.NOT_A_FACE, "a poster", "me"),
        lambda: tagging.set_rights(catalog, [two], Rights.MINE, "me"),
        lambda: tagging.give_keyword(catalog, [two], "sea"),
        lambda: subjects.edit(catalog, replace(bob, born=date(2015, 1, 1)), by="me"),
        lambda: similar.set_apart(catalog, two),
        lambda: photos.set_errors(catalog, {two: "it was eaten"}),
    ):
        change()
        now = cohort.grounds(catalog)
        assert now != before
        before = now
