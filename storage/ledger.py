"""The ledger: every event of consent, age and marks, in the order it was recorded; nothing is ever changed.

An event's `body` is canonical JSON: UTF-8, keys sorted, no blanks, with the keys `at by details evidence
format kind note previous purposes salt seq subject valid_from valid_until`. Its hash is the SHA-256 of that
text, in hex, and `previous` is the hash of the event before it (64 zeros for the first). People stand in
it by pseudonym alone. The salt is random: once an erasure has taken an event's words and salt (`redact`), its hash
tells nothing of them; events of format 1 have none. Table and file are kept alike by `storage.twin`; `verify`
compares them, and `storage.chain` follows them.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage import twin
from storage.catalog import Catalog
from storage.chain import EMPTY_HEAD, REDACTED, Chain, canonical, digest, line_digest, redacted
from storage.errors import BadValue, CatalogDamaged
from storage.instants import from_text, to_text
from storage.records import Event, EventKind, Purpose

FORMAT = 2


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    """What `verify` found. `first_bad` is the number of the first event that is not as it was written.

    `head` is the hash of the last event before it, `problem` says what is wrong and where. `checkpoints` that hold
    and the public `key` of the first are told by `storage.checkpoints.verify` alone.
    """

    ok: bool
    events: int
    head: str
    first_bad: int | None = None
    problem: str | None = None
    checkpoints: int = 0
    key: str | None = None


def append(
    catalog: Catalog,
    *,
    kind: EventKind,
    subject_uid: str | None,
    purposes: Sequence[Purpose] = (),
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    by: str | None = None,
    evidence: str | None = None,
    note: str | None = None,
    details: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> Event:
    """Record one event, in the caller's transaction where there is one; `at` is now unless told.

    Raises BadValue (a time without offset, details that are no JSON) and CatalogDamaged (see `append_many`).
    """
    event = Event(
        seq=0,
        at=at or datetime.now(UTC),
        kind=kind,
        subject_uid=subject_uid,
        purposes=tuple(purposes),
        valid_from=valid_from,
        valid_until=valid_until,
        by=by,
        evidence=evidence,
        note=note,
        details=details or {},
    )
    return append_many(catalog, [event])[0]


def append_many(catalog: Catalog, events: Iterable[Event]) -> list[Event]:
    """Record events in one transaction; their `seq`, `previous` and `hash` are set here.

    The twin gets their lines, and one fsync, when the outermost transaction is committed. Raises
    CatalogDamaged, and records nothing, where the twin is damaged: no event is put on top of a broken one.
    """
    with catalog.transaction() as db:
        if catalog.on_commit(_catch_up) and twin.behind(catalog.ledger_path, db) is None:
            raise CatalogDamaged(
                f"{catalog.ledger_path} is not as Kyodaku wrote it, so nothing is added to it",
                "see what is wrong: kyodaku ledger verify",
            )
        last = db.execute("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1").fetchone()
        seq, previous = (last["seq"], last["hash"]) if last else (0, EMPTY_HEAD)
        chained, rows = [], []
        for event in events:
            seq += 1
            body = _body(replace(event, seq=seq, previous=previous, salt=secrets.token_hex(16)))
            previous = digest(body)
            chained.append(_event(body, previous))
            rows.append((seq, to_text(event.at), event.kind, event.subject_uid, body, previous))
        db.executemany("INSERT INTO ledger(seq, at, kind, subject_uid, body, hash) VALUES (?,?,?,?,?,?)", rows)
    return chained


def head(catalog: Catalog) -> str:
    """Hash of the newest event, hex; 64 zeros where there is none."""
    row = catalog.connection.execute("SELECT hash FROM ledger ORDER BY seq DESC LIMIT 1").fetchone()
    return str(row["hash"]) if row else EMPTY_HEAD


def instant(catalog: Catalog, now: datetime | None = None) -> datetime:
    """The instant to rule by: now, or the latest event's if that is later.

    So a clock that was set back can't hide a withdrawal that is on record.
    """
    now = now or datetime.now(UTC)
    latest = catalog.connection.execute("SELECT max(at) FROM ledger").fetchone()[0]
    return max(now, from_text(latest)) if latest else now


def events_of(catalog: Catalog, uid: str) -> list[Event]:
    """One subject's events, oldest first."""
    return events_of_many(catalog, [uid])[uid]


