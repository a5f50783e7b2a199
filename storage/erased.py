"""The rows of a person who is erased, taken out of the database. What leads to it is core's to say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from storage import subjects
from storage.catalog import Catalog
from storage.forgetting import Names
from storage.records import FaceMark, Subject


def faces_of(catalog: Catalog, subject_id: int) -> int:
    """Take the person's faces from them: nobody's, marked as erased, with no embedding and undescribed; how many."""
    with catalog.transaction() as db:
        own = [row[0] for row in db.execute("SELECT id FROM faces WHERE subject_id = ?", (subject_id,))]
        wanted = json.dumps(own)
        db.execute(f"DELETE FROM face_embeddings WHERE face_id IN ({_AMONG})", (wanted,))
        for table in ("face_stamps", "faces_waiting", "faces_not"):
            db.execute(f"DELETE FROM {table} WHERE face_id IN ({_AMONG})", (wanted,))
        db.execute(
            "UPDATE faces SET subject_id = NULL, assigned_by_person = 1, cluster = NULL, sharpness = NULL,"
            " mark = CASE mark WHEN 'not a face' THEN mark ELSE ? END,"
            f" age_estimate = NULL, yaw = NULL, pitch = NULL, roll = NULL WHERE id IN ({_AMONG})",
            (FaceMark.ERASED, wanted),
        )
    return len(own)


def rows_of(catalog: Catalog, subject_id: int) -> None:
    """Take the person out of frozen cohorts and models, and their own row away with its salt."""
    with catalog.transaction() as db:
        for table in ("cohort_items", "model_subjects"):
            db.execute(f"DELETE FROM {table} WHERE subject_id = ?", (subject_id,))
        db.execute("UPDATE release_subjects SET subject_id = -subject_id WHERE subject_id = ?", (subject_id,))
        db.execute("DELETE FROM subjects WHERE id = ?", (subject_id,))


def word_of_others(catalog: Catalog, names: Names, instead: str) -> list[Subject]:
    """Other people whose guardian, or attestation, names the person: `instead` stands there, in their records too."""
    changed = []
    for one in subjects.list_all(catalog):
        told = (one.guardian, one.adult_attested_by, one.adult_attested_how)
        if any(names.found_in(text) for text in told):
            guardian, by, how = (None if text is None else names.without(text) for text in told)
            new = replace(one, guardian=guardian, adult_attested_by=by, adult_attested_how=how)
            changed.append(subjects.edit(catalog, new, by=instead))
    return changed


def rename(catalog: Catalog, table: str, names: Names) -> list[tuple[int, str, str]]:
    """Give models or cohorts that are named after the person another name: id, old and new."""
    done = []
    with catalog.transaction() as db:
        taken = {row[0] for row in db.execute(f"SELECT name FROM {table}")}
        for key, name in db.execute(f"SELECT id, name FROM {table} ORDER BY id").fetchall():
            if names.found_in(name):
                new = names.without(name)
                new = f"{new} {key}" if new in taken else new
                taken.add(new)
                db.execute(f"UPDATE {table} SET name = ? WHERE id = ?", (new, key))
                done.append((key, name, new))
    return done


def move_models(catalog: Catalog, paths: Iterable[tuple[int, str]]) -> None:
    """Write where models' files lie from now on."""
    with catalog.transaction() as db:
        db.executemany("UPDATE models SET path = ? WHERE id = ?", [(path, key) for key, path in paths])


_AMONG = "SELECT value FROM json_each(?)"
