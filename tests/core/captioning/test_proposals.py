"""What a tagger proposes is kept, taken by a person alone, and gone with whom it is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import erasure
from core.captioning import change, proposals
from core.captioning.proposals import Taking, propose, take
from core.captioning.wd14 import Wd14
from core.decisions import undo
from core.errors import BadValue, ConsentLost
from core.progress import Step
from storage import artifacts, decisions, ledger
from storage import proposals as kept
from storage.catalog import Catalog
from storage.records import CohortItem, Purpose
from tests import small_archive
from tests.small_archive import SmallArchive
from tests.tiny_tagger import write_wd14

PLAIN = "photo of {trigger} person"
SURE = Taking(0.35)


@pytest.fixture
def archive(catalog: Catalog, tmp_path: Path) -> SmallArchive:
    """Two people with two pictures each, in the frozen cohort `all`."""
    made = small_archive.build(catalog, tmp_path / "archive", people=2, pictures=2)
    made.freeze()
    return made


@pytest.fixture(scope="module")
def tagger_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wd14(tmp_path_factory.mktemp("wd"))


@pytest.fixture
def tagger(tagger_folder: Path) -> Wd14:
    return Wd14(tagger_folder)


def items_of(archive: SmallArchive) -> list[CohortItem]:
    cohort = artifacts.get_cohort(archive.catalog, "all")
    return list(artifacts.cohort_items(archive.catalog, cohort.id))


def said(archive: SmallArchive) -> list[str]:
    return [one.caption for one in change.listing(archive.catalog, "all")]


def test_a_person_takes_what_is_proposed_and_undoes_it(archive: SmallArchive, tagger: Wd14) -> None:
    catalog, items = archive.catalog, items_of(archive)
    with pytest.raises(BadValue, match="no tagger has looked"):
        take(catalog, items, SURE)
    head, before = ledger.head(catalog), decisions.last(catalog)
    looked = propose(catalog, "all", tagger, batch=3)
    assert (looked.pictures, looked.before, looked.left_out) == (4, 0, {})
    assert looked.dropped == {"names a minor": 4, "names sexual content": 4, "is about age": 4}
    assert said(archive) == [PLAIN] * 4, "nothing is said of anybody until a person says so"
    assert (ledger.head(catalog), decisions.last(catalog)) == (head, before)
    foreseen = take(catalog, items, SURE, dry_run=True)
    assert said(archive) == [PLAIN] * 4
    assert take(catalog, items, SURE) == foreseen
    assert all(text.startswith(f"{PLAIN}, ^ ^") or text.startswith(f"{PLAIN}, ^_^") for text in said(archive))
    undo.undo(catalog)
    assert said(archive) == [PLAIN] * 4
    take(catalog, items[:1], Taking(0.35, most=1))
    take(catalog, items[1:2], Taking(0.35, without=("^_^",)))
    take(catalog, items[2:3], Taking(1.0))
    assert said(archive)[0] == f"{PLAIN}, ^_^"
    assert "^_^" not in said(archive)[1]
    assert said(archive)[2:] == [PLAIN] * 2


def test_a_tagger_goes_on_where_it_was_stopped(archive: SmallArchive, tagger: Wd14) -> None:
    def stop(step: Step, /) -> None:
        if step.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        propose(archive.catalog, "all", tagger, batch=1, report=stop)
    steps: list[Step] = []
    looked = propose(archive.catalog, "all", tagger, batch=1, report=steps.append)
    assert (looked.pictures, looked.before) == (2, 2)
    assert [(step.done, step.total) for step in steps] == [(1, 2), (2, 2)]
    assert propose(archive.catalog, "all", tagger).pictures == 0


def test_a_picture_that_can_t_be_read_is_left_out_with_the_reason(archive: SmallArchive, tagger: Wd14) -> None:
    (archive.folder / "0-0.png").unlink()
    looked = propose(archive.catalog, "all", tagger)
    assert looked.pictures == 3
    (why,) = looked.left_out.values()
    assert "is gone, or changed" in why
    assert any("is left out" in line for line in looked.lines())


def test_somebody_who_withdraws_is_looked_at_no_more(archive: SmallArchive, tagger: Wd14) -> None:
    def withdraw(step: Step, /) -> None:
        if step.done == 1:
            archive.withdraw(archive.people[0], Purpose.TRAIN_COMPOSITE)

    with pytest.raises(ConsentLost):
        propose(archive.catalog, "all", tagger, batch=1, report=withdraw)
    assert len(kept.of_pictures(archive.catalog, [(i.photo_id, i.subject_id) for i in items_of(archive)])) == 1


def test_proposals_go_with_the_person(archive: SmallArchive, tagger: Wd14) -> None:
    propose(archive.catalog, "all", tagger)
    gone = archive.people[0].id
    erasure.erase(archive.catalog, gone, by="me")
    rows = archive.catalog.connection.execute("SELECT DISTINCT subject_id FROM proposals").fetchall()
    assert [row[0] for row in rows] == [archive.people[1].id]


def test_a_tag_that_would_make_a_caption_refused_is_left_out(archive: SmallArchive) -> None:
    """However it came to be proposed: alone it may be said, beside another it may not."""
    catalog, items = archive.catalog, items_of(archive)
    key = (items[0].photo_id, items[0].subject_id)
    kept.put(catalog, "a tagger", {key: {"high": 0.9, "school": 0.8, "hat": 0.7, "nude": 0.6}})
    done = take(catalog, items[:1], SURE)
    assert list(done.changed.values()) == [f"{PLAIN}, high, hat"]
    assert done.told == "with tags proposed (1 left out by the rule of prompts)"


def test_what_two_taggers_say_is_put_together(archive: SmallArchive) -> None:
    catalog, items = archive.catalog, items_of(archive)
    key = (items[0].photo_id, items[0].subject_id)
    kept.put(catalog, "one", {key: {"hat": 0.4, "sea": 0.9}})
    kept.put(catalog, "two", {key: {"hat": 0.8, "sand": 0.3}})
    assert kept.of_pictures(catalog, [key]) == {key: {"hat": 0.8, "sea": 0.9, "sand": 0.3}}
    assert kept.of_pictures(catalog, [key], "one") == {key: {"hat": 0.4, "sea": 0.9}}
    assert Taking(0.35, tagger="two").of(kept.of_pictures(catalog, [key], "two")[key]) == ["hat"]
    assert Taking(0.1, only=("sand",)).of(kept.of_pictures(catalog, [key])[key]) == ["sand"]
    assert Taking(0.1).most == proposals.MOST
