"""Processes that train one LoRA together, each with a device of its own: the passes of every step are shared out.

A step's gradient is the sum of its passes' in their order, whoever went through which. So the LoRA is the same, to the
bit, by one process and by several with as many threads each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor

from core.training.task import Seat

PATIENCE = timedelta(days=1)  # for one that draws or writes while the others wait

T = TypeVar("T")


class Team:
    """This process and those it trains with; without a seat it is alone.

    They meet by accelerate's PartialState, as `accelerate launch` has processes meet: NCCL on GPUs, Gloo on the CPU.
    """

    def __init__(self, seat: Seat | None = None, device: str = "cpu") -> None:
        """Waits until all are there."""
        self.rank, self.count = (0, 1) if seat is None else (seat.rank, seat.count)
        self._state: Any = None
        if seat is None:
            return
        from accelerate import PartialState

        cpu = device == "cpu"
        own = {"RANK": seat.rank, "LOCAL_RANK": seat.rank, "WORLD_SIZE": seat.count, "LOCAL_WORLD_SIZE": seat.count}
        os.environ.update({name: str(value) for name, value in own.items()})
        os.environ["ACCELERATE_TORCH_DEVICE"] = device
        if not cpu:
            torch.cuda.set_device(device)
        place = {"init_method": f"file://{seat.meeting}", "rank": seat.rank, "world_size": seat.count}
        self._state = PartialState(cpu=cpu, timeout=PATIENCE, **place)

    @property
    def leads(self) -> bool:
        """Whether this one tells, draws and writes for all."""
        return self.rank == 0

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Within the block the leader is alone; the others come after, and find what it kept."""
        if self._state is None:
            yield
        else:
            with self._state.main_process_first():
                yield

    def from_each(self, values: list[T]) -> list[T]:
        """Everyone's values, in the order of their ranks."""
        if self._state is None:
            return values
        from accelerate.utils import gather_object

        gathered: list[T] = gather_object(values)
        return gathered

    def tensor_of_each(self, own: Tensor) -> Tensor:
        """Everyone's tensors [n], which are of one size, as [processes, n]."""
        if self._state is None:
            return own[None]
        from accelerate.utils import gather

        return torch.as_tensor(gather(own[None]))

    def close(self) -> None:
        """Part from the others."""
        if self._state is not None:
            self._state.destroy_process_group()
