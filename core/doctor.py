"""Is the catalog sound? Looks at everything that can be checked without the archive."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from core import models, statuses
from core.counted import counted
from core.progress import Report, silent
from storage import artifacts, checkpoints
from storage.catalog import DATABASE, Catalog
from storage.records import ModelState
from storage.safe_text import display


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at, whether it is well, and what to do if it is not."""

    ok: bool
    what: str
    hint: str = ""


def examine(catalog: Catalog, *, report: Report = silent) -> list[Finding]:
    """Check the database, the ledger, statuses, the files' rights, and every model's file against its recorded hash."""
    return [
        _database(catalog),
        _references(catalog),
        _ledger(catalog),
        _evidence(catalog),
        _statuses(catalog, report),
        _rights(catalog),
        *_models(catalog),
    ]


def _database(catalog: Catalog) -> Finding:
    verdict = catalog.connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    return Finding(verdict == "ok", f"database: {verdict}", "" if verdict == "ok" else "restore a backup")


def _references(catalog: Catalog) -> Finding:
    broken = len(catalog.connection.execute("PRAGMA foreign_key_check").fetchall())
    return Finding(broken == 0, f"references between tables: {broken} broken", "restore a backup" if broken else "")


def _ledger(catalog: Catalog) -> Finding:
    check = checkpoints.verify(catalog)
    if check.ok:
        vouched = f", {counted(check.checkpoints, 'signed checkpoint')}" if check.checkpoints else ""
        return Finding(True, f"ledger: {counted(check.events, 'event')}, head {check.head[:16]}…{vouched}")
    said = f"ledger: broken at event {check.first_bad}: {check.problem}"
    return Finding(False, said, "compare with a backup: somebody changed it")


def _evidence(catalog: Catalog) -> Finding:
    """Evidence that was copied into the catalog is named by its hash, and must still have it."""
    changed = []
    for path in sorted(catalog.evidence.iterdir()):
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != path.name.partition(".")[0]:
                changed.append(path.name)
    if changed:
        return Finding(False, f"evidence: changed since it was kept: {', '.join(changed)}", "restore a backup")
    return Finding(True, "evidence: as it was kept")


def _statuses(catalog: Catalog, report: Report) -> Finding:
    """Every photograph's statuses, recomputed from the ledger."""
    found = statuses.differing(catalog, report=report)
    if not found.differ:
        due = f", {found.waiting:,} of them to be ruled on by the next search" if found.waiting else ""
        return Finding(True, f"statuses: {counted(found.photographs, 'photograph')}{due}")
    first = ", ".join(str(number) for number in found.first)
    more = "" if found.differ <= len(found.first) else ", …"
    return Finding(
        False,
        f"statuses: {found.differ:,} of {found.photographs:,} are not as the ledger says: {first}{more}",
        "kyodaku doctor --mend rules on every photograph anew",
    )


def _rights(catalog: Catalog) -> Finding:
    """Nobody else on the machine may read the catalog: 0700 on the folder, 0600 on the database and the ledger."""
    others = 0o077
    private = [catalog.folder, catalog.folder / DATABASE, catalog.ledger_path]
    open_to_others = [path.name for path in private if path.stat().st_mode & others]
    if open_to_others:
        return Finding(False, f"open to other users: {', '.join(open_to_others)}", "chmod -R go= the catalog folder")
    return Finding(True, "private to you")


def _models(catalog: Catalog) -> Iterator[Finding]:
    for model in artifacts.all_models(catalog, [ModelState.OK, ModelState.TAINTED]):
        if model.state is ModelState.TAINTED:
            yield Finding(False, f"model {model.name}: tainted, {model.why}", "kyodaku models remake")
        elif problem := models.file_problem(catalog, model):
            yield Finding(False, f"model {model.name}: {problem}", "restore it, or delete it and make it again")
        else:
            yield Finding(True, f"model {model.name}")
    for name in models.unknown_files(catalog):
        yield Finding(
            False, f"models: unknown file {display(name)}: remove it", f"nothing on record is in it: {catalog.models}"
        )
