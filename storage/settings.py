"""Settings of the catalog: short texts by name."""

from __future__ import annotations

from collections.abc import Mapping

from storage.catalog import Catalog


def read(catalog: Catalog) -> dict[str, str]:
    """All settings that were made."""
    return dict(catalog.connection.execute("SELECT name, value FROM settings ORDER BY name").fetchall())


def write(catalog: Catalog, values: Mapping[str, str]) -> None:
    """Make these settings; an empty text takes one back."""
    with catalog.transaction() as db:
        db.executemany("INSERT OR REPLACE INTO settings(name, value) VALUES (?, ?)", sorted(values.items()))
        db.execute("DELETE FROM settings WHERE value = ''")
