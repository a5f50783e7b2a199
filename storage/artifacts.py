"""Cohorts, models and their lineage as rows.

Records come out, records go in; which model a withdrawal reaches and what becomes of it is core's to say.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, cast

from storage.catalog import Catalog
from storage.errors import NameTaken, NoSuchRecord
from storage.instants import from_text, to_text
from storage.records import (
    Box,
    Cohort,
    CohortItem,
    CohortRules,
    GroupRule,
    Model,
    ModelInput,
    ModelKind,
    ModelState,
    Purpose,
)

# Cohorts


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _rules(text: str) -> CohortRules:
    fields = json.loads(text)
    return CohortRules(**fields | {"purpose": Purpose(fields["purpose"]), "group": GroupRule(fields["group"])})


def _cohort(row: sqlite3.Row) -> Cohort:
    return Cohort(
        id=row["id"],
        name=row["name"],
        query=row["query"],
        rules=_rules(row["rules"]),
        created_at=from_text(row["created_at"]),
        frozen_at=from_text(row["frozen_at"]) if row["frozen_at"] else None,
        merkle_root=row["merkle_root"],
        ledger_head=row["ledger_head"],
        tainted=bool(row["tainted"]),
    )


def _row(catalog: Catalog, table: str, key: int | str) -> sqlite3.Row:
    """The row of `table` with that id (int) or name (str). Raises NoSuchRecord."""
    column = "id" if isinstance(key, int) else "name"
    row = catalog.connection.execute(f"SELECT * FROM {table} WHERE {column} = ?", (key,)).fetchone()
    if row is None:
        what = table.removesuffix("s")
        raise NoSuchRecord(f"there is no {what} {key!r}", f"see what there is: kyodaku {what}s list")
    return cast(sqlite3.Row, row)


def add_cohort(catalog: Catalog, name: str, query: str, rules: CohortRules, created_at: datetime) -> Cohort:
    """A new cohort, not frozen. Raises NameTaken."""
    try:
        with catalog.transaction() as db:
            row_id = db.execute(
                "INSERT INTO cohorts(name, query, purpose, rules, created_at) VALUES (?, ?, ?, ?, ?)",
                (name, query, rules.purpose, _json(asdict(rules)), to_text(created_at)),
            ).lastrowid
    except sqlite3.IntegrityError as error:
        raise NameTaken(f"there is a cohort {name!r} already", "choose another name") from error
    return get_cohort(catalog, cast(int, row_id))


def get_cohort(catalog: Catalog, key: int | str) -> Cohort:
    """The cohort with that id (int) or name (str). Raises NoSuchRecord."""
    return _cohort(_row(catalog, "cohorts", key))


def all_cohorts(catalog: Catalog) -> list[Cohort]:
    """All cohorts, oldest first."""
    return [_cohort(row) for row in catalog.connection.execute("SELECT * FROM cohorts ORDER BY id")]


def freeze_cohort(
    catalog: Catalog,
    cohort_id: int,
    items: Iterable[CohortItem],
    *,
    merkle_root: str,
    ledger_head: str,
    frozen_at: datetime,
) -> Cohort:
    """Write a cohort's items and its root, once; the items may be a stream."""
    with catalog.transaction() as db:
        db.execute("DELETE FROM cohort_items WHERE cohort_id = ?", (cohort_id,))
        db.executemany(
            "INSERT INTO cohort_items(cohort_id, photo_id, face_id, subject_id, content_hash, crop, masks,"
            " grant_hash, leaf, secret) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    cohort_id,
                    item.photo_id,
                    item.face_id,
                    item.subject_id,
                    item.content_hash,
                    _json(item.crop),
                    _json(item.masks),
                    item.grant,
                    item.leaf,
                    item.secret,
                )
                for item in items
            ),
        )
        db.execute(
            "UPDATE cohorts SET frozen_at = ?, merkle_root = ?, ledger_head = ?, tainted = 0 WHERE id = ?",
            (to_text(frozen_at), merkle_root, ledger_head, cohort_id),
        )
    return get_cohort(catalog, cohort_id)


def _box(values: list[int]) -> Box:
    return cast(Box, tuple(values))


def cohort_items(catalog: Catalog, cohort_id: int, subject_id: int | None = None) -> Iterator[CohortItem]:
    """A frozen cohort's items, of one subject or all, streamed by subject's uid and leaf."""
    rows = catalog.connection.execute(
        "SELECT i.*, s.uid FROM cohort_items i JOIN subjects s ON s.id = i.subject_id"
        " WHERE i.cohort_id = ?1 AND (?2 IS NULL OR i.subject_id = ?2) ORDER BY s.uid, i.leaf",
        (cohort_id, subject_id),
    )
    for row in rows:
        yield CohortItem(
            photo_id=row["photo_id"],
            face_id=row["face_id"],
            subject_id=row["subject_id"],
            subject_uid=row["uid"],
            content_hash=row["content_hash"],
            crop=_box(json.loads(row["crop"])),
            masks=tuple(_box(mask) for mask in json.loads(row["masks"])),
            grant=row["grant_hash"],
            leaf=row["leaf"],
            secret=row["secret"],
        )


