"""Where the database may hold a person's name, and how it is taken out of there.

Every column of text or bytes is in one of two lists: those that are searched for the name when somebody is erased,
and those that can't hold one, or whose rows go as a whole. A new column that is in neither fails a test.
"""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from storage.catalog import Catalog

INSTEAD = "erased"  # stands where a name stood

SOUGHT = (
    "captions.caption",
    "claims.area",
    "claims.value",
    "cohorts.name",
    "cohorts.query",
    "cohorts.rules",
    "decisions.body",
    "decisions.told",
    "generated.path",
    "jobs.args",
    "jobs.log",
    "jobs.note",
    "jobs.result",
    "ledger.body",
    "models.name",
    "models.path",
    "models.recipe",
    "models.why",
    "own_words.value",
    "photos.caption",
    "photos.error",
    "proposals.tags",
    "settings.value",
    "subjects.adult_attested_by",
    "subjects.adult_attested_how",
    "subjects.guardian",
    "tags.tag",
)
"""Columns that a name may be in, of whomever the row is."""

WITH_THE_PERSON = (
    "cohort_items.content_hash",
    "cohort_items.crop",
    "cohort_items.grant_hash",
    "cohort_items.leaf",
    "cohort_items.masks",
    "cohort_items.secret",
    "columns.data",  # all of them go, and are made again from what is left
    "columns.form",
    "columns.name",
    "decisions.subjects",
    "earlier_names.name",
    "face_embeddings.vector",
    "subjects.born",
    "subjects.name",
    "subjects.salt",
    "subjects.uid",
    "unfinished.told",
)
"""Columns whose rows go as a whole, with the person or with the erasure."""

OF_THE_ARCHIVE = ("companions.name", "folders.path", "models.base", "photos.name", "photos.path_text")
"""Names of the user's own files, by which they are found: told, where they hold the name, and left to the user."""

NO_NAME = (
    "alike.kind", "audits.at", "audits.bytes_hash", "audits.checker", "audits.verdict", "checkpoints_known.hash",
    "claims.at", "claims.bars", "claims.field", "claims.settled",
    "claims.source", "clusterings.space", "cohorts.created_at", "cohorts.frozen_at", "cohorts.ledger_head",
    "cohorts.merkle_root", "cohorts.purpose", "column_versions.part", "companions.content_hash", "companions.kind",
    "decisions.at", "decisions.kind", "faces.mark", "faces.space", "folders.rest", "generated.content_hash",
    "generated.made_at", "generated.state", "jobs.created_at", "jobs.ended_at", "jobs.kind", "jobs.started_at",
    "jobs.state", "ledger.at", "ledger.hash", "ledger.kind", "ledger.subject_uid", "models.base_hash",
    "models.content_hash", "models.created_at", "models.kind", "models.state", "models.trigger",
    "own_words.field", "own_words.source", "proposals.tagger",
    "perceptual_hashes.content_hash", "perceptual_hashes.hash", "photos.camera", "photos.content_hash",
    "photos.country", "photos.faces_space", "photos.format", "photos.lens", "photos.place", "photo_rights.rights",
    "photos.state", "photos.taken_at", "photos.taken_source", "releases.at", "releases.bytes_hash",
    "settings.name", "standing_purposes.purpose",
    "standing_purposes.status", "standings.told", "standings.until", "status_clock.at", "unfinished.what",
)  # fmt: skip
"""Columns of hashes, times, kinds, and words that come from lists or from makers of cameras."""

_REPLACED = (  # where the name is replaced inside the text
    "captions.caption", "cohorts.query", "cohorts.rules", "generated.path", "jobs.args", "jobs.log", "jobs.note",
    "jobs.result", "models.recipe", "models.why", "photos.caption", "photos.error",
    "proposals.tags",
)  # fmt: skip
_DROPPED = ("claims.area", "claims.value", "tags.tag")  # where the row goes


