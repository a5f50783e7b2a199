"""Killed at any write, a withdrawal or an erasure has not begun or is finished by the next start; nothing in between.

A process is killed before its n-th statement of SQL or change of a file, for every n there is (in the quick run, for
some of them), and what it leaves is opened again.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core import erasure, left_over, models, withdrawal
from core.curves import METRICS
from core.errors import Tainted
from core.merging.catalogued import merge_average
from core.verification import verify
from storage import artifacts, jobs, ledger, unfinished
from storage import catalog as catalogs
from storage.catalog import Catalog
from storage.records import CohortRules, EventKind, ModelState, Purpose
from tests import composites
from tests.composites import content
from tests.tiny_base import write_tiny_base

NAME = "Zora Quillfeather"
WRITES = ("os.remove", "os.rename", "os.rmdir", "os.link", "os.mkdir", "os.truncate", "shutil.rmtree")
FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC  # of a file that is opened to be changed
QUICK = 12  # deaths of each kind in the quick run


@dataclass(frozen=True)
class Scene:
    """A catalog as it is before the act, and what must be there after it."""

    folder: Path
    lora: str
    whole: dict[str, bytes]
    without: dict[str, bytes]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    base = write_tiny_base(tmp_path_factory.mktemp("bases") / "tiny")
    folder = tmp_path_factory.mktemp("scene") / "catalog"
    with catalogs.create(folder) as catalog:
        rules = CohortRules(Purpose.TRAIN_COMPOSITE, min_subjects=2)
        made = composites.build(catalog, base, [NAME, "Ben", "Kim"], rules)
        merge_average(catalog, made.loras, "mean")
        merge_average(catalog, made.loras[1:], "never")
        (catalog.models / f"{made.loras[0]}.preview.png").write_bytes(b"a picture")
        job = jobs.add(catalog, "train", {"name": NAME}, datetime.now(UTC)).id
        jobs.log_path(catalog, job).write_text(f"training {NAME}\n")
        (jobs.folder_of(catalog, job) / METRICS).write_text(f'{{"task": "{NAME}"}}\n')
        (jobs.folder_of(catalog, job) / f"{NAME}.checkpoint").write_bytes(b"of others")
        return Scene(folder, made.loras[0], content(catalog, "mean"), content(catalog, "never"))


def withdraw(catalog: Catalog) -> None:
    withdrawal.withdraw(catalog, NAME, sorted(Purpose), by="me")


def erase(catalog: Catalog) -> None:
    erasure.erase(catalog, NAME, by="the photographer")


def average(catalog: Catalog) -> None:
    merge_average(catalog, [model.name for model in artifacts.all_models(catalog)[:3]], "new", rank=1)


def lived(folder: Path, act: Callable[[Catalog], None], most: int | None) -> int:
    """Do the act in a process of its own that is killed before its write number `most`; how many writes there were."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        done = 0

        def count() -> None:
            nonlocal done
            if most is not None and done == most:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1

        def at_file(event: str, told: tuple[Any, ...]) -> None:
            if event in WRITES or (event == "open" and told[2] & FLAGS):
                count()

        def at_statement(text: str) -> None:
            if not text.startswith(("--", "SELECT", "WITH")):
                count()

        status = 1
        try:
            with catalogs.open_catalog(folder) as own:
                sys.addaudithook(at_file)
                own.connection.set_trace_callback(at_statement)
                act(own)
            os.write(write, str(done).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as told:
        counted = told.read()
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert ended == (0 if counted else -signal.SIGKILL)
    return int(counted or -1)


def copied(scene: Scene, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(scene.folder, to)
    return to


def deaths(scene: Scene, act: Callable[[Catalog], None], tmp_path: Path, every: bool) -> list[int]:
    total = lived(copied(scene, tmp_path / "whole"), act, None)
    assert total > QUICK
    return list(range(total)) if every else sorted({total * n // QUICK for n in range(QUICK)} | {total - 1})


def nothing_tainted_is_usable(catalog: Catalog, begun: bool) -> None:
    for model in artifacts.all_models(catalog):
        if model.state is ModelState.OK:
            names = set(artifacts.shares_of(catalog, model.id))
            assert not begun or names <= {2, 3}, model.name
        else:
            with pytest.raises(Tainted):
                models.require_in_use(model)


def next_start(catalog: Catalog) -> None:
    left_over.clean_up(catalog)
    withdrawal.settle(catalog)
    assert not unfinished.any_left(catalog)
    assert ledger.verify(catalog).ok
    assert not models.unknown_files(catalog)
    assert not list(catalog.models.glob(".*"))


def begun(catalog: Catalog, kind: EventKind) -> bool:
    return any(event.kind is kind for event in ledger.all(catalog))


def check_withdrawn(scene: Scene, folder: Path) -> None:
    with catalogs.open_catalog(folder) as catalog:
        nothing_tainted_is_usable(catalog, begun(catalog, EventKind.WITHDRAWAL))
        next_start(catalog)
        gone = begun(catalog, EventKind.WITHDRAWAL)
        nothing_tainted_is_usable(catalog, gone)
        assert content(catalog, "mean") == (scene.without if gone else scene.whole)
        for name in (f"{scene.lora}.safetensors", f"{scene.lora}.preview.png"):
            assert (catalog.models / name).exists() != gone


def check_erased(scene: Scene, folder: Path) -> None:
    with catalogs.open_catalog(folder) as catalog:
        nothing_tainted_is_usable(catalog, begun(catalog, EventKind.ERASURE))
        next_start(catalog)
        gone = begun(catalog, EventKind.ERASURE)
        assert content(catalog, "mean") == (scene.without if gone else scene.whole)
        for name in (f"{scene.lora}.safetensors", f"{scene.lora}.preview.png"):
            assert (catalog.models / name).exists() != gone
        files = [path for path in folder.rglob("*") if path.is_file()]
        held = [path for path in files if b"Quillfeather" in path.name.encode() + path.read_bytes()]
        assert bool(held) != gone, held


def check_averaged(scene: Scene, folder: Path) -> None:
    with catalogs.open_catalog(folder) as catalog:
        next_start(catalog)
        known = [model for model in artifacts.all_models(catalog) if model.name == "new"]
        assert (catalog.models / "new.safetensors").exists() == bool(known)
        assert all(verify(catalog, model.name).ok for model in known)
        assert content(catalog, "mean") == scene.whole


ACTS = [(withdraw, check_withdrawn), (erase, check_erased), (average, check_averaged)]


@pytest.mark.parametrize(("act", "check"), ACTS, ids=["withdraw", "erase", "average"])
def test_killed_at_some_writes(
    scene: Scene, tmp_path: Path, act: Callable[[Catalog], None], check: Callable[[Scene, Path], None]
) -> None:
    for n in deaths(scene, act, tmp_path, every=False):
        lived(copied(scene, tmp_path / "killed"), act, n)
        check(scene, tmp_path / "killed")


@pytest.mark.slow
@pytest.mark.parametrize(("act", "check"), ACTS, ids=["withdraw", "erase", "average"])
def test_killed_at_every_write(
    scene: Scene, tmp_path: Path, act: Callable[[Catalog], None], check: Callable[[Scene, Path], None]
) -> None:
    for n in deaths(scene, act, tmp_path, every=True):
        lived(copied(scene, tmp_path / "killed"), act, n)
        check(scene, tmp_path / "killed")
