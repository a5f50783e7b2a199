"""`tag`, `undo` and `redo`, as scripts and people read them."""

from __future__ import annotations

from storage import catalog as catalogs
from storage import photos, subjects
from storage.records import Rights
from tests import world
from tests.journeys.driver import Kyodaku


def test_what_was_decided_is_listed_taken_back_and_done_again(kyodaku: Kyodaku) -> None:
    with catalogs.open_catalog(kyodaku.catalog) as catalog:
        ids = [world.photograph(catalog, []) for _ in range(3)]
        subjects.add(catalog, "Ann")
    assert kyodaku("undo").status == 2
    assert "give --rights" in kyodaku("tag", "name:*").err
    foreseen = kyodaku.json("tag", "", "--rights", "mine", "--by", "Chan", "--dry-run")
    assert (foreseen["photos"], foreseen["changed"], foreseen["dry_run"]) == (3, 3, True)
    assert kyodaku("undo", "--list").out.splitlines()[1:] == []
    told = kyodaku.json("tag", "", "--rights", "mine", "--by", "Chan", "--add", "sea")
    assert [one["told"] for one in told["decisions"]] == ["mine", "tag sea"]
    assert kyodaku("consent", "grant", "Ann", "--purpose", "print", "--by", "Chan").status == 0
    assert [one["told"] for one in kyodaku.json("undo", "--list")] == [
        "Ann: allow print",
        "3 photographs: tagged sea",
        "3 photographs: mine",
    ]
    assert [one["kind"] for one in kyodaku.json("undo", "-n", "9")] == ["consent", "keywords", "rights"]
    assert kyodaku.json("consent", "show", "Ann")["status"]["print"] == "withdrawn"
    assert kyodaku("redo").out == "done again: 3 photographs: mine\n"
    with catalogs.open_catalog(kyodaku.catalog) as catalog:
        assert {photos.get(catalog, one).rights for one in ids} == {Rights.MINE}
    assert kyodaku("undo", "--leave").out == "stays for good: 3 photographs: mine\n"
    assert kyodaku("undo").status == 2


def test_what_a_person_withdrew_is_not_given_back_by_one_command(kyodaku: Kyodaku) -> None:
    with catalogs.open_catalog(kyodaku.catalog) as catalog:
        subjects.add(catalog, "Ann")
    for act in ("grant", "withdraw"):
        assert kyodaku("consent", act, "Ann", "--purpose", "print", "--by", "Chan").status == 0
    said = kyodaku("undo")
    assert said.status == 1
    assert said.out.startswith("would be undone: Ann: ")
    assert "what was withdrawn would be allowed again" in said.err
    assert kyodaku.json("consent", "show", "Ann")["status"]["print"] == "withdrawn"
    assert kyodaku("undo", "--sure").status == 0
    assert kyodaku.json("consent", "show", "Ann")["status"]["print"] == "granted"
    assert kyodaku("redo").status == 0
    assert kyodaku.json("consent", "show", "Ann")["status"]["print"] == "withdrawn"
