"""What is handed to others: a receipt to a person, a proof to whoever asks; through the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from storage import catalog as catalogs
from storage.records import Purpose
from tests.journeys.driver import REPOSITORY, SAMPLE, Kyodaku
from tests.journeys.test_main_job import people_file, photographs_by_people
from tests.world import FACE, adult, photograph, portraits
from tui import demo_eye


@pytest.fixture
def frozen(kyodaku: Kyodaku) -> Kyodaku:
    """Ann's two portraits, frozen as `c`, and one photograph of nobody known."""
    with catalogs.open_catalog(kyodaku.catalog) as catalog:
        portraits(catalog, adult(catalog, "Ann", *Purpose), 2)
        photograph(catalog, [(None, FACE)])
    assert kyodaku("cohort", "create", "c", "--query", "", "--purpose", "train-individual").status == 0
    assert kyodaku("cohort", "freeze", "c").status == 0
    return kyodaku


def test_a_proof_is_checked_with_python_alone(frozen: Kyodaku, tmp_path: Path) -> None:
    root = frozen.json("cohort", "list")[0]["merkle_root"]
    for photo, told in (("1", "INCLUDED\n"), ("3", "NOT INCLUDED\n")):
        printed = frozen("cohort", "prove", "c", photo, "-o", tmp_path / "p.json", "--json")
        assert printed.status == 0
        assert (tmp_path / "p.json").read_text() == printed.out
        content = json.loads(printed.out)["content_hash"]
        command = [sys.executable, "-I", REPOSITORY / "docs" / "verify_proof.py", tmp_path / "p.json", root, content]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == told
    said = frozen("cohort", "prove", "c", "3")
    assert "is not among" in said.out
    assert frozen("cohort", "prove", "c", "nothing.jpg").status == 2
    assert frozen("cohort", "prove", "none", "1").status == 2


def test_a_receipt_in_their_language(frozen: Kyodaku, tmp_path: Path) -> None:
    assert "name: not stated" in frozen("consent", "controller").out
    assert frozen.json("consent", "controller", "--contact", "me@example.org")["contact"] == "me@example.org"
    said = frozen("consent", "receipt", "Ann", "-o", tmp_path / "ann", "--language", "lo")
    assert said.out.split() == [str(tmp_path / "ann.json"), str(tmp_path / "ann.pdf")]
    assert (tmp_path / "ann.pdf").read_bytes().startswith(b"%PDF")
    made = json.loads((tmp_path / "ann.json").read_text())
    assert (made["language"], made["controller"]) == ("lo", {"name": None, "contact": "me@example.org"})
    assert [one["name"] for one in made["cohorts"]] == ["c"]
    assert "me@example.org" in frozen("consent", "receipt", "Ann", "--language", "TH").out
    assert frozen("consent", "receipt", "Ann", "--language", "xx").status == 2
    assert frozen("consent", "receipt", "Ann", "-o", tmp_path / "a.html").status == 2


def test_init_states_who_is_responsible(tmp_path: Path) -> None:
    program = Kyodaku(tmp_path / "other")
    assert program("init", "--controller", "M. Roth", "--contact", "roth@example.org").status == 0
    assert program.json("consent", "controller") == {
        "name": "M. Roth",
        "contact": "roth@example.org",
        "retention": None,
        "jurisdiction": None,
    }


def test_a_letter_without_a_font_is_told(kyodaku: Kyodaku, tmp_path: Path) -> None:
    assert kyodaku("subject", "add", "김").status == 0
    said = kyodaku("consent", "receipt", "김", "-o", tmp_path / "r.pdf")
    assert said.status == 0
    assert "U+AE40" in said.err


def test_a_persons_pictures_on_paper(kyodaku: Kyodaku, tmp_path: Path) -> None:
    """Of the sample: two people together who allow prints, one of them beside somebody who was never asked, alone."""
    photographs = photographs_by_people()
    asked = [name for name, row in people_file().items() if "print" in row["grants"] and not row["until"]]
    person, other = next(names for names in photographs if len(names) == 2 and set(names) <= set(asked))
    chosen = [*photographs[person,][:2], photographs[person, other][0]]
    for path in chosen:
        (tmp_path / "archive" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLE / path, tmp_path / "archive" / path)
    kyodaku.json("index", tmp_path / "archive")
    kyodaku.json("faces")
    kyodaku.json("people", "cluster")
    kyodaku.json("subject", "import", SAMPLE / "people.csv", "--by", "me")
    demo_eye.name_clusters(kyodaku.catalog, tmp_path / "archive", SAMPLE / "truth.csv")
    out = tmp_path / "prints.pdf"
    assert kyodaku.json("export", "prints", person, "-o", out, "--dry-run")["file"] is None
    assert not out.exists()
    done = kyodaku.json("export", "prints", person, "-o", out, "--paper", "10x15")
    assert (done["file"], done["pages"], len(done["prints"]), done["left_out"]) == (str(out), 3, 3, [])
    assert out.read_bytes().startswith(b"%PDF")
    assert kyodaku("consent", "refuse", other, "--purpose", "print", "--by", "me").status == 0
    said = kyodaku("export", "prints", person, "-o", tmp_path / "fewer.pdf", "--language", "lo")
    assert said.status == 0
    assert said.out.startswith(f"2 pictures of {person} laid out on 1 sheet")
    assert f"refused: {other}: refused print" in said.out
    none = kyodaku("export", "prints", other, "-o", tmp_path / "none.pdf")
    assert (none.status, none.out.splitlines()[0]) == (1, f"0 pictures of {other} printed; 1 left out")
    assert not (tmp_path / "none.pdf").exists()
    assert kyodaku("export", "prints", person, "-o", out).status == 2


def test_who_signs_what_is_drawn(kyodaku: Kyodaku, tmp_path: Path) -> None:
    made = kyodaku.json("credentials", "test-certificate", "-o", tmp_path / "c2pa", "--name", "M. Roth")
    assert kyodaku.json("credentials", "use") == {"certificate": None, "key": None}
    used = kyodaku.json("credentials", "use", "--certificate", made["certificate"], "--key", made["key"])
    assert used == {"certificate": made["certificate"], "key": made["key"]}
    assert kyodaku("credentials", "use", "--certificate", made["certificate"]).status == 2
    assert kyodaku("credentials", "use", "--none").out == "nothing is signed\n"
    said = kyodaku("credentials", "show", SAMPLE / "sheets" / "people.jpg")
    assert (said.status, said.err.count("\n")) == (2, 1)
