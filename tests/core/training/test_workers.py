"""How a machine is used: a process a device, threads that don't depend on tasks, steps that are shared out evenly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from core.base_model import devices_of
from core.errors import BadBase
from core.training.workers import SMALL_UNET, Split, share_out, share_steps

GPUS = ("cuda:0", "cuda:1", "cuda:2")


def base_of(folder: Path, size: int) -> Path:
    (folder / "unet").mkdir()
    with (folder / "unet" / "diffusion_pytorch_model.safetensors").open("wb") as file:
        file.truncate(size)
    return folder


def test_a_small_base_on_the_cpu_takes_a_core_a_process(tmp_path: Path) -> None:
    base = base_of(tmp_path, SMALL_UNET)
    cores = len(os.sched_getaffinity(0))
    assert share_out(base, ("cpu",), 100) == Split(("cpu",) * cores, 1)
    assert share_out(base, ("cpu",), 1) == Split(("cpu",), 1)
    assert share_out(base, ("cpu",), 100, 5) == Split(("cpu",) * 5, 1)
    assert share_steps(base, ("cpu",), 4) == Split(("cpu",), 1)


def test_a_large_base_takes_a_process_a_device(tmp_path: Path) -> None:
    base = base_of(tmp_path, SMALL_UNET + 1)
    cores = len(os.sched_getaffinity(0))
    assert share_out(base, ("cpu",), 100) == Split(("cpu",), cores)
    assert share_out(base, GPUS, 100).devices == GPUS
    assert share_out(base, GPUS, 2).devices == GPUS[:2]
    assert share_out(base, GPUS, 2).threads == share_out(base, GPUS, 100).threads == max(1, cores // 3)


@pytest.mark.parametrize(("passes", "devices"), [(1, 1), (2, 2), (3, 3), (4, 2), (6, 3), (7, 1)])
def test_the_passes_of_a_step_are_shared_out_evenly(tmp_path: Path, passes: int, devices: int) -> None:
    assert share_steps(base_of(tmp_path, SMALL_UNET), GPUS, passes).devices == GPUS[:devices]


def test_devices_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices_of("cpu, cpu") == ("cpu", "cpu")
    with pytest.raises(BadBase, match="'abacus' can't be used"):
        devices_of("cpu,abacus")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices_of("auto") == ("cuda:0", "cuda:1")
