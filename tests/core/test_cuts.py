"""How each photograph of a cohort trains, as `cohort explain` tells it."""

from __future__ import annotations

from core import cohort as cohorts
from core import framing
from core.cuts import How
from storage import faces
from storage.catalog import Catalog
from storage.records import Box, CohortRules, FaceMark, GroupRule, Purpose
from tests import world

LEFT: Box = (60, 100, 110, 160)
RIGHT: Box = (270, 100, 320, 160)
NEAR: Box = (112, 100, 150, 150)


def told(catalog: Catalog, group: GroupRule) -> cohorts.Explanation:
    cohorts.create(catalog, group, "", CohortRules(Purpose.TRAIN_COMPOSITE, group=group))
    return cohorts.explain(catalog, group)


def test_a_crop_tells_who_is_left_outside(catalog: Catalog) -> None:
    ann, bo = world.adult(catalog, "Ann"), world.adult(catalog, "Bo", Purpose.PRINT)
    photo = world.photograph(catalog, [(ann, LEFT), (bo, RIGHT), (None, NEAR)])
    [poster] = [face.id for face in faces.of_photo(catalog, photo) if face.box == NEAR]
    faces.set_mark(catalog, [poster], FaceMark.NOT_A_FACE)
    [picture] = told(catalog, GroupRule.CROP).pictures
    [cut] = picture.cuts
    assert (picture.photo, cut.how, cut.subject, cut.face_box, cut.masks) == (photo, How.CROP, "Ann", LEFT, ())
    [other] = cut.others
    assert (other.subject, other.box, other.masked) == ("Bo", framing.around(RIGHT), False)
    assert framing.common_area(other.box, cut.box) == 0
    assert picture.lines() == [
        f"photograph {photo}: crop {cut.box[0]},{cut.box[1]}-{cut.box[2]},{cut.box[3]}, shows Ann (face {cut.face});"
        " outside: Bo 252,79-338,181"
    ]


def test_a_mask_tells_who_is_covered_and_where(catalog: Catalog) -> None:
    ann, bo = world.adult(catalog, "Ann"), world.adult(catalog, "Bo", Purpose.PRINT)
    near: Box = (130, 90, 150, 115)
    world.photograph(catalog, [(ann, LEFT), (None, near), (bo, RIGHT)])
    [picture] = told(catalog, GroupRule.MASK).pictures
    [cut] = picture.cuts
    assert cut.how is How.MASK
    assert {(one.subject, one.masked) for one in cut.others} == {(None, True), ("Bo", False)}
    [covered] = [one.box for one in cut.others if one.masked]
    [mask] = cut.masks
    assert covered == framing.around(near)
    assert framing.common_area(mask, cut.box) == framing.common_area(covered, cut.box) > 0
    assert "; masked: nobody named " in picture.lines()[0]


def test_everyone_who_granted_has_a_cut_of_their_own(catalog: Catalog) -> None:
    ann, bo = world.adult(catalog, "Ann"), world.adult(catalog, "Bo")
    photo = world.photograph(catalog, [(ann, LEFT), (bo, RIGHT)])
    explained = told(catalog, GroupRule.CROP)
    [picture] = explained.pictures
    assert explained.included == [photo]
    cuts = {cut.subject: [one.subject for one in cut.others] for cut in picture.cuts}
    assert cuts == {"Ann": ["Bo"], "Bo": ["Ann"]}


def test_what_is_left_out_has_no_picture(catalog: Catalog) -> None:
    world.photograph(catalog, [(world.adult(catalog, "Ann", Purpose.PRINT), LEFT)])
    explained = told(catalog, GroupRule.CROP)
    assert (len(explained.excluded), len(explained.pictures)) == (1, 0)