def events_of_many(catalog: Catalog, uids: Iterable[str]) -> dict[str, list[Event]]:
    """Every given subject's events, oldest first; an empty list for one with none."""
    found: dict[str, list[Event]] = {uid: [] for uid in uids}
    rows = catalog.connection.execute(
        "SELECT subject_uid, body, hash FROM ledger WHERE subject_uid IN (SELECT value FROM json_each(?)) ORDER BY seq",
        (json.dumps(list(found)),),
    )
    for row in rows:
        found[row["subject_uid"]].append(_event(row["body"], row["hash"]))
    return found


def turning(catalog: Catalog, after: datetime, until: datetime) -> list[str]:
    """Pseudonyms of those of whom something on record begins or ends after one instant and by another."""
    rows = catalog.connection.execute(
        "SELECT DISTINCT subject_uid FROM ledger, json_each(json_array("
        "  json_extract(body, '$.valid_from'), json_extract(body, '$.valid_until'))) AS turn"
        " WHERE subject_uid IS NOT NULL AND turn.value > ? AND turn.value <= ?",
        (to_text(after), to_text(until)),
    )
    return [row[0] for row in rows]


def all(catalog: Catalog, after: int = 0) -> Iterator[Event]:
    """Every event after number `after`, oldest first, streamed."""
    rows = catalog.connection.execute("SELECT body, hash FROM ledger WHERE seq > ? ORDER BY seq", (after,))
    return (_event(row["body"], row["hash"]) for row in rows)


def by_hash(catalog: Catalog, hashes: Iterable[str]) -> dict[str, Event]:
    """The events of these hashes; those that are in no event are left out."""
    rows = catalog.connection.execute(
        "SELECT body, hash FROM ledger WHERE hash IN (SELECT value FROM json_each(?))", (json.dumps(list(hashes)),)
    )
    return {row["hash"]: _event(row["body"], row["hash"]) for row in rows}


def verify(catalog: Catalog) -> LedgerCheck:
    """Hold every event against its hash, its place in the chain and its line in the twin, streamed.

    Finds any change, removal, insertion, exchange or cut of events in the table or in the file. Events
    cut from the end of both, or a chain written anew in both, only show in a head noted elsewhere: a
    frozen cohort's, or what `ledger head` told before.
    """
    with twin.locked(catalog.ledger_path), catalog.snapshot():
        chain = Chain()
        pending = catalog.connection.execute("SELECT seq FROM ledger_twin").fetchone()[0]
        lines = _lines(catalog.ledger_path)
        try:
            for row in catalog.connection.execute("SELECT * FROM ledger ORDER BY seq"):
                before, seq = chain.head, row["seq"]
                if problem := _fault(chain, row):
                    return _broken(catalog, chain, problem)
                if problem := _twin_fault(row, lines, pending):
                    return LedgerCheck(False, seq - 1, before, seq, problem)
        except sqlite3.DatabaseError as error:
            return LedgerCheck(False, chain.seq, chain.head, chain.seq + 1, f"catalog.db can't be read: {error}")
        if problem := chain.end():
            return _broken(catalog, chain, problem)
        problem = f"the table ends before event {pending}" if chain.seq < pending else None
        if problem is None and next(lines, None) is not None:
            problem = f"{catalog.ledger_path.name} goes on after the table ends"
    return LedgerCheck(problem is None, chain.seq, chain.head, None if problem is None else chain.seq + 1, problem)