def cohorts_of_subject(catalog: Catalog, subject_id: int) -> list[Cohort]:
    """The frozen cohorts that hold a picture of the subject."""
    rows = catalog.connection.execute(
        "SELECT * FROM cohorts WHERE id IN (SELECT cohort_id FROM cohort_items WHERE subject_id = ?) ORDER BY id",
        (subject_id,),
    )
    return [_cohort(row) for row in rows]


def grants_of(catalog: Catalog, cohort_id: int, subject_ids: Iterable[int]) -> list[str]:
    """Hashes of the ledger's events that a frozen cohort's pictures of these people rest on, each once."""
    rows = catalog.connection.execute(
        "SELECT DISTINCT grant_hash FROM cohort_items WHERE cohort_id = ? AND subject_id IN"
        " (SELECT value FROM json_each(?)) ORDER BY grant_hash",
        (cohort_id, json.dumps(list(subject_ids))),
    )
    return [row[0] for row in rows]


def subjects_of_cohorts(catalog: Catalog) -> list[int]:
    """Ids of everyone of whom a frozen cohort holds a picture."""
    return [row[0] for row in catalog.connection.execute("SELECT DISTINCT subject_id FROM cohort_items")]


def taint_cohorts(catalog: Catalog, cohort_ids: Sequence[int]) -> None:
    """Mark frozen cohorts as reached by a withdrawal."""
    with catalog.transaction() as db:
        db.executemany("UPDATE cohorts SET tainted = 1 WHERE id = ?", [(key,) for key in cohort_ids])


# Models


def _model(row: sqlite3.Row) -> Model:
    return Model(
        id=row["id"],
        name=row["name"],
        kind=ModelKind(row["kind"]),
        path=row["path"],
        content_hash=row["content_hash"],
        base=row["base"],
        base_hash=row["base_hash"],
        trigger=row["trigger"],
        cohort_id=row["cohort_id"],
        recipe=json.loads(row["recipe"]),
        created_at=from_text(row["created_at"]),
        state=ModelState(row["state"]),
        energy_kept=row["energy_kept"],
        why=row["why"],
    )


def _write_arrows(
    db: sqlite3.Connection, model_id: int, inputs: Iterable[ModelInput], shares: Mapping[int, float]
) -> None:
    db.execute("DELETE FROM model_inputs WHERE model_id = ?", (model_id,))
    db.execute("DELETE FROM model_subjects WHERE model_id = ?", (model_id,))
    db.executemany(
        "INSERT INTO model_inputs(model_id, input_id, weight) VALUES (?, ?, ?)",
        [(model_id, arrow.input_id, arrow.weight) for arrow in inputs],
    )
    db.executemany(
        "INSERT INTO model_subjects(model_id, subject_id, share) VALUES (?, ?, ?)",
        [(model_id, subject_id, share) for subject_id, share in sorted(shares.items())],
    )


def add_model(
    catalog: Catalog,
    model: Model,
    *,
    shares: Mapping[int, float],
    inputs: Sequence[ModelInput] = (),
) -> Model:
    """Write a new model (its `id` is ignored), what it was made from, and each subject's share of it.

    `shares` maps subject ids to 0..1, summing to 1: {subject: 1.0} for a LoRA of one person.
    Gives the model with its id. Raises NameTaken.
    """
    try:
        with catalog.transaction() as db:
            row_id = db.execute(
                "INSERT INTO models(name, kind, path, content_hash, base, base_hash, trigger, cohort_id,"
                " recipe, created_at, state, energy_kept, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    model.name,
                    model.kind,
                    model.path,
                    model.content_hash,
                    model.base,
                    model.base_hash,
                    model.trigger,
                    model.cohort_id,
                    _json(model.recipe),
                    to_text(model.created_at),
                    model.state,
                    model.energy_kept,
                    model.why,
                ),
            ).lastrowid
            _write_arrows(db, cast(int, row_id), inputs, shares)
    except sqlite3.IntegrityError as error:
        if "models.name" not in str(error):
            raise
        raise NameTaken(f"there is a model {model.name!r} already", "choose another name") from error
    return replace(model, id=cast(int, row_id))


def replace_model(
    catalog: Catalog, model: Model, *, inputs: Sequence[ModelInput], shares: Mapping[int, float]
) -> Model:
    """Write what a model became when it was made anew in its place; it is `ok` again."""
    with catalog.transaction() as db:
        db.execute(
            "UPDATE models SET content_hash = ?, base_hash = ?, trigger = ?, energy_kept = ?, state = ?, why = NULL"
            " WHERE id = ?",
            (model.content_hash, model.base_hash, model.trigger, model.energy_kept, ModelState.OK, model.id),
        )
        _write_arrows(db, model.id, inputs, shares)
    return get_model(catalog, model.id)


