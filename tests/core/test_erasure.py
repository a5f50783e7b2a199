"""Whoever is erased is gone, from the rows and from the bytes; the rest stands as if they had never been."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from core import cohort, consent_actions, doctor, erasure, left_over, people, statuses, withdrawal
from core.curves import BOARD, METRICS, Curves
from core.decisions import undo
from core.errors import BadValue, CatalogDamaged, NoSuchRecord, Refused
from core.merging.catalogued import merge_average, merge_bake
from core.training import latent_cache
from core.training.captions import KEPT
from storage import (
    artifacts,
    captions,
    chain,
    checkpoints,
    decisions,
    face_matrix,
    faces,
    forgetting,
    generated,
    jobs,
    ledger,
    photos,
    subjects,
    unfinished,
)
from storage import catalog as catalogs
from storage.catalog import Catalog
from storage.faces import NewFace
from storage.records import CohortRules, EventKind, FaceMark, ModelState, Purpose, Rights, Status
from storage.rights import put as put_rights
from storage.settings import write as write_settings
from tests import composites
from tests.composites import Composite, content
from tests.tiny_base import write_tiny_base
from tests.world import FACE, GRANTED, SIZE, SPACE, adult, photograph, portraits

NAME = 'Zoë "Q" Quillfeather'
RULES = CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=3)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture
def six(catalog: Catalog, base: Path) -> Composite:
    made = composites.build(catalog, base, [NAME, "Ben", "Kim", "Lou", "Mae"], RULES)
    merge_average(catalog, made.loras, "mean")
    merge_average(catalog, made.loras[1:], "never")
    return made


def bytes_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def spellings(name: str) -> list[bytes]:
    forms = {unicodedata.normalize(way, name) for way in ("NFC", "NFD")} | {"Quillfeather", "QUILLFEATHER"}
    forms |= {json.dumps(form)[1:-1] for form in forms}
    return [form.encode(way) for form in forms for way in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le")]


def lived(catalog: Catalog, made: Composite, tmp_path: Path) -> tuple[list[bytes], list[Path]]:
    """Traces of the person everywhere; the bytes that must go, and the files."""
    person = made.people[0]
    release = tmp_path / "release.txt"
    release.write_bytes(b"signed by hand: 0d9f1c")
    consent_actions.grant(
        catalog, [person], [Purpose.PRINT], by="me", note=f"{NAME} wrote", evidence=release, keep_evidence=True
    )
    consent_actions.grant(catalog, ["Ben"], [Purpose.PRINT], by="me", note=f"came with {NAME}")
    subjects.add(catalog, "Kid", minor=True, guardian=NAME, by=NAME)
    consent_actions.grant(catalog, ["Kid"], [Purpose.PRINT], by=NAME)
    vector = np.random.default_rng(7).normal(size=4).astype("<f4")
    shown = faces.photos_of_subject(catalog, person.id)
    rows = [NewFace(FACE, 0.99, vector, 0.5, 33.25, (1.0, 2.0, 3.0))]
    faces.replace_faces(catalog, shown[0], rows, SPACE)
    face_matrix.matrix(catalog, SPACE)
    cohort.create(catalog, f"{NAME} alone", f"subject:{json.dumps(NAME, ensure_ascii=False)}", RULES)
    job = jobs.add(catalog, "train", {"name": NAME}, datetime.now(UTC))
    jobs.progressed(catalog, job.id, 0.5, f"training {NAME}", None)
    told = jobs.folder_of(catalog, job.id)
    jobs.log_path(catalog, job.id).write_text(f"a line of {NAME}\nanother\n", encoding="utf-8")
    line = {"task": f"{NAME}'s friends", "step": 1, "loss": 0.5}
    (told / METRICS).write_text(json.dumps(line) + "\n", encoding="utf-8")
    (told / f"{NAME}'s friends.checkpoint").write_bytes(b"of others")
    called = {(shown[0], person.id): "{trigger}, 5b1d77", (1, made.people[1].id): f"{{trigger}} beside {NAME}"}
    captions.put(catalog, called)
    lines = [f"{photo_id}.{whose}\t{text}\n" for (photo_id, whose), text in called.items()]
    (told / KEPT).write_text("".join(lines), encoding="utf-8")
    write_settings(catalog, {"contact": f"ask {NAME}"})
    with catalog.transaction() as db:
        db.execute("UPDATE photos SET caption = ? WHERE id = ?", (f"{NAME} at sea", shown[0]))
    decisions.give_keyword(catalog, shown, NAME)
    people.assign(catalog, faces.of_photo(catalog, shown[0])[0].id, person.id)
    photo = photos.get(catalog, shown[0])
    kept = [
        catalog.thumbs / str(photo.content_hash)[:2] / f"{photo.content_hash}-320.jpg",
        latent_cache.folder_of(catalog, person.uid) / "a.safetensors",
        catalog.cache / "texts" / "a.safetensors",
        catalog.models / f"{made.loras[0]}.preview.png",
        catalog.models / "never.audit" / "report.json",
        told / "previews" / "friends-000050.png",
        told / BOARD / "events.out.tfevents.1",
    ]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a picture of them: 5b1d77")
    weights = (catalog.models / f"{made.loras[0]}.safetensors").read_bytes()[-512:]
    salt = subjects.salts(catalog, [person.id])[person.id].encode()
    gone = [*spellings(NAME), vector.tobytes(), release.read_bytes(), b"5b1d77", weights, salt]
    return gone, kept


@pytest.mark.parametrize("renamed", [False, True])
def test_no_byte_of_the_catalog_holds_the_person(
    catalog: Catalog, six: Composite, tmp_path: Path, renamed: bool
) -> None:
    person = six.people[0]
    gone, kept = lived(catalog, six, tmp_path)
    if renamed:
        withdrawal.edit_subject(catalog, replace(person, name="Wren Hollis"), by="me")
        gone.insert(0, b"Wren Hollis")
    before = bytes_in(catalog.folder)
    assert all(any(part in data for data in before.values()) for part in (NAME.encode(), *gone[-5:]))
    events = list(ledger.all(catalog))
    planned = erasure.plan(catalog, person.id)
    assert list(planned.names) == (["Wren Hollis", NAME] if renamed else [NAME])
    assert bytes_in(catalog.folder).keys() == before.keys()
    done = erasure.erase(catalog, person.id, by="the photographer")
    assert (done.faces, done.photos, done.finished) == (2, planned.photos, True)
    assert (done.remade, done.deleted, done.quarantined) == (["mean"], [six.loras[0]], [])
    assert not any(path.exists() for path in kept)
    [job] = jobs.newest(catalog)
    assert Curves(jobs.folder_of(catalog, job.id) / METRICS).follow()
    assert [path.read_bytes() for path in catalog.jobs.rglob("*.checkpoint")] == [b"of others"]
    key = (1, six.people[1].id)
    assert captions.of_pictures(catalog, [key]) == {key: "{trigger} beside erased"}
    assert (jobs.folder_of(catalog, job.id) / KEPT).read_text() == f"1.{key[1]}\t{{trigger}} beside erased\n"
    for name, data in bytes_in(catalog.folder).items():
        found = [part for part in gone if part.lower() in name.encode().lower() + b"\0" + data.lower()]
        assert not found, (name, found)
    assert content(catalog, "mean") == content(catalog, "never")
    with pytest.raises(NoSuchRecord):
        subjects.get(catalog, NAME)
    after = list(ledger.all(catalog))
    assert [event.hash for event in after[: len(events)]] == [event.hash for event in events]
    own = [event for event in after if event.subject_uid == person.uid]
    assert [event.kind for event in own][-1] is EventKind.ERASURE
    assert not any(event.by or event.note or event.evidence for event in own[:-1])
    assert ledger.verify(catalog).ok
    with catalogs.open_catalog(catalog.folder) as again:
        assert checkpoints.verify(again).ok
        assert not [one for one in doctor.examine(again) if not one.ok]
    assert not unfinished.any_left(catalog)


def test_others_keep_what_they_allowed(catalog: Catalog, six: Composite, tmp_path: Path) -> None:
    lived(catalog, six, tmp_path)
    erasure.erase(catalog, NAME, by="the photographer")
    status = {name: consent_actions.show(catalog, name).status for name in ("Ben", "Kid")}
    assert status["Ben"][Purpose.PRINT] is Status.GRANTED
    assert status["Ben"][Purpose.TRAIN_COMPOSITE] is Status.GRANTED
    assert status["Kid"][Purpose.PRINT] is Status.GRANTED
    assert subjects.get(catalog, "Kid").guardian == forgetting.INSTEAD
    assert artifacts.get_model(catalog, "never").state is ModelState.OK


def test_their_faces_are_nobodys_for_good(catalog: Catalog, six: Composite) -> None:
    person = six.people[0]
    own = faces.of_subject(catalog, person.id)
    photo = own[0].photo_id
    other = photograph(catalog, [(person, FACE), (six.people[1], (10, 10, 40, 40))])
    erasure.erase(catalog, person.id, by="the photographer")
    face = faces.get(catalog, own[0].id)
    assert (face.mark, face.subject_id, face.cluster, face.age_estimate) == (FaceMark.ERASED, None, None, None)
    assert faces.vectors(catalog, [face.id]) == {}
    put_rights(catalog, [photo], Rights.MINE)
    statuses.refresh(catalog)
    told = statuses.of_photos(catalog, [photo, other])
    assert {status for one in told.values() for status in one.values()} == {Status.UNKNOWN}
    with pytest.raises(Refused, match="erased"):
        people.assign(catalog, face.id, "Ben")
    for mark in (None, FaceMark.UNRECOGNISABLE):
        with pytest.raises(Refused, match="erased"):
            people.ignore(catalog, face.id, mark, "a statue", "me")
    ben = subjects.get(catalog, "Ben")
    faces.assign(catalog, [face.id], ben.id, by_person=True)
    faces.set_mark(catalog, [face.id], None)
    vector = np.ones(4, dtype=np.float32)
    faces.replace_faces(catalog, photo, [NewFace(FACE, 0.99, vector, 0.5, 30.0)], SPACE)
    faces.replace_faces(catalog, photo, [NewFace(FACE, 0.99, vector, 0.5, 30.0)], "another space")
    people.cluster(catalog)
    assert faces.of_photo(catalog, photo) == [replace(face, space=faces.of_photo(catalog, photo)[0].space)]
    assert faces.vectors(catalog, [face.id]) == {}


def test_a_picture_with_an_erased_face_never_trains_unmasked(catalog: Catalog, six: Composite) -> None:
    photo = photograph(catalog, [(six.people[0], (10, 10, 40, 40)), (six.people[1], FACE)])
    erasure.erase(catalog, NAME, by="the photographer")
    cohort.create(catalog, "later", "", replace(RULES, min_subjects=1))
    cohort.freeze(catalog, "later")
    items = artifacts.cohort_items(catalog, artifacts.get_cohort(catalog, "later").id)
    assert photo not in {item.photo_id for item in items}
    assert SIZE[0] > FACE[2]


def test_models_and_cohorts_named_after_them_are_renamed(catalog: Catalog, six: Composite) -> None:
    merge_average(catalog, six.loras[1:], "of Quill Mora")
    merge_bake(catalog, "of Quill Mora", six.base, "Quill Mora, baked")
    weights = content(catalog, "of Quill Mora")
    (catalog.models / "of Quill Mora.preview.png").write_bytes(b"drawn by of Quill Mora")
    person = subjects.edit(catalog, replace(six.people[0], name="Quill Mora"))
    erasure.erase(catalog, person.id, by="the photographer")
    assert content(catalog, "of erased") == weights
    assert content(catalog, "erased, baked")
    assert not [name for name, data in bytes_in(catalog.folder).items() if b"Mora" in name.encode() + data]
    assert not [one for one in doctor.examine(catalog) if not one.ok]


def test_what_was_drawn_is_told_and_withdrawn(catalog: Catalog, six: Composite, tmp_path: Path) -> None:
    ids = {name: artifacts.get_model(catalog, name).id for name in (six.loras[0], "mean", "never")}
    for name, number in ids.items():
        generated.add(catalog, number, [(tmp_path / f"{name}.png", "hash")], GRANTED)
    done = erasure.erase(catalog, NAME, by="the photographer", remake=False)
    assert sorted(Path(path).stem for path in done.generated) == sorted([six.loras[0], "mean"])
    assert [len(generated.of_models(catalog, [number], None)) for number in ids.values()] == [0, 1, 1]
    assert [len(generated.of_models(catalog, [number])) for number in ids.values()] == [0, 0, 1]
    assert list(done.waiting) == ["mean"]
    assert withdrawal.settle(catalog).remade == ["mean"]
    assert content(catalog, "mean") == content(catalog, "never")


def test_the_words_that_go_are_vouched_for(catalog: Catalog) -> None:
    """Whoever takes words out of the ledger, or puts others in, without an erasure, is found."""
    for name in (NAME, "Ben", "Kim"):
        adult(catalog, name)
    for name in (NAME, "Ben"):
        erasure.erase(catalog, name, by="the photographer")
    assert ledger.verify(catalog).ok
    db = catalog.connection
    redacted = [seq for (seq,) in db.execute("SELECT seq FROM ledger WHERE json_extract(body, '$.redacted') = 1")]
    assert len(redacted) == 4  # an age and a grant of each
    triggers = db.execute("SELECT name FROM sqlite_schema WHERE tbl_name = 'ledger' AND type = 'trigger'").fetchall()
    for (trigger,) in triggers:
        db.execute(f"DROP TRIGGER {trigger}")
    whole = next(event.seq for event in ledger.all(catalog) if event.seq not in redacted and event.by)
    body = db.execute("SELECT body FROM ledger WHERE seq = ?", (whole,)).fetchone()[0]
    left = chain.redacted(body)
    changes = [
        ("body = replace(body, '\"train-composite\"', '\"print\"')", redacted[1]),
        ("hash = 'x' || substr(hash, 2)", redacted[1]),
        ("body = replace(body, ',\"redacted\":true', '')", redacted[0]),
        (f"body = '{left}'", whole),
    ]
    for change, seq in changes:
        db.execute("BEGIN")
        assert db.execute(f"UPDATE ledger SET {change} WHERE seq = ? RETURNING body <> ?", (seq, "")).fetchone()[0]
        with pytest.raises(CatalogDamaged, match=f"event {seq}"):
            ledger.rebuild_twin(catalog)
        check = ledger.verify(catalog)
        db.rollback()
        assert (check.ok, check.first_bad) == (False, seq), change
    assert ledger.verify(catalog).ok
    assert ledger.rebuild_table(catalog) == 8


@pytest.mark.parametrize("by", ["", "  ", NAME, f"for {NAME.upper()}"])
def test_who_records_it_is_somebody_else(catalog: Catalog, six: Composite, by: str) -> None:
    with pytest.raises(BadValue, match="not said"):
        erasure.erase(catalog, NAME, by=by)
    assert subjects.get(catalog, NAME) == six.people[0]


def test_while_others_read_the_rest_waits_for_the_next_start(catalog: Catalog) -> None:
    adult(catalog, NAME)
    with catalogs.open_catalog(catalog.folder, readonly=True) as reader:
        reader.connection.execute("BEGIN")
        reader.connection.execute("SELECT * FROM subjects").fetchall()
        catalog.connection.execute("PRAGMA busy_timeout = 50")
        done = erasure.erase(catalog, NAME, by="the photographer")
        assert not done.finished
        assert any("next start" in line for line in done.lines())
    left_over.finish(catalog)
    assert not unfinished.any_left(catalog)
    assert not [name for name, data in bytes_in(catalog.folder).items() if b"Quillfeather" in data]


def test_a_record_that_was_merged_into_theirs_is_told(catalog: Catalog) -> None:
    kept, folded = adult(catalog, "Zora Quill"), adult(catalog, "Zo Quill")
    portraits(catalog, folded, 1)
    people.merge(catalog, kept.id, folded.id)
    assert list(erasure.plan(catalog, kept.id).folded) == ["Zo Quill"]
    undo.undo(catalog)
    assert not erasure.plan(catalog, kept.id).folded
    undo.redo(catalog)
    done = erasure.erase(catalog, kept.id, by="the photographer")
    assert any(line.startswith("Zo Quill was merged into them") for line in done.lines())
    assert [one.name for one in subjects.list_all(catalog)] == ["Zo Quill"]


def test_an_earlier_name_that_is_anothers_now_is_theirs(catalog: Catalog) -> None:
    person = adult(catalog, "Zora Quill")
    subjects.edit(catalog, replace(person, name="Zora Hollis"))
    adult(catalog, "Zora Quill")
    cohort.create(catalog, "Zora Quill at sea", "", RULES)
    done = erasure.erase(catalog, "Zora Hollis", by="the photographer")
    assert done.finished
    assert [one.name for one in subjects.list_all(catalog)] == ["Zora Quill"]
    assert artifacts.get_cohort(catalog, "Zora Quill at sea").frozen_at is None
    assert not [name for name, data in bytes_in(catalog.folder).items() if b"Hollis" in data]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("Ann Lee", "a walk with ANN LEE, later", True),
        ("Ann Lee", "Joann Leeds", False),
        ("Ann Lee", "ann lee_v1", True),
        ("田中", "田中さんと", True),
        ("Zoë", "Zoe\u0308", True),
        ("Zoë", '"Zo\\u00eb"', True),
        ("a.b", "axb", False),
    ],
)
def test_names_are_found_as_words(name: str, text: str, found: bool) -> None:
    assert forgetting.Names((name,)).found_in(text) == found


def test_every_text_of_the_database_is_known(catalog: Catalog) -> None:
    """A new column of text or bytes is put where erasure looks, or where it need not."""
    lists = (forgetting.SOUGHT, forgetting.WITH_THE_PERSON, forgetting.OF_THE_ARCHIVE, forgetting.NO_NAME)
    known = [column for one in lists for column in one]
    assert sorted(known) == forgetting.columns(catalog.connection)