def redact(catalog: Catalog, chosen: Callable[[Event], bool]) -> dict[int, str]:
    """Take the words out of chosen events, in the caller's transaction, and have the twin written anew after it.

    Gives, by event, the digest of the line that is left: the caller records them in an erasure's event, without
    which the ledger no longer verifies. Only an erasure may ask for this. Raises CatalogDamaged where it is broken.
    """
    check = verify(catalog)
    if not check.ok:
        raise CatalogDamaged(f"the ledger is broken: {check.problem}", "see: kyodaku ledger verify")
    done = {}
    with catalog.transaction() as db:
        left = [
            (row["seq"], redacted(row["body"]), row["hash"])
            for row in db.execute("SELECT seq, body, hash FROM ledger ORDER BY seq")
            if not json.loads(row["body"]).get(REDACTED) and chosen(_event(row["body"], row["hash"]))
        ]
        for seq, body, event_hash in left:
            db.execute("UPDATE ledger SET body = ? WHERE seq = ?", (body, seq))
            done[seq] = line_digest(body, event_hash)
        if done:
            db.execute("UPDATE ledger_twin SET stale = 1")
            catalog.on_commit(_catch_up)
    return done


def rebuild_twin(catalog: Catalog) -> Path | None:
    """Write the twin anew from the table, which must verify by itself; the path where the old one is kept.

    Raises CatalogDamaged where the table is broken.
    """
    _require_chain(catalog)
    return twin.rebuild(catalog.ledger_path, catalog.connection)


def rebuild_table(catalog: Catalog) -> int:
    """Write the table anew from the twin, which must verify by itself; the number of events that it holds now.

    What the table had beyond the file is lost with the table. Photographs' statuses are to be ruled on anew. Raises
    CatalogDamaged where the file is broken, or where the table is sound and holds more than the file.
    """
    with twin.locked(catalog.ledger_path), catalog.transaction() as db:
        whole = _sound_rows(catalog)
        triggers = db.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'ledger'"
        ).fetchall()
        for trigger in triggers:
            db.execute(f'DROP TRIGGER "{trigger["name"]}"')
        db.execute("DELETE FROM ledger")
        number = size = 0
        for line in _lines(catalog.ledger_path):
            if not line.endswith(b"\n"):
                break  # of a write that was cut off: it was never acknowledged as the file's
            row = _row_of(line, number + 1)
            if row is None:
                raise CatalogDamaged(f"event {number + 1} of ledger.jsonl is broken", "restore a backup")
            db.execute("INSERT INTO ledger(seq, at, kind, subject_uid, body, hash) VALUES (?,?,?,?,?,?)", row)
            number, size = number + 1, size + len(line)
        if whole is not None and whole > number:
            raise CatalogDamaged(
                f"the table is sound and has {whole} events, the file {number}",
                "write the file anew instead: kyodaku ledger rebuild --from table",
            )
        _require_chain(catalog)
        for trigger in triggers:
            db.execute(trigger["sql"])
        db.execute("UPDATE ledger_twin SET seq = ?, bytes = ?", (number, size))
        db.execute("INSERT OR IGNORE INTO status_dirty SELECT id FROM photos")
    return number


def _sound_rows(catalog: Catalog) -> int | None:
    """How many events the table holds, or None where it does not verify by itself."""
    try:
        chain, problem = _followed(catalog)
    except sqlite3.DatabaseError:
        return None
    return chain.seq if problem is None else None


def _require_chain(catalog: Catalog) -> None:
    """Raises CatalogDamaged where the table does not verify by itself."""
    chain, problem = _followed(catalog)
    if problem is not None:
        raise CatalogDamaged(f"event {chain.bad}: {problem}", "restore a backup")


def _followed(catalog: Catalog) -> tuple[Chain, str | None]:
    """The table's chain up to its end or the first problem, and that."""
    chain = Chain()
    for row in catalog.connection.execute("SELECT * FROM ledger ORDER BY seq"):
        if problem := _fault(chain, row):
            return chain, problem
    return chain, chain.end()


def _broken(catalog: Catalog, chain: Chain, problem: str) -> LedgerCheck:
    bad = chain.bad or chain.seq + 1
    before = catalog.connection.execute("SELECT hash FROM ledger WHERE seq = ?", (bad - 1,)).fetchone()
    return LedgerCheck(False, bad - 1, before["hash"] if before else EMPTY_HEAD, bad, problem)


