"""Subjects: the people of the catalog, and what is on record about their age.

Every change of what bears on age writes an AGE event to the ledger in the same transaction. The event
says which of those facts are on record, not what they are: it holds a SHA-256 over them and a salt that
only the subject's row has, so that the record can be proved while it is kept, and is nothing once erased.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import secrets
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from storage import ledger
from storage.catalog import Catalog
from storage.errors import BadValue, NameTaken, NoSuchRecord
from storage.records import Event, EventKind, Subject

AGE_FIELDS = ("born", "adult_attested_by", "adult_attested_how", "minor", "guardian")


def add(
    catalog: Catalog,
    name: str,
    *,
    born: date | None = None,
    adult_attested_by: str | None = None,
    adult_attested_how: str | None = None,
    minor: bool = False,
    guardian: str | None = None,
    by: str | None = None,
    at: datetime | None = None,
) -> Subject:
    """A new person. `by` is who says so, `at` when (now unless told). Raises NameTaken, BadValue."""
    person = Subject(
        id=0,
        uid=secrets.token_hex(16),
        name=name,
        born=born,
        adult_attested_by=adult_attested_by,
        adult_attested_how=adult_attested_how,
        minor=minor,
        guardian=guardian,
    )
    return add_many(catalog, [person], by=by, at=at)[0]


def add_many(
    catalog: Catalog, people: Iterable[Subject], *, by: str | None = None, at: datetime | None = None
) -> list[Subject]:
    """New people, all or none; their `id` is set here, and a `uid` where it is empty. Raises as `add`."""
    new = [sound(replace(person, uid=person.uid or secrets.token_hex(16))) for person in people]
    with catalog.transaction() as db:
        added = []
        for person in new:
            _refuse_taken_name(db, person.name, None)
            row = db.execute(
                "INSERT INTO subjects(uid, name, born, adult_attested_by, adult_attested_how, minor, guardian)"
                " VALUES (?,?,?,?,?,?,?) RETURNING id",
                (person.uid, person.name, *_age_values(person)),
            ).fetchone()
            added.append(replace(person, id=row["id"]))
        _record_age(catalog, [(None, person) for person in added], by, at)
    return added


def edit(catalog: Catalog, subject: Subject, *, by: str | None = None, at: datetime | None = None) -> Subject:
    """Write a subject's name and facts anew; its `uid` never changes. Raises NoSuchRecord, NameTaken, BadValue."""
    subject = sound(subject)
    with catalog.transaction() as db:
        before = get(catalog, subject.id)
        subject = replace(subject, uid=before.uid)
        _refuse_taken_name(db, subject.name, subject.id)
        db.execute(
            "UPDATE subjects SET name=?, born=?, adult_attested_by=?, adult_attested_how=?, minor=?, guardian=?"
            " WHERE id=?",
            (subject.name, *_age_values(subject), subject.id),
        )
        _record_age(catalog, [(before, subject)], by, at)
    return subject


def get(catalog: Catalog, id_or_name: int | str) -> Subject:
    """A subject by id, exact name, or id as digits. Raises NoSuchRecord, which lists names that are near."""
    key = _key(id_or_name)
    column = "id" if isinstance(key, int) else "name"
    row = catalog.connection.execute(f"SELECT * FROM subjects WHERE {column} = ?", (key,)).fetchone()
    if row is not None:
        return _subject(row)
    names = [name for (name,) in catalog.connection.execute("SELECT name FROM subjects ORDER BY name")]
    near = difflib.get_close_matches(str(id_or_name), names, n=5, cutoff=0.5)
    raise NoSuchRecord(
        f"there is no subject with id {key}" if isinstance(key, int) else f"there is no subject {key!r}",
        f"near it: {', '.join(near)}" if near else "see: kyodaku subject list",
    )


def get_many(catalog: Catalog, ids: Iterable[int]) -> dict[int, Subject]:
    """The subjects of these ids, by id; those that are none are left out."""
    return {person.id: person for person in _where_in(catalog, "id", ids)}


def find(catalog: Catalog, asked: Sequence[Subject | int | str]) -> list[Subject]:
    """The subjects meant, as they are on record now, each once, in the order asked; a query or two for them all.

    Each is asked for as `get` takes it, or by its record. Raises NoSuchRecord.
    """
    keys = [_key(one.id if isinstance(one, Subject) else one) for one in asked]
    by_id = get_many(catalog, [key for key in keys if isinstance(key, int)])
    by_name = {person.name: person for person in _where_in(catalog, "name", [k for k in keys if isinstance(k, str)])}
    people = [by_id.get(key) if isinstance(key, int) else by_name.get(key) for key in keys]
    missing = next((key for key, person in zip(keys, people, strict=True) if person is None), None)
    if missing is not None:
        get(catalog, missing)
    return list(dict.fromkeys(person for person in people if person is not None))


def by_uids(catalog: Catalog, uids: Iterable[str]) -> dict[str, Subject]:
    """The subjects of these pseudonyms, by pseudonym; those that are none are left out."""
    return {person.uid: person for person in _where_in(catalog, "uid", uids)}


def list_all(catalog: Catalog) -> list[Subject]:
    """Every subject, by name."""
    return [_subject(row) for row in catalog.connection.execute("SELECT * FROM subjects ORDER BY name")]


