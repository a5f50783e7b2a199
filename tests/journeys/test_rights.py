"""`photos rights`: what is said of a search's photographs, and what a dry run leaves alone."""

from __future__ import annotations

from storage import catalog as catalogs
from storage import subjects
from tests import world
from tests.journeys.driver import Kyodaku

FACE = (10, 10, 50, 50)


def test_rights_are_said_of_a_search(kyodaku: Kyodaku) -> None:
    with catalogs.open_catalog(kyodaku.catalog) as catalog:
        ann = subjects.add(catalog, "Ann")
        world.photograph(catalog, [(ann, FACE)])
        for _ in range(2):
            world.photograph(catalog, [])
    twin = kyodaku.catalog / "ledger.jsonl"
    before = twin.read_bytes()
    assert kyodaku("photos", "rights", "", "--basis", "theirs", "--by", "Chan").status == 2
    assert kyodaku("photos", "rights", "", "--basis", "mine", "--by", " ").status == 2
    said = {"basis": "mine", "photos": 3, "changed": 3, "with_faces": 1}
    foreseen = kyodaku.json("photos", "rights", "", "--basis", "mine", "--by", "Chan", "--dry-run")
    assert foreseen == said | {"dry_run": True}
    assert twin.read_bytes() == before
    assert len(kyodaku.json("find", "print:granted")) == 0
    told = kyodaku.json("photos", "rights", "", "--basis", "mine", "--by", "Chan")
    assert told == said | {"dry_run": False}
    assert len(kyodaku.json("find", "print:granted")) == 2
    assert b"Chan" in twin.read_bytes()
    assert "decide for themselves" in kyodaku("photos", "rights", "", "--basis", "mine", "--by", "Chan").out
    assert kyodaku.json("undo")[0]["kind"] == "rights"
    assert len(kyodaku.json("find", "print:granted")) == 0
    assert kyodaku.json("ledger", "verify")["ok"]
