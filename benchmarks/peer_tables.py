"""What a user would pick instead: a Textual app with its own DataTable, or with textual-fastdatatable, on a catalog.

    python -m benchmarks.peer_tables stock|fast CATALOG ROWS

Both are given the rows that the archive's table shows, as their manuals advise. Measured by `benchmarks.tables`.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from textual.app import App, ComposeResult
from textual.widgets import DataTable, Static

COLUMNS = ("Taken", "Path", "Camera", "Faces", "People", "Status")
QUERY = """
    SELECT coalesce(substr(p.taken_at, 1, 16), 'no time'), p.path_text, coalesce(p.camera, ''), count(f.id),
           coalesce(group_concat(DISTINCT s.name), ''), ''
    FROM photos p LEFT JOIN faces f ON f.photo_id = p.id LEFT JOIN subjects s ON s.id = f.subject_id
    GROUP BY p.id ORDER BY p.id LIMIT ?"""


class Peer(App[None]):
    """One table over the whole screen, and a line below it."""

    CSS = "DataTable { height: 1fr; } Static { height: 1; }"

    def __init__(self, kind: str, rows: list[tuple[Any, ...]], said: str) -> None:
        super().__init__()
        self.animation_level = "none"
        self._kind, self._rows, self._said = kind, rows, said

    def compose(self) -> ComposeResult:
        if self._kind == "fast":
            from textual_fastdatatable import ArrowBackend
            from textual_fastdatatable import DataTable as FastTable

            yield FastTable(backend=ArrowBackend.from_records([COLUMNS, *self._rows]), cursor_type="row")
        else:
            yield DataTable(cursor_type="row")
        yield Static("")

    def on_mount(self) -> None:
        if self._kind == "stock":
            table = self.query_one(DataTable)
            table.add_columns(*COLUMNS)
            table.add_rows(self._rows)
            table.focus()
        self.query_one(Static).update(self._said)


def main() -> None:
    kind, folder, rows = sys.argv[1:]
    began = time.perf_counter()
    with sqlite3.connect(f"file:{Path(folder) / 'catalog.db'}?mode=ro", uri=True) as db:
        found = db.execute(QUERY, (int(rows),)).fetchall()
    Peer(kind, found, f"rows read in {time.perf_counter() - began:.2f} s").run()


if __name__ == "__main__":
    main()
