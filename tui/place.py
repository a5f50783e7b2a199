"""Which catalog a command works on: `-C`, else $KYODAKU_CATALOG, else the platform's data folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import typer

from core import left_over
from storage import catalog as catalogs
from storage.catalog import Catalog
from tui.output import complain


def catalog_folder(given: Path | None) -> Path:
    """The catalog folder in force, whether or not it exists yet."""
    if given is not None:
        return given
    if from_environment := os.environ.get("KYODAKU_CATALOG"):
        return Path(from_environment)
    return Path(platformdirs.user_data_dir("kyodaku")) / "catalog"


def opened(context: typer.Context) -> Catalog:
    """The catalog of this command, open, and what a crash left over finished. Raises as `open_catalog`."""
    catalog = catalogs.open_catalog(catalog_folder(context.find_root().params["catalog"]))
    job = left_over.finish(catalog)
    if job is not None:
        complain("a withdrawal that was cut short is being finished", f"watch it: kyodaku jobs follow {job.id}")
    return catalog