@dataclass(frozen=True, slots=True)
class Names:
    """Names to be sought, in every way that Unicode and JSON write them; letters beside one make another word."""

    names: tuple[str, ...]
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        forms = {unicodedata.normalize(way, name) for name in self.names for way in ("NFC", "NFD", "NFKC", "NFKD")}
        forms |= {json.dumps(form, ensure_ascii=ascii_)[1:-1] for form in forms for ascii_ in (False, True)}
        each = "|".join(_whole_word(form) for form in sorted(forms, key=len, reverse=True))
        object.__setattr__(self, "_pattern", re.compile(each, re.IGNORECASE))

    def found_in(self, text: str | None) -> bool:
        """Whether one of the names stands in the text."""
        return text is not None and self._pattern.search(text) is not None

    def without(self, text: str) -> str:
        """The text with each name replaced."""
        return self._pattern.sub(INSTEAD, text)

    def covered(self, text: str) -> str:
        """The text with stars in the place of each name, as many as it has bytes."""
        return self._pattern.sub(lambda found: "*" * len(found[0].encode("utf-8", "surrogateescape")), text)


def _whole_word(form: str) -> str:
    """The form, not as a part of a longer word, where its script parts words at all."""
    before = r"(?<![^\W\d_])" if _cased(form[0]) else ""
    after = r"(?![^\W\d_])" if _cased(form[-1]) else ""
    return f"{before}{re.escape(form)}{after}"


def _cased(letter: str) -> bool:
    return letter.upper() != letter.lower()


def columns(connection: sqlite3.Connection) -> list[str]:
    """Every column of the database that holds text or bytes, as `table.column`."""
    rows = connection.execute(
        "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c"
        " WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND c.type IN ('TEXT', 'BLOB', '') ORDER BY 1"
    )
    return [row[0] for row in rows]


def scrub(catalog: Catalog, names: Names) -> None:
    """Take names out of every table but the ledger, subjects, own words and the names of models and cohorts, which are
    the caller's, in its transaction. Bytes stay in free pages until `compact`."""
    db = catalog.connection
    for place in _REPLACED:
        table, column = place.split(".")
        for key, text in _holding(db, table, column, names):
            changed = names.without(_text(text))
            value = changed.encode("utf-8", "surrogateescape") if isinstance(text, bytes) else changed
            db.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE id = ?', (value, key))
    for place in _DROPPED:
        _drop(db, place, names)
    for key, told, body in db.execute("SELECT id, told, body FROM decisions").fetchall():
        if names.found_in(told) or names.found_in(zlib.decompress(body).decode()):
            db.execute("DELETE FROM decisions WHERE id = ?", (key,))
    for key, value in db.execute("SELECT name, value FROM settings").fetchall():
        if names.found_in(value):
            db.execute("UPDATE settings SET value = ? WHERE name = ?", (names.without(value), key))
    db.execute("DELETE FROM columns")


def drop_own_words(catalog: Catalog, names: Names) -> None:
    """Forget that the catalog wrote names into files; once it has written them out again, for only so it knows them."""
    with catalog.transaction() as db:
        _drop(db, "own_words.value", names)


def named_files(catalog: Catalog, names: Names) -> int:
    """How many photographs of the archive have the name in their path, which only the user can change."""
    return sum(names.found_in(path) for (path,) in catalog.connection.execute("SELECT path_text FROM photos"))


def compact(catalog: Catalog) -> bool:
    """Write the database anew without what was deleted from it, and empty its journal; False while others read it.

    Afterwards neither free pages, nor the rest of any page, nor the journal hold what was taken out.
    """
    db = catalog.connection
    db.execute("PRAGMA secure_delete = ON")
    try:
        db.execute("VACUUM")
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            return False
        raise
    return bool(db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)


def _drop(db: sqlite3.Connection, place: str, names: Names) -> None:
    table, column = place.split(".")
    texts = {text for (text,) in db.execute(f'SELECT DISTINCT "{column}" FROM "{table}"') if names.found_in(text)}
    db.executemany(f'DELETE FROM "{table}" WHERE "{column}" = ?', [(text,) for text in texts])


def _holding(db: sqlite3.Connection, table: str, column: str, names: Names) -> Iterable[tuple[int, str | bytes]]:
    rows = db.execute(f'SELECT id, "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL')
    return [(key, text) for key, text in rows if names.found_in(_text(text))]


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
