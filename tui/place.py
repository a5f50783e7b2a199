"""Which catalog a command works on: `-C`, else $KYODAKU_CATALOG, else the platform's data folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import typer

from storage import catalog as catalogs
from storage.catalog import Catalog


def catalog_folder(given: Path | None) -> Path:
    """The catalog folder in force, whether or not it exists yet."""
    if given is not None:
        return given
    if from_environment := os.environ.get("KYODAKU_CATALOG"):
        return Path(from_environment)
    return Path(platformdirs.user_data_dir("kyodaku")) / "catalog"


def opened(context: typer.Context) -> Catalog:
    """The catalog of this command, open. Raises NotACatalog, CatalogTooNew, CatalogDamaged."""
    return catalogs.open_catalog(catalog_folder(context.find_root().params["catalog"]))
