"""Bad input: one clear line that names it, the exit status of the contract, nothing half-written."""

from __future__ import annotations

import csv
import re
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from tests.journeys.driver import SAMPLE, Kyodaku

PROGRESS = re.compile(r"[a-z ]+: [\d,]+( of [\d,]+|$)")  # what a job that then fails has told


def one_line(text: str) -> str:
    """The error a command printed, which must be a single line from the program."""
    lines = [line for line in text.splitlines() if line and not PROGRESS.match(line)]
    assert len(lines) == 1, text
    assert lines[0].startswith("kyodaku: ")
    return lines[0]


def test_no_catalog(tmp_path: Path) -> None:
    said = Kyodaku(tmp_path / "nothing")("find", "camera:Canon")
    assert said.status == 2
    assert "holds no catalog" in one_line(said.err)
    assert "kyodaku init" in said.err
    assert not (tmp_path / "nothing").exists()


def test_init_where_a_catalog_is(kyodaku: Kyodaku) -> None:
    said = kyodaku("init")
    assert said.status == 2
    assert "is a catalog already" in one_line(said.err)


def test_init_in_a_folder_of_other_things(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    said = Kyodaku(tmp_path)("init")
    assert said.status == 2
    assert "not an empty folder" in one_line(said.err)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_catalog_of_a_newer_version(kyodaku: Kyodaku) -> None:
    with sqlite3.connect(kyodaku.catalog / "catalog.db") as db:
        db.execute("PRAGMA user_version = 9999")
    db.close()
    said = kyodaku("find", "camera:Canon")
    assert said.status == 3
    assert "newer Kyodaku" in one_line(said.err)


def test_damaged_catalog(kyodaku: Kyodaku) -> None:
    (kyodaku.catalog / "catalog.db").write_bytes(b"not a database at all" * 400)
    for extra in ("catalog.db-wal", "catalog.db-shm"):
        (kyodaku.catalog / extra).unlink(missing_ok=True)
    said = kyodaku("find", "camera:Canon")
    assert said.status == 3
    assert "catalog.db" in one_line(said.err)


def test_database_of_another_program(kyodaku: Kyodaku) -> None:
    with sqlite3.connect(kyodaku.catalog / "catalog.db") as db:
        db.execute("PRAGMA application_id = 7")
    db.close()
    said = kyodaku("find", "camera:Canon")
    assert said.status == 2
    assert "no catalog of Kyodaku's" in one_line(said.err)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["index", "/no/such/folder"], "/no/such/folder"),
        (["find", "colour:red"], "colour"),
        (["find", "taken:yesterdayish"], "yesterdayish"),
        (["show", "12345"], "12345"),
        (["consent", "grant", "Nobody", "--purpose", "print", "--by", "me"], "Nobody"),
        (["subject", "add", "Kham", "--born", "the third of May"], "the third of May"),
        (["subject", "add", "Kham", "--adult-attested-by", "me"], "--how"),
        (["subject", "import", "/no/such.csv", "--by", "me"], "/no/such.csv"),
        (["cohort", "create", "c", "--query", "faces:1", "--purpose", "fame"], "fame"),
        (["cohort", "freeze", "none"], "none"),
        (["cohort", "explain", "none"], "none"),
        (["merge", "average", "none", "-o", "x"], "none"),
        (["merge", "average", "none", "-o", "x", "--rank", "many"], "many"),
        (["models", "show", "none"], "none"),
        (["generate", "none", "--prompt", "a photo", "-o", "out"], "none"),
        (["jobs", "show", "77"], "77"),
        (["frobnicate"], "frobnicate"),
        (["index"], "paths"),
    ],
)
def test_usage_and_missing_things(kyodaku: Kyodaku, arguments: list[str], words: str) -> None:
    said = kyodaku(*arguments)
    assert said.status == 2, said
    assert words in one_line(said.err)
    assert said.out == ""


def test_purpose_misspelt_names_the_purposes(kyodaku: Kyodaku) -> None:
    kyodaku("subject", "add", "Kham", "--born", "1990-01-01")
    said = kyodaku("consent", "grant", "Kham", "--purpose", "training", "--by", "me")
    assert said.status == 2
    assert "train-composite" in one_line(said.err)


@pytest.fixture
def frozen(kyodaku: Kyodaku, tmp_path: Path) -> Kyodaku:
    """A catalog whose cohort `one` holds one photograph of one adult, by naming a real detection."""
    folder = tmp_path / "photos"
    folder.mkdir()
    with (SAMPLE / "truth.csv").open(encoding="utf-8", newline="") as lines:
        people = Counter(row["path"] for row in csv.DictReader(lines))
    portrait = next(path for path, count in people.items() if count == 1)
    (folder / "one.jpg").write_bytes((SAMPLE / portrait).read_bytes())
    kyodaku.json("index", folder)
    kyodaku.json("faces")
    kyodaku.json("subject", "add", "Kham", "--born", "1970-01-01")
    [photo] = kyodaku.json("find", "faces:1")
    [face] = kyodaku.json("show", str(photo["id"]))["faces"]
    kyodaku.json("people", "assign", str(face["id"]), "Kham")
    kyodaku.json("consent", "grant", "Kham", "--purpose", "train-individual,train-composite", "--by", "me")
    kyodaku.json("cohort", "create", "one", "--query", "faces:1", "--purpose", "train-individual")
    kyodaku.json("cohort", "freeze", "one")
    return kyodaku


def test_bases_that_are_none(frozen: Kyodaku, tmp_path: Path) -> None:
    empty = tmp_path / "empty-base"
    empty.mkdir()
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00not json at all!")
    for base in (tmp_path / "missing-base", empty, broken):
        said = frozen("train", "one", "--base", base, "--name", "m", "--steps", "1")
        assert said.status == 2, said
        assert base.name in one_line(said.err)
    assert frozen.json("models", "list") == []
    assert [path.name for path in (frozen.catalog / "models").iterdir()] == []


def test_cohort_too_small(frozen: Kyodaku) -> None:
    frozen.json("cohort", "create", "few", "--query", "faces:1", "--purpose", "train-composite")
    said = frozen("cohort", "freeze", "few")
    assert said.status == 1
    assert "10" in one_line(said.err)
    [few] = [cohort for cohort in frozen.json("cohort", "list") if cohort["name"] == "few"]
    assert few["merkle_root"] is None


def test_training_an_unfrozen_cohort(frozen: Kyodaku) -> None:
    frozen.json("cohort", "create", "loose", "--query", "faces:1", "--purpose", "train-individual")
    said = frozen("train", "loose", "--base", SAMPLE / "base", "--name", "m", "--steps", "1")
    assert said.status in (1, 2)
    assert "freeze" in one_line(said.err)


def test_a_photograph_that_is_none_is_kept_with_its_reason(kyodaku: Kyodaku, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "empty.jpg").touch()
    (folder / "letter.jpg").write_text("dear all")
    Image.new("RGB", (64, 48), "teal").save(folder / "good.jpg")
    counts = kyodaku.json("index", folder)
    assert (counts["seen"], counts["new"], counts["errors"]) == (3, 3, 2)
    broken = kyodaku.json("find", "error:*")
    assert sorted(Path(photo["path"]).name for photo in broken) == ["empty.jpg", "letter.jpg"]
    assert all(photo["error"] for photo in broken)
