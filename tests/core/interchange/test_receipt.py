"""What a subject is given: their own events, photographs, cohorts and models, and nobody else's name."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from core import consent_actions, controller, terms, withdrawal
from core.errors import BadValue
from core.interchange import receipt as receipts
from core.interchange import receipt_files
from core.interchange.wording import Language
from storage import artifacts, ledger, subjects
from storage.catalog import Catalog
from storage.records import Model, ModelKind, Purpose
from tests.world import FACE, GRANTED, adult, photograph

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LEFT = (20, 100, 70, 160)


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
                    "INSERT INTO faces(photo_id, x0, y0, x1, y1, probability, space, subject_id, mark)"
                    " VALUES (?, 0, 0, 9, 9, 1, 'dlib', ?, ?)",
                    (number, person, "unrecognisable" if number == 3 else None),
                )
    consent_actions.grant(catalog, [1], [Purpose.PRINT, Purpose.TRAIN_COMPOSITE], by="me", note="signed", at=NOW)
    consent_actions.refuse(catalog, [2], [Purpose.PRINT], by="me", at=NOW)
    return catalog


def test_it_holds_what_is_theirs_and_nothing_of_others(ann: Catalog) -> None:
    made = receipts.receipt(ann, "Ann <b>", NOW)
    assert (made["purposes"][Purpose.PRINT]["status"], made["purposes"][Purpose.PRINT]["state"]) == ("granted", "given")
    assert made["purposes"][Purpose.PRINT]["since"] == NOW.isoformat()
    assert made["purposes"][Purpose.PUBLISH]["state"] == "unknown"
    assert [event["purposes"] for event in made["events"]] == [["print", "train-composite"]]
    assert {photo["content_hash"][0] for photo in made["photographs"]} == {"1", "2"}
    assert made["ledger_head"] == ledger.head(ann)
    assert "Bo" not in json.dumps(made)
    assert "/with" not in json.dumps(made)


@pytest.mark.parametrize("language", Language)
def test_how_it_was_given_and_on_what_terms(ann: Catalog, language: Language) -> None:
    bound = terms.checked(
        manner="in-person", witness="Lee", language="lo", territory="Vientiane", conditions="no billboards"
    )
    consent_actions.grant(ann, [1], [Purpose.PUBLISH], by="me", terms=bound, at=NOW)
    made = receipts.receipt(ann, 1, NOW, language)
    for told in (made["purposes"][Purpose.PUBLISH], made["events"][-1]):
        assert [told[term] for term in ("method", "witness", "language", "territory", "conditions")] == [
            "in-person", "Lee", "lo", "Vientiane", "no billboards"
        ]  # fmt: skip
    assert made["notice"]["language"] == "lo"
    assert made["purposes"][Purpose.PRINT]["conditions"] is None
    text = "\n".join(receipts.lines(made))
    assert "Vientiane" in text
    assert "no billboards" in text


def test_what_is_not_known_is_null_until_it_is_stated(ann: Catalog) -> None:
    made = receipts.receipt(ann, 1, NOW)
    assert (made["controller"], made["jurisdiction"], made["storage"]["retention"]) == (None, None, None)
    assert made["notice"]["evidence_sha256"] == []
    assert "not stated" in "\n".join(receipts.lines(made))
    controller.state(ann, name="M. Roth", contact=" consent@\n example.org ", jurisdiction="Laos")
    controller.state(ann, retention="ten years", jurisdiction="")
    made = receipts.receipt(ann, 1, NOW)
    assert made["controller"] == {"name": "M. Roth", "contact": "consent@ example.org"}
    assert (made["jurisdiction"], made["storage"]["retention"]) == (None, "ten years")
    assert "consent@ example.org" in "\n".join(receipts.lines(made))
    with pytest.raises(BadValue):
        controller.state(ann, name="x" * 301)


def test_it_has_what_the_standard_asks_for(ann: Catalog) -> None:
    made = receipts.receipt(ann, 1, NOW)
    asked = {"schema_version", "record_id", "principal_id", "notice", "language", "purposes", "kinds_of_personal_data"}
    asked |= {"controller", "storage", "jurisdiction", "recipients", "withdrawal_method", "events"}
    assert asked <= set(made)
    [event] = made["events"]
    assert {"event_time", "valid_from", "valid_until", "event_type", "event_state", "party"} <= set(event)
    assert (event["event_state"], event["party"]) == ("given", "principal")
    assert "retention" in made["storage"]


def test_its_id_covers_the_rest(ann: Catalog) -> None:
    made = json.loads(json.dumps(receipts.receipt(ann, 1, NOW)))
    told = made.pop("record_id")
    text = json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == told
    assert receipts.receipt(ann, 1, NOW)["record_id"] == told
    assert receipts.receipt(ann, 1, NOW, Language.LAO)["record_id"] != told


def test_a_minors_goes_to_the_guardian(catalog: Catalog) -> None:
    subjects.add(catalog, "Kim", born=date(2015, 1, 1), guardian="Noi", at=NOW)
    subjects.add(catalog, "Lee", minor=True, at=NOW)
    consent_actions.grant(catalog, ["Kim"], [Purpose.PRINT], by="Noi", at=NOW)
    made = receipts.receipt(catalog, "Kim", NOW)
    assert receipts.lines(made)[0] == "Record of consent: To Noi, guardian of Kim"
    assert made["purposes"][Purpose.PRINT]["status"] == "granted"
    assert made["events"][0]["party"] == "guardian"
    assert made["purposes"][Purpose.TRAIN_COMPOSITE]["status"] == "minor"
    assert "To the guardian of Lee" in receipts.lines(receipts.receipt(catalog, "Lee", NOW))[0]
    grown = receipts.receipt(catalog, "Kim", datetime(2040, 1, 1, tzinfo=UTC))
    assert "For Kim" in receipts.lines(grown)[0]
    assert grown["principal"]["guardian"] is None


@pytest.mark.parametrize("language", Language)
def test_text_of_every_standing(catalog: Catalog, language: Language) -> None:
    person = adult(catalog, "Ann", Purpose.PRINT, Purpose.CATALOGUE)
    consent_actions.refuse(catalog, [person], [Purpose.PUBLISH], by="me")
    until = datetime(2025, 1, 1, tzinfo=UTC)
    consent_actions.grant(catalog, [person], [Purpose.RELEASE], by="me", valid_until=until, at=GRANTED)
    consent_actions.grant(catalog, [person], [Purpose.TRAIN_COMPOSITE], by="me", at=GRANTED)
    withdrawal.withdraw(catalog, "Ann", [Purpose.TRAIN_COMPOSITE], by="me")
    told = "\n".join(receipts.lines(receipts.receipt(catalog, "Ann", language=language)))
    assert "{" not in told
    assert "\u200b" not in told
    assert "Ann" in told
    statuses = {one["status"] for one in receipts.receipt(catalog, "Ann")["purposes"].values()}
    assert statuses == {"granted", "refused", "expired", "withdrawn", "unknown"}


def test_models_and_cohorts_are_named_with_share(catalog: Catalog) -> None:
    person = adult(catalog, "Ann")
    photograph(catalog, [(person, FACE), (None, LEFT)])
    artifacts.add_model(
        catalog,
        Model(0, "mean\x1b[2J", ModelKind.AVERAGE, "m", "0" * 64, "b", "0" * 64, None, None, {}, NOW),
        shares={person.id: 0.25},
    )
    made = receipts.receipt(catalog, "Ann", NOW)
    assert any("25.0%" in line for line in receipts.lines(made))
    assert made["models"][0]["share"] == 0.25


def test_files_by_suffix(ann: Catalog, tmp_path: Path) -> None:
    made = receipts.receipt(ann, 1, NOW)
    for name in ("r.json", "r.pdf", "r.TXT"):
        assert receipt_files.write(ann, made, tmp_path / name) == ([tmp_path / name], [])
    assert json.loads((tmp_path / "r.json").read_text())["record_id"] == made["record_id"]
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
    both, _ = receipt_files.write(ann, made, tmp_path / "ann")
    assert [path.name for path in both] == ["ann.json", "ann.pdf"]
    assert both[1].read_bytes() == (tmp_path / "r.pdf").read_bytes()
    with pytest.raises(BadValue):
        receipt_files.write(ann, made, tmp_path / "r.html")