def rename_model(catalog: Catalog, model_id: int, name: str) -> None:
    """Give a model another name. Raises NameTaken."""
    try:
        with catalog.transaction() as db:
            db.execute("UPDATE models SET name = ? WHERE id = ?", (name, model_id))
    except sqlite3.IntegrityError as error:
        raise NameTaken(f"there is a model {name!r} already", "choose another name") from error


def get_model(catalog: Catalog, key: int | str) -> Model:
    """The model with that id (int) or name (str). Raises NoSuchRecord."""
    return _model(_row(catalog, "models", key))


def get_models(catalog: Catalog, ids: Iterable[int]) -> list[Model]:
    """The models with those ids, in the order of the ids given."""
    rows = catalog.connection.execute(
        "SELECT m.* FROM json_each(?) AS wanted JOIN models m ON m.id = wanted.value ORDER BY wanted.key",
        (json.dumps(list(ids)),),
    )
    return [_model(row) for row in rows]


def all_models(catalog: Catalog, states: Iterable[ModelState] | None = None) -> list[Model]:
    """All models, or those in one of `states`, oldest first."""
    wanted = set(ModelState) if states is None else set(states)
    rows = catalog.connection.execute("SELECT * FROM models ORDER BY id")
    return [model for row in rows if (model := _model(row)).state in wanted]


def inputs_of(catalog: Catalog, model_id: int) -> list[ModelInput]:
    """What a model was made from, with the weights as they were given."""
    rows = catalog.connection.execute(
        "SELECT input_id, weight FROM model_inputs WHERE model_id = ? ORDER BY input_id", (model_id,)
    )
    return [ModelInput(row["input_id"], row["weight"]) for row in rows]


def shares_of(catalog: Catalog, model_id: int) -> dict[int, float]:
    """Each subject's share of a model, whatever merges lie between; by subject id."""
    rows = catalog.connection.execute(
        "SELECT subject_id, share FROM model_subjects WHERE model_id = ? ORDER BY subject_id", (model_id,)
    )
    return {row["subject_id"]: row["share"] for row in rows}


def models_of_subject(catalog: Catalog, subject_id: int) -> list[Model]:
    """Every model in which the subject has a share, oldest first."""
    rows = catalog.connection.execute(
        "SELECT * FROM models WHERE id IN (SELECT model_id FROM model_subjects WHERE subject_id = ?) ORDER BY id",
        (subject_id,),
    )
    return [_model(row) for row in rows]


def ancestors(catalog: Catalog, model_ids: Iterable[int]) -> list[int]:
    """Ids of all that the models were made from or trained on, at any remove; the first ingredients first."""
    return _reach(catalog, model_ids, "input_id", "model_id")


def descendants(catalog: Catalog, model_ids: Iterable[int]) -> list[int]:
    """Ids of all that was made from the models, or trained on one as its base, at any remove.

    Ingredients stand before what is made of them.
    """
    return _reach(catalog, model_ids, "model_id", "input_id")


def _reach(catalog: Catalog, model_ids: Iterable[int], to: str, of: str) -> list[int]:
    # A model's inputs exist before it, so ids grow along every arrow and sorting by id is topological.
    rows = catalog.connection.execute(
        f"WITH RECURSIVE arrows(model_id, input_id) AS (SELECT model_id, input_id FROM model_inputs"
        f" UNION SELECT m.id, b.id FROM models m JOIN models b ON b.content_hash = m.base_hash AND b.id <> m.id),"
        f" reached(id) AS (SELECT {to} FROM arrows WHERE {of} IN (SELECT value FROM json_each(?))"
        f" UNION SELECT a.{to} FROM arrows a JOIN reached r ON a.{of} = r.id)"
        f" SELECT id FROM reached ORDER BY id",
        (json.dumps(list(model_ids)),),
    )
    return [row["id"] for row in rows]


def with_content(catalog: Catalog, content_hash: str) -> Model | None:
    """The oldest model whose weights file has this hash, whatever its state."""
    row = catalog.connection.execute(
        "SELECT * FROM models WHERE content_hash = ? ORDER BY id LIMIT 1", (content_hash,)
    ).fetchone()
    return _model(row) if row else None


def set_state(catalog: Catalog, model_ids: Iterable[int], state: ModelState, why: str | None = None) -> None:
    """Put models into a state, with the reason for people."""
    with catalog.transaction() as db:
        db.executemany("UPDATE models SET state = ?, why = ? WHERE id = ?", [(state, why, key) for key in model_ids])
