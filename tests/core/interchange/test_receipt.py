"""What a subject is given: their own events, photographs, cohorts and models, and nobody else's name."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from core import consent_actions
from core.errors import BadValue
from core.interchange import receipt as receipts
from storage import ledger, subjects
from storage.catalog import Catalog
from storage.records import Purpose

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def ann(catalog: Catalog) -> Catalog:
    """Ann <b> in two photographs, one with Bo, and in a third whose face a person marked."""
    for name in ("Ann <b>", "Bo"):
        subjects.add(catalog, name, born=date(1980, 1, 1), at=NOW)
    with catalog.transaction() as db:
        db.execute("INSERT INTO folders(id, path) VALUES (1, ?)", (b"/with Bo",))
        for number, people in enumerate([(1,), (1, 2), (1,)], start=1):
            db.execute(
                "INSERT INTO photos(folder_id, name, path_text, size, mtime_ns, ctime_ns, inode, content_hash)"
                " VALUES (1, ?, '/with Bo', 1, 1, 1, 1, ?)",
                (str(number).encode(), str(number) * 64),
            )
            for person in people:
                db.execute(
                    "INSERT INTO faces(photo_id, x0, y0, x1, y1, probability, space, embedding, subject_id, mark)"
                    " VALUES (?, 0, 0, 9, 9, 1, 'dlib', x'', ?, ?)",
                    (number, person, "unrecognisable" if number == 3 else None),
                )
    consent_actions.grant(catalog, [1], [Purpose.PRINT, Purpose.TRAIN_COMPOSITE], by="me", note="signed", at=NOW)
    consent_actions.refuse(catalog, [2], [Purpose.PRINT], by="me", at=NOW)
    return catalog


def test_it_holds_what_is_theirs_and_nothing_of_others(ann: Catalog) -> None:
    made = receipts.receipt(ann, "Ann <b>", NOW)
    assert made["purposes"][Purpose.PRINT]["status"] == "granted"
    assert made["purposes"][Purpose.PUBLISH]["status"] == "unknown"
    assert [event["purposes"] for event in made["events"]] == [["print", "train-composite"]]
    assert [photo["content_hash"][0] for photo in made["photographs"]] == ["1", "2"]
    assert made["ledger_head"] == ledger.head(ann)
    assert "Bo" not in json.dumps(made)
    assert "/with" not in json.dumps(made)


def test_its_id_covers_the_rest(ann: Catalog) -> None:
    made = json.loads(json.dumps(receipts.receipt(ann, 1, NOW)))
    told = made.pop("receipt_id")
    text = json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == told
    assert receipts.receipt(ann, 1, NOW)["receipt_id"] == told


def test_as_text_and_as_files(ann: Catalog, tmp_path: Path) -> None:
    made = receipts.receipt(ann, 1, NOW)
    assert "  print: granted" in receipts.lines(made)
    for suffix in (".json", ".html", ".TXT"):
        receipts.write(made, tmp_path / f"r{suffix}")
    assert json.loads((tmp_path / "r.json").read_text())["receipt_id"] == made["receipt_id"]
    page = (tmp_path / "r.html").read_text()
    assert "Ann &lt;b&gt;" in page
    assert "Ann <b>" not in page
    assert "http" not in page
    with pytest.raises(BadValue):
        receipts.write(made, tmp_path / "r.pdf")