def age_record(catalog: Catalog, subject_id: int) -> str:
    """The salted SHA-256, hex, that an AGE event holds for what is on record now about a subject's age."""
    row = catalog.connection.execute("SELECT * FROM subjects WHERE id = ?", (subject_id,)).fetchone()
    if row is None:
        raise NoSuchRecord(f"there is no subject with id {subject_id}", "see: kyodaku subject list")
    facts = {name: row[name] for name in AGE_FIELDS} | {"salt": row["salt"]}
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def salts(catalog: Catalog, ids: Iterable[int]) -> dict[int, str]:
    """Each subject's salt by id, random and secret: what is made with it tells nobody else whose it is."""
    rows = catalog.connection.execute(
        "SELECT id, salt FROM subjects WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
    )
    return {row["id"]: row["salt"] for row in rows}


def earlier_names(catalog: Catalog, subject_id: int) -> list[str]:
    """Names that the person had before, by name; one that is a subject's now is left out, for it is theirs."""
    rows = catalog.connection.execute(
        "SELECT name FROM earlier_names WHERE subject_id = ? AND name NOT IN (SELECT name FROM subjects) ORDER BY name",
        (subject_id,),
    )
    return [name for (name,) in rows]


def fold(catalog: Catalog, folded: int, kept: int) -> None:
    """Note that the record `folded` turned out to be of the same person as `kept`, who has its faces."""
    with catalog.transaction() as db:
        db.execute("INSERT OR REPLACE INTO folded(subject_id, into_id) VALUES (?, ?)", (folded, kept))


def unfold(catalog: Catalog, folded: int) -> None:
    """Take `fold` back."""
    with catalog.transaction() as db:
        db.execute("DELETE FROM folded WHERE subject_id = ?", (folded,))


def folded_into(catalog: Catalog, kept: int) -> list[Subject]:
    """The records that turned out to be of this person, by name; they keep what was said under them."""
    rows = catalog.connection.execute(
        "SELECT s.* FROM folded f JOIN subjects s ON s.id = f.subject_id WHERE f.into_id = ? ORDER BY s.name", (kept,)
    )
    return [_subject(row) for row in rows]


def _record_age(
    catalog: Catalog, changes: Iterable[tuple[Subject | None, Subject]], by: str | None, at: datetime | None
) -> None:
    """Write an AGE event for each subject, as it was and is, of whom a fact of age changed."""
    at = at or datetime.now(UTC)
    events = []
    for before, after in changes:
        old = [None, None, None, False, None] if before is None else [getattr(before, name) for name in AGE_FIELDS]
        changed = [name for name, was in zip(AGE_FIELDS, old, strict=True) if getattr(after, name) != was]
        if changed:
            on_record = [name for name in AGE_FIELDS if getattr(after, name)]
            details = {"changed": changed, "on_record": on_record, "record": age_record(catalog, after.id)}
            events.append(Event(0, at, EventKind.AGE, after.uid, by=by, details=details))
    ledger.append_many(catalog, events)


def _where_in(catalog: Catalog, column: str, keys: Iterable[int | str]) -> list[Subject]:
    rows = catalog.connection.execute(
        f"SELECT * FROM subjects WHERE {column} IN (SELECT value FROM json_each(?))", (json.dumps(list(keys)),)
    )
    return [_subject(row) for row in rows]


def _refuse_taken_name(db: sqlite3.Connection, name: str, own_id: int | None) -> None:
    row = db.execute("SELECT id FROM subjects WHERE name = ?", (name,)).fetchone()
    if row is not None and row["id"] != own_id:
        raise NameTaken(f"there is a subject {name!r} already", "give another name, or edit that one")


def _key(id_or_name: int | str) -> int | str:
    """An id, or a name as it is stored."""
    if isinstance(id_or_name, int) or _is_number(id_or_name):
        return int(id_or_name)
    return _normal(id_or_name)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def sound(subject: Subject) -> Subject:
    """The subject with its text tidied. Raises BadValue for a name or facts that can't be."""
    name = _normal(subject.name)
    if not name or _is_number(name):
        raise BadValue(f"{subject.name!r} is no name for a subject", "a name holds more than blanks or digits")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        raise BadValue(f"{name!r} holds characters that are not text", "type the name anew")
    attested_by, attested_how = _told(subject.adult_attested_by), _told(subject.adult_attested_how)
    if bool(attested_by) != bool(attested_how):
        raise BadValue(f"{name}: an attestation of age needs who gave it and how", "give both, or neither")
    if subject.minor and attested_by:
        raise BadValue(f"{name} can't be both a minor and attested to be an adult", "say one of the two")
    return replace(
        subject,
        name=name,
        adult_attested_by=attested_by,
        adult_attested_how=attested_how,
        guardian=_told(subject.guardian),
    )


def _told(text: str | None) -> str | None:
    return (text or "").strip() or None


def _age_values(subject: Subject) -> tuple[str | int | None, ...]:
    return (
        subject.born.isoformat() if subject.born else None,
        subject.adult_attested_by,
        subject.adult_attested_how,
        int(subject.minor),
        subject.guardian,
    )


def _subject(row: sqlite3.Row) -> Subject:
    return Subject(
        id=row["id"],
        uid=row["uid"],
        name=row["name"],
        born=date.fromisoformat(row["born"]) if row["born"] else None,
        adult_attested_by=row["adult_attested_by"],
        adult_attested_how=row["adult_attested_how"],
        minor=bool(row["minor"]),
        guardian=row["guardian"],
    )
