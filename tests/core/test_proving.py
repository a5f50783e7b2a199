"""Proofs from a catalog: of what is in a cohort and what is not, checked without the catalog."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core import cohort, proofs, proving
from core.errors import BadValue, NoSuchRecord, UnreadablePath
from storage import artifacts, photos, whole_files
from storage.catalog import Catalog
from storage.records import CohortRules, GroupRule, Purpose
from tests.core.test_proofs import script_says
from tests.world import FACE, adult, photograph, portraits

INDIVIDUAL = CohortRules(Purpose.TRAIN_INDIVIDUAL)
LEFT, RIGHT = (40, 100, 90, 160), (300, 100, 350, 160)


def frozen(catalog: Catalog, rules: CohortRules = INDIVIDUAL) -> str:
    cohort.create(catalog, "c", "", rules)
    return cohort.freeze(catalog, "c").merkle_root


def test_what_is_in_and_what_is_not(catalog: Catalog, tmp_path: Path) -> None:
    inside = [number for name in ("Ann", "Ben") for number in portraits(catalog, adult(catalog, name), 3)]
    outside = photograph(catalog, [(None, FACE)])
    cohort.create(catalog, "c", "", INDIVIDUAL)
    with pytest.raises(BadValue, match="not frozen"):
        proving.of_cohort(catalog, "c", str(inside[0]))
    root = cohort.freeze(catalog, "c").merkle_root
    for photo in (*inside, outside):
        content = photos.get(catalog, photo).content_hash or ""
        proved = proving.of_cohort(catalog, "c", str(photo))
        assert proved.included == (photo in inside)
        proving.write(proved, tmp_path / "p.json")
        text = (tmp_path / "p.json").read_text()
        assert proofs.check(text, [root], content) is (photo in inside)
        assert script_says(text, root, content, tmp_path) is (photo in inside)
        assert "Ann" not in text
        assert str(photo in inside) != str("not among" in proved.lines()[0])


def test_a_photograph_by_id_hash_or_file(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "mine.jpg").write_bytes(b"a picture that was never indexed")
    content = whole_files.file_hash(tmp_path / "mine.jpg")
    [photo] = portraits(catalog, adult(catalog, "Ann"), 1)
    root = frozen(catalog)
    for asked in (str(tmp_path / "mine.jpg"), content):
        proved = proving.of_cohort(catalog, "c", asked)
        assert (proved.content_hash, proved.included) == (content, False)
        assert proofs.check(proofs.written(proved.proof), [root], content) is False
    assert proving.of_cohort(catalog, "c", photos.get(catalog, photo).content_hash or "").included
    unread = photograph(catalog, [], error="cut off")
    for asked, error in (
        ("999", NoSuchRecord),
        ("nothing.jpg", UnreadablePath),
        ("9" * 50, UnreadablePath),
        ("\0", UnreadablePath),
        (str(unread), BadValue),
    ):
        with pytest.raises(error):
            proving.of_cohort(catalog, "c", asked)


def test_of_two_people_in_one_photograph_one_may_be_shown(catalog: Catalog) -> None:
    ann, ben = adult(catalog, "Ann"), adult(catalog, "Ben")
    both = photograph(catalog, [(ann, LEFT), (ben, RIGHT)])
    root = frozen(catalog, replace(INDIVIDUAL, group=GroupRule.CROP))
    own = next(item for item in artifacts.cohort_items(catalog, 1) if item.subject_id == ben.id)
    proved = proving.of_cohort(catalog, "c", str(both), "Ben")
    crops = [shown.get("crop") for shown in proved.proof["proofs"][0]["pictures"]]
    assert sorted(crops, key=str) == [None, list(own.crop)] or crops == [list(own.crop), None]
    assert proofs.check(proofs.written(proved.proof), [root], proved.content_hash) is True
    whole = proving.of_cohort(catalog, "c", str(both)).proof["proofs"][0]["pictures"]
    assert all("crop" in shown for shown in whole)
    with pytest.raises(NoSuchRecord):
        proving.of_cohort(catalog, "c", str(both), "Nobody")


def test_what_was_frozen_otherwise_is_not_proved(catalog: Catalog) -> None:
    [photo] = portraits(catalog, adult(catalog, "Ann"), 1)
    frozen(catalog)
    with catalog.transaction() as db:
        db.execute("UPDATE cohort_items SET crop = '[0,0,9,9]', leaf = 'ab'")
    with pytest.raises(BadValue, match="not what was frozen"):
        proving.of_cohort(catalog, "c", str(photo))
    with catalog.transaction() as db:
        db.execute("UPDATE cohort_items SET secret = ''")
    with pytest.raises(BadValue, match="older format"):
        proving.of_cohort(catalog, "c", str(photo))
