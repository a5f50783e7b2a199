"""Pooled training as a person launches it in several processes: one writes, the bytes that one process makes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from core import jobs as running
from core.errors import BadValue
from core.training import launched
from core.training.loop import train
from core.training.recipe import Recipe
from core.training.task import Seat, seated
from storage import artifacts, jobs
from storage.records import JobState, Purpose
from tests.core.training.test_job import until
from tests.small_archive import SmallArchive

ROOT = Path(__file__).parents[3]
RECIPE = {"rank": 2, "steps": 4, "batch": 2, "accumulate": 2, "previews": 0}
LAUNCHED = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": "29500"}


def command(archive: SmallArchive, base: Path, *options: str, **fields: int) -> list[str]:
    """`accelerate launch -m kyodaku train` on the CPU, as it is typed in a shell, with the recipe and some fields."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    recipe = archive.folder.parent / "recipe.toml"
    recipe.write_text("".join(f"{name} = {value}\n" for name, value in {**RECIPE, **fields}.items()))
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    launcher += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launcher += ["--main_process_port", str(port), "-m", "kyodaku", "-C", str(archive.catalog.folder)]
    launcher += ["train", "all", "--base", str(base), "--name", "team", "--recipe", str(recipe), "--device", "cpu"]
    return [*launcher, *options]


def launch(archive: SmallArchive, base: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What the command says, once all its processes have ended."""
    return subprocess.run(
        command(archive, base, *options), capture_output=True, text=True, env=environment(), check=False
    )


def environment() -> dict[str, str]:
    """In which this tree is what is launched."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.slow
def test_launched_processes_make_the_bytes_that_one_makes(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze()
    (whole,) = train(archive.catalog, "all", tiny_base, "one", mode="pooled", recipe=Recipe(**RECIPE))
    ran = launch(archive, tiny_base, "--pooled", "--json")
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["models"] == ["team"]
    one, team = (archive.catalog.models / artifacts.get_model(archive.catalog, name).path for name in (whole, "team"))
    assert team.read_bytes() == one.read_bytes()
    job = jobs.get(archive.catalog, told["job"])
    assert (job.state, job.progress, len(jobs.newest(archive.catalog))) == (JobState.DONE, 1.0, 1)
    assert "done" in jobs.log_path(archive.catalog, job.id).read_text()


@pytest.mark.slow
def test_what_is_refused_ends_all_of_them(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze()
    archive.withdraw(archive.people[0], Purpose.TRAIN_COMPOSITE)
    ran = launch(archive, tiny_base, "--pooled")
    assert ran.returncode != 0
    assert "consent for cohort 'all' is not in force" in ran.stderr
    (job,) = jobs.newest(archive.catalog)
    assert job.state is JobState.FAILED
    assert artifacts.all_models(archive.catalog) == []


@pytest.mark.slow
def test_what_was_launched_and_killed_goes_on_without_a_launcher(archive: SmallArchive, tiny_base: Path) -> None:
    archive.freeze()
    fields = {"steps": 60, "checkpoint_every": 5}
    recipe = Recipe(**{**RECIPE, **fields})
    (whole,) = train(archive.catalog, "all", tiny_base, "one", mode="pooled", recipe=recipe)
    typed = command(archive, tiny_base, "--pooled", **fields)
    with subprocess.Popen(typed, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as launcher:
        until(lambda: any(archive.catalog.jobs.glob("*/team.checkpoint")))
        (job,) = jobs.newest(archive.catalog)
        assert job.pid is not None
        os.kill(job.pid, signal.SIGKILL)
    assert launcher.returncode != 0, "the others don't go on without the one that leads"
    assert jobs.get(archive.catalog, job.id).state is JobState.INTERRUPTED
    running.resume(archive.catalog, job.id)
    assert running.result_of(running.follow(archive.catalog, job.id, every=0.02))["models"] == ["team"]
    one, team = (archive.catalog.models / artifacts.get_model(archive.catalog, name).path for name in (whole, "team"))
    assert team.read_bytes() == one.read_bytes()


def test_a_seat_is_told_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    assert seated() is None
    for name, value in LAUNCHED.items():
        assert seated() is None, "all of it or nothing"
        monkeypatch.setenv(name, value)
    assert seated() == Seat(1, 2)
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert seated() is None
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(BadValue, match="several machines"):
        seated()


def test_a_launcher_gives_each_process_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launched.device_of("cpu") == "cpu"
    with pytest.raises(BadValue, match="a launcher gives each process its device"):
        launched.device_of("cuda:0")
    monkeypatch.setattr(launched.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(launched.torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert launched.device_of("auto") == "cuda:1"
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(BadValue, match="no GPU for process 2"):
        launched.device_of("auto")
