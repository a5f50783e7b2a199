"""What Kyodaku does: scanning, faces, consent rules, cohorts, training, merging, audit and jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.commits import before_commit

if TYPE_CHECKING:
    from storage.catalog import Catalog


def _keep_statuses(catalog: Catalog) -> None:
    """Whoever has loaded anything of this floor leaves photographs' statuses right with each commit."""
    from core import statuses  # at the first commit: the pure rooms load no database

    statuses.keep(catalog)


before_commit(_keep_statuses)
