"""What a crash left over, finished at the next start: a withdrawal that was cut short, a file that has no row."""

from __future__ import annotations

from pathlib import Path

from core import models
from core.jobs import submit
from storage import artifacts, unfinished
from storage.catalog import Catalog
from storage.errors import BadTensorFile
from storage.records import Job, ModelState
from storage.tensors import read_header
from storage.whole_files import erase, weights_file

OURS = "kyodaku.version"  # in the metadata of every file of weights that Kyodaku writes


def finish(catalog: Catalog) -> Job | None:
    """Carry out what a process that is gone was at; gives the job that remakes tainted models, where there are any.

    Files of models out of use are erased before this returns. Costs two reads where nothing is left over, and does
    nothing while another process is at such work.
    """
    return submit(catalog, "remake", {}) if clean_up(catalog) else None


def clean_up(catalog: Catalog) -> bool:
    """`finish` without remaking; whether a cut withdrawal or erasure left models that wait for that."""
    if catalog.readonly:
        return False
    sweep_strays(catalog)
    if not unfinished.any_left(catalog):
        return False
    with unfinished.nobody_at_work(catalog) as alone:
        if not alone:
            return False
    from core import erasure, withdrawal  # hardly ever needed, and every command starts here

    erasure.finish(catalog)
    withdrawal.settle(catalog, remake=False)
    withdrawal.queue_retraining(catalog)
    return bool(artifacts.all_models(catalog, [ModelState.TAINTED]))


def sweep_strays(catalog: Catalog) -> list[Path]:
    """Remove weights that Kyodaku put in place for a model whose row a crash kept from being written.

    Such a file was never anybody's model, and nobody's withdrawal would reach it. Files that are not Kyodaku's own
    stay, for the doctor to name. Gives what was removed.
    """
    if not _strays(catalog):
        return []
    swept = []
    with catalog.transaction():  # whoever puts a file in place does so before committing its row
        for path in _strays(catalog):
            beside = [catalog.models / f"{path.name.removesuffix('.safetensors')}{ending}" for ending in models.TRACES]
            for one in (path, *(trace for trace in beside if trace.exists())):
                erase(one)
                swept.append(one)
    return swept


def _strays(catalog: Catalog) -> list[Path]:
    return [path for name in models.unknown_files(catalog) if _is_ours(path := catalog.models / name)]


def _is_ours(path: Path) -> bool:
    try:
        return OURS in read_header(weights_file(path)).metadata
    except (BadTensorFile, OSError):
        return False