def _row_of(line: bytes, seq: int) -> tuple[Any, ...] | None:
    """The table's row of a line of the file, None where it is none."""
    body, comma, rest = line.rpartition(b',"hash":"')
    digest = rest.removesuffix(b'"}\n')
    try:
        text = body.decode() + "}"
        event = _event(text, digest.decode())
        if not comma or event.seq != seq or twin.line_of(text, event.hash) != line:
            return None
        return seq, to_text(event.at), event.kind, event.subject_uid, text, event.hash
    except (ValueError, KeyError, TypeError):
        return None


def _catch_up(catalog: Catalog) -> None:
    if not twin.catch_up(catalog.ledger_path, catalog.connection):
        raise CatalogDamaged(
            f"the event is recorded, but {catalog.ledger_path} is not as Kyodaku wrote it",
            "see what is wrong: kyodaku ledger verify",
        )


def _lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from file


def _fault(chain: Chain, row: sqlite3.Row) -> str | None:
    """What is wrong with the table's next event, or shows with it; `chain.bad` is which."""
    problem = chain.follow(row["seq"], row["body"], row["hash"])
    if problem is not None:
        return problem
    seq = chain.bad = chain.seq
    try:
        event = _from_fields(chain.fields, row["hash"])
    except (ValueError, KeyError, TypeError):
        return f"event {seq} of the table is not one that Kyodaku writes"
    if (row["at"], row["kind"], row["subject_uid"]) != (to_text(event.at), event.kind, event.subject_uid):
        return f"event {seq} of the table has a time, kind or subject that is not its own"
    chain.bad = None
    return None


def _twin_fault(row: sqlite3.Row, lines: Iterator[bytes], pending: int) -> str | None:
    """What is wrong with the twin's next line; a commit's may be missing where a crash cut its writing."""
    line = next(lines, b"")
    wanted = twin.line_of(row["body"], row["hash"])
    if line == wanted or (row["seq"] > pending and wanted.startswith(line) and not line.endswith(b"\n")):
        return None
    return f"ledger.jsonl has no event {row['seq']}" if not line else f"event {row['seq']} of ledger.jsonl was changed"


def _body(event: Event) -> str:
    """The event as canonical JSON, without its hash."""
    try:
        body = canonical(
            {
                "at": to_text(event.at),
                "by": event.by,
                "details": json.loads(canonical(dict(event.details))),
                "evidence": event.evidence,
                "format": FORMAT,
                "kind": event.kind,
                "note": event.note,
                "previous": event.previous,
                "purposes": sorted(event.purposes, key=list(Purpose).index),
                "salt": event.salt,
                "seq": event.seq,
                "subject": event.subject_uid,
                "valid_from": to_text(event.valid_from) if event.valid_from else None,
                "valid_until": to_text(event.valid_until) if event.valid_until else None,
            }
        )
        body.encode()
    except (TypeError, ValueError) as error:
        raise BadValue(f"this can't be written to the ledger: {error}", "use plain text and JSON values") from error
    return body


def _event(body: str, event_hash: str) -> Event:
    return _from_fields(json.loads(body), event_hash)


def _from_fields(fields: Mapping[str, Any], event_hash: str) -> Event:
    return Event(
        seq=fields["seq"],
        at=from_text(fields["at"]),
        kind=EventKind(fields["kind"]),
        subject_uid=fields["subject"],
        purposes=tuple(Purpose(purpose) for purpose in fields["purposes"]),
        valid_from=from_text(fields["valid_from"]) if fields["valid_from"] else None,
        valid_until=from_text(fields["valid_until"]) if fields["valid_until"] else None,
        by=fields["by"],
        evidence=fields["evidence"],
        note=fields["note"],
        details=fields["details"],
        salt=fields.get("salt", ""),
        previous=fields["previous"],
        hash=event_hash,
    )
