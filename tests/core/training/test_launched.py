"""Pooled training as a person launches it in several processes: one writes, the bytes that one process makes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import BadValue
from core.training import launched
from core.training.loop import train
from core.training.recipe import Recipe
from core.training.task import Seat, seated
from storage import artifacts, jobs
from storage.records import JobState, Purpose
from tests.small_archive import SmallArchive

ROOT = Path(__file__).parents[3]
RECIPE = {"rank": 2, "steps": 4, "batch": 2, "accumulate": 2, "previews": 0}
LAUNCHED = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": "29500"}


def launch(archive: SmallArchive, base: Path, *options: str, processes: int = 2) -> subprocess.CompletedProcess[str]:
    """`accelerate launch -m kyodaku train` on the CPU, as it is typed in a shell."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    recipe = archive.folder.parent / "recipe.toml"
    recipe.write_text("".join(f"{name} = {value}\n" for name, value in RECIPE.items()))
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    command += ["--main_process_port", str(port), "-m", "kyodaku", "-C", str(archive.catalog.folder)]
    command += ["train", "all", "--base", str(base), "--name", "team", "--recipe", str(recipe), "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([*command, *options], capture_output=True, text=True, env=environment, check=False)


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
    assert "kyodaku: consent for cohort 'all' is not in force" in ran.stderr
    (job,) = jobs.newest(archive.catalog)
    assert job.state is JobState.FAILED
    assert artifacts.all_models(archive.catalog) == []


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
